// More of int8_lanes-inl.h, in the same way: products of packed weights whose four lower bits lie apart from
// the others.
//
//   five_bit_dot  Q5_0, Q5_1, Q5_K: halves as Q4_0's, and their fifth bits in the group after them, with
//                 kAdded (0 or 16) added
//   six_bit_dot   Q6_K: inputs 0-15 or 16-31 (kHalf) of a block whose upper bits are in the two groups after
//                 the halves; nothing is taken away for the 32 that are added
//   take_five_bits, take_six_bits   one vector of outputs of such a block's 8 groups as bytes
//   widen_block   the whole block as bytes, for unsigned_dot
//   unsigned_dot  weights u8 with kAdded (0 or 16) added, so small that kSafe products of two pairs fit into
//                 16 bits; kGroups groups, which meet inputs `first`.. of the block
//
#if REFOCUS_INT8 == REFOCUS_INT8_VNNI

// Halves of bytes with those bits of `upper` on top that kBits chooses.
template <int kBits>
HWY_INLINE I with_upper(I halves, I upper) {
  constexpr int kSelect = 0xF8;  // halves | (upper & kBits)
  return _mm512_ternarylogic_epi32(halves, upper, _mm512_set1_epi8(kBits), kSelect);
}
HWY_INLINE void store_quants(I v, std::byte* to) { _mm512_storeu_si512(to, v); }
HWY_INLINE I less(I bytes, I by) { return _mm512_sub_epi8(bytes, by); }
template <int kBits>
HWY_INLINE I shift_left(I v) {
  return _mm512_slli_epi16(v, kBits);
}
template <int kBits>
HWY_INLINE I shift_right(I v) {
  return _mm512_srli_epi16(v, kBits);
}

template <int kAdded, int kRows, int kVectors>
HWY_INLINE void five_bit_dot(const std::byte* const* w, const QuantizedBlock* const* x, I (*out)[kRows]) {
  start_added<kAdded, kRows, kVectors>(x, out);
  I low_fifths[kVectors], high_fifths[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    high_fifths[v] = load_quants(w[v] + 4 * kGroupBytes);
    low_fifths[v] = shift_left<4>(high_fifths[v]);
  }
  for (int g = 0; g < 4; ++g) {
    I weights[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      weights[v] = with_upper<16>(low_halves(load_quants(w[v] + g * kGroupBytes)), low_fifths[v]);
      low_fifths[v] = shift_right<1>(low_fifths[v]);
    }
    add_group<kRows, kVectors>(weights, x, 4 * g, out);
    for (int v = 0; v < kVectors; ++v) {
      weights[v] = with_upper<16>(high_halves(load_quants(w[v] + g * kGroupBytes)), high_fifths[v]);
      high_fifths[v] = shift_right<1>(high_fifths[v]);
    }
    add_group<kRows, kVectors>(weights, x, 16 + 4 * g, out);
  }
}

template <int kHalf, int kRows, int kVectors>
HWY_INLINE void six_bit_dot(const std::byte* const* w, const QuantizedBlock* const* x, I (*out)[kRows]) {
  clear<kRows, kVectors>(out);
  I upper[kVectors];
  for (int v = 0; v < kVectors; ++v) upper[v] = load_quants(w[v] + (4 + kHalf) * kGroupBytes);
  for (int g = 0; g < 4; g += 2) {
    I weights[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      const I both = load_quants(w[v] + g * kGroupBytes);
      weights[v] = with_upper<48>(kHalf == 0 ? low_halves(both) : high_halves(both), upper[v]);
    }
    add_group<kRows, kVectors>(weights, x, 16 * kHalf + 4 * g, out);
    for (int v = 0; v < kVectors; ++v) {
      const I both = load_quants(w[v] + (g + 1) * kGroupBytes);
      weights[v] =
          with_upper<48>(kHalf == 0 ? low_halves(both) : high_halves(both), shift_right<2>(upper[v]));
      upper[v] = shift_left<4>(upper[v]);
    }
    add_group<kRows, kVectors>(weights, x, 16 * kHalf + 4 * g + 4, out);
  }
}

#elif REFOCUS_INT8 == REFOCUS_INT8_AVX2

