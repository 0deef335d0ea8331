#include "model/transformer.h"

#include <algorithm>
#include <atomic>

#include "base/checkpoint.h"
#include "base/error.h"
#include "base/stopped.h"
#include "kernels/argmax.h"
#include "kernels/matmul.h"
#include "model/adapter.h"
#include "model/device_transformer.h"
#include "model/embedding.h"
#include "model/partition.h"

namespace refocus {

namespace {

OwnHeads heads_of(const ModelConfig& config, const WeightShare& share) {
  const ShareRange kv = share.part_of(config.num_key_value_heads, 1);
  const std::int64_t group = config.num_attention_heads / config.num_key_value_heads;
  return {kv.first * group, kv.count * group, kv.first, kv.count};
}

std::size_t floats(std::int64_t rows, std::int64_t stride) { return static_cast<std::size_t>(rows * stride); }

Elementwise elementwise_of(const ModelConfig& config) {
  if (config.mlp == MlpKind::kClampedGated) return clamped_swiglu;
  switch (config.activation) {
    case Activation::kSilu:
      return silu;
    case Activation::kGelu:
      return gelu;
    case Activation::kGeluTanh:
      return gelu_tanh;
    case Activation::kRelu:
      return relu;
    case Activation::kReluSquared:
      return relu_squared;
  }
  return silu;
}

}  // namespace

Transformer::Transformer(ModelConfig config, std::shared_ptr<const WeightMap> weights, std::string name,
                         ThreadPool& pool, std::int64_t max_rows, DType kv_type, Activations activations,
                         std::shared_ptr<Device> device, std::shared_ptr<ModelPartition> partition)
    : config_(std::move(config)),
      map_(std::move(weights)),
      partition_(std::move(partition)),
      share_(partition_ ? partition_->share_of(config_, *map_)
                        : WeightShare{.end_layer = config_.num_hidden_layers}),
      own_(heads_of(config_, share_)),
      weights_(bind_weights(config_, *map_, name, share_)),
      name_(std::move(name)),
      pool_(pool),
      products_(pool, activations),
      rope_(config_, weights_.rope_factors),
      activation_(elementwise_of(config_)),
      max_rows_(max_rows),
      kv_type_(kv_type) {
  REFOCUS_CHECK(max_rows >= 1 && (device == nullptr || partition_ == nullptr));
  if (config_.local_rope) local_rope_.emplace(config_, *config_.local_rope, std::span<const float>());
  if (device == nullptr) {
    REFOCUS_CHECK(activations != Activations::kF16);
    pack_weights(pool_, weights_, name_);
    return;
  }
  REFOCUS_CHECK(activations == Activations::kF32 || activations == Activations::kF16);
  const DevicePrecision precision =
      activations == Activations::kF16 ? DevicePrecision::kHalf : DevicePrecision::kF32;
  device_ = std::make_unique<DeviceTransformer>(config_, weights_, name_, pool_, std::move(device), kv_type,
                                                precision);
}

Transformer::~Transformer() = default;

KvShare Transformer::kv_share() const { return {share_.first_layer, share_.end_layer, own_.kv_count}; }

Device* Transformer::device() const { return device_ ? &device_->device() : nullptr; }

KvPool kv_pool_of(const Transformer& model, std::int64_t max_bytes) {
  return {KvLayout(model.config(), model.kv_type(), model.kv_share()), max_bytes, model.kv_type(),
          model.device()};
}

void Transformer::attach(std::shared_ptr<const Adapter> adapter) {
  REFOCUS_CHECK(adapter_ == nullptr);
  attach_adapter(*adapter, name_, weights_);
  adapter_ = std::move(adapter);
  if (device_) device_->attach();
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
  const auto hidden_rows = [&] {
    return AlignedBuffer<float>(floats(capacity_, padded(config_.hidden_size)));
  };
  x_ = hidden_rows();
  if (!adds_directly() || config_.experts.count > 0) branch_ = hidden_rows();
  normed_ = AlignedBuffer<float>(floats(capacity_, padded(config_.hidden_size)));
  q_ = AlignedBuffer<float>(floats(capacity_, own_.count * config_.head_dim));
  k_ = AlignedBuffer<float>(floats(capacity_, own_.kv_count * config_.head_dim));
  v_ = AlignedBuffer<float>(floats(capacity_, own_.kv_count * config_.head_dim));
  attended_ = AlignedBuffer<float>(floats(capacity_, padded(q_size)));
  const ExpertConfig& experts = config_.experts;
  const auto grow_inner = [&](InnerRows& inner, std::int64_t size) {
    if (size == 0) return;
    inner.size = size;
    inner.gate = AlignedBuffer<float>(floats(capacity_, padded(size)));
    inner.up = AlignedBuffer<float>(floats(capacity_, padded(size)));
  };
  grow_inner(mlp_, config_.intermediate_size);
  grow_inner(expert_, experts.count > 0 ? experts.intermediate_size : 0);
  grow_inner(shared_, experts.shared_intermediate_size);
  if (experts.count > 0) {
    router_ = AlignedBuffer<float>(floats(capacity_, experts.count));
    expert_in_ = hidden_rows();
    expert_out_ = hidden_rows();
  }
  cosines_ = AlignedBuffer<float>(floats(capacity_, config_.rotary() / 2));
  sines_ = AlignedBuffer<float>(floats(capacity_, config_.rotary() / 2));
  if (!local_rope_) return;
  local_cosines_ = AlignedBuffer<float>(floats(capacity_, config_.rotary() / 2));
  local_sines_ = AlignedBuffer<float>(floats(capacity_, config_.rotary() / 2));
}

// Lists the rows, looks up their embeddings, or what was saved of them before a later layer, and angles.
void Transformer::start(std::span<const SequenceInput> sequences, std::int64_t first_layer) {
  rows_.clear();
  attention_.clear();
  std::int64_t longest = 0;
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const SequenceInput& in = sequences[s];
    const auto count = static_cast<std::int64_t>(in.tokens.size());
    const std::int64_t past = in.cache->length();
    REFOCUS_CHECK(in.rope_length >= past + count);
    // Reserved it is; now windowed layers exchange what they leave behind for it.
    REFOCUS_CHECK(in.cache->reserve(past + count));
    attention_.push_back(
        {static_cast<std::int64_t>(rows_.size()), count, past, nullptr, 0, {}, in.cache->type()});
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
  const std::int64_t hidden = config_.hidden_size;
  for (std::int64_t r = 0; r < rows; ++r) {
    const Row& row = rows_[static_cast<std::size_t>(r)];
    place(r, row);
    if (first_layer == 0) {
      // normed_ is not in use yet.
      embed_row(config_, weights_, name_, row.token, row.position, normed_.data() + r * padded(hidden),
                x_.data() + r * padded(hidden));
      continue;
    }
    const float* saved = sequences[row.sequence].residuals;
    REFOCUS_CHECK(saved != nullptr);
    std::copy_n(saved + (r - attention_[row.sequence].first_row) * hidden, hidden,
                x_.data() + r * padded(hidden));
  }
}

// Row r's angles.
void Transformer::place(std::int64_t r, const Row& row) {
  const std::int64_t half = config_.rotary() / 2;
  rope_.fill(row.position, row.rope_length, cosines_.data() + r * half, sines_.data() + r * half);
  if (local_rope_) {
    local_rope_->fill(row.position, row.rope_length, local_cosines_.data() + r * half,
                      local_sines_.data() + r * half);
  }
}

bool Transformer::keys_depend_on_length(std::int64_t length) const {
  return rope_.depends_on_length(length) || (local_rope_ && local_rope_->depends_on_length(length));
}

void Transformer::tell_taps(std::span<const SequenceInput> sequences, std::int64_t layer) const {
  const std::int64_t stride = padded(config_.hidden_size);
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const ResidualTap* tap = sequences[s].tap;
    if (tap == nullptr || (tap->spares_last_layer && layer == config_.num_hidden_layers - 1)) continue;
    tap->after_layer(tap->context, layer, x_.data() + attention_[s].first_row * stride, stride);
  }
}

