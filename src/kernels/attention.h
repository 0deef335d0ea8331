// Grouped-query causal attention, with hooks on the attention weights and on what each head puts out.
//
//   out(i, h) = sum_j softmax_j(scale * q(i, h) . k(j, g)) v(j, g),   j <= position(i),   g = h / (heads /
//   kv_heads)
//
// Where a shape asks for bf16, q, k, v and the weights exp(score - max) are rounded to it as they meet;
// scores, softmax, its sum and what hooks see stay float32. With AMX steps of 32 elements of head_dim, or
// blocks of 32 keys, are added as in kernels/bf16_matmul.h.
//
// with, where a shape has them, a window (keys before it have the weight 0), a cap on scores and sinks.
// Each row is summed in the order of its own keys, so its result depends neither on the rows computed beside
// it nor on how a prompt is cut into calls. Memory beyond q, out and the cache is one row of weights for each
// row of a tile: nothing grows with keys times queries. Few rows of many keys are cut by what nothing is
// summed along, so that all threads work on them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/kv_block.h"

namespace refocus {

struct AttentionShape {
  std::int64_t heads = 0, kv_heads = 0, head_dim = 0;
  float scale = 1;               // on q . k, usually 1 / sqrt(head_dim)
  float softcap = 0;             // scores s become cap tanh(s / cap), before hooks see them; 0: as they are
  std::int64_t window = 0;       // a query sees this many keys, its own the last of them; 0: all before it
  const float* sinks = nullptr;  // [all heads]: exp(sink) is in the sum of softmax, for no key; null: none
  bool bf16 = false;             // operands of both products are rounded to bf16, see above
  std::int64_t first_head = 0;   // the heads are [first_head, first_head + heads) of a layer: hooks and sinks
                                 // count so

  // The first key that a query at a position sees.
  std::int64_t first_key(std::int64_t position) const {
    return window > 0 && position >= window ? position - window + 1 : 0;
  }
};

// One row of attention weights of one head.
struct AttentionRow {
  std::int64_t row = 0;       // query's place among this call's rows of its sequence
  std::int64_t position = 0;  // query's position in its sequence; keys are 0..position
  std::int64_t head = 0;      // query head
  int thread = 0;             // of the pool, that computes it: for scratch memory, nothing else
};

// A row after softmax, before normalisation. The attention weight of key j is
// weights[j] / sum, with weights[j] = exp(score(j) - the row's largest score).
struct SoftmaxRow {
  AttentionRow at;
  std::span<const float> weights;  // [position + 1], 0 before the window
  float sum = 0;

  bool operator==(const SoftmaxRow& other) const {
    return sum == other.sum && std::ranges::equal(weights, other.weights);
  }
};

// A row that a hook may change as it likes: the weights in place, and what their sum with the values is
// divided by. Weights before `first_key` are 0 and stay so; weights can be read to padded(position + 1)
// (kernels/matmul.h), with zeros beyond the row's end.
struct EditableRow {
  AttentionRow at;
  std::span<float> weights;    // [position + 1]
  float sum = 0;               // of the weights and the sink; the output is sum_j weights[j] v_j / sum
  float sink = 0;              // the sink's part of the sum, 0 without one
  std::int64_t first_key = 0;  // that the query sees
};

// Rows of one head at consecutive positions, before softmax (scores) or after it (weights). Row r is values +
// r * stride, its columns are keys [0, keys()). What row r does not see, keys beyond its position or before
// shape->first_key() of it, is -infinity before softmax and 0 after it, and a hook leaves it so.
struct RowBlock {
  AttentionRow first;  // the first of the rows
  std::int64_t rows = 0;
  float* values = nullptr;  // weights of row r have zeros from its end to padded(its end), too
  std::int64_t stride = 0;
  const AttentionShape* shape = nullptr;
  float* sums = nullptr;         // [rows], after softmax: EditableRow::sum, which may be changed
  const float* sinks = nullptr;  // [rows], after softmax: EditableRow::sink

