// Grouped-query causal attention by online softmax; see kernels/attention.h.
//
// A tile is up to kTile query vectors that read the same keys: rows of one head, or the heads of a group, or
// both. A block of keys is read once a tile. Scores are computed with lanes along the keys (K lies
// transposed), weighted values with lanes along head_dim, so that neither needs a sum over lanes.
#include "kernels/attention.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "kernels/matmul.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/attention.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/math-inl.h"

#ifndef REFOCUS_ATTENTION_SHARED
#define REFOCUS_ATTENTION_SHARED
namespace refocus {
inline constexpr std::int64_t kTile = 16;
inline constexpr std::int64_t kMaxLanes = 16;

// One task: query vectors [begin, end) of one key/value head of one sequence, counted row by row, then head
// by head.
struct AttentionTask {
  const AttentionShape* shape;
  const AttentionSequence* sequence;
  const AttentionBuffers* buffers;
  std::int64_t kv_head, begin, end;
  float* scratch;  // scores [kTile, keys padded to blocks], sums [kTile, padded(head_dim)], weights [kTile,
                   // kKeyBlock], lane sums [kTile, kMaxLanes]
};
}  // namespace refocus
#endif

HWY_BEFORE_NAMESPACE();
namespace refocus {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;
#define REFOCUS_LANES static_cast<std::int64_t>(hn::Lanes(D()))
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
constexpr int kPass = 4,
              kScoreVectors = 2;  // queries at a time; 4 * 4 sums + 4 values + 1 weight of 32 registers
#else
constexpr int kPass = 2, kScoreVectors = 4;  // 2 * 4 + 4 + 1 of 16
#endif

// One query vector of a tile, with its running softmax.
struct Query {
  AttentionRow at;
  const float* q;
  float* out;
  float* scores;     // whole row
  float* sums;       // [padded(head_dim)], sum of exp(score - max) v
  float* weights;    // [kKeyBlock], exp(score - max) of the current block
  float* lane_sums;  // one vector: sum of exp(score - max), each lane's own keys
  float max;
};

// scores[r][j] = scale * q[r] . k[j] for kRows queries and the keys of one block.
template <int kRows>
HWY_INLINE void block_scores(Query* queries, const float* HWY_RESTRICT keys, std::int64_t head_dim,
                             float scale, std::int64_t first_key) {
  const D d;
  constexpr int kVectors = kScoreVectors;  // of the block at a time: kRows * kVectors sums in registers
  const std::int64_t step = kVectors * REFOCUS_LANES;
  if (step <= kKeyBlock) {
    for (std::int64_t j = 0; j < kKeyBlock; j += step) {
      V sum[kRows][kVectors];
      for (int r = 0; r < kRows; ++r) {
        for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(d);
      }
      for (std::int64_t i = 0; i < head_dim; ++i) {
        V k[kVectors];
        for (int v = 0; v < kVectors; ++v) k[v] = hn::LoadU(d, keys + i * kKeyBlock + j + v * REFOCUS_LANES);
        for (int r = 0; r < kRows; ++r) {
          const V q = hn::Set(d, queries[r].q[i]);
          for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(q, k[v], sum[r][v]);
        }
      }
      for (int r = 0; r < kRows; ++r) {
        for (int v = 0; v < kVectors; ++v) {
          hn::StoreU(hn::Mul(sum[r][v], hn::Set(d, scale)), d,
                     queries[r].scores + first_key + j + v * REFOCUS_LANES);
        }
      }
    }
  } else {
    for (std::int64_t j = 0; j < kKeyBlock; j += REFOCUS_LANES) {
      V sum[kRows];
      for (int r = 0; r < kRows; ++r) sum[r] = hn::Zero(d);
      for (std::int64_t i = 0; i < head_dim; ++i) {
        const V k = hn::LoadU(d, keys + i * kKeyBlock + j);
        for (int r = 0; r < kRows; ++r) sum[r] = hn::MulAdd(hn::Set(d, queries[r].q[i]), k, sum[r]);
      }
      for (int r = 0; r < kRows; ++r) {
        hn::StoreU(hn::Mul(sum[r], hn::Set(d, scale)), d, queries[r].scores + first_key + j);
      }
    }
  }
}

// Turns a block's scores into weights relative to the new maximum, and rescales what was summed before.
HWY_INLINE void block_softmax(Query& query, const AttentionHooks& hooks, std::int64_t first_key,
                              std::int64_t sums_size) {
  const D d;
  const std::int64_t keys = std::min(kKeyBlock, query.at.position + 1 - first_key);
  float* scores = query.scores + first_key;
  if (hooks.bias != nullptr) {
    hooks.bias(hooks.context, query.at, first_key, {scores, static_cast<std::size_t>(keys)});
  }
  for (std::int64_t j = keys; j < kKeyBlock; ++j) scores[j] = -std::numeric_limits<float>::infinity();
  V max = hn::LoadU(d, scores);
  for (std::int64_t j = REFOCUS_LANES; j < kKeyBlock; j += REFOCUS_LANES) {
    max = hn::Max(max, hn::LoadU(d, scores + j));
  }
  if (!hn::AllFalse(d, hn::Gt(max, hn::Set(d, query.max)))) {
    const float new_max = hn::GetLane(hn::MaxOfLanes(d, max));
    const V rescale = exp_of_nonpositive(d, hn::Set(d, query.max - new_max));  // 0 at first: exp(-infinity)
    hn::StoreU(hn::Mul(hn::LoadU(d, query.lane_sums), rescale), d, query.lane_sums);
    for (std::int64_t i = 0; i < sums_size; i += REFOCUS_LANES) {
      hn::StoreU(hn::Mul(hn::LoadU(d, query.sums + i), rescale), d, query.sums + i);
    }
    query.max = new_max;
  }
  if (query.max == -std::numeric_limits<float>::infinity()) {  // every key so far is biased away
    std::fill_n(query.weights, kKeyBlock, 0.0f);
    return;
  }
  V sum = hn::LoadU(d, query.lane_sums);
  for (std::int64_t j = 0; j < kKeyBlock; j += REFOCUS_LANES) {
    const V w = exp_of_nonpositive(d, hn::Sub(hn::LoadU(d, scores + j), hn::Set(d, query.max)));
    hn::StoreU(w, d, query.weights + j);
    sum = hn::Add(sum, w);
  }
  hn::StoreU(sum, d, query.lane_sums);
}

// sums[r] += weights[r][j] v[j] for kRows queries, kVectors vectors of head_dim and `keys` keys.
template <int kRows, int kVectors>
HWY_INLINE void add_values(Query* queries, const float* HWY_RESTRICT values, std::int64_t stride,
                           std::int64_t keys) {
  const D d;
  V sum[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::LoadU(d, queries[r].sums + v * REFOCUS_LANES);
  }
  for (std::int64_t j = 0; j < keys; ++j) {
    V value[kVectors];
    for (int v = 0; v < kVectors; ++v) value[v] = hn::LoadU(d, values + j * stride + v * REFOCUS_LANES);
    for (int r = 0; r < kRows; ++r) {
      const V w = hn::Set(d, queries[r].weights[j]);
      for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(w, value[v], sum[r][v]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) hn::StoreU(sum[r][v], d, queries[r].sums + v * REFOCUS_LANES);
  }
}

template <int kRows>
HWY_INLINE void block_values(Query* queries, const float* values, std::int64_t stride, std::int64_t keys) {
  Query local[kRows];
  for (int r = 0; r < kRows; ++r) local[r] = queries[r];
  std::int64_t left = stride / REFOCUS_LANES;
  while (left > 0) {
    std::int64_t step = 1;
    if (left >= 4) {
      step = 4;
      add_values<kRows, 4>(local, values, stride, keys);
    } else if (left >= 2) {
      step = 2;
      add_values<kRows, 2>(local, values, stride, keys);
    } else {
      add_values<kRows, 1>(local, values, stride, keys);
    }
    left -= step;
    values += step * REFOCUS_LANES;
    for (int r = 0; r < kRows; ++r) local[r].sums += step * REFOCUS_LANES;
  }
}

// kRows queries against the block that starts at first_key.
template <int kRows>
void block_pass(Query* queries, const AttentionTask& task, const float* block, std::int64_t first_key) {
  const std::int64_t head_dim = task.shape->head_dim, stride = padded(head_dim);
  block_scores<kRows>(queries, block, head_dim, task.shape->scale, first_key);
  std::int64_t shared_keys = kKeyBlock;
  for (int r = 0; r < kRows; ++r) {
    block_softmax(queries[r], task.sequence->hooks, first_key, stride);
    shared_keys = std::min(shared_keys, queries[r].at.position + 1 - first_key);
  }
  const float* values = block + head_dim * kKeyBlock;
  block_values<kRows>(queries, values, stride, shared_keys);
  for (int r = 0; r < kRows; ++r) {  // the diagonal block: later queries see more keys
    const std::int64_t keys = std::min(kKeyBlock, queries[r].at.position + 1 - first_key);
    if (keys > shared_keys) {
      Query rest = queries[r];
      rest.weights += shared_keys;
      block_values<1>(&rest, values + shared_keys * stride, stride, keys - shared_keys);
    }
  }
}

// sums += sum over `count` keys of weights[t] values[t], for kVectors vectors of head_dim.
template <int kVectors>
HWY_INLINE void add_gathered(float* sums, const float* weights, const float* const* values,
                             std::int64_t offset, std::int64_t count) {
  const D d;
  V sum[kVectors];
  for (int v = 0; v < kVectors; ++v) sum[v] = hn::LoadU(d, sums + v * REFOCUS_LANES);
  for (std::int64_t t = 0; t < count; ++t) {
    const V w = hn::Set(d, weights[t]);
    for (int v = 0; v < kVectors; ++v) {
      sum[v] = hn::MulAdd(w, hn::LoadU(d, values[t] + offset + v * REFOCUS_LANES), sum[v]);
    }
  }
  for (int v = 0; v < kVectors; ++v) hn::StoreU(sum[v], d, sums + v * REFOCUS_LANES);
}

// Does to the row's sums what the hook after softmax asks for. sum: of the row's exp(score - max).
void rewrite_row(Query& query, const AttentionTask& task, float sum) {
  const D d;
  const AttentionHooks& hooks = task.sequence->hooks;
  const auto keys = static_cast<std::size_t>(query.at.position + 1);
  const RowRewrite rewrite = hooks.rewrite(hooks.context, {query.at, {query.scores, keys}, query.max, sum});
  const std::int64_t head_dim = task.shape->head_dim, stride = padded(head_dim);
  if (rewrite.scale != 1) {
    for (std::int64_t i = 0; i < stride; ++i) query.sums[i] *= rewrite.scale;
  }
  const std::int64_t offset =
      task.sequence->block_offset + task.kv_head * kv_block_floats(head_dim) + head_dim * kKeyBlock;
  const auto terms = static_cast<std::int64_t>(rewrite.keys.size());
  for (std::int64_t first = 0; first < terms; first += kKeyBlock) {
    const std::int64_t count = std::min(kKeyBlock, terms - first);
    const std::int32_t* at = rewrite.keys.data() + first;
    const float* values[kKeyBlock];
    std::fill_n(query.weights, kKeyBlock, 0.0f);
    for (std::int64_t t = 0; t < count; ++t) {
      query.weights[t] = query.scores[at[t]] - query.max;
      values[t] = task.sequence->blocks[at[t] / kKeyBlock] + offset + at[t] % kKeyBlock * stride;
    }
    for (std::int64_t t = 0; t < kKeyBlock; t += REFOCUS_LANES) {
      hn::StoreU(exp_of_nonpositive(d, hn::LoadU(d, query.weights + t)), d, query.weights + t);
    }
    for (std::int64_t t = 0; t < count; ++t) {
      query.weights[t] *=
          rewrite.coefficients != nullptr ? rewrite.coefficients[first + t] : rewrite.coefficient;
    }
    std::int64_t i = 0;
    for (; i + 4 * REFOCUS_LANES <= stride; i += 4 * REFOCUS_LANES) {
      add_gathered<4>(query.sums + i, query.weights, values, i, count);
    }
    for (; i < stride; i += REFOCUS_LANES) add_gathered<1>(query.sums + i, query.weights, values, i, count);
  }
}

void finish_row(Query& query, const AttentionTask& task) {
  const D d;
  const float sum = hn::GetLane(hn::SumOfLanes(d, hn::LoadU(d, query.lane_sums)));
  if (task.sequence->hooks.rewrite != nullptr) rewrite_row(query, task, sum);
  const std::int64_t head_dim = task.shape->head_dim;
  std::int64_t i = 0;
  for (; i + REFOCUS_LANES <= head_dim; i += REFOCUS_LANES) {
    hn::StoreU(hn::Div(hn::LoadU(d, query.sums + i), hn::Set(d, sum)), d, query.out + i);
  }
  for (; i < head_dim; ++i) query.out[i] = query.sums[i] / sum;
}

void run_tile(const AttentionTask& task) {
  const AttentionShape& shape = *task.shape;
  const AttentionSequence& sequence = *task.sequence;
  const AttentionBuffers& buffers = *task.buffers;
  const std::int64_t group = shape.heads / shape.kv_heads, stride = padded(shape.head_dim);
  const std::int64_t count = task.end - task.begin;
  const std::int64_t last = sequence.position + (task.end - 1) / group;
  const std::int64_t row_size = (last / kKeyBlock + 1) * kKeyBlock;
  Query queries[kTile];
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t row = (task.begin + i) / group, head = task.kv_head * group + (task.begin + i) % group;
    Query& query = queries[i];
    query.at = {row, sequence.position + row, head};
    query.q = buffers.q + (sequence.first_row + row) * buffers.q_stride + head * shape.head_dim;
    query.out = buffers.out + (sequence.first_row + row) * buffers.out_stride + head * shape.head_dim;
    query.scores = task.scratch + i * row_size;
    query.sums = task.scratch + kTile * row_size + i * stride;
    query.weights = task.scratch + kTile * (row_size + stride) + i * kKeyBlock;
    query.lane_sums = task.scratch + kTile * (row_size + stride + kKeyBlock) + i * kMaxLanes;
    query.max = -std::numeric_limits<float>::infinity();
    std::fill_n(query.sums, stride, 0.0f);
    std::fill_n(query.lane_sums, kMaxLanes, 0.0f);
  }
  std::int64_t first = 0;  // queries before this one have seen all their keys
  for (std::int64_t key = 0; key <= last; key += kKeyBlock) {
    while (queries[first].at.position < key) ++first;
    const float* block = sequence.blocks[key / kKeyBlock] + sequence.block_offset +
                         task.kv_head * kv_block_floats(shape.head_dim);
    std::int64_t i = first;
    for (; i + kPass <= count; i += kPass) block_pass<kPass>(queries + i, task, block, key);
    if (kPass > 2 && i + 2 <= count) block_pass<2>(queries + i, task, block, key), i += 2;
    for (; i < count; ++i) block_pass<1>(queries + i, task, block, key);
  }
  for (std::int64_t i = 0; i < count; ++i) finish_row(queries[i], task);
}

}  // namespace HWY_NAMESPACE
}  // namespace refocus
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refocus {

std::int64_t kv_block_floats(std::int64_t head_dim) { return kKeyBlock * (head_dim + padded(head_dim)); }

std::int64_t attention_scratch_floats(std::int64_t keys, std::int64_t head_dim) {
  return padded(kTile *
                ((keys + kKeyBlock - 1) / kKeyBlock * kKeyBlock + padded(head_dim) + kKeyBlock + kMaxLanes));
}

namespace {
HWY_EXPORT(run_tile);
}  // namespace

void attention(ThreadPool& pool, const AttentionShape& shape, std::span<const AttentionSequence> sequences,
               const AttentionBuffers& buffers) {
  const std::int64_t group = shape.heads / shape.kv_heads;
  const auto tiles = [&](const AttentionSequence& s) { return (s.rows * group + kTile - 1) / kTile; };
  std::int64_t tasks = 0;
  for (const AttentionSequence& s : sequences) tasks += tiles(s) * shape.kv_heads;
  const auto run = &HWY_DYNAMIC_DISPATCH(run_tile);
  pool.parallel_for(tasks, [&](std::int64_t task, int thread) {
    const AttentionSequence* s = sequences.data();
    for (; task >= tiles(*s) * shape.kv_heads; ++s) task -= tiles(*s) * shape.kv_heads;
    // The last rows have the most keys: they go first, so that the threads end together.
    const std::int64_t tile = tiles(*s) - 1 - task / shape.kv_heads, kv_head = task % shape.kv_heads;
    run({&shape, s, &buffers, kv_head, tile * kTile, std::min((tile + 1) * kTile, s->rows * group),
         buffers.scratch + thread * buffers.scratch_stride});
  });
}

}  // namespace refocus
#endif  // HWY_ONCE
