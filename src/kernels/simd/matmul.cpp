// Products of activations with stored weights; see kernels/matmul.h for the order of reduction.
//
// Lanes run along the inputs, so that weights are read as they lie in the file. A tile of kTileRows
// activation rows times 4 weight rows keeps its partial sums in registers. With many rows, 16-bit weights are
// widened once a chunk into a panel that stays in the L1 cache; with few, they are widened in registers as
// they stream by. Few rows of activations stay in the cache whole: then each panel of weights is read from
// end to end; else a chunk of one panel after the other's. The lines that come next are asked for beside the
// arithmetic, since a file's 4 KiB pages end the processor's own prefetching. Where that does better with a
// single stream, a row alone takes one weight row after the other. Activation rows that lie a multiple of 4
// KB apart are put beside each other first, tile by tile.
#include "kernels/matmul.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "kernels/machine_limits.h"
#include "kernels/output_ranges.h"
#include "kernels/simd/amx.h"
#include "kernels/simd/fetch.h"
#include "kernels/simd/matmul_task.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/matmul.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace refocus {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#include "kernels/simd/bf16_lanes-inl.h"
#include "kernels/simd/matmul_tile-inl.h"

#include "kernels/simd/matmul_row-inl.h"

constexpr std::int64_t kPanelChunk = kMatMulChunk + kRowAlign;
constexpr std::int64_t kRowBlock = 240;  // activation rows whose chunk stays in the L2 cache
constexpr std::int64_t kFewBytes = std::int64_t{1} << 18;  // of activations that stay in it whole
// Bytes of a weight row to the line that is asked for, measured: with one tile of activations, with more.
constexpr std::int64_t kAheadOfOneTile = 2048, kAhead = 4096;

// Widens one chunk of 4 weight rows into `wide` [4, kPanelChunk], zero-padded to whole vectors.
template <DType type>
void widen(const WeightRows& w, std::int64_t count, bool round, float* wide) {
  const D d;
  const auto ready = [=](V weights) HWY_ATTR { return round ? round_to_bf16(d, weights) : weights; };
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  constexpr std::int64_t size = size_of(type);
  for (std::int64_t n = 0; n < kPanel; ++n) {
    float* to = wide + n * kPanelChunk;
    std::int64_t k = 0;
    for (; k + lanes <= count; k += lanes) {
      hn::Store(ready(load_weights<type>(d, w.rows[n] + k * size)), d, to + k);
    }
    if (k < count) hn::Store(ready(load_weights_tail<type>(d, w.rows[n] + k * size, count - k)), d, to + k);
  }
}

// Whether weights are rounded to bf16 first; those of BF16 are.
template <DType type>
bool rounds_weights(const MatMulInput& in) {
  return in.round_weights && type != DType::kBF16;
}

// y of this task's outputs, before the sums are added.
void initialise(const MatMulTask& task) {
  const MatMulJob& job = *task.job;
  if (job.accumulate && job.bias == nullptr) return;
  for (std::int64_t row = 0; row < task.input->rows; ++row) {
    float* y = job.y + row * job.y_stride;
    for (std::int64_t n = task.begin; n < task.end; ++n) {
      const float base = job.accumulate ? y[n] : 0.0f;
      y[n] = job.bias != nullptr ? base + job.bias[n] : base;
    }
  }
}

// Rows [first, first + rows) times the 4 outputs from n on, inputs [k, k + count). Weights are read
// end_to_end, or this chunk of the next outputs' comes next.
template <DType type>
void chunk(const MatMulTask& task, std::int64_t first, std::int64_t rows, std::int64_t n, std::int64_t k,
           std::int64_t count, bool end_to_end) {
  const MatMulInput& in = *task.input;
  const MatMulJob& job = *task.job;
  const std::int64_t x_stride = padded(in.inputs), valid = std::min(kPanel, task.end - n);
  constexpr std::int64_t size = size_of(type);
  const std::int64_t row_bytes = in.inputs * size;
  WeightRows w;
  for (std::int64_t i = 0; i < kPanel; ++i) {
    w.rows[i] = job.weights + (n + std::min(i, valid - 1)) * row_bytes + k * size;
  }
  std::int64_t ahead = kPanel * row_bytes;
  if (end_to_end) {  // at the end of these rows, in the next ones
    ahead = rows <= kTileRows ? kAheadOfOneTile : kAhead;
    if (row_bytes - (k + count) * size < ahead) ahead += (kPanel - 1) * row_bytes;
  }
  NextRows next;
  for (std::int64_t i = 0; i < kPanel; ++i) next.rows[i] = w.rows[i] + ahead;
  const bool tiled = task.tiled != nullptr;
  const Activations x{(tiled ? task.tiled : in.x) + first * x_stride, k, x_stride, tiled};
  float* y = job.y + first * job.y_stride + n;
  const bool round = rounds_weights<type>(in);
  if (!round && (type == DType::kF32 || in.rows <= 2 * kTileRows)) {
    return panel<type, type>(x, rows, w, next, count, y, job.y_stride, valid);
  }
  alignas(64) float wide[kPanel * kPanelChunk];
  widen<type>(w, count, round, wide);
  WeightRows widened;
  for (std::int64_t i = 0; i < kPanel; ++i) {
    widened.rows[i] = reinterpret_cast<const std::byte*>(wide + i * kPanelChunk);
  }
  panel<DType::kF32, type>(x, rows, widened, next, count, y, job.y_stride, valid);
}