// Halves of bytes with those bits of `upper` on top that kBits chooses.
template <int kBits>
HWY_INLINE I with_upper(I halves, I upper) {
  return _mm256_or_si256(halves, _mm256_and_si256(upper, _mm256_set1_epi8(kBits)));
}
HWY_INLINE void store_quants(I v, std::byte* to) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), v); }
HWY_INLINE I less(I bytes, I by) { return _mm256_sub_epi8(bytes, by); }
template <int kBits>
HWY_INLINE I shift_left(I v) {
  return _mm256_slli_epi16(v, kBits);
}
template <int kBits>
HWY_INLINE I shift_right(I v) {
  return _mm256_srli_epi16(v, kBits);
}
// The products of two groups' weights in pairs, of inputs from `first` and `second` on.
HWY_INLINE I two_groups(I first_weights, I second_weights, const std::int8_t* first,
                        const std::int8_t* second) {
  return _mm256_add_epi16(_mm256_maddubs_epi16(first_weights, group(first)),
                          _mm256_maddubs_epi16(second_weights, group(second)));
}

// 4 products of pairs, each at most 2 * 31 * 127, fit into 16 bits: 31496.
template <int kAdded, int kRows, int kVectors>
HWY_INLINE void five_bit_dot(const std::byte* const* w, const QuantizedBlock* const* x, I (*out)[kRows]) {
  for (int v = 0; v < kVectors; ++v) {
    for (int r = 0; r < kRows; ++r) out[v][r] = start_added<kAdded>(*x[r]);
    I high_fifths = load_quants(w[v] + 4 * kGroupBytes), low_fifths = shift_left<4>(high_fifths);
    for (int g = 0; g < 4; g += 2) {
      I pairs[kRows];
      for (int k = 0; k < 2; ++k) {
        const I both = load_quants(w[v] + (g + k) * kGroupBytes);
        const I low = with_upper<16>(low_halves(both), low_fifths);
        const I high = with_upper<16>(high_halves(both), high_fifths);
        low_fifths = shift_right<1>(low_fifths);
        high_fifths = shift_right<1>(high_fifths);
        for (int r = 0; r < kRows; ++r) {
          const std::int8_t* q = x[r]->q + 4 * (g + k);
          const I sums = two_groups(low, high, q, q + 16);
          pairs[r] = k == 0 ? sums : _mm256_add_epi16(pairs[r], sums);
        }
      }
      for (int r = 0; r < kRows; ++r) out[v][r] = _mm256_add_epi32(out[v][r], widened(pairs[r]));
    }
  }
}

// 2 products of pairs, each at most 2 * 63 * 127, fit into 16 bits: 32004.
template <int kHalf, int kRows, int kVectors>
HWY_INLINE void six_bit_dot(const std::byte* const* w, const QuantizedBlock* const* x, I (*out)[kRows]) {
  for (int v = 0; v < kVectors; ++v) {
    for (int r = 0; r < kRows; ++r) out[v][r] = _mm256_setzero_si256();
    I upper = load_quants(w[v] + (4 + kHalf) * kGroupBytes);
    for (int g = 0; g < 4; g += 2) {
      const I one = load_quants(w[v] + g * kGroupBytes), other = load_quants(w[v] + (g + 1) * kGroupBytes);
      const I first = with_upper<48>(kHalf == 0 ? low_halves(one) : high_halves(one), upper);
      const I second =
          with_upper<48>(kHalf == 0 ? low_halves(other) : high_halves(other), shift_right<2>(upper));
      upper = shift_left<4>(upper);
      for (int r = 0; r < kRows; ++r) {
        const std::int8_t* q = x[r]->q + 16 * kHalf + 4 * g;
        out[v][r] = _mm256_add_epi32(out[v][r], widened(two_groups(first, second, q, q + 4)));
      }
    }
  }
}

#else

template <int kAdded, int kRows, int kVectors>
HWY_INLINE void five_bit_dot(const std::byte* const* w, const QuantizedBlock* const* x, I (*out)[kRows]) {
  clear<kRows, kVectors>(out);
  for (int g = 0; g < 4; ++g) {
    const auto fifth = [&](const std::byte* p, int i, int bit) {
      return (byte_at(p + (4 - g) * kGroupBytes, i) >> bit & 1) << 4;
    };
    const auto low = [&](const std::byte* p, int i) { return (low_half(p, i) | fifth(p, i, g)) - kAdded; };
    const auto high = [&](const std::byte* p, int i) {
      return (high_half(p, i) | fifth(p, i, 4 + g)) - kAdded;
    };
    add_group<kRows, kVectors>(w, g, x, 4 * g, low, out);
    add_group<kRows, kVectors>(w, g, x, 16 + 4 * g, high, out);
  }
}
template <int kHalf, int kRows, int kVectors>
HWY_INLINE void six_bit_dot(const std::byte* const* w, const QuantizedBlock* const* x, I (*out)[kRows]) {
  clear<kRows, kVectors>(out);
  for (int g = 0; g < 4; ++g) {
    const auto weight = [&](const std::byte* p, int i) {
      const int upper = byte_at(p + (4 + kHalf - g) * kGroupBytes, i) >> (4 + 2 * g) % 8 & 3;
      return (kHalf == 0 ? low_half(p, i) : high_half(p, i)) | upper << 4;
    };
    add_group<kRows, kVectors>(w, g, x, 16 * kHalf + 4 * g, weight, out);
  }
}

