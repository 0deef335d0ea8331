// More of int8_lanes-inl.h, in the same way: products of packed weights that are places in a table, pairs or
// triples of bits, or integers with a scale for each half block.
//
//   table_dot        IQ4_NL, MXFP4, IQ4_XS: low halves for inputs 0-15 of the block, high ones for 16-31;
//   weights
//                    are table[half], with kSmall so small that 8 products of pairs fit into 16 bits
//   signed_half_dot  scaled integers: weights s8 of the inputs of one half of the block
//   add_scaled_bits  Q2_K and Q3_K: weights are 2 bits of a byte from `shift` on, and, where kThird, a third
//   of
//                    the byte 8 groups on, bit `third`; out += scale times the products of 16 inputs
//                    from `first` on. scale[v] is from load_pair_scale.
#if REFOCUS_INT8 == REFOCUS_INT8_VNNI

HWY_INLINE F load_bf16(const std::byte* p) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
HWY_INLINE I load_u8_integers(const std::byte* p) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
HWY_INLINE I lower_half(I v) { return _mm512_and_si512(v, _mm512_set1_epi32(15)); }
HWY_INLINE I upper_half(I v) { return _mm512_srli_epi32(v, 4); }

// |table| is in [-127, 127]; 128 added makes it unsigned.
template <bool kSmall, int kRows, int kVectors>
HWY_INLINE void table_dot(const std::byte* const* w, const std::int8_t* table, const QuantizedBlock* const* x,
                          I (*out)[kRows]) {
  const I values =
      _mm512_xor_si512(_mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table))),
                       _mm512_set1_epi8(-128));
  start_below<kRows, kVectors, 4>(x, out);
  for (int g = 0; g < 4; ++g) {
    I low[kVectors], high[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      const I both = load_quants(w[v] + g * kGroupBytes);
      low[v] = _mm512_shuffle_epi8(values, low_halves(both));
      high[v] = _mm512_shuffle_epi8(values, high_halves(both));
    }
    add_group<kRows, kVectors>(low, x, 4 * g, out);
    add_group<kRows, kVectors>(high, x, 16 + 4 * g, out);
  }
}

template <int kRows, int kVectors>
HWY_INLINE void signed_half_dot(const std::byte* const* w, const QuantizedBlock* const* x, int half,
                                I (*out)[kRows]) {
  for (int r = 0; r < kRows; ++r) {
    const I start = _mm512_set1_epi32(-128 * x[r]->half_sums[half]);
    for (int v = 0; v < kVectors; ++v) out[v][r] = start;
  }
  for (int g = 0; g < 4; ++g) {
    I weights[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      weights[v] = _mm512_xor_si512(load_quants(w[v] + g * kGroupBytes), _mm512_set1_epi8(-128));
    }
    add_group<kRows, kVectors>(weights, x, 16 * half + 4 * g, out);
  }
}

HWY_INLINE I load_pair_scale(I scale) { return scale; }

template <bool kThird, int kRows, int kVectors>
HWY_INLINE void add_scaled_bits(const std::byte* const* w, const std::byte* const* thirds, int shift,
                                int third, const QuantizedBlock* const* x, int first, const I* scale,
                                I (*out)[kRows]) {
  I dot[kVectors][kRows];
  clear<kRows, kVectors>(dot);
  for (int g = 0; g < 4; ++g) {
    I weights[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      const I byte = _mm512_srl_epi32(load_quants(w[v] + g * kGroupBytes), _mm_cvtsi32_si128(shift));
      weights[v] = _mm512_and_si512(byte, _mm512_set1_epi8(3));
      if constexpr (kThird) {
        const I bits = _mm512_srl_epi32(load_quants(thirds[v] + g * kGroupBytes), _mm_cvtsi32_si128(third));
        const I bit = _mm512_and_si512(bits, _mm512_set1_epi8(1));
        weights[v] = _mm512_or_si512(weights[v], _mm512_slli_epi32(bit, 2));
      }
    }
    add_group<kRows, kVectors>(weights, x, first + 4 * g, dot);
  }
  for (int v = 0; v < kVectors; ++v) {
    for (int r = 0; r < kRows; ++r) out[v][r] = plus(out[v][r], times(dot[v][r], scale[v]));
  }
}