void Transformer::tell_taps_before(std::span<const SequenceInput> sequences) const {
  const std::int64_t stride = padded(config_.hidden_size);
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const ResidualTap* tap = sequences[s].tap;
    if (tap == nullptr || tap->before_layers == nullptr) continue;
    tap->before_layers(tap->context, x_.data() + attention_[s].first_row * stride, stride);
  }
}

std::span<const float> Transformer::forward(std::span<const SequenceInput> sequences, LayerRange layers) {
  try {
    pass_checkpoint();
  } catch (const Stopped&) {
    if (!partition_) throw;
    told_to_stop_ = true;  // all ranks end together
  }
  const std::int64_t end = std::min(layers.end, config_.num_hidden_layers);
  REFOCUS_CHECK(layers.first >= 0 && layers.first < end);
  if (device_) return forward_on_device(sequences, layers);
  if (partition_) {
    REFOCUS_CHECK(layers.first == 0 && end == config_.num_hidden_layers);
    return forward_in_parts(sequences);
  }
  if (layers.first > 0) show_first_layer(sequences);
  start(sequences, layers.first);
  run_layers(sequences, layers.first, end);
  extend_caches(sequences);
  return end == config_.num_hidden_layers ? output(sequences) : std::span<const float>();
}

void Transformer::run_layers(std::span<const SequenceInput> sequences, std::int64_t first, std::int64_t end) {
  tell_taps_before(sequences);
  for (std::int64_t layer = first; layer < end; ++layer) {
    attend(sequences, layer);
    if (rows_.empty()) break;  // nobody asks what the last layer makes of them
    feed_forward(weights_.layers[static_cast<std::size_t>(layer)], config_.layer(layer).experts);
    tell_taps(sequences, layer);
    if (partition_) partition_->keep_sending();
  }
}

