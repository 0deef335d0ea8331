// What attention.cpp hands to a thread.
#pragma once

#include <cstdint>

#include "kernels/attention.h"
#include "kernels/matmul.h"

namespace refocus {

inline constexpr std::int64_t kTile = 16;
inline constexpr std::int64_t kSpan =
    4;  // blocks of values that stay in the L1 cache while a tile's queries pass
inline constexpr std::int64_t kColumns = 32;  // of values, in a part

// A tile is done as a whole, or one step of it in parts: of keys, of rows, or of columns of the values.
enum class AttentionStep { kAll, kScores, kSoftmax, kValues };

// Query vectors [begin, end) of one key/value head of one sequence, counted row by row, then head by head.
struct AttentionTask {
  const AttentionShape* shape;
  const AttentionSequence* sequence;
  const AttentionBuffers* buffers;
  std::int64_t kv_head, begin, end;
  int thread;
  float *shared, *own;  // memory of the tile and of the thread; see TileMemory
  AttentionStep step = AttentionStep::kAll;
  std::int64_t part = 0, parts = 1;
};

// Whole blocks, and a cache line more, so that the rows of a tile do not meet in the same sets of the cache.
constexpr std::int64_t weights_stride(std::int64_t keys) {
  return (keys + kKeyBlock - 1) / kKeyBlock * kKeyBlock + 16;
}

// A tile's memory: what all of its parts know, and what a thread needs beside. stride: padded(head_dim).
struct TileMemory {
  float *weights, *sums, *totals;  // [kTile, weights_stride(keys)], [kTile, stride] and [kTile]
  float* transposed;               // queries, [head_dim, rows] of each group of rows
  float* spare_row;                // weights as softmax left them, for an observer of what is edited

  TileMemory(const AttentionTask& task, std::int64_t keys, std::int64_t stride)
      : weights(task.shared),
        sums(weights + kTile * weights_stride(keys)),
        totals(sums + kTile * stride),
        transposed(task.own),
        spare_row(transposed + kTile * stride) {}

  static constexpr std::int64_t shared_floats(std::int64_t keys, std::int64_t stride) {
    return kTile * (weights_stride(keys) + stride + 1);
  }
  static constexpr std::int64_t own_floats(std::int64_t keys, std::int64_t stride) {
    return padded(kTile * stride + weights_stride(keys));
  }
};

}  // namespace refocus
