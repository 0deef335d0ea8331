// Attention of tiles of up to 128 consecutive rows of one sequence, with matrix units; see launch.h.
//
// Keys are met in steps of 64, counted from key 0, by an online softmax (FlashAttention-2, Dao 2023). A step
// of which a row sees nothing leaves the row's state as it is, bit by bit: so the result of a row depends on
// its position and the window, and not on the tile that it is in. Tiles are that long because the
// cache is read once for each.
#include <algorithm>

#include "device/cuda/attention_tile.cuh"
#include "device/cuda/launch.h"

namespace refocus::cuda {

namespace {

// Of a warp's 16 rows: the largest s, the lane's part of the sum of weights, and the weighted values.
template <class S>
struct TileState {
  float max[2], sum[2], out[S::kDim / 8][4];

  __device__ void clear() {
    max[0] = max[1] = -INFINITY, sum[0] = sum[1] = 0;
#pragma unroll
    for (int d = 0; d < S::kDim / 8; ++d) out[d][0] = out[d][1] = out[d][2] = out[d][3] = 0;
  }

  // Turns s into weights exp2((s - max) * unit), and what was summed before into the same terms.
  __device__ void meet(float (&s)[8][4], float unit) {
    float shrink[2];
#pragma unroll
    for (int which = 0; which < 2; ++which) {
      float largest = max[which];  // never NaN: fmaxf passes over those
#pragma unroll
      for (int i = 0; i < 16; ++i) largest = fmaxf(largest, s[i / 2][which * 2 + i % 2]);
      largest = fmaxf(largest, __shfl_xor_sync(kWholeWarp, largest, 1));
      largest = fmaxf(largest, __shfl_xor_sync(kWholeWarp, largest, 2));
      const float origin = largest == -INFINITY ? 0 : largest, shift = -origin * unit;
      shrink[which] = exp2_of((max[which] - origin) * unit);  // 1 where nothing is larger
      max[which] = largest;
      float total = 0;
#pragma unroll
      for (int i = 0; i < 16; ++i) {
        float& weight = s[i / 2][which * 2 + i % 2];
        weight = exp2_of(__fmaf_rn(weight, unit, shift));
        total += weight;
      }
      sum[which] = __fmaf_rn(sum[which], shrink[which], total);
    }
    if (__all_sync(kWholeWarp, shrink[0] == 1 && shrink[1] == 1)) return;
#pragma unroll
    for (int i = 0; i < S::kDim / 2; ++i) out[i / 4][i % 4] *= shrink[i / 2 % 2];
  }

  // out += weights (rounded to F16) V.
  __device__ void add_values(const float (&weights)[8][4], const __half* values, int lane) {
    const std::uint32_t at = shared_address(values + matrix_rows(lane) * S::kStride + matrix_columns(lane));
#pragma unroll
    for (int k = 0; k < kStep / 16; ++k) {
      const float(&low)[4] = weights[2 * k], (&high)[4] = weights[2 * k + 1];
      const std::uint32_t a[4] = {pack(low[0], low[1]), pack(low[2], low[3]), pack(high[0], high[1]),
                                  pack(high[2], high[3])};
#pragma unroll
      for (int d = 0; d < S::kDim / 16; ++d) {
        std::uint32_t b[4];
        load_transposed(b, at + (k * 16 * S::kStride + d * 16) * 2);
        multiply_add(out[2 * d], a, b[0], b[1]);
        multiply_add(out[2 * d + 1], a, b[2], b[3]);
      }
    }
  }
};

// Multiplies the weights that re-balancing names.
__device__ void rebalance(const Place& place, const Boost (&boost)[2], int step, float (&weights)[8][4]) {
#pragma unroll
  for (int which = 0; which < 2; ++which) {
    if (boost[which].factor == 1) continue;
    const int last_word = place.position(place.own_row(which)) / 32;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int block = step * 2 + half;
      const std::uint32_t word = (block <= last_word ? boost[which].word(block) : 0) >> (place.lane % 4 * 2);
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        float& weight = weights[half * 4 + i / 2][which * 2 + i % 2];
        if (word >> (i / 2 * 8 + i % 2) & 1) weight *= boost[which].factor;
      }
    }
  }
}