void Transformer::extend_caches(std::span<const SequenceInput> sequences) const {
  for (const SequenceInput& in : sequences) {
    in.cache->set_length(in.cache->length() + static_cast<std::int64_t>(in.tokens.size()));
  }
}

std::span<const float> Transformer::forward_on_device(std::span<const SequenceInput> sequences,
                                                      LayerRange layers) {
  std::int64_t rows = 0;
  for (const SequenceInput& in : sequences) rows += std::ssize(in.tokens);
  REFOCUS_CHECK(rows >= 1 && rows <= max_rows_);
  const std::int64_t half = config_.rotary() / 2;
  const auto angles = [&](std::int64_t position, std::int64_t length, bool local, float* cosines,
                          float* sines) {
    RopeTable& rope = local ? *local_rope_ : rope_;
    if (rope.depends_on_length(length)) return rope.fill(position, length, cosines, sines);
    // Computing them would take as long as a tenth of a prompt.
    std::vector<float>& known = angles_[local ? 1 : 0];
    for (std::int64_t p = std::ssize(known) / std::max<std::int64_t>(2 * half, 1); p <= position; ++p) {
      known.resize(static_cast<std::size_t>((p + 1) * 2 * half));
      rope.fill(p, length, known.data() + p * 2 * half, known.data() + (2 * p + 1) * half);
    }
    std::copy_n(known.data() + position * 2 * half, half, cosines);
    std::copy_n(known.data() + (2 * position + 1) * half, half, sines);
  };
  const std::span<const float> logits = device_->forward(sequences, layers, angles);
  if (!are_finite(logits)) refuse_non_finite(sequences);
  return logits;
}

bool Transformer::are_finite(std::span<const float> logits) const {
  constexpr std::int64_t kPart = 1 << 15;
  const std::int64_t count = std::ssize(logits);
  std::atomic<bool> finite = true;
  pool_.parallel_for((count + kPart - 1) / kPart, [&](std::int64_t part, int) {
    const std::int64_t first = part * kPart;
    if (!all_finite(logits.data() + first, std::min(kPart, count - first))) finite = false;
  });
  return finite;
}