  std::int64_t keys() const { return first.position + rows; }
  AttentionRow at(std::int64_t r) const {
    return {first.row + r, first.position + r, first.head, first.thread};
  }
  // Row r, after softmax; what becomes of its sum is to be taken back.
  EditableRow row(std::int64_t r) const {
    const std::int64_t position = first.position + r;
    return {at(r), std::span(values + r * stride, static_cast<std::size_t>(position + 1)), sums[r], sinks[r],
            shape->first_key(position)};
  }
  // Rows [begin, begin + count) of it.
  RowBlock part(std::int64_t begin, std::int64_t count) const {
    return {at(begin),
            count,
            values + begin * stride,
            stride,
            shape,
            sums != nullptr ? sums + begin : nullptr,
            sinks != nullptr ? sinks + begin : nullptr};
  }
};

// What hooks do in a layer, as data, where that is re-balancing and nothing else (intervene/rebalance.h): for
// devices, which cannot call them. It acts where both the row and the head are chosen.
struct RebalanceData {
  const void* context = nullptr;
  bool all = false;     // every weight of the row, not only M's
  float threshold = 0;  // of M, in layer 0
  float excess = 0;     // weights are multiplied by 1 + excess; 0 where the layer stays as it is
  bool (*has_row)(const void* context, std::int64_t position) = nullptr;  // null: every row
  std::vector<std::uint32_t> heads = {};  // bit h % 32 of word h / 32: query head h
};

// Of a call's rows and all heads of the model: [rows, heads, each].
struct HeadSums {
  double* values = nullptr;
  std::int64_t rows = 0, heads = 0, each = 0;
};

// One layer's intervention for one sequence, and an observer beside it, which can be had without one and
// changes nothing. Null hooks cost nothing. Hooks are called from several threads, never twice for the same
// (row, head).
struct AttentionHooks {
  void* context = nullptr;
  // Before softmax: may change scores of keys [first_key, first_key + scores.size()). Called once a block of
  // keys.
  void (*bias)(void* context, const AttentionRow& at, std::int64_t first_key,
               std::span<float> scores) = nullptr;
  // After softmax: may change the row. True where it did; otherwise the row must be as it was.
  bool (*edit)(void* context, EditableRow& row) = nullptr;
  // Instead of `bias` and of `edit`: the same of several rows of a head at once. Which rows come together
  // means nothing, and they come one at a time where somebody observes.
  void (*bias_rows)(void* context, const RowBlock& block) = nullptr;
  bool (*edit_rows)(void* context, const RowBlock& block) = nullptr;
  // After that: sees the row as softmax left it, and what became of it, the same object where nothing did.
  void (*observe)(void* observer, const SoftmaxRow& before, const SoftmaxRow& after) = nullptr;
  void* observer = nullptr;
  // After the sum over values: may change what the head puts out, [head_dim], before the output projection.
  void (*output)(void* context, const AttentionRow& at, std::span<float> out) = nullptr;

  // The rest is called by who makes the keys and calls the kernel (model/transformer.h), not by the kernel.
  // Before rotation: may change a position's keys, [kv_heads, head_dim].
  void (*keys)(void* context, std::int64_t position, std::span<float> keys) = nullptr;
  // Of an edit that depends on all rows of a call: the call's rows are gone through up to `surveys` times
  // more, before the pass that counts, with neither observer nor output. begin_pass is called before each
  // pass, by one thread, with 0 .. surveys and the call's rows of the sequence; the pass is left out where it
  // returns false, but for the last.
  int surveys = 0;
  bool (*begin_pass)(void* context, int pass, std::int64_t first_position, std::int64_t rows) = nullptr;
  // Where ranks share the heads (model/partition.h): what the survey that is going on sums of each row and
  // head, to be put together before it ends. Empty where its sums are a head's own.
  HeadSums (*survey_sums)(void* context) = nullptr;
  // Of layer 0's hooks, where later layers are on other ranks: what those need to know of a call's rows
  // beside the residual stream is written, and read there. Null: nothing.
  void (*save_rows)(void* context, std::int64_t rows, std::vector<std::byte>& out) = nullptr;
  void (*load_rows)(void* context, std::int64_t rows, std::span<const std::byte> saved) = nullptr;
  // The same as data, or null; the kernel does not look at it.
  const RebalanceData* rebalance = nullptr;

  bool changes_weights() const {
    return bias != nullptr || edit != nullptr || bias_rows != nullptr || edit_rows != nullptr;
  }
  bool changes_anything() const { return changes_weights() || output != nullptr || keys != nullptr; }
  // Whether all rows must be computed, also those that nothing else is wanted of.
  bool sees_all_rows() const {
    return observe != nullptr || output != nullptr || bias_rows != nullptr || edit_rows != nullptr;
  }
};

// Rows of one sequence: consecutive positions, consecutive rows of q and out.
struct AttentionSequence {
  std::int64_t first_row = 0;  // of q and out
  std::int64_t rows = 0;
  std::int64_t position = 0;  // of the first row
  // Block b of the sequence at this layer is blocks[b] + block_offset bytes: kv_heads *
  // kv_block_bytes(type, head_dim) bytes.
  const std::byte* const* blocks = nullptr;
  std::int64_t block_offset = 0;
  AttentionHooks hooks;
  DType type = DType::kF32;   // of the cache; see is_kv_type
  std::int64_t left_out = 0;  // rows of the call before the first one, that hooks count with
};

struct AttentionBuffers {
  const float* q = nullptr;  // [rows, q_stride]: heads * head_dim a row, rotated
  std::int64_t q_stride = 0;
  float* out = nullptr;  // [rows, out_stride]: heads * head_dim a row
  std::int64_t out_stride = 0;
  float* scratch = nullptr;  // [threads, attention_scratch_floats(longest sequence, head_dim)]
  std::int64_t scratch_stride = 0;
};

std::int64_t attention_scratch_floats(std::int64_t keys, std::int64_t head_dim);

void attention(ThreadPool& pool, const AttentionShape& shape, std::span<const AttentionSequence> sequences,
               const AttentionBuffers& buffers);

namespace reference {
// The plain twin: whole rows of weights in double. Ignores the scratch memory.
void attention(const AttentionShape& shape, std::span<const AttentionSequence> sequences,
               const AttentionBuffers& buffers);
}  // namespace reference

}  // namespace refocus
