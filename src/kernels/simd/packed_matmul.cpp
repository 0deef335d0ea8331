// Integer products of quantised activations with packed weights; see kernels/packed_matmul.h and
// kernels/pack.cpp. The tiles are in packed_tiles-inl.h. AVX-512 VNNI has its own file, since Highway 1.0.3
// knows no target for it.
#include "kernels/packed_matmul.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "kernels/machine_limits.h"
#include "kernels/output_ranges.h"
#include "kernels/simd/amx.h"
#include "kernels/simd/fetch.h"
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
#include "kernels/simd/int8_upper_bits-inl.h"
#include "kernels/simd/packed_output-inl.h"
#include "kernels/simd/packed_places-inl.h"
#include "kernels/simd/packed_run-inl.h"
#include "kernels/simd/packed_widened-inl.h"

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

#if HWY_ARCH_X86
// Where AMX pays, activations in its order: once for all jobs that take as many parts.
void tile_for_amx(ThreadPool& pool, const QuantizedRows& x, std::span<const PackedJob> jobs,
                  const TiledRows** tiled) {
  thread_local TiledRows kept[2];
  for (const Int8Parts parts : {Int8Parts::kOne, Int8Parts::kTwo}) {
    TiledRows& rows = kept[static_cast<std::int64_t>(parts) - 1];
    bool ready = false;
    for (std::size_t j = 0; j < jobs.size(); ++j) {
      if (jobs[j].parts != parts) continue;
      if (!std::exchange(ready, true)) tile_rows(pool, x, parts, rows);
      if (rows.rows > 0) tiled[j] = &rows;
    }
  }
}
#endif

// Panels of a task. Those of AMX pass by the same activations in the L2 cache; tiles take pairs, of which one
// is enough work where rows are many, and lets threads end together.
std::int64_t panels_a_task(const PackedMatrix& w, std::int64_t rows, int threads, bool amx) {
  constexpr std::int64_t kMost = 4 * kAmxPanels, kPair = 2, kManyRows = 64;
  if (amx) return std::min(kMost, outputs_a_task(w.panels(), 0, threads, kAmxPanels));
  return rows >= kManyRows ? kPair : outputs_a_task(w.panels(), w.panel_bytes, threads, kPair);
}
}  // namespace

void packed_matmul(ThreadPool& pool, const QuantizedRows& x, std::span<const PackedJob> jobs) {
  const RunPacked run = HWY_DYNAMIC_DISPATCH(packed_kernel)();
  const TiledRows* tiled[kMaxJobs] = {};
  REFOCUS_CHECK(jobs.size() <= kMaxJobs);
#if HWY_ARCH_X86
  if (run == run_packed_vnni && amx_int8_in_use()) tile_for_amx(pool, x, jobs, tiled);
#endif
  const bool single_streams = reads_single_streams();
  OutputRange ranges[kMaxJobs];
  for (std::size_t j = 0; j < jobs.size(); ++j) {
    const PackedMatrix& w = *jobs[j].weights;
    REFOCUS_CHECK(w.inputs == x.inputs && jobs[j].parts <= x.parts);
    ranges[j] = {w.panels(), panels_a_task(w, x.rows, pool.size(), tiled[j] != nullptr)};
  }
  for_output_ranges(pool, {ranges, jobs.size()}, [&](std::size_t j, std::int64_t begin, std::int64_t end) {
    PackedTask task{&x, &jobs[j], begin, end, tiled[j]};
    task.single_stream = single_streams && x.rows * static_cast<std::int64_t>(jobs[j].parts) <= 2;
    if (tiled[j] != nullptr) {
      run_packed_amx(task);
      task.first_row = tiled[j]->rows / static_cast<std::int64_t>(jobs[j].parts);
    }
    if (task.first_row < x.rows) run(task);
  });
}

}  // namespace refocus
#endif  // HWY_ONCE