#elif REFOCUS_INT8 == REFOCUS_INT8_AVX2

HWY_INLINE F load_bf16(const std::byte* p) {
  const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
HWY_INLINE I load_u8_integers(const std::byte* p) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}
HWY_INLINE I lower_half(I v) { return _mm256_and_si256(v, _mm256_set1_epi32(15)); }
HWY_INLINE I upper_half(I v) { return _mm256_srli_epi32(v, 4); }

template <int kRows, int kVectors>
HWY_INLINE void clear(I (*out)[kRows]) {
  for (int v = 0; v < kVectors; ++v) {
    for (int r = 0; r < kRows; ++r) out[v][r] = _mm256_setzero_si256();
  }
}

template <bool kSmall, int kRows, int kVectors>
HWY_INLINE void table_dot(const std::byte* const* w, const std::int8_t* table, const QuantizedBlock* const* x,
                          I (*out)[kRows]) {
  const I values = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
  for (int v = 0; v < kVectors; ++v) {
    I sums[kRows];  // of pairs in 16 bits where kSmall, else of four products in 32
    for (int r = 0; r < kRows; ++r) sums[r] = _mm256_setzero_si256();
    for (int g = 0; g < 4; ++g) {
      const I both = load_quants(w[v] + g * kGroupBytes);
      for (int h = 0; h < 2; ++h) {
        const I weights = _mm256_shuffle_epi8(values, h == 0 ? low_halves(both) : high_halves(both));
        const I size = _mm256_abs_epi8(weights);
        for (int r = 0; r < kRows; ++r) {
          const I four = _mm256_sign_epi8(group(x[r]->q + 16 * h + 4 * g), weights);
          const I pairs = _mm256_maddubs_epi16(size, four);
          sums[r] = kSmall ? _mm256_add_epi16(sums[r], pairs) : _mm256_add_epi32(sums[r], widened(pairs));
        }
      }
    }
    for (int r = 0; r < kRows; ++r) out[v][r] = kSmall ? widened(sums[r]) : sums[r];
  }
}

template <int kRows, int kVectors>
HWY_INLINE void signed_half_dot(const std::byte* const* w, const QuantizedBlock* const* x, int half,
                                I (*out)[kRows]) {
  for (int v = 0; v < kVectors; ++v) {
    for (int r = 0; r < kRows; ++r) out[v][r] = _mm256_setzero_si256();
    for (int g = 0; g < 4; ++g) {
      const I weights = load_quants(w[v] + g * kGroupBytes), size = _mm256_abs_epi8(weights);
      for (int r = 0; r < kRows; ++r) {
        const I four = _mm256_sign_epi8(group(x[r]->q + 16 * half + 4 * g), weights);
        out[v][r] = _mm256_add_epi32(out[v][r], widened(_mm256_maddubs_epi16(size, four)));
      }
    }
  }
}

// Each scale twice, in 16 bits, so that it multiplies both pairs of a lane.
HWY_INLINE I load_pair_scale(I scale) {
  return _mm256_or_si256(_mm256_slli_epi32(scale, 16), _mm256_and_si256(scale, _mm256_set1_epi32(0xFFFF)));
}

