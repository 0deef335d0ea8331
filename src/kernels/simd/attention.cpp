// Grouped-query causal attention; see kernels/attention.h.
//
// A tile is up to kTile query vectors that read the same keys: rows of one head, or the heads of a group, or
// both. Its scores of all keys are computed first, with lanes along the keys (K lies transposed), then each
// row's softmax, then the weighted values with lanes along head_dim, so that neither product needs a sum over
// lanes. Keys and values are read once a pass of kPass queries; 16-bit ones are widened in registers.
#include "kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "kernels/matmul.h"
#include "tensor/half.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/attention.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/math-inl.h"

#ifndef REFOCUS_ATTENTION_SHARED
#define REFOCUS_ATTENTION_SHARED
namespace refocus {
inline constexpr std::int64_t kTile = 16;
inline constexpr std::int64_t kSpan =
    4;  // blocks of values that stay in the L1 cache while a tile's queries pass

// One task: query vectors [begin, end) of one key/value head of one sequence, counted row by row, then head
// by head.
struct AttentionTask {
  const AttentionShape* shape;
  const AttentionSequence* sequence;
  const AttentionBuffers* buffers;
  std::int64_t kv_head, begin, end;
  int thread;
  // Weights [kTile, weights_stride(keys)], sums and queries [kTile, padded(head_dim)] each, and a row of
  // weights as softmax left it, for an observer of what is edited.
  float* scratch;
};

// Whole blocks, and a cache line more, so that the rows of a tile do not meet in the same sets of the cache.
constexpr std::int64_t weights_stride(std::int64_t keys) {
  return (keys + kKeyBlock - 1) / kKeyBlock * kKeyBlock + 16;
}
}  // namespace refocus
#endif

HWY_BEFORE_NAMESPACE();
namespace refocus {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#include "kernels/simd/kv_lanes-inl.h"

// kPass * kVectors sums, kVectors keys or values and a broadcast query or weight fit into the registers.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
constexpr int kPass = 8, kVectors = 2;
#else
constexpr int kPass = 6, kVectors = 2;
#endif

// One query vector of a tile.
struct Query {
  AttentionRow at;
  const float* q;
  float* out;
  float* weights;  // [keys padded to blocks]: scores, then exp(score - max)
  float* sums;     // [padded(head_dim)]: sum of exp(score - max) v
  float sum;       // of exp(score - max)
};

// weights[r][first_key + j] = scale * q[r] . k[j] for kRows queries and the keys j of one block. q: of all of
// them, [head_dim, kRows]. Kv: see kv_lanes-inl.h.
template <int kRows, class Kv>
HWY_INLINE void block_scores(const Query* queries, const float* HWY_RESTRICT q, const Kv& kv,
                             std::int64_t head_dim, float scale, std::int64_t first_key) {
  const D d;
  const auto pass = [&]<int kCount>(std::int64_t j, std::integral_constant<int, kCount>) HWY_ATTR {
    V sum[kRows][kCount];
    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < kCount; ++v) sum[r][v] = hn::Zero(d);
    }
    for (std::int64_t i = 0; i < head_dim; ++i) {
      V k[kCount];
      for (int v = 0; v < kCount; ++v) k[v] = kv.key(d, i, j + v * REFOCUS_LANES);
      for (int r = 0; r < kRows; ++r) {
        const V broadcast = hn::Set(d, q[i * kRows + r]);
        for (int v = 0; v < kCount; ++v) sum[r][v] = hn::MulAdd(broadcast, k[v], sum[r][v]);
      }
    }
    for (int r = 0; r < kRows; ++r) {
      float* to = queries[r].weights + first_key + j;
      for (int v = 0; v < kCount; ++v)
        hn::StoreU(hn::Mul(sum[r][v], hn::Set(d, scale)), d, to + v * REFOCUS_LANES);
    }
  };
  std::int64_t j = 0;
  for (; j + kVectors * REFOCUS_LANES <= kKeyBlock; j += kVectors * REFOCUS_LANES) {
    pass(j, std::integral_constant<int, kVectors>());
  }
  for (; j < kKeyBlock; j += REFOCUS_LANES) pass(j, std::integral_constant<int, 1>());
}

