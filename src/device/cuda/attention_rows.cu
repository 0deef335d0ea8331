// Attention of single rows, in float32 throughout; see launch.h.
//
// A row's keys are cut into splits of kSplit keys, counted from key 0, each met by one thread block; its four
// warps take the split's blocks of keys in turn, and the last block to end merges the splits, in ascending
// order. So the order of every sum depends on the row's position and the window alone, and not on the blocks'
// order. Heads that share keys go together: each has its own sums, in the same order whatever is beside it.
#include <algorithm>

#include "base/error.h"
#include "device/cuda/attention_common.cuh"
#include "device/cuda/launch.h"
#include "device/cuda/start.cuh"

namespace refocus::cuda {

namespace {

constexpr int kWarps = 4, kSplit = 256, kSplitBlocks = kSplit / kKeys;
constexpr std::int64_t kScratchBytes = std::int64_t{256} << 20;

// A row's softmax so far, of the keys that a warp has met: `sum` is the lane's part.
template <class W, int kHeads>
struct RowState {
  float max[kHeads], sum[kHeads], sums[kHeads][W::kSize];  // sums: of exp(score - max) v

  __device__ void clear() {
#pragma unroll
    for (int h = 0; h < kHeads; ++h) {
      max[h] = -INFINITY, sum[h] = 0;
#pragma unroll
      for (int i = 0; i < W::kSize; ++i) sums[h][i] = 0;
    }
  }
  // Turns the scores of a block into weights.
  __device__ void meet(float (&score)[kHeads]) {
#pragma unroll
    for (int h = 0; h < kHeads; ++h) {
      float largest = score[h];
#pragma unroll
      for (int step = 16; step >= 1; step /= 2) {
        largest = fmaxf(largest, __shfl_xor_sync(kWholeWarp, largest, step));
      }
      largest = fmaxf(largest, max[h]);  // never NaN: fmaxf passes over those
      const float shrink = weight_of(max[h], largest);
      max[h] = largest;
      score[h] = weight_of(score[h], largest);
      sum[h] = __fmaf_rn(sum[h], shrink, score[h]);
#pragma unroll
      for (int i = 0; i < W::kSize; ++i) sums[h][i] = __fmul_rn(sums[h][i], shrink);
    }
  }
};

// What splits leave for the merge: of listed row i, head h and the row's split s, at
// (i * heads + h) * splits + s: the largest score, the sum of weights, and the sum of weighted values.
struct Partials {
  float* stats;   // [.., 2]
  float* values;  // [.., head_dim]
  std::int32_t*
      arrived;  // of listed row i and head h, at i * heads + h: how many splits; 0 at first and after
  const std::int32_t* rows;
  std::int64_t first;
  int splits;