// Divides by the sum, and writes out and the rows' stats.
template <class S>
__device__ void finish(const DeviceAttention& attention, const Place& place, const ScoreRule& rule,
                       const TileState<S>& state, float* row_stats) {
#pragma unroll
  for (int which = 0; which < 2; ++which) {
    float sum = state.sum[which];
    sum += __shfl_xor_sync(kWholeWarp, sum, 1);
    sum += __shfl_xor_sync(kWholeWarp, sum, 2);
    if (place.own_row(which) >= place.tile.rows) continue;
    const float largest_score = state.max[which] * rule.unit;
    const float sink = attention.sinks != nullptr ? attention.sinks[place.head] : -INFINITY;
    const float largest = fmaxf(largest_score, sink), factor = weight_of(largest_score, largest);
    sum = sum * factor + weight_of(sink, largest);
    const float times = sum == 0 ? 0 : factor / sum;
    const std::int64_t row = place.tile.first_row + place.own_row(which);
    const int first = place.head * S::kDim + place.lane % 4 * 2;
#pragma unroll
    for (int d = 0; d < S::kDim / 8; ++d) {
      put_out(attention, row, first + d * 8, state.out[d][which * 2] * times);
      put_out(attention, row, first + d * 8 + 1, state.out[d][which * 2 + 1] * times);
    }
    if (row_stats != nullptr && place.lane % 4 == 0) {
      float* stats = row_stats + (row * attention.heads + place.head) * 2;
      stats[0] = largest, stats[1] = sum;
    }
  }
}

// grid: [heads, tiles]
template <class S, bool kRebalance>
__global__ __launch_bounds__(S::kThreads,
                             S::kBlocks) void attend_tile(DeviceAttention attention, ScoreRule rule,
                                                          std::int64_t first_tile, float* row_stats) {
  extern __shared__ __align__(16) __half shared[];
  __shared__ SharedTile tile;
  const Place place = place_of<S>(attention, first_tile, tile);
  Queries<S> queries;
  queries.read(attention, place, shared + 2 * S::kStage);
  Boost boost[2];
  if constexpr (kRebalance) {
#pragma unroll
    for (int which = 0; which < 2; ++which) {
      if (place.idle || place.own_row(which) >= place.tile.rows) continue;
      boost[which] =
          boost_of(attention, place.tile.first_row + place.own_row(which), place.tile.sequence, place.head);
    }
  }
  TileState<S> state;
  state.clear();
  const int seen_first = first_key(attention, place.position(place.warp_row));
  for_steps<S, true>(attention, place, shared, [&](int step, const __half* keys) {
    if (step * kStep + kStep <= seen_first) return;
    float weights[8][4];
    step_scores<S>(attention, place, rule, queries, keys, step, weights);
    state.meet(weights, rule.unit_log2e);
    if constexpr (kRebalance) rebalance(place, boost, step, weights);
    state.add_values(weights, keys + S::kSide, place.lane);
  });
  if (!place.idle) finish(attention, place, rule, state, row_stats);
}

// Writes M's words of a step: the lane's bits of two rows and two words, put together over the four lanes of
// a row; lane t % 4 writes word t % 2 of row t / 2.
__device__ void write_words(const DeviceAttention& attention, const Place& place, int step,
                            const std::uint32_t (&bits)[2][2]) {
  std::uint32_t own = 0;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    std::uint32_t word = bits[i / 2][i % 2];
    word |= __shfl_xor_sync(kWholeWarp, word, 1);
    word |= __shfl_xor_sync(kWholeWarp, word, 2);
    if (place.lane % 4 == i) own = word;
  }
  const int which = place.lane % 4 / 2, block = step * 2 + place.lane % 2, row = place.own_row(which);
  if (row >= place.tile.rows || block > place.position(row) / 32) return;
  const std::int64_t at = (place.tile.first_row + row) * attention.heads + place.head;
  attention.mask[at * attention.mask_words + block] = own;
}

