// Weights as AMX multiplies them: 16 outputs by 32 inputs, in bf16 parts. Included after
// bf16_parts-inl.h.

constexpr std::int64_t kTileOutputs = 16, kStep = SplitRows::kInputs, kTileBytes = 1024;
constexpr int kLeading = static_cast<int>(0xFFFF0000);  // the bits of a float32 number that are a bf16 number

constexpr int weight_parts(DType type) { return type == DType::kF32 ? 3 : type == DType::kF16 ? 2 : 1; }

// Where they lie: of one step, rows `stride` bytes apart, parts kTileBytes apart; the next step is
// `step_bytes` on.
struct WeightTile {
  const std::byte* data;
  std::int64_t stride, step_bytes;
};

// The first 16 bits of each, those of `low` and `high` in turn.
HWY_INLINE __m512i leading_halves(const Floats32& w) {
  const __m512i first = _mm512_srli_epi32(_mm512_castps_si512(w.low), 16);
  constexpr int kSelect = 0xF8;  // first | (high & mask)
  return _mm512_ternarylogic_epi32(first, _mm512_castps_si512(w.high), _mm512_set1_epi32(kLeading), kSelect);
}
HWY_INLINE __m512 trailing(__m512 x) {  // exact
  return _mm512_sub_ps(x, _mm512_and_ps(x, _mm512_castsi512_ps(_mm512_set1_epi32(kLeading))));
}
// kParts bf16 numbers that add up to each of 32 weights, cut off and not rounded: fewer instructions, and
// since activations are rounded what is left out of the products has no one sign.
template <int kParts>
HWY_INLINE void cut(Floats32 w, __m512i* parts) {
  parts[0] = leading_halves(w);
  for (int p = 1; p < kParts; ++p) {
    w = {trailing(w.low), trailing(w.high)};
    parts[p] = leading_halves(w);
  }
}

// 32 weights in parts.
template <DType type>
HWY_INLINE void split_weights(const std::byte* from, __m512i* parts) {
  if constexpr (type == DType::kF32) {
    cut<3>({_mm512_loadu_ps(from), _mm512_loadu_ps(from + 64)}, parts);
  } else if constexpr (type == DType::kF16) {
    const auto* halves = reinterpret_cast<const __m256i*>(from);
    cut<2>({_mm512_cvtph_ps(_mm256_loadu_si256(halves)), _mm512_cvtph_ps(_mm256_loadu_si256(halves + 1))},
           parts);
  } else {
    parts[0] = _mm512_loadu_si512(from);
  }
}
// The same of `left` and zeros.
template <DType type>
HWY_INLINE void split_weights(const std::byte* from, std::int64_t left, __m512i* parts) {
  if (left >= kStep) return split_weights<type>(from, parts);
  if constexpr (type == DType::kF32) return cut<3>(load_floats(from, left), parts);
  const std::uint32_t some = first_lanes(left);
  if constexpr (type == DType::kF16) {
    const auto some_low = static_cast<__mmask16>(some), some_high = static_cast<__mmask16>(some >> 16);
    cut<2>({_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(some_low, from)),
            _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(some_high, from + 32))},
           parts);
  } else {
    parts[0] = _mm512_maskz_loadu_epi16(some, from);
  }
}

// Puts an output's weights of a step, `left` of them and zeros, into its row of a tile, [part][16][32].
// `ahead`: bytes from them to those to prefetch, or 0.
template <DType type>
HWY_INLINE void put_weights(const std::byte* from, std::int64_t left, std::int64_t ahead, std::byte* to) {
  constexpr int kParts = weight_parts(type);
  for (std::int64_t b = 0; ahead != 0 && b < kStep * std::int64_t{size_of(type)}; b += 64) {
    _mm_prefetch(reinterpret_cast<const char*>(from + b + ahead), _MM_HINT_T1);
  }
  __m512i parts[kParts];
  split_weights<type>(from, left, parts);
  for (int p = 0; p < kParts; ++p) _mm512_storeu_si512(to + p * kTileBytes, parts[p]);
}

// A step of a whole tile, [part][16][32], filled a few outputs at a time.
template <DType type>
struct TileFilling {
  const std::byte* from;  // the weights of the output whose turn it is
  std::int64_t row_bytes;
  std::int64_t ahead;  // bytes from weights to those to prefetch
  std::byte* to;
  std::int64_t left = kTileOutputs;

  HWY_INLINE void fill(std::int64_t outputs) {
    for (; outputs > 0 && left > 0; --outputs, --left, from += row_bytes, to += 2 * kStep) {
      put_weights<type>(from, kStep, ahead, to);
    }
  }
};

// Fills tiles [step][part][16][32] with up to 16 outputs' weights, zero beyond the outputs and the inputs.
// from: the first output's weights; `left` inputs are there from the first step on. `ahead`: bytes from
// weights to those to prefetch, or 0.
template <DType type>
HWY_INLINE void stage(const std::byte* from, std::int64_t row_bytes, std::int64_t outputs, std::int64_t steps,
                      std::int64_t left, std::int64_t ahead, std::byte* to) {
  constexpr int kParts = weight_parts(type);
  constexpr std::int64_t kBytes = kStep * size_of(type);
  if (outputs < kTileOutputs) std::memset(to, 0, static_cast<std::size_t>(steps * kParts * kTileBytes));
  for (std::int64_t n = 0; n < outputs; ++n, from += row_bytes, to += 2 * kStep) {
    for (std::int64_t s = 0; s < steps; ++s) {
      put_weights<type>(from + s * kBytes, left - s * kStep, ahead, to + s * kParts * kTileBytes);
    }
  }
}