  __device__ std::int64_t row(unsigned i) const { return rows != nullptr ? rows[first + i] : first + i; }
  __device__ std::int64_t at(const DeviceAttention& attention, unsigned i, int head, int split) const {
    return (static_cast<std::int64_t>(i) * attention.heads + head) * splits + split;
  }
};

// What the warps of a split found.
template <class W, int kHeads>
struct WarpResults {
  float max[kWarps][kHeads], sum[kWarps][kHeads], sums[kWarps][kHeads][W::kMaxDim];
};

// Merges the warps, in their order, of head h: stats [2], values [head_dim].
template <class W, int kHeads>
__device__ void merge_warps(const WarpResults<W, kHeads>& results, int h, int head_dim, float* stats,
                            float* values) {
  float largest = -INFINITY, factor[kWarps], sum = 0;
#pragma unroll
  for (int w = 0; w < kWarps; ++w) largest = fmaxf(largest, results.max[w][h]);
#pragma unroll
  for (int w = 0; w < kWarps; ++w) {
    factor[w] = weight_of(results.max[w][h], largest);
    sum = __fmaf_rn(results.sum[w][h], factor[w], sum);
  }
  if (threadIdx.x == 0) stats[0] = largest, stats[1] = sum;
  for (int d = static_cast<int>(threadIdx.x); d < head_dim; d += kWarps * 32) {
    float total = 0;
#pragma unroll
    for (int w = 0; w < kWarps; ++w) total = __fmaf_rn(results.sums[w][h][d], factor[w], total);
    values[d] = total;
  }
}

// out of one row and head from its splits, in ascending order, and the row's stats. All threads of a block
// call it.
__device__ void merge_splits(const DeviceAttention& attention, const float* stats, const float* values,
                             std::int64_t row, int head, int splits, float* row_stats) {
  constexpr int kThreads = kWarps * 32, kDims = kMaxHeadDim / kThreads;
  __shared__ float factor[kThreads], part[kThreads];
  const std::int64_t head_dim = attention.head_dim;
  const int thread = static_cast<int>(threadIdx.x);
  float largest = attention.sinks != nullptr ? fmaxf(attention.sinks[head], -INFINITY) : -INFINITY;
  for (int s = thread % 32; s < splits; s += 32) largest = fmaxf(largest, __ldcg(stats + s * 2));
#pragma unroll
  for (int step = 16; step >= 1; step /= 2) {
    largest = fmaxf(largest, __shfl_xor_sync(kWholeWarp, largest, step));
  }
  float sum = 0, total[kDims] = {};
  for (int begin = 0; begin < splits; begin += kThreads) {
    const int count = min(kThreads, splits - begin);
    __syncthreads();
    if (thread < count) {
      factor[thread] = weight_of(__ldcg(stats + (begin + thread) * 2), largest);
      part[thread] = __ldcg(stats + (begin + thread) * 2 + 1);
    }
    __syncthreads();
#pragma unroll 8
    for (int s = 0; s < count; ++s) {
      sum = __fmaf_rn(part[s], factor[s], sum);
#pragma unroll
      for (int i = 0; i < kDims; ++i) {
        const int d = thread + i * kThreads;
        if (d < head_dim) {
          total[i] = __fmaf_rn(__ldcg(values + (begin + s) * head_dim + d), factor[s], total[i]);
        }
      }
    }
  }
  if (attention.sinks != nullptr) sum = __fadd_rn(sum, weight_of(attention.sinks[head], largest));
#pragma unroll
  for (int i = 0; i < kDims; ++i) {
    const int d = thread + i * kThreads;
    if (d >= head_dim) continue;
    put_out(attention, row, head * head_dim + d, sum == 0 ? 0.0f : total[i] / sum);
  }
  if (row_stats != nullptr && thread == 0) {
    float* to = row_stats + (row * attention.heads + head) * 2;
    to[0] = largest, to[1] = sum;
  }
}

// One split of one row, for up to kHeads heads that share keys. grid: [rows, parts of heads, splits]
template <class W, int kHeads>
__global__ __launch_bounds__(kWarps * 32, sizeof(typename W::T) == 2 && W::kWhole ? 3 : 2) void attend_split(
    DeviceAttention attention, Partials partials, float* row_stats) {
  __shared__ WarpResults<W, kHeads> results;
  const std::int64_t row = partials.row(blockIdx.x);
  const int position = attention.positions[row], sequence = attention.sequence_of[row];
  const int first = first_key(attention, position), split = first / kSplit + static_cast<int>(blockIdx.z);
  if (split > position / kSplit) return;
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const int group = static_cast<int>(attention.heads / attention.kv_heads);
  const int parts = (group + kHeads - 1) / kHeads, part = static_cast<int>(blockIdx.y) % parts;
  const int kv_head = static_cast<int>(blockIdx.y) / parts, head = kv_head * group + part * kHeads;
  const int heads = min(kHeads, group - part * kHeads), head_dim = static_cast<int>(attention.head_dim);

  // What is read until here is there before any kernel of the call.
  for (int b = warp; b < kSplitBlocks; b += kWarps) {
    const int block = split * kSplitBlocks + b;
    const Slots slots = visible_slots(block, first, position);
    if (slots.begin >= slots.end) continue;
    const auto* keys =
        reinterpret_cast<const char*>(block_keys<typename W::T>(attention, sequence, block, kv_head));
    const int bytes = 2 * kKeys * head_dim * static_cast<int>(sizeof(typename W::T));  // keys and values
    for (int at = lane * 128; at < bytes; at += 32 * 128) {
      asm volatile("prefetch.global.L2 [%0];" ::"l"(keys + at));
    }
  }
  begin_work();
  float q[kHeads][W::kSize];
  Boost boost[kHeads];
#pragma unroll
  for (int h = 0; h < kHeads; ++h) {  // where there are fewer heads, the last one is computed again
    read_query<W>(attention, row, head + min(h, heads - 1), lane, q[h]);
    boost[h] = boost_of(attention, row, sequence, head + min(h, heads - 1));
  }
  RowState<W, kHeads> state;
  state.clear();
  for (int b = warp; b < kSplitBlocks; b += kWarps) {
    const int block = split * kSplitBlocks + b;
    const Slots slots = visible_slots(block, first, position);
    if (slots.begin >= slots.end) continue;
    const typename W::T* keys = block_keys<typename W::T>(attention, sequence, block, kv_head);
    float weight[kHeads] = {};
    block_scores<W, kHeads>(attention, keys, slots, q, lane, weight);
    state.meet(weight);
#pragma unroll
    for (int h = 0; h < kHeads; ++h) {
      if (boost[h].word(block) >> W::own_slot(lane) & 1) weight[h] = __fmul_rn(weight[h], boost[h].factor);
    }
    add_values<W, kHeads>(keys + kKeys * head_dim, slots, head_dim, weight, lane, state.sums);
  }
#pragma unroll
  for (int h = 0; h < kHeads; ++h) {
    put_sums<W>(state.sums[h], lane, results.sums[warp][h]);
    float sum = state.sum[h];
#pragma unroll
    for (int step = 16; step >= 1; step /= 2) {
      sum = __fadd_rn(sum, __shfl_xor_sync(kWholeWarp, sum, step));
    }
    if (lane == 0) results.max[warp][h] = state.max[h], results.sum[warp][h] = sum;
  }
  __syncthreads();
  for (int h = 0; h < heads; ++h) {
    const std::int64_t at = partials.at(attention, blockIdx.x, head + h, static_cast<int>(blockIdx.z));
    merge_warps(results, h, head_dim, partials.stats + at * 2, partials.values + at * head_dim);
  }
  // The last block of a row and head to come merges what all have left.
  const int splits = position / kSplit - first / kSplit + 1;
  __shared__ int before[kHeads];
  __threadfence();
  __syncthreads();
  if (static_cast<int>(threadIdx.x) < heads) {
    std::int32_t* arrived = partials.arrived + blockIdx.x * attention.heads + head + threadIdx.x;
    before[threadIdx.x] = atomicAdd(arrived, 1);
    if (before[threadIdx.x] == splits - 1) *arrived = 0;
  }
  __syncthreads();
  __threadfence();
  for (int h = 0; h < heads; ++h) {
    if (before[h] != splits - 1) continue;
    const std::int64_t at = partials.at(attention, blockIdx.x, head + h, 0);
    merge_splits(attention, partials.stats + at * 2, partials.values + at * head_dim, row, head + h, splits,
                 row_stats);
    __syncthreads();
  }
}

// Most splits that a row meets.
std::int64_t most_splits(const DeviceAttention& attention) {
  const std::int64_t all = blocks_of(std::max<std::int64_t>(attention.longest, 1), kSplit);
  return attention.window > 0 ? std::min(all, (attention.window + kSplit - 2) / kSplit + 1) : all;
}

template <class W, int kHeads>
void start_splits(const DeviceAttention& attention, const Partials& partials, std::int64_t count,
                  float* row_stats, cudaStream_t stream) {
  const unsigned parts = blocks_of(attention.heads / attention.kv_heads, kHeads);
  const dim3 grid(static_cast<unsigned>(count), static_cast<unsigned>(attention.kv_heads) * parts,
                  static_cast<unsigned>(partials.splits));
  start(attend_split<W, kHeads>, grid, kWarps * 32, 0, stream, attention, partials, row_stats);
}

}  // namespace

void attend_rows(const DeviceAttention& attention, const std::int32_t* rows, std::int64_t count,
                 float* row_stats, AttentionScratch& scratch, cudaStream_t stream) {
  if (count <= 0) return;
  const std::int64_t splits = most_splits(attention), partials_of_row = attention.heads * splits;
  const std::int64_t row_bytes = partials_of_row * (attention.head_dim + 2) * 4;
  const std::int64_t round = std::clamp<std::int64_t>(kScratchBytes / row_bytes, 1, count);
  auto* memory =
      static_cast<float*>(scratch.partials.at_least(static_cast<std::size_t>(round * row_bytes), stream));
  auto* arrived = static_cast<std::int32_t*>(scratch.arrived.zeros(
      static_cast<std::size_t>(round * attention.heads) * sizeof(std::int32_t), stream));
  for (std::int64_t first = 0; first < count; first += round) {
    const std::int64_t now = std::min(round, count - first);
    const Partials partials{
        memory, memory + round * partials_of_row * 2, arrived, rows, first, static_cast<int>(splits)};
    with_way(attention, [&](auto way) {
      using W = decltype(way);
      const std::int64_t group = attention.heads / attention.kv_heads;
      if constexpr (W::kWhole) {
        if (group > 2) return start_splits<W, 4>(attention, partials, now, row_stats, stream);
        if (group == 2) return start_splits<W, 2>(attention, partials, now, row_stats, stream);
      }
      start_splits<W, 1>(attention, partials, now, row_stats, stream);
    });
  }
}

}  // namespace refocus::cuda