// 4 products of pairs, each at most 2 * 7 * 127, fit into 16 bits.
template <bool kThird, int kRows, int kVectors>
HWY_INLINE void add_scaled_bits(const std::byte* const* w, const std::byte* const* thirds, int shift,
                                int third, const QuantizedBlock* const* x, int first, const I* scale,
                                I (*out)[kRows]) {
  const __m128i by = _mm_cvtsi32_si128(shift), third_by = _mm_cvtsi32_si128(third);
  for (int v = 0; v < kVectors; ++v) {
    I pairs[kRows];
    for (int r = 0; r < kRows; ++r) pairs[r] = _mm256_setzero_si256();
    for (int g = 0; g < 4; ++g) {
      I weights =
          _mm256_and_si256(_mm256_srl_epi32(load_quants(w[v] + g * kGroupBytes), by), _mm256_set1_epi8(3));
      if constexpr (kThird) {
        const I bits = _mm256_srl_epi32(load_quants(thirds[v] + g * kGroupBytes), third_by);
        const I bit = _mm256_and_si256(bits, _mm256_set1_epi8(1));
        weights = _mm256_or_si256(weights, _mm256_slli_epi32(bit, 2));
      }
      for (int r = 0; r < kRows; ++r) {
        pairs[r] = _mm256_add_epi16(pairs[r], _mm256_maddubs_epi16(weights, group(x[r]->q + first + 4 * g)));
      }
    }
    for (int r = 0; r < kRows; ++r) {
      out[v][r] = _mm256_add_epi32(out[v][r], _mm256_madd_epi16(pairs[r], scale[v]));
    }
  }
}

#else

HWY_INLINE F load_bf16(const std::byte* p) {
  return lanes<F>([&](int i) {
    std::uint16_t bits;
    std::memcpy(&bits, p + 2 * i, 2);
    return bf16_to_f32(bits);
  });
}
HWY_INLINE I load_u8_integers(const std::byte* p) {
  return lanes<I>([&](int i) { return byte_at(p, i); });
}
HWY_INLINE I lower_half(const I& a) {
  return lanes<I>([&](int i) { return a.v[i] & 15; });
}
HWY_INLINE I upper_half(const I& a) {
  return lanes<I>([&](int i) { return a.v[i] >> 4; });
}

template <bool kSmall, int kRows, int kVectors>
HWY_INLINE void table_dot(const std::byte* const* w, const std::int8_t* table, const QuantizedBlock* const* x,
                          I (*out)[kRows]) {
  clear<kRows, kVectors>(out);
  for (int g = 0; g < 4; ++g) {
    add_group<kRows, kVectors>(
        w, g, x, 4 * g, [&](const std::byte* p, int i) { return int{table[low_half(p, i)]}; }, out);
    add_group<kRows, kVectors>(
        w, g, x, 16 + 4 * g, [&](const std::byte* p, int i) { return int{table[high_half(p, i)]}; }, out);
  }
}

template <int kRows, int kVectors>
HWY_INLINE void signed_half_dot(const std::byte* const* w, const QuantizedBlock* const* x, int half,
                                I (*out)[kRows]) {
  clear<kRows, kVectors>(out);
  for (int g = 0; g < 4; ++g) add_group<kRows, kVectors>(w, g, x, 16 * half + 4 * g, signed_at, out);
}

HWY_INLINE I load_pair_scale(const I& scale) { return scale; }

template <bool kThird, int kRows, int kVectors>
HWY_INLINE void add_scaled_bits(const std::byte* const* w, const std::byte* const* thirds, int shift,
                                int third, const QuantizedBlock* const* x, int first, const I* scale,
                                I (*out)[kRows]) {
  I dot[kVectors][kRows];
  clear<kRows, kVectors>(dot);
  for (int g = 0; g < 4; ++g) {
    const auto two = [&](const std::byte* p, int i) { return byte_at(p, i) >> shift & 3; };
    const auto bit = [&](const std::byte* p, int i) { return (byte_at(p, i) >> third & 1) * 4; };
    add_group<kRows, kVectors>(w, g, x, first + 4 * g, two, dot);
    if constexpr (kThird) add_group<kRows, kVectors>(thirds, g, x, first + 4 * g, bit, dot);
  }
  for (int v = 0; v < kVectors; ++v) {
    for (int r = 0; r < kRows; ++r) out[v][r] = plus(out[v][r], times(dot[v][r], scale[v]));
  }
}

#endif