// Whether a row is multiplied alone, with a single stream of weights: faster with 16-bit weights and vectors
// of 16 lanes, or float32 ones and 8 lanes, and a row that takes little of the L1 cache (measured).
template <DType type>
bool is_single_stream(const MatMulInput& in) {
  constexpr std::int64_t kMostInputs = 2048, kLanes = size_of(type) == 2 ? 16 : 8;
  if (rounds_weights<type>(in) || in.rows != 1 || in.inputs > kMostInputs) return false;
  return static_cast<std::int64_t>(hn::Lanes(D())) == kLanes && reads_single_streams();
}

template <DType type>
void run_typed(const MatMulTask& task) {
  const MatMulInput& in = *task.input;
  if (is_single_stream<type>(in)) {
    const std::int64_t row_bytes = in.inputs * std::int64_t{size_of(type)};
    for (std::int64_t n = task.begin; n < task.end; ++n)
      add_row<type>(in.x, task.job->weights + n * row_bytes, in.inputs, task.job->y + n);
    return;
  }
  const auto chunk_at = [&](std::int64_t k) { return std::min(kMatMulChunk, in.inputs - k); };
  if (in.rows * padded(in.inputs) * std::int64_t{sizeof(float)} <= kFewBytes) {
    for (std::int64_t n = task.begin; n < task.end; n += kPanel) {
      for (std::int64_t k = 0; k < in.inputs; k += kMatMulChunk) {
        chunk<type>(task, 0, in.rows, n, k, chunk_at(k), /*end_to_end=*/true);
      }
    }
    return;
  }
  for (std::int64_t first = 0; first < in.rows; first += kRowBlock) {
    const std::int64_t rows = std::min(kRowBlock, in.rows - first);
    for (std::int64_t k = 0; k < in.inputs; k += kMatMulChunk) {
      for (std::int64_t n = task.begin; n < task.end; n += kPanel) {
        chunk<type>(task, first, rows, n, k, chunk_at(k), /*end_to_end=*/false);
      }
    }
  }
}