#endif

#if REFOCUS_INT8 != REFOCUS_INT8_PLAIN

// A block's 8 groups of quants, less `by`, to [8 groups] of bytes.
HWY_INLINE void take_five_bits(const std::byte* block, I by, std::byte* to) {
  I high_fifths = load_quants(block + 4 * kGroupBytes), low_fifths = shift_left<4>(high_fifths);
  for (int g = 0; g < 4; ++g, to += kGroupBytes) {
    const I both = load_quants(block + g * kGroupBytes);
    store_quants(less(with_upper<16>(low_halves(both), low_fifths), by), to);
    store_quants(less(with_upper<16>(high_halves(both), high_fifths), by), to + 4 * kGroupBytes);
    low_fifths = shift_right<1>(low_fifths);
    high_fifths = shift_right<1>(high_fifths);
  }
}
HWY_INLINE void take_six_bits(const std::byte* block, I by, std::byte* to) {
  I low_upper = load_quants(block + 4 * kGroupBytes), high_upper = load_quants(block + 5 * kGroupBytes);
  for (int g = 0; g < 4; ++g, to += kGroupBytes) {
    const I both = load_quants(block + g * kGroupBytes);
    const bool shift = g % 2 != 0;
    const I low = shift ? shift_right<2>(low_upper) : low_upper;
    const I high = shift ? shift_right<2>(high_upper) : high_upper;
    store_quants(less(with_upper<48>(low_halves(both), low), by), to);
    store_quants(less(with_upper<48>(high_halves(both), high), by), to + 4 * kGroupBytes);
    if (!shift) continue;
    low_upper = shift_left<4>(low_upper);
    high_upper = shift_left<4>(high_upper);
  }
}

#endif

#if REFOCUS_INT8 == REFOCUS_INT8_AVX2

template <int kAdded, int kRows, int kVectors, int kGroups, int kSafe>
HWY_INLINE void unsigned_dot(const std::byte* const* w, const QuantizedBlock* const* x, int first_input,
                             I (*out)[kRows]) {
  for (int v = 0; v < kVectors; ++v) {
    for (int r = 0; r < kRows; ++r) out[v][r] = start_added<kAdded>(*x[r]);
    for (int first = 0; first < kGroups; first += kSafe) {
      I pairs[kRows];
      for (int r = 0; r < kRows; ++r) pairs[r] = _mm256_setzero_si256();
      for (int g = first; g < first + kSafe; ++g) {
        const I weights = load_quants(w[v] + g * kGroupBytes);
        for (int r = 0; r < kRows; ++r) {
          const I four = group(x[r]->q + first_input + 4 * g);
          pairs[r] = _mm256_add_epi16(pairs[r], _mm256_maddubs_epi16(weights, four));
        }
      }
      for (int r = 0; r < kRows; ++r) out[v][r] = _mm256_add_epi32(out[v][r], widened(pairs[r]));
    }
  }
}

// Whether many rows gain by weights that are widened first. With VNNI they do not: six rows share a vector,
// and the processor's other units have the time to take it apart.
constexpr bool widens(PackedForm form) {
  return form == PackedForm::kQ5_0 || form == PackedForm::kQ5_1 || form == PackedForm::kQ5_K ||
         form == PackedForm::kQ6_K;
}

// to: [8 groups][kPanelOutputs][4]. quants: the block's first group.
template <PackedForm form>
HWY_INLINE void widen_block(const std::byte* quants, std::byte* to) {
  for (std::int64_t n = 0; n < 4 * kPanelOutputs; n += 4 * kLanes) {
    if (form == PackedForm::kQ6_K) {
      take_six_bits(quants + n, _mm256_setzero_si256(), to + n);
    } else {
      take_five_bits(quants + n, _mm256_setzero_si256(), to + n);
    }
  }
}

#else  // declared alone: nothing calls them

constexpr bool widens(PackedForm) { return false; }
template <PackedForm form>
void widen_block(const std::byte* quants, std::byte* to);
template <int kAdded, int kRows, int kVectors, int kGroups, int kSafe>
void unsigned_dot(const std::byte* const* w, const QuantizedBlock* const* x, int first, I (*out)[kRows]);

#endif
