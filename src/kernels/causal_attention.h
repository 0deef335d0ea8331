// Grouped-query causal attention for training: whole sequences, forward and backward.
//
//   out(i, h) = sum_j softmax_j(scale * q(i, h) . k(j, g)) v(j, g),   j <= i of the same sequence,
//   g = h / (heads / kv_heads)
//
// with, where the shape has them, a window (keys before it have the weight 0) and a cap on scores.
//
// Several sequences lie one after the other in the same rows and do not see each other (block-diagonal
// attention). No n x n matrix is kept: forward saves one logarithm a row and head, from which backward
// computes the softmax again, block of queries by block (Dao et al. 2022). Memory beyond the arguments is a
// block of queries times the keys of one sequence, a thread. Sums run in one fixed order that depends on the
// sequence alone.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "kernels/attention.h"

namespace refocus {

struct RowSpan {
  std::int64_t first = 0, count = 0;
};

struct CausalInput {
  const float* q = nullptr;  // [rows, q_stride]: heads * head_dim a row, rotated
  const float* k = nullptr;  // [rows, kv_stride]: kv_heads * head_dim a row, rotated
  const float* v = nullptr;  // [rows, kv_stride]
  std::int64_t q_stride = 0, kv_stride = 0;
};

struct CausalOutput {
  float* out = nullptr;          // [rows, out_stride]
  float* log_sum_exp = nullptr;  // [rows, heads]: log sum_j exp(score)
  std::int64_t out_stride = 0;
};

struct CausalGradients {
  const float* d_out = nullptr;  // [rows, out_stride]
  float* dq = nullptr;           // [rows, q_stride], overwritten
  float* dk = nullptr;           // [rows, kv_stride], overwritten
  float* dv = nullptr;           // [rows, kv_stride], overwritten
};

// Memory of each thread, kept between calls; grows as needed.
struct CausalScratch {
  std::vector<AlignedBuffer<float>> threads;
};

// The shape may have no sinks.
void causal_attention(ThreadPool& pool, const AttentionShape& shape, std::span<const RowSpan> sequences,
                      const CausalInput& input, const CausalOutput& output, CausalScratch& scratch);

// `output` is what causal_attention wrote for this input.
void causal_attention_backward(ThreadPool& pool, const AttentionShape& shape,
                               std::span<const RowSpan> sequences, const CausalInput& input,
                               const CausalOutput& output, const CausalGradients& gradients,
                               CausalScratch& scratch);

}  // namespace refocus
