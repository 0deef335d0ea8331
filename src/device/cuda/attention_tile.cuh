// What the two passes over tiles of attention have in common: which warp has which rows, how keys and values
// come to shared memory, and the scores of a step. See attention_tiles.cu.
#pragma once

#include <cuda_fp16.h>

#include "device/cuda/attention_common.cuh"
#include "device/cuda/matrix_units.cuh"

namespace refocus::cuda {

inline constexpr int kStep = 2 * kKeys, kTileRows = static_cast<int>(DeviceAttention::kTileRows);
inline constexpr int kWarpRows = 16;
inline constexpr float kLog2E = 1.4426950408889634f;

// Heads of kHeadDim dimensions. In shared memory: two stages of K and V [kStep, kStride] each and the queries
// [kTileRows, kStride]. kStride is 16 bytes more than a row, so that the eight rows of a matrix that a warp
// reads lie in different banks.
template <int kHeadDim>
struct Shape {
  static constexpr int kDim = kHeadDim, kThreads = kTileRows / kWarpRows * 32;
  static constexpr int kStride = kDim + 8, kSide = kStep * kStride, kStage = 2 * kSide;
  static constexpr int kBytes = (2 * kStage + kTileRows * kStride) * 2;
  static constexpr int kBlocks = kDim > 128 ? 1 : 2;  // that fit into a multiprocessor
};

// The block's tile, in shared memory, where it takes no registers.
struct SharedTile {
  int sequence, first_row, rows, first_position, kv_head;
  int first, last;  // keys that some row of the tile sees
};

// A warp's place in the tile.
struct Place {
  const SharedTile& tile;
  int head, lane, warp_row;  // warp_row: of the tile, the warp's first; the lane's rows: + lane / 4 (+ 8)
  bool idle;                 // has no rows: only helps to load
  __device__ int position(int row) const { return tile.first_position + row; }
  __device__ int own_row(int which) const { return warp_row + lane / 4 + which * 8; }
  __device__ int last_row() const { return min(warp_row + kWarpRows, tile.rows) - 1; }
};

// All threads call it. The last tiles of a sequence have the most keys: they go first, so that the
// multiprocessors end together.
template <class S>
__device__ Place place_of(const DeviceAttention& attention, std::int64_t first_tile, SharedTile& shared) {
  const int group = static_cast<int>(attention.heads / attention.kv_heads),
            head = static_cast<int>(blockIdx.x);
  if (threadIdx.x == 0) {
    const DeviceTile tile = attention.tiles[first_tile + gridDim.y - 1 - blockIdx.y];
    shared = {tile.sequence,
              tile.first_row,
              tile.rows,
              tile.first_position,
              head / group,
              first_key(attention, tile.first_position),
              tile.first_position + tile.rows - 1};
  }
  __syncthreads();
  const int warp_row = static_cast<int>(threadIdx.x) / 32 * kWarpRows;
  return {shared, head, static_cast<int>(threadIdx.x) % 32, warp_row, warp_row >= shared.rows};
}

// Starts the copy of a step's keys, and values, to a stage. Slots that no row of the tile sees become zeros
// and are not read, nor are blocks that have no others.
template <class S, bool kValues>
__device__ void load_step(const DeviceAttention& attention, const SharedTile& tile, int step, __half* stage) {
  constexpr int kPerRow = S::kDim / 8, kPieces = kKeys * kPerRow;  // of 16 bytes
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int block = step * 2 + half, begin = block * kKeys;
    const bool any = begin <= tile.last && begin + kKeys > tile.first;  // if not, the address is of no matter
    const __half* keys =
        block_keys<__half>(attention, tile.sequence, any ? block : tile.last / kKeys, tile.kv_head);
#pragma unroll
    for (int i = 0; i < (kPieces + S::kThreads - 1) / S::kThreads; ++i) {
      const int piece = static_cast<int>(threadIdx.x) + i * S::kThreads, slot = piece / kPerRow;
      if (kPieces % S::kThreads != 0 && piece >= kPieces) break;
      const bool seen = begin + slot >= tile.first && begin + slot <= tile.last;
      __half* to = stage + (half * kKeys + slot) * S::kStride + piece % kPerRow * 8;
      copy_or_clear(to, keys + piece * 8, seen);
      if constexpr (kValues) copy_or_clear(to + S::kSide, keys + kKeys * S::kDim + piece * 8, seen);
    }
  }
}

// The warp's 16 queries as parts A, [16, 16] for each 16 dimensions, rounded to F16.
template <class S>
struct Queries {
  std::uint32_t at;  // in shared memory

