#include "model/transformer.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "kernels/argmax.h"
#include "kernels/matmul.h"
#include "kernels/rms_norm.h"
#include "kernels/rope.h"
#include "kernels/swiglu.h"
#include "model/adapter.h"

namespace refocus {

namespace {

// A key or value that is NaN or infinite before it is stored has another cause, which the logits tell.
void refuse_half_overflow(const std::string& name, std::int64_t layer, std::span<const float> keys,
                          std::span<const float> values) {
  for (const auto& [what, numbers] : {std::pair{"keys", keys}, std::pair{"values", values}}) {
    float largest = 0;
    for (const float number : numbers) {
      if (std::isfinite(number)) largest = std::max(largest, std::abs(number));
    }
    if (largest < kHalfOverflow) continue;
    throw input_error(
        name,
        "expected {} of up to 65504, the most that a cache of F16 holds, got {} in layer {}; use "
        "--kv-type f32",
        what, largest, layer);
  }
}

std::size_t floats(std::int64_t rows, std::int64_t stride) { return static_cast<std::size_t>(rows * stride); }

}  // namespace

Transformer::Transformer(LlamaConfig config, std::shared_ptr<const WeightMap> weights, std::string name,
                         ThreadPool& pool, std::int64_t max_rows, DType kv_type, Activations activations)
    : config_(std::move(config)),
      map_(std::move(weights)),
      weights_(bind_weights(config_, *map_, name)),
      name_(std::move(name)),
      pool_(pool),
      products_(pool, activations),
      rope_(config_, weights_.rope_factors),
      max_rows_(max_rows),
      kv_type_(kv_type) {
  REFOCUS_CHECK(max_rows >= 1);
  pack_weights(pool_, weights_, name_);
}

void Transformer::attach(std::shared_ptr<const Adapter> adapter) {
  REFOCUS_CHECK(adapter_ == nullptr);
  attach_adapter(*adapter, name_, weights_);
  adapter_ = std::move(adapter);
}

void Transformer::grow(std::int64_t rows, std::int64_t keys) {
  const std::int64_t scratch = attention_scratch_floats(keys, config_.head_dim);
  if (scratch > scratch_stride_) {
    scratch_stride_ = std::max(scratch, 2 * scratch_stride_);
    scratch_ = AlignedBuffer<float>(floats(pool_.size(), scratch_stride_));
  }
  if (rows <= capacity_) return;
  capacity_ = std::min(max_rows_, std::max(rows, 2 * capacity_));
  const std::int64_t q_size = config_.num_attention_heads * config_.head_dim;
  const std::int64_t kv_size = config_.num_key_value_heads * config_.head_dim;
  x_ = AlignedBuffer<float>(floats(capacity_, padded(config_.hidden_size)));
  normed_ = AlignedBuffer<float>(floats(capacity_, padded(config_.hidden_size)));
  q_ = AlignedBuffer<float>(floats(capacity_, q_size));
  k_ = AlignedBuffer<float>(floats(capacity_, kv_size));
  v_ = AlignedBuffer<float>(floats(capacity_, kv_size));
  attended_ = AlignedBuffer<float>(floats(capacity_, padded(q_size)));
  gate_ = AlignedBuffer<float>(floats(capacity_, padded(config_.intermediate_size)));
  up_ = AlignedBuffer<float>(floats(capacity_, padded(config_.intermediate_size)));
  cosines_ = AlignedBuffer<float>(floats(capacity_, config_.head_dim / 2));
  sines_ = AlignedBuffer<float>(floats(capacity_, config_.head_dim / 2));
}

// Lists the rows, looks up their embeddings and angles.
void Transformer::start(std::span<const SequenceInput> sequences) {
  rows_.clear();
  attention_.clear();
  std::int64_t longest = 0;
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const SequenceInput& in = sequences[s];
    const auto count = static_cast<std::int64_t>(in.tokens.size());
    const std::int64_t past = in.cache->length();
    REFOCUS_CHECK(in.rope_length >= past + count);
    attention_.push_back({static_cast<std::int64_t>(rows_.size()),
                          count,
                          past,
                          in.cache->pointers(),
                          0,
                          {},
                          in.cache->type()});
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int32_t token = in.tokens[static_cast<std::size_t>(i)];
      REFOCUS_CHECK(token >= 0 && token < config_.vocab_size);
      rows_.push_back({s, token, past + i, in.rope_length});
    }
    longest = std::max(longest, past + count);
  }
  const auto rows = static_cast<std::int64_t>(rows_.size());
  REFOCUS_CHECK(rows >= 1 && rows <= max_rows_);
  grow(rows, longest);
  const std::int64_t half = config_.head_dim / 2, hidden = config_.hidden_size;
  for (std::int64_t r = 0; r < rows; ++r) {
    const Row& row = rows_[static_cast<std::size_t>(r)];
    rope_.fill(row.position, row.rope_length, cosines_.data() + r * half, sines_.data() + r * half);
    const Linear& table = weights_.embed_tokens;
    const std::size_t row_bytes = bytes_of(table.dtype, hidden);
    copy_as_f32({table.data + static_cast<std::size_t>(row.token) * row_bytes, table.dtype, {hidden}},
                x_.data() + r * padded(hidden));
  }
}

