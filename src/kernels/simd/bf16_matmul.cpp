// Products of operands in bf16; see kernels/bf16_matmul.h. With AMX in bf16_matmul_amx.cpp, with AVX-512's in
// bf16_matmul_avx512.cpp; without them rounded activations go through the products of float32 ones, which
// round their weights.
#include "kernels/bf16_matmul.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "kernels/output_ranges.h"
#include "kernels/simd/amx.h"
#include "kernels/simd/bf16_task.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/bf16_matmul.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace refocus {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
#include "kernels/simd/bf16_lanes-inl.h"

// `count` floats, a multiple of kRowAlign.
void round_floats(const float* from, std::int64_t count, float* to) {
  const hn::CappedTag<float, 16> d;
  for (std::int64_t i = 0; i < count; i += static_cast<std::int64_t>(hn::Lanes(d))) {
    hn::StoreU(round_to_bf16(d, hn::LoadU(d, from + i)), d, to + i);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace refocus
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refocus {
namespace {
HWY_EXPORT(round_floats);

// How a job is handed out: tasks of some panels and some groups of rows.
struct Bf16Division {
  std::int64_t panels = 1, groups = 1;  // of a task
  std::int64_t parts = 1;               // of the groups
};

std::int64_t panels_of(const Bf16Job& job) { return (job.outputs() + kPanelOutputs - 1) / kPanelOutputs; }

// Few groups wait for weights; of many so many go together that making tiles of weights costs little beside
// their products, as long as a chunk of their activations stays in the L2 cache.
Bf16Division divide(const Bf16Job& job, const Bf16Rows& x, int threads) {
  constexpr std::int64_t kMostGroups = 32;
  // Multiples of the panels that are multiplied together.
  const bool by_amx = x.kind == Bf16Kind::kAmx;
  const std::int64_t multiple = by_amx ? 4 : 3, most = by_amx ? 16 : 15;
  const std::int64_t panels = panels_of(job), groups = x.groups();
  if (groups == 1) {
    const std::int64_t bytes =
        job.packed != nullptr
            ? job.packed->panel_bytes
            : kPanelOutputs * x.inputs * static_cast<std::int64_t>(size_of(job.product.dtype));
    return {outputs_a_task(panels, bytes, threads, multiple), 1, 1};
  }
  const std::int64_t parts = (groups + kMostGroups - 1) / kMostGroups;
  const std::int64_t shared = panels * parts / (std::int64_t{4} * threads) / multiple * multiple;
  return {std::clamp(shared, multiple, most), (groups + parts - 1) / parts, parts};
}

void multiply_tiles(ThreadPool& pool, const Bf16Rows& x, std::span<const Bf16Job> jobs) {
  Bf16Division divisions[kMaxJobs];
  OutputRange tasks[kMaxJobs];
  for (std::size_t j = 0; j < jobs.size(); ++j) {
    const Bf16Division& d = divisions[j] = divide(jobs[j], x, pool.size());
    tasks[j] = {(panels_of(jobs[j]) + d.panels - 1) / d.panels * d.parts, 1};
  }
  const auto run = x.kind == Bf16Kind::kAmx ? run_bf16_amx : run_bf16_avx512;
  for_output_ranges(pool, {tasks, jobs.size()}, [&](std::size_t j, std::int64_t task, std::int64_t) {
    const Bf16Division& d = divisions[j];
    const std::int64_t begin = task / d.parts * d.panels, group = task % d.parts * d.groups;
    const std::int64_t end = std::min(begin + d.panels, panels_of(jobs[j]));
    const std::int64_t end_group = std::min(group + d.groups, x.groups());
    if (group < end_group) run({&x, &jobs[j], begin, end, group, end_group});
  });
}

}  // namespace

Bf16Kind bf16_kind() {
  if (amx_bf16_in_use()) return Bf16Kind::kAmx;
  return avx512_bf16_in_use() ? Bf16Kind::kAvx512 : Bf16Kind::kFloat32;
}

void resize(Bf16Rows& rows, std::int64_t count, std::int64_t inputs) {
  rows.rows = count;
  rows.inputs = inputs;
  rows.kind = bf16_kind();
  reserve(rows.data, rows.tiled() ? rows.place(rows.groups(), 0)
                                  : count * padded(inputs) * static_cast<std::int64_t>(sizeof(float)));
}

void round_row(const float* x, std::int64_t row, Bf16Rows& out) {
  if (!out.tiled()) {
    const std::int64_t stride = padded(out.inputs);
    float* to = reinterpret_cast<float*>(out.data.data()) + row * stride;
    HWY_DYNAMIC_DISPATCH(round_floats)(x, stride, to);
    return;
  }
  std::byte* to =
      out.data.data() + out.place(row / Bf16Rows::kRows, 0) + row % Bf16Rows::kRows * Bf16Rows::kInputs * 2;
  round_row_to_steps(x, out.inputs, out.step_bytes(), to);
}

void bf16_matmul(ThreadPool& pool, const Bf16Rows& x, std::span<const Bf16Job> jobs) {
  REFOCUS_CHECK(jobs.size() <= kMaxJobs);
  for (const Bf16Job& job : jobs) REFOCUS_CHECK(job.packed == nullptr || job.packed->inputs == x.inputs);
  if (x.rows == 0) return;
  if (x.tiled()) return multiply_tiles(pool, x, jobs);
  MatMulJob plain[kMaxJobs];
  PackedJob packed[kMaxJobs];
  std::size_t plain_count = 0, packed_count = 0;
  for (const Bf16Job& job : jobs) {
    const MatMulJob& p = job.product;
    if (job.packed == nullptr) {
      plain[plain_count++] = p;
    } else {
      packed[packed_count++] = {job.packed, p.bias, p.accumulate, p.y, p.y_stride};
    }
  }
  const MatMulInput input{reinterpret_cast<const float*>(x.data.data()), x.rows, x.inputs,
                          /*round_weights=*/true};
  if (plain_count > 0) matmul(pool, input, {plain, plain_count});
  if (packed_count > 0) unpacked_matmul(pool, input, {packed, packed_count});
}

}  // namespace refocus
#endif  // HWY_ONCE