  // All threads call it; `shared` is read after the next barrier.
  __device__ void read(const DeviceAttention& attention, const Place& place, __half* shared) {
    constexpr int kPairs = S::kDim / 2;
    __half* rows = shared + place.warp_row * S::kStride;
    for (int i = place.lane; i < kWarpRows * kPairs; i += 32) {
      const int row = i / kPairs, d = i % kPairs * 2, of_tile = place.warp_row + row;
      std::uint32_t both = 0;
      if (of_tile < place.tile.rows) {
        const float* from = attention.q + (place.tile.first_row + of_tile) * attention.q_stride +
                            place.head * attention.head_dim + d;
        both = pack(from[0], from[1]);
      }
      *reinterpret_cast<std::uint32_t*>(rows + row * S::kStride + d) = both;
    }
    at = shared_address(rows + matrix_rows(place.lane) * S::kStride + matrix_columns(place.lane));
  }
  __device__ void part(int k, std::uint32_t (&a)[4]) const { load_matrices(a, at + k * 32); }
};

// What is made of q . k: with a cap, s = cap tanh(scale q . k / cap) and unit = 1; otherwise s = q . k and
// unit = scale. The score is s * unit. A parameter of kernels: made on the processor.
struct ScoreRule {
  float cap, unit, unit_log2e, twice_log2e;  // twice_log2e: 2 log2(e) scale / cap

  explicit ScoreRule(const DeviceAttention& attention)
      : cap(attention.softcap),
        unit(cap > 0 ? 1 : attention.scale),
        unit_log2e(unit * kLog2E),
        twice_log2e(cap > 0 ? 2 * kLog2E * attention.scale / cap : 0) {}
  // tanh(x) = 1 - 2 / (exp(2 x) + 1)
  __device__ float capped(float dot) const {
    return cap * (1 - __fdividef(2.0f, exp2_of(dot * twice_log2e) + 1));
  }
};

// s[n][c]: row own_row(c / 2), key 64 * step + 8 n + lane % 4 * 2 + c % 2; -infinity where it is not seen.
template <class S>
__device__ void step_scores(const DeviceAttention& attention, const Place& place, const ScoreRule& rule,
                            const Queries<S>& queries, const __half* keys, int step, float (&s)[8][4]) {
  const std::uint32_t at = shared_address(keys + matrix_columns_as_rows(place.lane) * S::kStride +
                                          matrix_rows_as_columns(place.lane));
#pragma unroll
  for (int n = 0; n < 8; ++n) s[n][0] = s[n][1] = s[n][2] = s[n][3] = 0;
#pragma unroll
  for (int k = 0; k < S::kDim / 16; ++k) {
    std::uint32_t a[4];
    queries.part(k, a);
#pragma unroll
    for (int n = 0; n < 4; ++n) {
      std::uint32_t b[4];
      load_matrices(b, at + (n * 16 * S::kStride + k * 16) * 2);
      multiply_add(s[2 * n], a, b[0], b[1]);
      multiply_add(s[2 * n + 1], a, b[2], b[3]);
    }
  }
  if (rule.cap > 0) {
#pragma unroll
    for (int i = 0; i < 32; ++i) s[i / 4][i % 4] = rule.capped(s[i / 4][i % 4]);
  }
  const int last_position = place.position(place.warp_row + kWarpRows - 1), begin = step * kStep;
  if (begin + kStep - 1 <= place.position(place.warp_row) && begin >= first_key(attention, last_position)) {
    return;  // all rows see all of it
  }
#pragma unroll
  for (int which = 0; which < 2; ++which) {
    const int position = place.position(place.own_row(which)), first = first_key(attention, position);
#pragma unroll
    for (int i = 0; i < 16; ++i) {
      const int key = begin + i / 2 * 8 + place.lane % 4 * 2 + i % 2;
      if (key < first || key > position) s[i / 2][which * 2 + i % 2] = -INFINITY;
    }
  }
}

// Calls meet(step, K and V in shared memory) for all steps that some row of the tile sees, with the next step
// on its way. All threads call it; queries are in shared memory when it is called first.
template <class S, bool kValues, class Meet>
__device__ void for_steps(const DeviceAttention& attention, const Place& place, __half* shared,
                          const Meet& meet) {
  const int end = place.tile.last / kStep + 1;
  int step = place.tile.first / kStep, stage = 0;
  load_step<S, kValues>(attention, place.tile, step, shared);
  close_copies();
  for (; step < end; ++step, stage ^= 1) {
    wait_for_copies();
    __syncthreads();  // the step is there for all, and no warp reads the other stage any more
    if (step + 1 < end) {
      load_step<S, kValues>(attention, place.tile, step + 1, shared + (stage ^ 1) * S::kStage);
      close_copies();
    }
    if (!place.idle && step * kStep <= place.position(place.last_row()))
      meet(step, shared + stage * S::kStage);
  }
}

}  // namespace refocus::cuda