void Transformer::norm_row(const std::vector<float>& weight, std::int64_t r, float* to) const {
  rms_norm(x_.data() + r * padded(config_.hidden_size), weight.data(), config_.hidden_size,
           config_.rms_norm_eps, to);
}

void Transformer::normed_products(const std::vector<float>& norm, std::span<const Product> products) {
  products_.run(normed_.data(), static_cast<std::int64_t>(rows_.size()), config_.hidden_size, products,
                [&](std::int64_t r) { norm_row(norm, r, normed_.data() + r * padded(config_.hidden_size)); });
}

void Transformer::store_keys_and_values(std::span<const SequenceInput> sequences, std::int64_t layer) {
  const std::int64_t dim = config_.head_dim, half = dim / 2, kv_heads = config_.num_key_value_heads;
  std::atomic<bool> fit = true;
  pool_.parallel_for(static_cast<std::int64_t>(rows_.size()), [&](std::int64_t r, int) {
    const Row& row = rows_[static_cast<std::size_t>(r)];
    const float* cosines = cosines_.data() + r * half;
    const float* sines = sines_.data() + r * half;
    float* k = k_.data() + r * kv_heads * dim;
    const float* v = v_.data() + r * kv_heads * dim;
    rope(q_.data() + r * config_.num_attention_heads * dim, config_.num_attention_heads, dim, cosines, sines);
    rope(k, kv_heads, dim, cosines, sines);
    KvSequence& cache = *sequences[row.sequence].cache;
    if (cache.type() == DType::kF16 && !(fits_half(k, kv_heads * dim) && fits_half(v, kv_heads * dim))) {
      fit.store(false, std::memory_order_relaxed);
    }
    const std::int64_t layer_bytes = kv_layer_bytes(config_, cache.type());
    std::byte* block = cache.block(row.position / kKeyBlock) + layer * layer_bytes;
    for (std::int64_t head = 0; head < kv_heads; ++head, block += layer_bytes / kv_heads) {
      store_key_and_value(cache.type(), block, dim, row.position % kKeyBlock, k + head * dim, v + head * dim);
    }
  });
  const std::size_t stored = floats(static_cast<std::int64_t>(rows_.size()), kv_heads * dim);
  if (!fit) refuse_half_overflow(name_, layer, {k_.data(), stored}, {v_.data(), stored});
}

void Transformer::attend(std::span<const SequenceInput> sequences, std::int64_t layer) {
  const LayerWeights& w = weights_.layers[static_cast<std::size_t>(layer)];
  const auto rows = static_cast<std::int64_t>(rows_.size());
  const std::int64_t dim = config_.head_dim, q_size = config_.num_attention_heads * dim,
                     kv_size = config_.num_key_value_heads * dim;
  const Product projections[] = {
      {&w.q_proj, q_.data(), q_size}, {&w.k_proj, k_.data(), kv_size}, {&w.v_proj, v_.data(), kv_size}};
  normed_products(w.input_layernorm, projections);
  store_keys_and_values(sequences, layer);
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    attention_[s].block_offset = layer * kv_layer_bytes(config_, attention_[s].type);
    attention_[s].hooks = sequences[s].hooks != nullptr ? sequences[s].hooks[layer] : AttentionHooks{};
  }
  const float scale = 1 / std::sqrt(static_cast<float>(dim));
  attention(pool_, {config_.num_attention_heads, config_.num_key_value_heads, dim, scale}, attention_,
            {q_.data(), q_size, attended_.data(), padded(q_size), scratch_.data(), scratch_stride_});
  const Product out{&w.o_proj, x_.data(), padded(config_.hidden_size), /*accumulate=*/true};
  products_.run(attended_.data(), rows, q_size, {&out, 1});
}

