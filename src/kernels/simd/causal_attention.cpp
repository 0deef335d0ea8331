// Causal attention of training; see kernels/causal_attention.h.
//
// A task is one key/value head of one sequence. Its products are those of kernels/gemm.h, with keys and
// values packed once a head.
#include "kernels/causal_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "kernels/gemm.h"
#include "kernels/matmul.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/causal_attention.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/math-inl.h"

#ifndef REFOCUS_CAUSAL_ATTENTION_SHARED
#define REFOCUS_CAUSAL_ATTENTION_SHARED
namespace refocus {
// What a row of scores is: keys [first, keys) are seen, and memory goes on to `padded_keys`, a multiple
// of 16.
struct ScoreRow {
  std::int64_t first, keys, padded_keys;
  float scale, softcap;
};
}  // namespace refocus
#endif

HWY_BEFORE_NAMESPACE();
namespace refocus {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr float kUnseen = -std::numeric_limits<float>::infinity();

void hide(const ScoreRow& row, float* values, float by) {
  std::fill(values, values + row.first, by);
  std::fill(values + row.keys, values + row.padded_keys, by);
}

// Scores as they go into softmax, cap tanh(s / cap), of products with queries; slope becomes their
// derivative by these.
template <bool kCapped, class D, class V = hn::Vec<D>>
HWY_INLINE V score(D d, V product, const ScoreRow& row, V& slope) {
  slope = hn::Set(d, row.scale);
  const V s = hn::Mul(product, slope);
  if constexpr (!kCapped) return s;
  const V cap = hn::Set(d, row.softcap), t = tanh(d, hn::Div(s, cap));
  slope = hn::Mul(slope, hn::NegMulAdd(t, t, hn::Set(d, 1.0f)));
  return hn::IfThenElse(hn::Eq(s, hn::Set(d, kUnseen)), s, hn::Mul(cap, t));
}

template <bool kCapped>
HWY_INLINE float softmax(const ScoreRow& row, float* scores) {
  const hn::CappedTag<float, 16> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  hide(row, scores, kUnseen);
  auto max = hn::Set(d, kUnseen), slope = max;
  for (std::int64_t j = 0; j < row.padded_keys; j += lanes) {
    const auto s = score<kCapped>(d, hn::LoadU(d, scores + j), row, slope);
    hn::StoreU(s, d, scores + j);
    max = hn::Max(max, s);
  }
  const float top = hn::GetLane(hn::MaxOfLanes(d, max));
  auto sum = hn::Zero(d);
  for (std::int64_t j = 0; j < row.padded_keys; j += lanes) {
    const auto w = exp(d, hn::Sub(hn::LoadU(d, scores + j), hn::Set(d, top)));
    hn::StoreU(w, d, scores + j);
    sum = hn::Add(sum, w);
  }
  const float total = hn::GetLane(hn::SumOfLanes(d, sum));
  const auto inverse = hn::Set(d, 1 / total);
  for (std::int64_t j = 0; j < row.padded_keys; j += lanes) {
    hn::StoreU(hn::Mul(hn::LoadU(d, scores + j), inverse), d, scores + j);
  }
  return top + std::log(total);
}

// Scores, so far q . k, become softmax weights; those of keys that are not seen become 0. Returns log sum
// exp.
float softmax_row(const ScoreRow& row, float* scores) {
  return row.softcap > 0 ? softmax<true>(row, scores) : softmax<false>(row, scores);
}

template <bool kCapped>
HWY_INLINE void softmax_backward(const ScoreRow& row, float* scores, float* d_weights, float log_sum_exp,
                                 float through) {
  const hn::CappedTag<float, 16> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  hide(row, scores, kUnseen);
  hide(row, d_weights, through);
  const auto lse = hn::Set(d, log_sum_exp), mean = hn::Set(d, through);
  auto slope = lse;
  for (std::int64_t j = 0; j < row.padded_keys; j += lanes) {
    const auto p = exp(d, hn::Sub(score<kCapped>(d, hn::LoadU(d, scores + j), row, slope), lse));
    hn::StoreU(p, d, scores + j);
    const auto ds = hn::Mul(hn::Mul(p, slope), hn::Sub(hn::LoadU(d, d_weights + j), mean));
    hn::StoreU(ds, d, d_weights + j);
  }
}

// scores: q . k, become p = exp(score - log_sum_exp); d_weights: dout . v, become p * (it - through) times
// the slope of scores. Both become 0 for keys that are not seen.
void softmax_backward_row(const ScoreRow& row, float* scores, float* d_weights, float log_sum_exp,
                          float through) {
  if (row.softcap > 0) {
    softmax_backward<true>(row, scores, d_weights, log_sum_exp, through);
  } else {
    softmax_backward<false>(row, scores, d_weights, log_sum_exp, through);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace refocus
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refocus {
namespace {

HWY_EXPORT(softmax_row);
HWY_EXPORT(softmax_backward_row);

constexpr std::int64_t kQueryBlock = 48;  // whole tiles of every target; a multiple of 12

// Floats between two rows of scores: an odd number of cache lines, so that a tile's rows do not all fall into
// the same set of the cache.
std::int64_t row_floats(std::int64_t keys) { return (padded(keys) / kRowAlign | 1) * kRowAlign; }

// One key/value head of one sequence, and its group of query heads.
struct HeadTask {
  const AttentionShape& shape;
  RowSpan rows;
  std::int64_t kv_head;
  const CausalInput& input;
  const CausalOutput& output;

  std::int64_t group() const { return shape.heads / shape.kv_heads; }
  std::int64_t dim() const { return shape.head_dim; }
  std::int64_t kv_at() const { return rows.first * input.kv_stride + kv_head * dim(); }
  std::int64_t q_at(std::int64_t head, std::int64_t row) const {
    return (rows.first + row) * input.q_stride + head * dim();
  }
  std::int64_t out_at(std::int64_t head, std::int64_t row) const {
    return (rows.first + row) * output.out_stride + head * dim();
  }
  GemmOperand keys() const { return {input.k + kv_at(), input.kv_stride, 1}; }
  GemmOperand values() const { return {input.v + kv_at(), input.kv_stride, 1}; }
  // Where products over keys begin for queries from `query` on: at or before the first one that they see. A
  // whole block of k, so that what is left out is sums of zeros and no bit depends on it.
  std::int64_t first_key(std::int64_t query) const {
    return dim() > kGemmDepth ? 0 : shape.first_key(query) / kGemmDepth * kGemmDepth;
  }
  // The scores of a query, whose row of memory begins with key `begin` and holds `keys`.
  ScoreRow score_row(std::int64_t query, std::int64_t begin, std::int64_t keys) const {
    return {shape.first_key(query) - begin, query + 1 - begin, padded(keys), shape.scale, shape.softcap};
  }
};

// What was packed of a matrix whose k are keys, or whose columns are, from a key on that HeadTask::first_key
// gave.
PackedOperand from_row(const PackedOperand& packed, std::int64_t key) {
  return {packed.data + packed_b_floats(packed.n, key), packed.n, packed.k - key};
}
PackedOperand from_column(const PackedOperand& packed, std::int64_t key) {
  return {packed.data + packed_b_floats(key, packed.k), packed.n - key, packed.k};
}

// Hands out pieces of a thread's scratch memory; counts only, where there is none.
struct Carver {
  float* base = nullptr;
  std::int64_t used = 0;
  float* take(std::int64_t floats) {
    float* out = base == nullptr ? nullptr : base + used;
    used += padded(floats);
    return out;
  }
  PackedOperand packed(std::int64_t n, std::int64_t k) { return {take(packed_b_floats(n, k)), n, k}; }
};

struct ForwardMemory {
  PackedOperand keys_t, values;
  float* scores;
  ForwardMemory(Carver& carve, std::int64_t count, std::int64_t dim)
      : keys_t(carve.packed(count, dim)),
        values(carve.packed(dim, count)),
        scores(carve.take(kQueryBlock * row_floats(count))) {}
};

struct BackwardMemory {
  PackedOperand keys_t, values_t, keys, q, d_out;
  float *scores, *d_weights;
  BackwardMemory(Carver& carve, std::int64_t count, std::int64_t dim)
      : keys_t(carve.packed(count, dim)),
        values_t(carve.packed(count, dim)),
        keys(carve.packed(dim, count)),
        q(carve.packed(dim, kQueryBlock)),
        d_out(carve.packed(dim, kQueryBlock)),
        scores(carve.take(kQueryBlock * row_floats(count))),
        d_weights(carve.take(kQueryBlock * row_floats(count))) {}
};

template <class Memory>
void reserve(CausalScratch& scratch, int threads, std::span<const RowSpan> sequences, std::int64_t dim) {
  std::int64_t longest = 0;
  for (const RowSpan& s : sequences) longest = std::max(longest, s.count);
  Carver count;
  Memory(count, longest, dim);
  scratch.threads.resize(static_cast<std::size_t>(threads));
  for (auto& memory : scratch.threads) {
    if (memory.size() < static_cast<std::size_t>(count.used))
      memory = AlignedBuffer<float>(static_cast<std::size_t>(count.used));
  }
}

void forward_head(const HeadTask& t, float* memory) {
  Carver carve{memory};
  const ForwardMemory m(carve, t.rows.count, t.dim());
  pack_b(t.keys().transposed(), m.keys_t);
  pack_b(t.values(), m.values);
  const std::int64_t stride = row_floats(t.rows.count);
  const auto softmax = HWY_DYNAMIC_DISPATCH(softmax_row);
  for (std::int64_t head = t.kv_head * t.group(); head < (t.kv_head + 1) * t.group(); ++head) {
    for (std::int64_t i = 0; i < t.rows.count; i += kQueryBlock) {
      const std::int64_t queries = std::min(kQueryBlock, t.rows.count - i), begin = t.first_key(i),
                         keys = i + queries - begin;
      gemm_packed({queries, keys, t.dim()}, {t.input.q + t.q_at(head, i), t.input.q_stride, 1},
                  from_column(m.keys_t, begin), {m.scores, stride, false});
      for (std::int64_t r = 0; r < queries; ++r) {
        const float lse = softmax(t.score_row(i + r, begin, keys), m.scores + r * stride);
        t.output.log_sum_exp[(t.rows.first + i + r) * t.shape.heads + head] = lse;
      }
      gemm_packed({queries, t.dim(), keys}, {m.scores, stride, 1}, from_row(m.values, begin),
                  {t.output.out + t.out_at(head, i), t.output.out_stride, false});
    }
  }
}

// One block of queries of one head: dq is written, dk and dv are added to.
void backward_block(const HeadTask& t, const CausalGradients& g, const BackwardMemory& m, std::int64_t head,
                    std::int64_t i, bool first) {
  // The first one writes the gradients of all keys, also of those that it does not see.
  const std::int64_t queries = std::min(kQueryBlock, t.rows.count - i), begin = first ? 0 : t.first_key(i),
                     keys = i + queries - begin;
  const std::int64_t stride = row_floats(t.rows.count), dim = t.dim(), at = begin * t.input.kv_stride;
  const GemmOperand q{t.input.q + t.q_at(head, i), t.input.q_stride, 1};
  const GemmOperand d_out{g.d_out + t.out_at(head, i), t.output.out_stride, 1};
  gemm_packed({queries, keys, dim}, q, from_column(m.keys_t, begin), {m.scores, stride, false});
  gemm_packed({queries, keys, dim}, d_out, from_column(m.values_t, begin), {m.d_weights, stride, false});
  const auto softmax = HWY_DYNAMIC_DISPATCH(softmax_backward_row);
  for (std::int64_t r = 0; r < queries; ++r) {
    const float* out = t.output.out + t.out_at(head, i + r);
    const float* dy = d_out.data + r * d_out.row_stride;
    float through = 0;
    for (std::int64_t d = 0; d < dim; ++d) through += out[d] * dy[d];
    softmax(t.score_row(i + r, begin, keys), m.scores + r * stride, m.d_weights + r * stride,
            t.output.log_sum_exp[(t.rows.first + i + r) * t.shape.heads + head], through);
  }
  gemm_packed({queries, dim, keys}, {m.d_weights, stride, 1}, from_row(m.keys, begin),
              {g.dq + t.q_at(head, i), t.input.q_stride, false});
  const PackedOperand packed_q{m.q.data, dim, queries}, packed_d_out{m.d_out.data, dim, queries};
  pack_b(q, packed_q);
  pack_b(d_out, packed_d_out);
  gemm_packed({keys, dim, queries}, {m.d_weights, 1, stride}, packed_q,
              {g.dk + t.kv_at() + at, t.input.kv_stride, !first});
  gemm_packed({keys, dim, queries}, {m.scores, 1, stride}, packed_d_out,
              {g.dv + t.kv_at() + at, t.input.kv_stride, !first});
}

void backward_head(const HeadTask& t, const CausalGradients& g, float* memory) {
  Carver carve{memory};
  const BackwardMemory m(carve, t.rows.count, t.dim());
  pack_b(t.keys().transposed(), m.keys_t);
  pack_b(t.values().transposed(), m.values_t);
  pack_b(t.keys(), m.keys);
  const std::int64_t begin = t.kv_head * t.group();
  // The last block sees every key, so it comes first and overwrites.
  const std::int64_t last = (t.rows.count - 1) / kQueryBlock * kQueryBlock;
  for (std::int64_t head = begin; head < begin + t.group(); ++head) {
    for (std::int64_t i = last; i >= 0; i -= kQueryBlock) {
      backward_block(t, g, m, head, i, head == begin && i == last);
    }
  }
}

}  // namespace

void causal_attention(ThreadPool& pool, const AttentionShape& shape, std::span<const RowSpan> sequences,
                      const CausalInput& input, const CausalOutput& output, CausalScratch& scratch) {
  REFOCUS_CHECK(shape.sinks == nullptr);
  reserve<ForwardMemory>(scratch, pool.size(), sequences, shape.head_dim);
  const auto tasks = static_cast<std::int64_t>(sequences.size()) * shape.kv_heads;
  pool.parallel_for(tasks, [&](std::int64_t task, int thread) {
    const RowSpan rows = sequences[static_cast<std::size_t>(task / shape.kv_heads)];
    forward_head({shape, rows, task % shape.kv_heads, input, output},
                 scratch.threads[static_cast<std::size_t>(thread)].data());
  });
}

void causal_attention_backward(ThreadPool& pool, const AttentionShape& shape,
                               std::span<const RowSpan> sequences, const CausalInput& input,
                               const CausalOutput& output, const CausalGradients& gradients,
                               CausalScratch& scratch) {
  REFOCUS_CHECK(shape.sinks == nullptr);
  reserve<BackwardMemory>(scratch, pool.size(), sequences, shape.head_dim);
  const auto tasks = static_cast<std::int64_t>(sequences.size()) * shape.kv_heads;
  pool.parallel_for(tasks, [&](std::int64_t task, int thread) {
    const RowSpan rows = sequences[static_cast<std::size_t>(task / shape.kv_heads)];
    backward_head({shape, rows, task % shape.kv_heads, input, output}, gradients,
                  scratch.threads[static_cast<std::size_t>(thread)].data());
  });
}

}  // namespace refocus
#endif
