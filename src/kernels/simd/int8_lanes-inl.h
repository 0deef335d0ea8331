// Vectors of outputs for packed_matmul.cpp, once for each instruction set: F holds kLanes floats, I as many
// 32-bit integers, and the *_dot functions sum products of packed weights with 4 inputs a lane, exactly, for
// kRows activation rows and kVectors vectors of outputs: out[v][r]. w[v] is the block's first group of
// quants, x[r] the row's block.
//
//   signed_dot    Q8_0: weights s8 in [-128, 127]
//   nibble_dot    Q4_0: low halves for inputs 0-15 of the block, high ones for 16-31, both with 8 added
//   half_byte_dot Q4_K: the low or the high halves for the block's 32 inputs
//
// kTileRows rows and kWide vectors fill the registers; wide_rows(n) tells whether n rows leave room for
// kWide. A body, not a header: included once for each instruction set, inside its namespace and between its
// compiler attributes, with REFOCUS_INT8 naming the way to multiply.
constexpr std::int64_t kGroupBytes = 64;  // 16 outputs times 4 inputs

HWY_INLINE std::int32_t load_group(const std::int8_t* q) {
  std::int32_t four;
  std::memcpy(&four, q, 4);
  return four;
}

#if REFOCUS_INT8 == REFOCUS_INT8_VNNI

using F = __m512;
using I = __m512i;
constexpr std::int64_t kLanes = 16;
constexpr int kTileRows = 6, kWide = 2;  // 12 sums + 12 of a block + 2 weights + 1 of 32 registers
constexpr bool wide_rows(int) { return true; }