void Transformer::feed_forward(const LayerWeights& w) {
  const auto rows = static_cast<std::int64_t>(rows_.size());
  const std::int64_t inner = config_.intermediate_size, stride = padded(inner);
  const Product projections[] = {{&w.gate_proj, gate_.data(), stride}, {&w.up_proj, up_.data(), stride}};
  normed_products(w.post_attention_layernorm, projections);
  const Product down{&w.down_proj, x_.data(), padded(config_.hidden_size), /*accumulate=*/true};
  products_.run(gate_.data(), rows, inner, {&down, 1},
                [&](std::int64_t r) { swiglu(gate_.data() + r * stride, up_.data() + r * stride, inner); });
}

std::span<const float> Transformer::forward(std::span<const SequenceInput> sequences) {
  start(sequences);
  for (std::int64_t layer = 0; layer < config_.num_hidden_layers; ++layer) {
    attend(sequences, layer);
    feed_forward(weights_.layers[static_cast<std::size_t>(layer)]);
    for (std::size_t s = 0; s < sequences.size(); ++s) {
      const ResidualTap* tap = sequences[s].tap;
      const std::int64_t stride = padded(config_.hidden_size);
      if (tap != nullptr) {
        tap->after_layer(tap->context, layer, x_.data() + attention_[s].first_row * stride, stride);
      }
    }
  }
  for (const SequenceInput& in : sequences) {
    in.cache->set_length(in.cache->length() + static_cast<std::int64_t>(in.tokens.size()));
  }
  return output(sequences);
}

std::span<const float> Transformer::output(std::span<const SequenceInput> sequences) {
  const std::int64_t stride = padded(config_.hidden_size);
  std::int64_t wanted = 0;
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    if (sequences[s].logits == LogitRows::kNone) continue;
    const std::int64_t end = attention_[s].first_row + attention_[s].rows;
    for (std::int64_t r = sequences[s].logits == LogitRows::kAll ? attention_[s].first_row : end - 1; r < end;
         ++r) {
      norm_row(weights_.norm, r, normed_.data() + wanted++ * stride);
    }
  }
  return wanted == 0 ? std::span<const float>() : project(wanted, sequences);
}

std::span<const float> Transformer::logits_of(const float* x, std::int64_t rows) {
  REFOCUS_CHECK(rows >= 1 && rows <= max_rows_);
  grow(rows, 1);
  for (std::int64_t r = 0; r < rows; ++r) {
    rms_norm(x + r * config_.hidden_size, weights_.norm.data(), config_.hidden_size, config_.rms_norm_eps,
             normed_.data() + r * padded(config_.hidden_size));
  }
  return project(rows, {});
}

// The output matrix on the first rows of normed_.
std::span<const float> Transformer::project(std::int64_t wanted, std::span<const SequenceInput> sequences) {
  const std::int64_t vocab = config_.vocab_size;
  if (logits_.size() < floats(wanted, vocab)) logits_ = AlignedBuffer<float>(floats(wanted, vocab));
  const Product head{&weights_.lm_head, logits_.data(), vocab};
  products_.run(normed_.data(), wanted, config_.hidden_size, {&head, 1});
  if (!all_finite(logits_.data(), wanted * vocab)) refuse_non_finite(sequences);
  return {logits_.data(), floats(wanted, vocab)};
}

void Transformer::refuse_non_finite(std::span<const SequenceInput> sequences) const {
  if (const auto culprit = find_non_finite(*map_)) {
    throw input_error(
        name_, "expected finite weights, got NaN or infinity in {}; download the checkpoint again", *culprit);
  }
  const auto intervened = [&](const SequenceInput& in) {
    if (in.hooks == nullptr) return false;
    return std::any_of(in.hooks, in.hooks + config_.num_hidden_layers,
                       [](const AttentionHooks& hooks) { return hooks.rewrite != nullptr; });
  };
  throw input_error(
      name_,
      "expected finite logits, got NaN or infinity although all weights are finite: activations overflow "
      "float32; check {}{}config.json against the weights",
      std::ranges::any_of(sequences, intervened) ? "--intervene's alpha, " : "",
      adapter_ != nullptr ? "whether the adapter is this model's, " : "");
}

}  // namespace refocus
