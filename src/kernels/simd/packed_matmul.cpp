// Integer products of quantised activations with packed weights; see kernels/packed_matmul.h and
// kernels/pack.cpp. The tiles are in packed_tiles-inl.h. AVX-512 VNNI has its own file, since Highway 1.0.3
// knows no target for it.
#include "kernels/packed_matmul.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "kernels/simd/packed_task.h"
#include "tensor/half.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/packed_matmul.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#undef REFOCUS_INT8
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
#define REFOCUS_INT8 REFOCUS_INT8_AVX2
#else
#define REFOCUS_INT8 REFOCUS_INT8_PLAIN
#endif

HWY_BEFORE_NAMESPACE();
namespace refocus {
namespace HWY_NAMESPACE {
#include "kernels/simd/int8_lanes-inl.h"
#include "kernels/simd/packed_tiles-inl.h"

// VNNI where the processor has it beside AVX-512.
RunPacked packed_kernel() {
#if HWY_TARGET == HWY_AVX3
  if (__builtin_cpu_supports("avx512vnni")) return run_packed_vnni;
#endif
  return run_packed;
}
}  // namespace HWY_NAMESPACE
}  // namespace refocus
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refocus {
namespace {
HWY_EXPORT(packed_kernel);
}  // namespace

void packed_matmul(ThreadPool& pool, const QuantizedRows& x, std::span<const PackedJob> jobs) {
  constexpr std::size_t kMaxJobs = 4;
  REFOCUS_CHECK(jobs.size() <= kMaxJobs);
  std::int64_t panels_a_task[kMaxJobs], first_task[kMaxJobs + 1] = {0};
  for (std::size_t j = 0; j < jobs.size(); ++j) {
    REFOCUS_CHECK(jobs[j].weights->inputs == x.inputs);
    const std::int64_t panels = jobs[j].weights->panels();
    const std::int64_t streamed =
        (std::int64_t{1} << 17) / jobs[j].weights->panel_bytes;  // 128 KiB of weights
    const std::int64_t shared = panels / (std::int64_t{4} * pool.size());
    panels_a_task[j] = std::max<std::int64_t>(2, std::min(streamed, shared) / 2 * 2);  // tiles take pairs
    first_task[j + 1] = first_task[j] + (panels + panels_a_task[j] - 1) / panels_a_task[j];
  }
  const RunPacked run = HWY_DYNAMIC_DISPATCH(packed_kernel)();
  pool.parallel_for(first_task[jobs.size()], [&](std::int64_t task, int) {
    std::size_t j = 0;
    while (task >= first_task[j + 1]) ++j;
    const std::int64_t begin = (task - first_task[j]) * panels_a_task[j];
    run({&x, &jobs[j], begin, std::min(begin + panels_a_task[j], jobs[j].weights->panels())});
  });
}

}  // namespace refocus
#endif  // HWY_ONCE