void run_task(const MatMulTask& task) {
  initialise(task);
  switch (task.job->dtype) {
    case DType::kF32:
      run_typed<DType::kF32>(task);
      break;
    case DType::kF16:
      run_typed<DType::kF16>(task);
      break;
    case DType::kBF16:
      run_typed<DType::kBF16>(task);
      break;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace refocus
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refocus {
namespace {

HWY_EXPORT(run_task);
HWY_EXPORT(tile_group);

// How a job is handed out: tasks of some outputs and some groups of rows.
struct Division {
  std::int64_t outputs = 1, groups = 1;  // of a task
  std::int64_t parts = 1;                // of the groups
};

// With a single group, as many outputs as outweigh a task's beginning; with more, groups whose activations
// lie in the L2 cache while the outputs' weights pass by.
Division divide_for_amx(const MatMulJob& job, std::int64_t row_bytes, std::int64_t groups, int threads) {
  constexpr std::int64_t kPanel = 64, kMostOutputs = 512, kMostGroups = 16;
  if (groups == 1) {
    constexpr std::int64_t kBytes = std::int64_t{1} << 18, kLeast = 3, kMultiple = kPanel / 2;
    const std::int64_t most = std::max<std::int64_t>(1, kBytes / row_bytes);
    const std::int64_t of_thread = std::max(kLeast, (job.outputs + threads * most - 1) / (threads * most));
    return {
        std::max(kMultiple, (job.outputs / (threads * of_thread) + kMultiple - 1) / kMultiple * kMultiple), 1,
        1};
  }
  const std::int64_t parts = (groups + kMostGroups - 1) / kMostGroups;
  const std::int64_t shared = job.outputs * parts / (std::int64_t{4} * threads);
  const std::int64_t outputs = (shared + kPanel - 1) / kPanel * kPanel;
  return {std::clamp(outputs, kPanel, kMostOutputs), (groups + parts - 1) / parts, parts};
}

// Activations in parts, in each order of pairs that a job takes.
void split_for_amx(ThreadPool& pool, const MatMulInput& input, std::span<const MatMulJob> jobs,
                   const SplitRows** split) {
  thread_local SplitRows kept[2];
  bool ready[2] = {};
  for (std::size_t j = 0; j < jobs.size(); ++j) {
    const PairOrder order = pair_order(jobs[j].dtype);
    const auto place = static_cast<std::size_t>(order);
    if (!std::exchange(ready[place], true)) split_rows(pool, input, order, kept[place]);
    split[j] = &kept[place];
  }
}

void matmul_by_amx(ThreadPool& pool, const MatMulInput& input, std::span<const MatMulJob> jobs) {
  const SplitRows* split[kMaxJobs] = {};
  Division divisions[kMaxJobs];
  OutputRange tasks[kMaxJobs];
  split_for_amx(pool, input, jobs, split);
  for (std::size_t j = 0; j < jobs.size(); ++j) {
    const std::int64_t row_bytes = input.inputs * static_cast<std::int64_t>(size_of(jobs[j].dtype));
    Division& d = divisions[j] = divide_for_amx(jobs[j], row_bytes, split[j]->groups(), pool.size());
    tasks[j] = {(jobs[j].outputs + d.outputs - 1) / d.outputs * d.parts, 1};
  }
  for_output_ranges(pool, {tasks, jobs.size()}, [&](std::size_t j, std::int64_t task, std::int64_t) {
    const Division& d = divisions[j];
    const std::int64_t begin = task / d.parts * d.outputs, group = task % d.parts * d.groups;
    const std::int64_t end_group = std::min(group + d.groups, split[j]->groups());
    if (group >= end_group) return;
    run_matmul_amx({&input, &jobs[j], begin, std::min(begin + d.outputs, jobs[j].outputs), nullptr, split[j],
                    group, end_group});
  });
}

// Whether activations are put tile by tile first: where that outweighs a loop of its own (measured; 16 rows
// lose).
bool takes_tiles(const MatMulInput& input) {
  constexpr std::int64_t kLeastRows = 64;
  return input.rows >= kLeastRows && rows_collide(padded(input.inputs));
}

// Valid until the thread's next call.
const float* tile_activations(ThreadPool& pool, const MatMulInput& input) {
  thread_local AlignedBuffer<float> kept;
  const auto floats = static_cast<std::size_t>(input.rows * padded(input.inputs));
  if (kept.size() < floats) kept = AlignedBuffer<float>(floats);
  float* to = kept.data();
  const auto tile = HWY_DYNAMIC_DISPATCH(tile_group);
  const std::int64_t groups = (input.rows + kTiledGroup - 1) / kTiledGroup;
  pool.parallel_for(groups, [&](std::int64_t group, int) { tile(input, group, to); });
  return to;
}

}  // namespace

void matmul(ThreadPool& pool, const MatMulInput& input, std::span<const MatMulJob> jobs) {
  REFOCUS_CHECK(jobs.size() <= kMaxJobs);
  if (amx_bf16_in_use() && input.rows > 0 && !input.round_weights) return matmul_by_amx(pool, input, jobs);
  OutputRange ranges[kMaxJobs];
  for (std::size_t j = 0; j < jobs.size(); ++j) {
    const std::int64_t row_bytes = input.inputs * static_cast<std::int64_t>(size_of(jobs[j].dtype));
    // 16: tasks share no cache line of y
    ranges[j] = {jobs[j].outputs, outputs_a_task(jobs[j].outputs, row_bytes, pool.size(), 16)};
  }
  const auto run = HWY_DYNAMIC_DISPATCH(run_task);
  const float* tiled = takes_tiles(input) ? tile_activations(pool, input) : nullptr;
  for_output_ranges(pool, {ranges, jobs.size()}, [&](std::size_t j, std::int64_t begin, std::int64_t end) {
    run({&input, &jobs[j], begin, end, tiled});
  });
}

}  // namespace refocus
#endif  // HWY_ONCE