HWY_INLINE F broadcast(float v) { return _mm512_set1_ps(v); }
HWY_INLINE F times(F a, F b) { return _mm512_mul_ps(a, b); }
HWY_INLINE I times(I a, I b) { return _mm512_mullo_epi32(a, b); }
HWY_INLINE I plus(I a, I b) { return _mm512_add_epi32(a, b); }
HWY_INLINE F fused(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
HWY_INLINE F fused_minus(F a, F b, F c) { return _mm512_fnmadd_ps(a, b, c); }
HWY_INLINE F to_float(I v) { return _mm512_cvtepi32_ps(v); }
template <int k>
HWY_INLINE I minus_multiple(I v, std::int32_t s) {
  return _mm512_sub_epi32(v, _mm512_set1_epi32(k * s));
}
HWY_INLINE F load_f16(const std::byte* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
HWY_INLINE F load_u8(const std::byte* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
HWY_INLINE I load_s8(const std::byte* p) {
  return _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
HWY_INLINE F plus(F a, F b) { return _mm512_add_ps(a, b); }
HWY_INLINE F load(const float* p) { return _mm512_loadu_ps(p); }
HWY_INLINE void store(F v, float* p) { _mm512_storeu_ps(p, v); }
HWY_INLINE I load_quants(const std::byte* p) { return _mm512_loadu_si512(p); }
HWY_INLINE I low_halves(I v) { return _mm512_and_si512(v, _mm512_set1_epi8(0xF)); }
HWY_INLINE I high_halves(I v) { return low_halves(_mm512_srli_epi16(v, 4)); }

template <int kRows, int kVectors>
HWY_INLINE void add_group(const I* weights, const QuantizedBlock* const* x, int input, I (*out)[kRows]) {
  for (int r = 0; r < kRows; ++r) {
    const I four = _mm512_set1_epi32(load_group(x[r]->q + input));
    for (int v = 0; v < kVectors; ++v) out[v][r] = _mm512_dpbusd_epi32(out[v][r], weights[v], four);
  }
}
// Every sum starts at -sum of q << (3 + kShift): what unsigned weights with 8 << kShift added have too much.
template <int kRows, int kVectors, int kShift>
HWY_INLINE void start_below(const QuantizedBlock* const* x, I (*out)[kRows]) {
  for (int r = 0; r < kRows; ++r) {
    const I start = _mm512_slli_epi32(_mm512_set1_epi32(x[r]->eight_less), kShift);
    for (int v = 0; v < kVectors; ++v) out[v][r] = start;
  }
}
template <int kRows, int kVectors>
HWY_INLINE void clear(I (*out)[kRows]) {
  for (int v = 0; v < kVectors; ++v) {
    for (int r = 0; r < kRows; ++r) out[v][r] = _mm512_setzero_si512();
  }
}

// What unsigned weights with kAdded added have too much.
template <int kAdded, int kRows, int kVectors>
HWY_INLINE void start_added(const QuantizedBlock* const* x, I (*out)[kRows]) {
  static_assert(kAdded == 0 || kAdded == 16);
  if constexpr (kAdded == 16) start_below<kRows, kVectors, 1>(x, out);
  if constexpr (kAdded == 0) clear<kRows, kVectors>(out);
}

template <int kRows, int kVectors>
HWY_INLINE void signed_dot(const std::byte* const* w, const QuantizedBlock* const* x, I (*out)[kRows]) {
  start_below<kRows, kVectors, 4>(x, out);
  for (int g = 0; g < 8; ++g) {
    I weights[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      weights[v] = _mm512_xor_si512(load_quants(w[v] + g * kGroupBytes), _mm512_set1_epi8(-128));
    }
    add_group<kRows, kVectors>(weights, x, 4 * g, out);
  }
}

template <int kRows, int kVectors>
HWY_INLINE void nibble_dot(const std::byte* const* w, const QuantizedBlock* const* x, I (*out)[kRows]) {
  start_below<kRows, kVectors, 0>(x, out);
  for (int g = 0; g < 4; ++g) {
    I low[kVectors], high[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      const I both = load_quants(w[v] + g * kGroupBytes);
      low[v] = low_halves(both);
      high[v] = high_halves(both);
    }
    add_group<kRows, kVectors>(low, x, 4 * g, out);
    add_group<kRows, kVectors>(high, x, 16 + 4 * g, out);
  }
}

template <int kRows, int kVectors>
HWY_INLINE void half_byte_dot(const std::byte* const* w, bool high, const QuantizedBlock* const* x,
                              I (*out)[kRows]) {
  clear<kRows, kVectors>(out);
  for (int g = 0; g < 8; ++g) {
    I weights[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      const I both = load_quants(w[v] + g * kGroupBytes);
      weights[v] = high ? high_halves(both) : low_halves(both);
    }
    add_group<kRows, kVectors>(weights, x, 4 * g, out);
  }
}

#elif REFOCUS_INT8 == REFOCUS_INT8_AVX2

using F = __m256;
using I = __m256i;
constexpr std::int64_t kLanes = 8;
constexpr int kTileRows = 4, kWide = 2;  // 16 registers: 4 rows of half a panel, or 2 of a whole one
constexpr bool wide_rows(int rows) { return rows <= 2; }

HWY_INLINE F broadcast(float v) { return _mm256_set1_ps(v); }
HWY_INLINE F times(F a, F b) { return _mm256_mul_ps(a, b); }
HWY_INLINE I times(I a, I b) { return _mm256_mullo_epi32(a, b); }
HWY_INLINE I plus(I a, I b) { return _mm256_add_epi32(a, b); }
HWY_INLINE F fused(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
HWY_INLINE F fused_minus(F a, F b, F c) { return _mm256_fnmadd_ps(a, b, c); }
HWY_INLINE F to_float(I v) { return _mm256_cvtepi32_ps(v); }
template <int k>
HWY_INLINE I minus_multiple(I v, std::int32_t s) {
  return _mm256_sub_epi32(v, _mm256_set1_epi32(k * s));
}
HWY_INLINE F load_f16(const std::byte* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
HWY_INLINE F load_u8(const std::byte* p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
HWY_INLINE I load_s8(const std::byte* p) {
  return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}
HWY_INLINE F plus(F a, F b) { return _mm256_add_ps(a, b); }
HWY_INLINE F load(const float* p) { return _mm256_loadu_ps(p); }
HWY_INLINE void store(F v, float* p) { _mm256_storeu_ps(p, v); }
HWY_INLINE I load_quants(const std::byte* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
HWY_INLINE I low_halves(I v) { return _mm256_and_si256(v, _mm256_set1_epi8(0xF)); }
HWY_INLINE I high_halves(I v) { return low_halves(_mm256_srli_epi16(v, 4)); }
HWY_INLINE I widened(I pairs) { return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)); }
HWY_INLINE I group(const std::int8_t* q) { return _mm256_set1_epi32(load_group(q)); }
// Where sums start for weights with kAdded added.
template <int kAdded>
HWY_INLINE I start_added(const QuantizedBlock& x) {
  static_assert(kAdded == 0 || kAdded == 16);
  return kAdded == 0 ? _mm256_setzero_si256() : _mm256_set1_epi32(2 * x.eight_less);
}

// |w| times x with w's sign: a pair's sum is at most 2 * 128 * 127 = 32512.
template <int kRows, int kVectors>
HWY_INLINE void signed_dot(const std::byte* const* w, const QuantizedBlock* const* x, I (*out)[kRows]) {
  for (int v = 0; v < kVectors; ++v) {
    for (int r = 0; r < kRows; ++r) out[v][r] = _mm256_setzero_si256();
    for (int g = 0; g < 8; ++g) {
      const I weights = load_quants(w[v] + g * kGroupBytes), size = _mm256_abs_epi8(weights);
      for (int r = 0; r < kRows; ++r) {
        const I pairs = _mm256_maddubs_epi16(size, _mm256_sign_epi8(group(x[r]->q + 4 * g), weights));
        out[v][r] = _mm256_add_epi32(out[v][r], widened(pairs));
      }
    }
  }
}

// 8 products of pairs, each at most 2 * 15 * 127, fit into 16 bits: 30480.
template <int kRows, int kVectors>
HWY_INLINE void nibble_dot(const std::byte* const* w, const QuantizedBlock* const* x, I (*out)[kRows]) {
  for (int v = 0; v < kVectors; ++v) {
    I pairs[kRows];
    for (int r = 0; r < kRows; ++r) pairs[r] = _mm256_setzero_si256();
    for (int g = 0; g < 4; ++g) {
      const I both = load_quants(w[v] + g * kGroupBytes), low = low_halves(both), high = high_halves(both);
      for (int r = 0; r < kRows; ++r) {
        pairs[r] = _mm256_add_epi16(pairs[r], _mm256_maddubs_epi16(low, group(x[r]->q + 4 * g)));
        pairs[r] = _mm256_add_epi16(pairs[r], _mm256_maddubs_epi16(high, group(x[r]->q + 16 + 4 * g)));
      }
    }
    for (int r = 0; r < kRows; ++r) {
      out[v][r] = _mm256_add_epi32(widened(pairs[r]), _mm256_set1_epi32(x[r]->eight_less));
    }
  }
}

template <int kRows, int kVectors>
HWY_INLINE void half_byte_dot(const std::byte* const* w, bool high, const QuantizedBlock* const* x,
                              I (*out)[kRows]) {
  for (int v = 0; v < kVectors; ++v) {
    I pairs[kRows];
    for (int r = 0; r < kRows; ++r) pairs[r] = _mm256_setzero_si256();
    for (int g = 0; g < 8; ++g) {
      const I both = load_quants(w[v] + g * kGroupBytes),
              weights = high ? high_halves(both) : low_halves(both);
      for (int r = 0; r < kRows; ++r) {
        pairs[r] = _mm256_add_epi16(pairs[r], _mm256_maddubs_epi16(weights, group(x[r]->q + 4 * g)));
      }
    }
    for (int r = 0; r < kRows; ++r) out[v][r] = widened(pairs[r]);
  }
}

#else  // any other instruction set: plain loops, which compilers vectorise

struct F {
  float v[16];
};
struct I {
  std::int32_t v[16];
};
constexpr std::int64_t kLanes = 16;
constexpr int kTileRows = 4, kWide = 1;
constexpr bool wide_rows(int) { return true; }

template <class Result, class Function>
HWY_INLINE Result lanes(const Function& function) {
  Result out;
  for (int i = 0; i < 16; ++i) out.v[i] = function(i);
  return out;
}
HWY_INLINE int byte_at(const std::byte* p, int i) { return static_cast<int>(p[i]); }
HWY_INLINE int signed_at(const std::byte* p, int i) { return static_cast<std::int8_t>(p[i]); }

HWY_INLINE F broadcast(float v) {
  return lanes<F>([&](int) { return v; });
}
HWY_INLINE F times(const F& a, const F& b) {
  return lanes<F>([&](int i) { return a.v[i] * b.v[i]; });
}
HWY_INLINE I times(const I& a, const I& b) {
  return lanes<I>([&](int i) { return a.v[i] * b.v[i]; });
}
HWY_INLINE I plus(const I& a, const I& b) {
  return lanes<I>([&](int i) { return a.v[i] + b.v[i]; });
}
HWY_INLINE F fused(const F& a, const F& b, const F& c) {
  return lanes<F>([&](int i) { return a.v[i] * b.v[i] + c.v[i]; });
}
HWY_INLINE F fused_minus(const F& a, const F& b, const F& c) {
  return lanes<F>([&](int i) { return c.v[i] - a.v[i] * b.v[i]; });
}
HWY_INLINE F to_float(const I& a) {
  return lanes<F>([&](int i) { return static_cast<float>(a.v[i]); });
}
template <int k>
HWY_INLINE I minus_multiple(const I& a, std::int32_t s) {
  return lanes<I>([&](int i) { return a.v[i] - k * s; });
}
HWY_INLINE F load_f16(const std::byte* p) {
  return lanes<F>([&](int i) {
    std::uint16_t bits;
    std::memcpy(&bits, p + 2 * i, 2);
    return f16_to_f32(bits);
  });
}
HWY_INLINE F load_u8(const std::byte* p) {
  return lanes<F>([&](int i) { return static_cast<float>(byte_at(p, i)); });
}
HWY_INLINE I load_s8(const std::byte* p) {
  return lanes<I>([&](int i) { return signed_at(p, i); });
}
HWY_INLINE F plus(const F& a, const F& b) {
  return lanes<F>([&](int i) { return a.v[i] + b.v[i]; });
}
HWY_INLINE F load(const float* p) {
  return lanes<F>([&](int i) { return p[i]; });
}
HWY_INLINE void store(const F& v, float* p) { std::memcpy(p, v.v, sizeof v.v); }

// out[v][r][lane] += sum of weight(byte) * q over 4 inputs.
template <int kRows, int kVectors, class Weight>
HWY_INLINE void add_group(const std::byte* const* w, int g, const QuantizedBlock* const* x, int input,
                          const Weight& weight, I (*out)[kRows]) {
  for (int v = 0; v < kVectors; ++v) {
    for (int r = 0; r < kRows; ++r) {
      for (int i = 0; i < 16; ++i) {
        for (int k = 0; k < 4; ++k) {
          out[v][r].v[i] += weight(w[v] + g * kGroupBytes, 4 * i + k) * x[r]->q[input + k];
        }
      }
    }
  }
}
template <int kRows, int kVectors>
HWY_INLINE void clear(I (*out)[kRows]) {
  for (int v = 0; v < kVectors; ++v) {
    for (int r = 0; r < kRows; ++r) out[v][r] = I{};
  }
}
HWY_INLINE int low_half(const std::byte* w, int i) { return byte_at(w, i) & 0xF; }
HWY_INLINE int high_half(const std::byte* w, int i) { return byte_at(w, i) >> 4; }
HWY_INLINE int low_half_minus_8(const std::byte* w, int i) { return low_half(w, i) - 8; }
HWY_INLINE int high_half_minus_8(const std::byte* w, int i) { return high_half(w, i) - 8; }

template <int kRows, int kVectors>
HWY_INLINE void signed_dot(const std::byte* const* w, const QuantizedBlock* const* x, I (*out)[kRows]) {
  clear<kRows, kVectors>(out);
  for (int g = 0; g < 8; ++g) add_group<kRows, kVectors>(w, g, x, 4 * g, signed_at, out);
}
template <int kRows, int kVectors>
HWY_INLINE void nibble_dot(const std::byte* const* w, const QuantizedBlock* const* x, I (*out)[kRows]) {
  clear<kRows, kVectors>(out);
  for (int g = 0; g < 4; ++g) {
    add_group<kRows, kVectors>(w, g, x, 4 * g, low_half_minus_8, out);
    add_group<kRows, kVectors>(w, g, x, 16 + 4 * g, high_half_minus_8, out);
  }
}
template <int kRows, int kVectors>
HWY_INLINE void half_byte_dot(const std::byte* const* w, bool high, const QuantizedBlock* const* x,
                              I (*out)[kRows]) {
  clear<kRows, kVectors>(out);
  for (int g = 0; g < 8; ++g) {
    add_group<kRows, kVectors>(w, g, x, 4 * g, high ? high_half : low_half, out);
  }
}

#endif