// Calls the hooks after softmax. `spare` has room for a row: as softmax left it, for an observer.
void show_row(Query& query, const AttentionShape& shape, const AttentionHooks& hooks, float sink,
              float* spare) {
  const auto keys = static_cast<std::size_t>(query.at.position + 1);
  const bool observed = hooks.observe != nullptr;
  bool changed = false;
  SoftmaxRow before{query.at, {query.weights, keys}, query.sum};
  if (hooks.edit != nullptr) {
    if (observed) {
      std::memcpy(spare, query.weights, keys * sizeof(float));
      before.weights = {spare, keys};
    }
    EditableRow row{query.at, {query.weights, keys}, query.sum, sink, shape.first_key(query.at.position)};
    changed = hooks.edit(hooks.context, row);
    query.sum = row.sum;
  }
  if (!observed) return;
  const SoftmaxRow after{query.at, {query.weights, keys}, query.sum};
  hooks.observe(hooks.observer, before, changed ? after : before);
}

void cap_scores(float* scores, std::int64_t begin, std::int64_t end, float cap) {
  const D d;
  const V c = hn::Set(d, cap);
  for (std::int64_t j = begin; j < end; j += REFOCUS_LANES) {
    hn::StoreU(hn::Mul(c, tanh(d, hn::Div(hn::LoadU(d, scores + j), c))), d, scores + j);
  }
}

// Turns a row of scores into exp(score - max), with its sum, and lets the hooks change both. The tile's
// scores begin at key `tile_begin`, a block's first; what the query does not see becomes 0, from key 0 on
// where hooks look.
void softmax_row(Query& query, const AttentionShape& shape, std::int64_t tile_begin,
                 const AttentionHooks& hooks, float* spare_row) {
  const D d;
  const std::int64_t keys = query.at.position + 1, size = (keys + kKeyBlock - 1) / kKeyBlock * kKeyBlock;
  const std::int64_t first_key = shape.first_key(query.at.position),
                     begin = first_key / kKeyBlock * kKeyBlock;
  float* weights = query.weights;
  if (shape.softcap > 0) cap_scores(weights, begin, size, shape.softcap);
  if (hooks.bias != nullptr) {
    for (std::int64_t first = begin; first < keys; first += kKeyBlock) {
      const std::int64_t count = std::min(kKeyBlock, keys - first);
      hooks.bias(hooks.context, query.at, first, {weights + first, static_cast<std::size_t>(count)});
    }
  }
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::fill(weights + keys, weights + size, -kInfinity);
  if (first_key > 0) {
    const bool watched = hooks.edit != nullptr || hooks.observe != nullptr;
    std::fill(weights + (watched ? 0 : tile_begin), weights + begin, 0.0f);
    std::fill(weights + begin, weights + first_key, -kInfinity);
  }
  V max = hn::Set(d, -kInfinity);
  for (std::int64_t j = begin; j < size; j += REFOCUS_LANES) max = hn::Max(max, hn::LoadU(d, weights + j));
  float largest = hn::GetLane(hn::MaxOfLanes(d, max)), sink = 0;
  if (shape.sinks != nullptr) largest = std::max(largest, shape.sinks[query.at.head]);
  if (largest == -kInfinity) {  // every key is biased away, or no score is a number
    const bool numbers = std::none_of(weights + first_key, weights + keys, [](float s) { return s != s; });
    std::fill(weights + begin, weights + size, 0.0f);
    query.sum = numbers ? 0 : std::numeric_limits<float>::quiet_NaN();
  } else {
    V sum = hn::Zero(d);
    for (std::int64_t j = begin; j < size; j += REFOCUS_LANES) {
      const V w = exp_of_nonpositive(d, hn::Sub(hn::LoadU(d, weights + j), hn::Set(d, largest)));
      hn::StoreU(w, d, weights + j);
      sum = hn::Add(sum, w);
    }
    query.sum = hn::GetLane(hn::SumOfLanes(d, sum));
    if (shape.sinks != nullptr) query.sum += sink = std::exp(shape.sinks[query.at.head] - largest);
  }
  if (hooks.edit != nullptr || hooks.observe != nullptr) show_row(query, shape, hooks, sink, spare_row);
}

