// Scores of rows, as they are or as M, and sums over values with given weights: what re-balancing needs of
// layer 0, and hooks that are called on the processor of any. Float32 throughout; see launch.h.
#include "device/cuda/attention_common.cuh"
#include "device/cuda/launch.h"
#include "device/cuda/start.cuh"

namespace refocus::cuda {

namespace {

constexpr int kWarps = 4;

// Where scores of the rows listed, or of rows `first` .., go: as they are to scores [rows, heads, stride], or
// as M, from the rows' stats [rows of the call, heads, 2].
struct ScoreUse {
  const std::int32_t* rows;
  std::int64_t first;
  float* scores;
  std::int64_t stride;
  const float* row_stats;
};

// grid: [rows, heads, blocks of keys / kWarps]
template <class W>
__global__ __launch_bounds__(kWarps * 32) void use_scores(DeviceAttention attention, ScoreUse use) {
  begin_work();
  const std::int64_t row = use.rows != nullptr ? use.rows[blockIdx.x] : use.first + blockIdx.x;
  const int position = attention.positions[row], sequence = attention.sequence_of[row];
  const int lane = static_cast<int>(threadIdx.x) % 32, head = static_cast<int>(blockIdx.y);
  const int block = static_cast<int>(blockIdx.z) * kWarps + static_cast<int>(threadIdx.x) / 32;
  if (block > position / kKeys) return;
  const float threshold = use.scores == nullptr ? attention.thresholds[sequence] : 0.0f;
  if (threshold < 0) return;
  const Slots slots = visible_slots(block, first_key(attention, position), position);
  float score[1] = {-INFINITY};
  if (slots.begin < slots.end) {
    const int kv_head = head / static_cast<int>(attention.heads / attention.kv_heads);
    float q[1][W::kSize];
    read_query<W>(attention, row, head, lane, q[0]);
    const typename W::T* keys = block_keys<typename W::T>(attention, sequence, block, kv_head);
    block_scores<W, 1>(attention, keys, slots, q, lane, score);
  }
  const int slot = W::own_slot(lane), key = block * kKeys + slot;
  if (use.scores != nullptr) {
    if (key > position) return;
    use.scores[(blockIdx.x * attention.heads + head) * use.stride + key] = score[0];
    return;
  }
  const std::int64_t at = row * attention.heads + head;
  const float weight = weight_of(score[0], use.row_stats[at * 2]) / use.row_stats[at * 2 + 1];
  const bool is_set = slots.has(slot) && key != position && weight > threshold;
  const unsigned word = __reduce_or_sync(kWholeWarp, is_set ? 1u << slot : 0u);
  if (lane == 0) attention.mask[at * attention.mask_words + block] = word;
}

constexpr int kWeighWarps = 8;

// out = sum_j weights_j v_j * inverse_sum: warp w takes blocks w, w + 8, .. of the row's keys. grid: [rows,
// heads]
template <class W>
__global__ __launch_bounds__(kWeighWarps * 32) void weigh_row(DeviceAttention attention, std::int64_t first,
                                                              const float* weights, std::int64_t stride,
                                                              const float* inverse_sums) {
  begin_work();
  __shared__ float results[kWeighWarps][W::kMaxDim];
  const std::int64_t row = first + blockIdx.x;
  const int position = attention.positions[row], sequence = attention.sequence_of[row];
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const int head = static_cast<int>(blockIdx.y), head_dim = static_cast<int>(attention.head_dim);
  const int kv_head = head / static_cast<int>(attention.heads / attention.kv_heads);
  const std::int64_t at = blockIdx.x * attention.heads + head;
  const int begin = first_key(attention, position);
  float sums[1][W::kSize] = {};
  for (int block = warp; block <= position / kKeys; block += kWeighWarps) {
    const Slots slots = visible_slots(block, begin, position);
    if (slots.begin >= slots.end) continue;
    const int slot = W::own_slot(lane);
    const float weight[1] = {slots.has(slot) ? weights[at * stride + block * kKeys + slot] : 0.0f};
    const typename W::T* keys = block_keys<typename W::T>(attention, sequence, block, kv_head);
    add_values<W, 1>(keys + kKeys * head_dim, slots, head_dim, weight, lane, sums);
  }
  put_sums<W>(sums[0], lane, results[warp]);
  __syncthreads();
  for (int d = static_cast<int>(threadIdx.x); d < head_dim; d += kWeighWarps * 32) {
    float total = results[0][d];
    for (int w = 1; w < kWeighWarps; ++w) total = __fadd_rn(total, results[w][d]);
    attention.out[row * attention.out_stride + head * attention.head_dim + d] = total * inverse_sums[at];
  }
}

void start_scores(const DeviceAttention& attention, const ScoreUse& use, std::int64_t count,
                  cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>(count), static_cast<unsigned>(attention.heads),
                  blocks_of(attention.longest, kKeys * kWarps));
  with_way(attention,
           [&](auto way) { start(use_scores<decltype(way)>, grid, kWarps * 32, 0, stream, attention, use); });
}

}  // namespace

void mask_rows(const DeviceAttention& attention, const std::int32_t* rows, std::int64_t count,
               const float* row_stats, cudaStream_t stream) {
  if (count <= 0 || attention.longest <= 0) return;
  start_scores(attention, {rows, 0, nullptr, 0, row_stats}, count, stream);
}

void scores(const DeviceAttention& attention, std::int64_t first, std::int64_t count, float* scores,
            std::int64_t stride, cudaStream_t stream) {
  if (count <= 0 || attention.longest <= 0) return;
  start_scores(attention, {nullptr, first, scores, stride, nullptr}, count, stream);
}

void weigh(const DeviceAttention& attention, std::int64_t first, std::int64_t count, const float* weights,
           std::int64_t stride, const float* inverse_sums, cudaStream_t stream) {
  if (count <= 0) return;
  const dim3 grid(static_cast<unsigned>(count), static_cast<unsigned>(attention.heads));
  with_way(attention, [&](auto way) {
    start(weigh_row<decltype(way)>, grid, kWeighWarps * 32, 0, stream, attention, first, weights, stride,
          inverse_sums);
  });
}

}  // namespace refocus::cuda