// Puts the rows whose logits are wanted, normed, one after the other into normed_. Their number.
std::int64_t Transformer::norm_wanted_rows(std::span<const SequenceInput> sequences) {
  const std::int64_t stride = padded(config_.hidden_size);
  std::int64_t wanted = 0;
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const std::int64_t end = attention_[s].first_row + attention_[s].rows;
    for (std::int64_t r = end - sequences[s].wanted_rows(); r < end; ++r) {
      apply_norm(weights_.norm, x_.data() + r * stride, config_.hidden_size,
                 normed_.data() + wanted++ * stride);
    }
  }
  return wanted;
}

std::span<const float> Transformer::output(std::span<const SequenceInput> sequences) {
  return logits_of_normed(norm_wanted_rows(sequences), sequences);
}

std::span<const float> Transformer::logits_of(const float* x, std::int64_t rows) {
  REFOCUS_CHECK(rows >= 1 && rows <= max_rows_ && partition_ == nullptr);
  if (device_) {
    const std::span<const float> logits = device_->logits_of(x, rows);
    if (!are_finite(logits)) refuse_non_finite({});
    return logits;
  }
  grow(rows, 1);
  for (std::int64_t r = 0; r < rows; ++r) {
    apply_norm(weights_.norm, x + r * config_.hidden_size, config_.hidden_size,
               normed_.data() + r * padded(config_.hidden_size));
  }
  return logits_of_normed(rows, {});
}

// The output matrix on the first rows of normed_.
std::span<const float> Transformer::logits_of_normed(std::int64_t wanted,
                                                     std::span<const SequenceInput> sequences) {
  if (wanted == 0) return {};
  const std::int64_t vocab = config_.vocab_size;
  reserve(logits_, wanted * vocab);
  float* logits = logits_.data();
  // What rounds logits decides between tokens that are nearly as likely; for the last rows alone, and with
  // the weights read once, twice 8 bits cost little.
  const Product head{&weights_.lm_head, logits, vocab, false, Int8Parts::kTwo};
  run_outputs(normed_.data(), wanted, config_.hidden_size, head);
  if (config_.logit_multiplier != 1 || config_.final_softcap > 0) {
    pool_.parallel_for(wanted, [&](std::int64_t r, int) {
      float* row = logits + r * vocab;
      if (config_.logit_multiplier != 1) {
        for (std::int64_t i = 0; i < vocab; ++i) row[i] *= config_.logit_multiplier;
      }
      if (config_.final_softcap > 0) softcap(row, config_.final_softcap, vocab);
    });
  }
  if (!are_finite({logits, floats(wanted, vocab)})) refuse_non_finite(sequences);
  return {logits, floats(wanted, vocab)};
}

void Transformer::refuse_non_finite(std::span<const SequenceInput> sequences) const {
  if (const auto culprit = find_non_finite(*map_)) {
    throw input_error(
        name_, "expected finite weights, got NaN or infinity in {}; download the checkpoint again", *culprit);
  }
  const auto intervened = [&](const SequenceInput& in) {
    if (in.hooks == nullptr) return false;
    return std::any_of(in.hooks, in.hooks + config_.num_hidden_layers,
                       [](const AttentionHooks& hooks) { return hooks.changes_anything(); });
  };
  if (activations() == Activations::kF16) {
    throw input_error(
        name_,
        "expected finite logits, got NaN or infinity although all weights are finite: activations "
        "overflow F16; use --activations f32");
  }
  throw input_error(
      name_,
      "expected finite logits, got NaN or infinity although all weights are finite: activations overflow "
      "float32; check {}{}config.json against the weights",
      std::ranges::any_of(sequences, intervened) ? "--intervene's factors, " : "",
      adapter_ != nullptr ? "whether the adapter is this model's, " : "");
}

}  // namespace refocus