// The values of kSpan blocks of keys from `first` on, [kKeyBlock, stride] each.
template <class Kv>
struct Values {
  Kv blocks[kSpan];
  std::int64_t first, stride;
};

// sums[r] += weights[r][j] v[j] for kRows queries, kCount vectors of head_dim from `column` on and keys
// [begin, end).
template <int kRows, int kCount, class Kv>
HWY_INLINE void add_values(const Query* queries, const Values<Kv>& v, std::int64_t column, std::int64_t begin,
                           std::int64_t end) {
  const D d;
  V sum[kRows][kCount];
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < kCount; ++c) sum[r][c] = hn::LoadU(d, queries[r].sums + column + c * REFOCUS_LANES);
  }
  for (std::int64_t j = begin; j < end;) {
    const std::int64_t block = (j - v.first) / kKeyBlock,
                       stop = std::min(end, v.first + (block + 1) * kKeyBlock);
    const Kv kv = v.blocks[block];
    for (std::int64_t place = (j - v.first) % kKeyBlock; j < stop; ++j, ++place) {
      V value[kCount];
      for (int c = 0; c < kCount; ++c) value[c] = kv.value(d, place, column + c * REFOCUS_LANES, v.stride);
      for (int r = 0; r < kRows; ++r) {
        const V w = hn::Set(d, queries[r].weights[j]);
        for (int c = 0; c < kCount; ++c) sum[r][c] = hn::MulAdd(w, value[c], sum[r][c]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < kCount; ++c) hn::StoreU(sum[r][c], d, queries[r].sums + column + c * REFOCUS_LANES);
  }
}

template <int kRows, class Kv>
HWY_INLINE void all_columns(const Query* queries, const Values<Kv>& v, std::int64_t begin, std::int64_t end) {
  std::int64_t column = 0;
  for (; column + kVectors * REFOCUS_LANES <= v.stride; column += kVectors * REFOCUS_LANES) {
    add_values<kRows, kVectors>(queries, v, column, begin, end);
  }
  for (; column < v.stride; column += REFOCUS_LANES) add_values<kRows, 1>(queries, v, column, begin, end);
}

// The same for all of head_dim and the keys before `end` that each query sees; later queries see more.
template <int kRows, class Kv>
HWY_INLINE void span_values(const Query* queries, const Values<Kv>& v, std::int64_t end) {
  const std::int64_t shared = std::clamp(queries[0].at.position + 1, v.first, end);
  all_columns<kRows>(queries, v, v.first, shared);
  for (int r = 1; r < kRows; ++r) {
    const std::int64_t stop = std::min(queries[r].at.position + 1, end);
    if (stop > shared) all_columns<1>(queries + r, v, shared, stop);
  }
}

// Calls body(i, kRows) for the groups of queries i .. i + kRows - 1 that cover [0, count).
template <class Body>
HWY_INLINE void for_groups(std::int64_t count, const Body& body) {
  std::int64_t i = 0;
  for (; i + kPass <= count; i += kPass) body(i, std::integral_constant<int, kPass>());
  if (i + 4 <= count) body(i, std::integral_constant<int, 4>()), i += 4;
  if (i + 2 <= count) body(i, std::integral_constant<int, 2>()), i += 2;
  for (; i < count; ++i) body(i, std::integral_constant<int, 1>());
}

// out = sums / sum
void divide(const Query& query, std::int64_t head_dim) {
  const D d;
  std::int64_t i = 0;
  for (; i + REFOCUS_LANES <= head_dim; i += REFOCUS_LANES) {
    hn::StoreU(hn::Div(hn::LoadU(d, query.sums + i), hn::Set(d, query.sum)), d, query.out + i);
  }
  for (; i < head_dim; ++i) query.out[i] = query.sums[i] / query.sum;
}

template <class Kv>
void run_typed(const AttentionTask& task) {
  const AttentionShape& shape = *task.shape;
  const AttentionSequence& sequence = *task.sequence;
  const AttentionBuffers& buffers = *task.buffers;
  const std::int64_t group = shape.heads / shape.kv_heads, stride = padded(shape.head_dim);
  const std::int64_t count = task.end - task.begin;
  const std::int64_t keys = sequence.position + (task.end - 1) / group + 1, row_size = weights_stride(keys);
  Query queries[kTile];
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t row = (task.begin + i) / group, head = task.kv_head * group + (task.begin + i) % group;
    queries[i] = {{sequence.left_out + row, sequence.position + row, head, task.thread},
                  buffers.q + (sequence.first_row + row) * buffers.q_stride + head * shape.head_dim,
                  buffers.out + (sequence.first_row + row) * buffers.out_stride + head * shape.head_dim,
                  task.scratch + i * row_size,
                  task.scratch + kTile * row_size + i * stride,
                  0};
  }
  const auto block = [&](std::int64_t key) {
    return Kv::at(sequence.blocks[key / kKeyBlock] + sequence.block_offset +
                      task.kv_head * kv_block_bytes(sequence.type, shape.head_dim),
                  shape.head_dim);
  };
  float* const transposed =
      task.scratch + kTile * (row_size + stride);  // a group of queries: [head_dim, kRows]
  float* const spare_row = transposed + kTile * stride;
  for_groups(count, [&](std::int64_t i, auto rows) HWY_ATTR {
    float* q = transposed + i * shape.head_dim;
    for (int r = 0; r < rows; ++r) {
      for (std::int64_t d = 0; d < shape.head_dim; ++d) q[d * rows + r] = queries[i + r].q[d];
    }
  });
  const std::int64_t tile_begin = shape.first_key(queries[0].at.position) / kKeyBlock * kKeyBlock;
  for (std::int64_t key = tile_begin; key < keys; key += kKeyBlock) {
    for_groups(count, [&](std::int64_t i, auto rows) HWY_ATTR {
      if (queries[i + rows - 1].at.position < key) return;
      block_scores<rows>(queries + i, transposed + i * shape.head_dim, block(key), shape.head_dim,
                         shape.scale, key);
    });
  }
  for (std::int64_t i = 0; i < count; ++i) {
    softmax_row(queries[i], shape, tile_begin, sequence.hooks, spare_row);
    std::fill_n(queries[i].sums, stride, 0.0f);
  }
  for (std::int64_t key = tile_begin; key < keys; key += kSpan * kKeyBlock) {
    const std::int64_t end = std::min(keys, key + kSpan * kKeyBlock);
    Values<Kv> values{{}, key, stride};
    for (std::int64_t at = key; at < end; at += kKeyBlock) {
      values.blocks[(at - key) / kKeyBlock] = block(at);
    }
    for_groups(count, [&](std::int64_t i, auto rows) HWY_ATTR {
      if (queries[i + rows - 1].at.position >= key) span_values<rows>(queries + i, values, end);
    });
  }
  for (std::int64_t r = 0; r < count; ++r) {
    const Query& query = queries[r];
    if (query.sum == 0) {  // every key is biased away: the head adds nothing
      std::fill_n(query.out, shape.head_dim, 0.0f);
    } else {
      divide(query, shape.head_dim);
    }
    const AttentionHooks& hooks = sequence.hooks;
    if (hooks.output != nullptr) {
      hooks.output(hooks.context, query.at, {query.out, static_cast<std::size_t>(shape.head_dim)});
    }
  }
}

void run_tile(const AttentionTask& task) {
  switch (task.sequence->type) {
    case DType::kF16:
      return run_typed<PlainKv<hwy::float16_t>>(task);
    case DType::kQ8_0:
      return run_typed<QuantizedKv>(task);
    default:
      return run_typed<PlainKv<float>>(task);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace refocus
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refocus {

std::int64_t attention_scratch_floats(std::int64_t keys, std::int64_t head_dim) {
  return padded(kTile * (weights_stride(keys) + 2 * padded(head_dim)) + weights_stride(keys));
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
    run({&shape, s, &buffers, kv_head, tile * kTile, std::min((tile + 1) * kTile, s->rows * group), thread,
         buffers.scratch + thread * buffers.scratch_stride});
  });
}

}  // namespace refocus
#endif  // HWY_ONCE
