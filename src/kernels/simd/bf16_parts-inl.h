// Splitting float32 numbers into bf16 parts, and transposing. Included in a namespace of a file that is
// compiled for AVX-512 with bf16.

// The first `count` of up to 32 lanes, or all.
HWY_INLINE std::uint32_t first_lanes(std::int64_t count) {
  return count >= 32 ? ~std::uint32_t{0} : (std::uint32_t{1} << count) - 1;
}
HWY_INLINE __mmask16 first_of_16(std::int64_t count) { return static_cast<__mmask16>(first_lanes(count)); }

// 32 numbers, the first 16 in `low`.
struct Floats32 {
  __m512 low, high;
};
// Those that lie at `from`, or `left` of them and zeros.
HWY_INLINE Floats32 load_floats(const void* from, std::int64_t left) {
  const std::uint32_t some = first_lanes(left);
  return {_mm512_maskz_loadu_ps(static_cast<__mmask16>(some), from),
          _mm512_maskz_loadu_ps(static_cast<__mmask16>(some >> 16), static_cast<const float*>(from) + 16)};
}

// The numbers rounded to bf16 (to nearest, ties to even).
HWY_INLINE __m512i rounded(const Floats32& x) {
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(x.high, x.low));
}
// Less what was rounded: exact, since both have the same leading bits.
HWY_INLINE Floats32 less(const Floats32& x, __m512i part) {
  const __m512i low = _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(part)), 16);
  const __m512i high = _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(part, 1)), 16);
  return {_mm512_sub_ps(x.low, _mm512_castsi512_ps(low)), _mm512_sub_ps(x.high, _mm512_castsi512_ps(high))};
}
// kParts bf16 numbers that add up to each of x.
template <int kParts>
HWY_INLINE void split(Floats32 x, __m512i* parts) {
  parts[0] = rounded(x);
  for (int p = 1; p < kParts; ++p) {
    x = less(x, parts[p - 1]);
    parts[p] = rounded(x);
  }
}

// The same as pairs: number i in the lower half of a 32-bit lane, number i + 16 in the upper one.
template <int kParts>
HWY_INLINE void split_in_halves(Floats32 x, __m512i* pairs) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7,
                                         22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xFFFF0000));
  for (int p = 0; p < kParts; ++p) {
    pairs[p] = _mm512_permutexvar_epi16(order, rounded(x));
    if (p + 1 == kParts) return;
    x = {_mm512_sub_ps(x.low, _mm512_castsi512_ps(_mm512_slli_epi32(pairs[p], 16))),
         _mm512_sub_ps(x.high, _mm512_castsi512_ps(_mm512_and_si512(pairs[p], upper)))};
  }
}

// m[i][j] <- m[j][i], 32-bit elements. Unrolled, so that what calls it keeps m in registers.
HWY_INLINE void transpose(__m512i* m) {
  __m512i t[16];
  HWY_UNROLL(16)
  for (int i = 0; i < 8; ++i) {
    t[2 * i] = _mm512_unpacklo_epi32(m[2 * i], m[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(m[2 * i], m[2 * i + 1]);
  }
  HWY_UNROLL(16)
  for (int i = 0; i < 4; ++i) {
    m[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    m[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    m[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    m[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  }
  HWY_UNROLL(16)
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(m[i], m[4 + i], 0x88);
    t[4 + i] = _mm512_shuffle_i32x4(m[i], m[4 + i], 0xDD);
    t[8 + i] = _mm512_shuffle_i32x4(m[8 + i], m[12 + i], 0x88);
    t[12 + i] = _mm512_shuffle_i32x4(m[8 + i], m[12 + i], 0xDD);
  }
  HWY_UNROLL(16)
  for (int i = 0; i < 4; ++i) {
    m[i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0x88);
    m[8 + i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0xDD);
    m[4 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0x88);
    m[12 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0xDD);
  }
}
