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
  bool by_amx = false;  // both products, of operands in bf16
  // The head's block of keys and values that the next task, as a rule the same thread's, reads first, or
  // null.
  const std::byte* after = nullptr;
};

// The key that the first block of a tile begins with.
inline std::int64_t first_block_key(const AttentionTask& task) {
  const std::int64_t row = task.begin / (task.shape->heads / task.shape->kv_heads);
  return task.shape->first_key(task.sequence->position + row) / kKeyBlock * kKeyBlock;
}

// Where the head lies in a block of the cache, in bytes.
inline std::int64_t head_offset(const AttentionTask& task) {
  return task.sequence->block_offset +
         task.kv_head * kv_block_bytes(task.sequence->type, task.shape->head_dim);
}

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

// What attention_amx.cpp reads and writes of a tile: up to kTile rows.
struct AmxAttention {
  DType type;                      // of the cache
  const std::byte* const* blocks;  // of the sequence
  std::int64_t head_offset;        // of the head in a block, in bytes
  std::int64_t head_dim, rows;
  float scale;
  float* weights;  // [rows, weights_stride]
  std::int64_t weights_stride;
  float* sums;  // [rows, sums_stride]
  std::int64_t sums_stride;
  const float* queries[kTile];  // [head_dim] each
  std::int64_t positions[kTile];
};

// weights[r][j] = scale * q[r] . k[j] for the whole blocks that keys [begin, end) lie in; q and k rounded to
// bf16. Only where amx_bf16_in_use().
void scores_by_amx(const AmxAttention& a, std::int64_t begin, std::int64_t end);
// sums[r] = the sum of weights[r][j] v[j] over keys [begin, end), of columns [column, end_column), multiples
// of 16; weights and v rounded to bf16.
void values_by_amx(const AmxAttention& a, std::int64_t begin, std::int64_t end, std::int64_t column,
                   std::int64_t end_column);

}  // namespace refocus
