// One activation row times weight rows, one after the other, for matmul.cpp: a single stream of weights.
// Included in the namespace of an instruction set, after matmul_tile-inl.h.

// The sum of `count` products, in lanes.
template <DType type>
HWY_INLINE V sum_of_chunk(const float* HWY_RESTRICT x, const std::byte* HWY_RESTRICT w, std::int64_t count) {
  const D d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  constexpr std::int64_t size = size_of(type);
  V sum = hn::Zero(d);
  std::int64_t k = 0;
  for (; k + lanes <= count; k += lanes)
    sum = hn::MulAdd(hn::LoadU(d, x + k), load_weights<type>(d, w + k * size), sum);
  if (k == count) return sum;
  return hn::MulAdd(hn::LoadU(d, x + k), load_weights_tail<type>(d, w + k * size, count - k), sum);
}

// y[n] += the products with weight row n, chunk after chunk as tiles add them. A chunk's multiply-adds wait
// for each other, and the processor works on several chunks at once, since the next one's do not wait for
// them.
template <DType type>
void add_row(const float* x, const std::byte* w, std::int64_t inputs, float* y) {
  constexpr std::int64_t kChunks = 4;  // whose lanes are added together
  const D d;
  float out = *y;
  for (std::int64_t first = 0; first < inputs; first += kChunks * kMatMulChunk) {
    V sum[kChunks];
    std::int64_t chunks = 0;
    HWY_UNROLL(4)
    for (std::int64_t c = 0; c < kChunks; ++c) {
      const std::int64_t k = first + c * kMatMulChunk, count = std::min(kMatMulChunk, inputs - k);
      sum[c] = count > 0 ? sum_of_chunk<type>(x + k, w + k * size_of(type), count) : hn::Zero(d);
      chunks += count > 0;
    }
    alignas(16) float sums[kChunks];
    hn::Store(sums_of_lanes(d, sum[0], sum[1], sum[2], sum[3]), hn::CappedTag<float, 4>(), sums);
    for (std::int64_t c = 0; c < chunks; ++c) out += sums[c];
  }
  *y = out;
}
