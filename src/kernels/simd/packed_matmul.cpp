// Integer products of quantised activations with packed weights; see kernels/packed_matmul.h and
// kernels/pack.cpp. The tiles are in packed_tiles-inl.h. AVX-512 VNNI has its own file, since Highway 1.0.3
// knows no target for it.
#include "kernels/packed_matmul.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "kernels/output_ranges.h"
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
#include "kernels/simd/int8_tables-inl.h"
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
  OutputRange ranges[kMaxJobs];
  REFOCUS_CHECK(jobs.size() <= kMaxJobs);
  for (std::size_t j = 0; j < jobs.size(); ++j) {
    const PackedMatrix& w = *jobs[j].weights;
    REFOCUS_CHECK(w.inputs == x.inputs && jobs[j].parts <= x.parts);
    ranges[j] = {w.panels(), outputs_a_task(w.panels(), w.panel_bytes, pool.size(), 2)};  // tiles take pairs
  }
  const RunPacked run = HWY_DYNAMIC_DISPATCH(packed_kernel)();
  for_output_ranges(pool, {ranges, jobs.size()}, [&](std::size_t j, std::int64_t begin, std::int64_t end) {
    run({&x, &jobs[j], begin, end});
  });
}

}  // namespace refocus
#endif  // HWY_ONCE
