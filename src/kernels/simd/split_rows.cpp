// Activations in bf16 parts, in the order in which AMX reads them; see matmul_task.h. x86 only.
#include "base/error.h"
#include "kernels/simd/matmul_task.h"

#include <hwy/highway.h>

#if HWY_ARCH_X86
#include <immintrin.h>

HWY_PUSH_ATTRIBUTES("avx,avx2,fma,f16c,avx512f,avx512vl,avx512dq,avx512bw,avx512bf16,prfchw")
namespace refocus {
namespace split_amx {
#include "kernels/simd/bf16_parts-inl.h"

void split_in_order(const Floats32& x, PairOrder order, __m512i* parts) {
  if (order == PairOrder::kNeighbours) return split<SplitRows::kParts>(x, parts);
  split_in_halves<SplitRows::kParts>(x, parts);
}

// One step of a group of `width` rows, `count` of which there are: x the first row's inputs.
void split_step(const float* x, std::int64_t x_stride, std::int64_t count, std::int64_t width,
                std::int64_t left, PairOrder order, std::byte* to) {
  constexpr std::int64_t kPairs = SplitRows::kInputs / 2;
  if (width == 1) {
    __m512i parts[SplitRows::kParts];
    split_in_order(load_floats(x, left), order, parts);
    for (std::int64_t p = 0; p < SplitRows::kParts; ++p) _mm512_storeu_si512(to + p * 64, parts[p]);
    return;
  }
  __m512i rows[SplitRows::kParts][SplitRows::kRows];
  for (std::int64_t r = 0; r < SplitRows::kRows; ++r) {
    __m512i parts[SplitRows::kParts] = {};
    if (r < count) split_in_order(load_floats(x + r * x_stride, left), order, parts);
    for (std::int64_t p = 0; p < SplitRows::kParts; ++p) rows[p][r] = parts[p];
  }
  const __mmask16 some = first_of_16(width);
  for (auto& part : rows) {
    transpose(part);
    for (std::int64_t i = 0; i < kPairs; ++i, to += width * 4) _mm512_mask_storeu_epi32(to, some, part[i]);
  }
}
}  // namespace split_amx

void split_rows(ThreadPool& pool, const MatMulInput& x, PairOrder order, SplitRows& out) {
  constexpr std::int64_t kSteps = 16;     // of a task
  constexpr std::int64_t kFew = 1 << 13;  // numbers that one thread splits sooner than it wakes others
  out.rows = x.rows;
  out.inputs = x.inputs;
  const auto bytes = static_cast<std::size_t>(out.groups() * out.place(1, 0));
  if (out.data.size() < bytes) out.data = AlignedBuffer<std::byte>(bytes);
  const std::int64_t stride = padded(x.inputs), steps = out.steps(), parts = (steps + kSteps - 1) / kSteps;
  const auto split = [&](std::int64_t group, std::int64_t first, std::int64_t end) {
    const float* from = x.x + group * SplitRows::kRows * stride;
    for (std::int64_t s = first; s < end; ++s) {
      const std::int64_t k = s * SplitRows::kInputs;
      split_amx::split_step(from + k, stride, out.rows_of(group), out.width(), x.inputs - k, order,
                            out.data.data() + out.place(group, s));
    }
  };
  if (x.rows * x.inputs <= kFew) {
    for (std::int64_t g = 0; g < out.groups(); ++g) split(g, 0, steps);
    return;
  }
  pool.parallel_for(out.groups() * parts, [&](std::int64_t task, int) {
    const std::int64_t first = task % parts * kSteps;
    split(task / parts, first, std::min(first + kSteps, steps));
  });
}

}  // namespace refocus
HWY_POP_ATTRIBUTES
#else
namespace refocus {
void split_rows(ThreadPool&, const MatMulInput&, PairOrder, SplitRows&) { REFOCUS_CHECK(false); }
}  // namespace refocus
#endif