// grid: as attend_tile
template <class S>
__global__ __launch_bounds__(S::kThreads, S::kBlocks) void mask_tile(DeviceAttention attention,
                                                                     ScoreRule rule, std::int64_t first_tile,
                                                                     const float* row_stats) {
  extern __shared__ __align__(16) __half shared[];
  __shared__ SharedTile tile;
  const Place place = place_of<S>(attention, first_tile, tile);
  const float threshold = attention.thresholds[place.tile.sequence];
  if (threshold < 0) return;
  Queries<S> queries;
  queries.read(attention, place, shared + 2 * S::kStage);
  float largest[2] = {}, least[2] = {};  // least: weights before normalisation must be above it
  if (!place.idle) {
#pragma unroll
    for (int which = 0; which < 2; ++which) {
      if (place.own_row(which) >= place.tile.rows) continue;
      const std::int64_t row = place.tile.first_row + place.own_row(which);
      const float* stats = row_stats + (row * attention.heads + place.head) * 2;
      largest[which] = stats[0], least[which] = threshold * stats[1];
    }
    const std::uint32_t none[2][2] = {};
    for (int step = 0; step < place.tile.first / kStep; ++step) write_words(attention, place, step, none);
  }
  for_steps<S, false>(attention, place, shared, [&](int step, const __half* keys) {
    float s[8][4];
    step_scores<S>(attention, place, rule, queries, keys, step, s);
    std::uint32_t bits[2][2] = {};
#pragma unroll
    for (int i = 0; i < 32; ++i) {
      const int which = i / 2 % 2, bit = i / 4 % 4 * 8 + place.lane % 4 * 2 + i % 2;
      const float weight = weight_of(s[i / 4][i % 4] * rule.unit, largest[which]);
      const bool own = step * kStep + i / 16 * 32 + bit == place.position(place.own_row(which));
      if (weight > least[which] && !own) bits[which][i / 16] |= 1u << bit;
    }
    write_words(attention, place, step, bits);
  });
}

constexpr std::int64_t kMostTiles = 65535;  // of a launch: the largest gridDim.y

// Starts kernel(attention, rule, first tile, stats) for all tiles.
template <class S, class Kernel, class Stats>
void start(Kernel kernel, const DeviceAttention& attention, Stats row_stats, cudaStream_t stream) {
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, S::kBytes),
        "shared memory of attention");
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributePreferredSharedMemoryCarveout,
                             cudaSharedmemCarveoutMaxShared),
        "shared memory of attention");
  for (std::int64_t first = 0; first < attention.tile_count; first += kMostTiles) {
    const dim3 grid(static_cast<unsigned>(attention.heads),
                    static_cast<unsigned>(std::min(kMostTiles, attention.tile_count - first)));
    kernel<<<grid, S::kThreads, S::kBytes, stream>>>(attention, ScoreRule(attention), first, row_stats);
  }
}

// Calls run(Shape()).
template <class Run>
void with_shape(const DeviceAttention& attention, const Run& run) {
  switch (attention.head_dim) {
    case 64:
      return run(Shape<64>());
    case 80:
      return run(Shape<80>());
    case 96:
      return run(Shape<96>());
    case 112:
      return run(Shape<112>());
    case 128:
      return run(Shape<128>());
    case 256:
      return run(Shape<256>());
    default:
      return;  // see has_tiles
  }
}

}  // namespace

bool has_tiles(const DeviceAttention& attention) {
  bool found = false;
  with_shape(attention, [&](auto) { found = true; });
  return found && attention.scale > 0;  // the largest q . k has the largest score
}

void attend_tiles(const DeviceAttention& attention, float* row_stats, cudaStream_t stream) {
  with_shape(attention, [&](auto shape) {
    using S = decltype(shape);
    if (attention.rebalance != nullptr) return start<S>(attend_tile<S, true>, attention, row_stats, stream);
    start<S>(attend_tile<S, false>, attention, row_stats, stream);
  });
}

void mask_tiles(const DeviceAttention& attention, const float* row_stats, cudaStream_t stream) {
  with_shape(attention, [&](auto shape) {
    using S = decltype(shape);
    start<S>(mask_tile<S>, attention, row_stats, stream);
  });
}

}  // namespace refocus::cuda
