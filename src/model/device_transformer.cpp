#include "model/device_transformer.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/error.h"
#include "kernels/matmul.h"
#include "model/embedding.h"

namespace refocus {

// Results of a call, in memory that the device writes fast.
struct DeviceTransformer::HostResults {
  explicit HostResults(Device& to) : device(to) {}
  ~HostResults() {
    if (data != nullptr) device.release_host(data);
  }
  HostResults(const HostResults&) = delete;
  HostResults& operator=(const HostResults&) = delete;

  void grow(std::size_t floats) {
    if (floats <= count) return;
    if (data != nullptr) device.release_host(std::exchange(data, nullptr));
    count = 0;
    data = static_cast<float*>(device.allocate_host(floats * sizeof(float)));
    count = floats;
  }

  Device& device;
  float* data = nullptr;
  std::size_t count = 0;
};

DeviceTransformer::DeviceTransformer(const ModelConfig& config, const ModelWeights& weights, std::string name,
                                     ThreadPool& pool, std::shared_ptr<Device> device, DType kv_type,
                                     DevicePrecision precision)
    : config_(config),
      host_weights_(weights),
      name_(std::move(name)),
      pool_(pool),
      device_(std::move(device)),
      kv_type_(kv_type),
      precision_(precision),
      weights_(upload_weights(*device_, pool, weights, precision)),
      call_(config, *device_),
      hooks_(*device_, pool),
      host_results_(std::make_unique<HostResults>(*device_)) {
  // Parts of the cache have the size that pools for the processor give them.
  REFOCUS_CHECK(kv_head_elements(config.head_dim) == kv_block_elements(config.head_dim));
}

DeviceTransformer::~DeviceTransformer() = default;

void DeviceTransformer::attach() { attach_adapters(*device_, host_weights_, weights_); }

// Makes room for rows that lie beside each other, one's row right behind the other's: {rows, size} each.
void DeviceTransformer::make_rows(std::int64_t rows,
                                  std::initializer_list<std::pair<Rows*, std::int64_t>> beside) {
  std::int64_t size = 0;
  for (const auto& part : beside) size += part.second;
  if (size == 0) return;
  const std::int64_t stride = padded(size);
  DeviceMemory& memory = beside.begin()->first->memory;
  memory.grow(*device_, static_cast<std::size_t>(rows * stride) * sizeof(float));
  for (float* place = memory.as<float>(); const auto& [part, its_size] : beside) {
    part->place = place;
    part->size = its_size;
    part->stride = stride;
    place += its_size;
  }
}

void DeviceTransformer::grow(std::int64_t rows) {
  if (rows <= capacity_) return;
  capacity_ = std::max(rows, 2 * capacity_);
  const std::int64_t hidden = config_.hidden_size;
  const std::int64_t q_size = config_.num_attention_heads * config_.head_dim;
  const std::int64_t kv_size = config_.num_key_value_heads * config_.head_dim;
  const ExpertConfig& experts = config_.experts;
  for (Rows* rows_of_hidden : {&x_, &normed_, &kept_x_}) make_rows(capacity_, {{rows_of_hidden, hidden}});
  make_rows(capacity_, {{&branch_, adds_directly() && experts.count == 0 ? 0 : hidden}});
  make_rows(capacity_, {{&q_, q_size}, {&k_, kv_size}, {&v_, kv_size}});
  for (Rows* queries : {&attended_, &kept_q_}) make_rows(capacity_, {{queries, q_size}});
  const auto make_inner = [&](Rows& gate, Rows& up, std::int64_t size) {
    make_rows(capacity_, {{&gate, size}, {&up, size}});
  };
  make_inner(gate_, up_, config_.intermediate_size);
  if (experts.count == 0) return;
  make_inner(expert_gate_, expert_up_, experts.intermediate_size);
  make_inner(shared_gate_, shared_up_, experts.shared_intermediate_size);
  for (Rows* rows_of_hidden : {&expert_in_, &expert_out_}) make_rows(capacity_, {{rows_of_hidden, hidden}});
  make_rows(capacity_, {{&router_, experts.count}});
}

std::span<const float> DeviceTransformer::run(std::span<const SequenceInput> sequences, LayerRange layers) {
  const std::int64_t end = std::min(layers.end, config_.num_hidden_layers);
  REFOCUS_CHECK(layers.first >= 0 && layers.first < end);
  start(sequences, layers.first);
  tell_taps(sequences, 0, /*before=*/true);
  bool anything = true;
  for (std::int64_t layer = layers.first; layer < end && anything; ++layer) {
    anything = attend(sequences, layer);
    if (!anything) break;
    feed_forward(weights_.layers[static_cast<std::size_t>(layer)], config_.layer(layer).experts);
    tell_taps(sequences, layer, /*before=*/false);
  }
  for (const SequenceInput& in : sequences) {
    in.cache->set_length(in.cache->length() + static_cast<std::int64_t>(in.tokens.size()));
  }
  const bool has_logits = end == config_.num_hidden_layers && anything && call_.wanted() > 0;
  if (has_logits) compute_logits();
  return fetch(has_logits ? call_.wanted() : 0);
}

void DeviceTransformer::start(std::span<const SequenceInput> sequences, std::int64_t first_layer) {
  rows_ = call_.all().count;
  grow(rows_);
  queries_ = &q_;
  make_results(call_.wanted());
  if (call_.rebalances()) {
    mask_.grow(*device_,
               static_cast<std::size_t>(rows_ * config_.num_attention_heads * blocks_for(call_.longest())) *
                   sizeof(std::uint32_t));
  }
  if (first_layer > 0) return take_residuals(sequences);
  // What was turned into another type is looked up as it was.
  const DType type = host_weights_.embed_tokens.dtype;
  if (!weights_.embed_tokens.present() || weights_.embed_tokens.matrix().type != type ||
      is_block_type(type) || (config_.learned_positions && !weights_.positions.present())) {
    return embed_here(sequences);
  }
  Device::Gather gather;
  const auto look_up = [&](const DeviceLinear& table, const std::int32_t* ids) {
    gather.type = table.matrix().type;
    gather.table = table.matrix().data;
    gather.table_stride = gather.size = config_.hidden_size;
    gather.ids = ids;
    gather.count = rows_;
    gather.out = x_.data();
    gather.out_stride = x_.stride;
    device_->gather(gather);
  };
  gather.factor = config_.embedding_multiplier;
  look_up(weights_.embed_tokens, call_.tokens());
  if (!config_.learned_positions) return;
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const DeviceRows::Sequence& its = call_.all().sequences[s];
    check_learned_position(config_, its.position + its.rows - 1, name_);
  }
  gather.factor = 1;
  gather.add = true;
  look_up(weights_.positions, call_.at<std::int32_t>(call_.all().positions));
}

// Of tables that the device cannot look rows up in.
void DeviceTransformer::embed_here(std::span<const SequenceInput> sequences) {
  here_.resize(static_cast<std::size_t>(rows_ * x_.stride));
  std::vector<float> scratch(static_cast<std::size_t>(config_.hidden_size));
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const DeviceRows::Sequence& its = call_.all().sequences[s];
    for (std::int64_t r = 0; r < its.rows; ++r) {
      embed_row(config_, host_weights_, name_, sequences[s].tokens[static_cast<std::size_t>(r)],
                its.position + r, scratch.data(), here_.data() + (its.first_row + r) * x_.stride);
    }
  }
  device_->upload(x_.data(), here_.data(), here_.size() * sizeof(float));
}

void DeviceTransformer::take_residuals(std::span<const SequenceInput> sequences) {
  here_.resize(static_cast<std::size_t>(rows_ * x_.stride));
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    REFOCUS_CHECK(sequences[s].residuals != nullptr);
    const DeviceRows::Sequence& its = call_.all().sequences[s];
    for (std::int64_t r = 0; r < its.rows; ++r) {
      std::copy_n(sequences[s].residuals + r * config_.hidden_size, config_.hidden_size,
                  here_.data() + (its.first_row + r) * x_.stride);
    }
  }
  device_->upload(x_.data(), here_.data(), here_.size() * sizeof(float));
}

void DeviceTransformer::tell_taps(std::span<const SequenceInput> sequences, std::int64_t layer, bool before) {
  const bool last = layer == config_.num_hidden_layers - 1 && !before;
  const DeviceRows& rows = last ? call_.kept() : call_.all();
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const ResidualTap* tap = sequences[s].tap;
    if (tap == nullptr || (before && tap->before_layers == nullptr)) continue;
    const DeviceRows::Sequence& its = rows.sequences[s];
    here_.resize(static_cast<std::size_t>(its.rows * x_.stride));
    device_->download(here_.data(), x_.data() + its.first_row * x_.stride, here_.size() * sizeof(float));
    if (before) {
      tap->before_layers(tap->context, here_.data(), x_.stride);
    } else {
      tap->after_layer(tap->context, layer, here_.data(), x_.stride);
    }
  }
}

void DeviceTransformer::compute_logits() {
  const std::int64_t wanted = call_.wanted();
  const DeviceLinear* const head = &weights_.head();
  if (!call_.wants_all_kept()) {
    device_->gather({DType::kF32, x_.data(), x_.stride, x_.size, call_.wanted_rows(), wanted, 1, false,
                     kept_x_.data(), kept_x_.stride});
    norm(weights_.norm, kept_x_, wanted, normed_, {&head, 1});
  } else {
    norm(weights_.norm, x_, wanted, normed_, {&head, 1});
  }
  project(wanted);
}

std::span<const float> DeviceTransformer::logits_of(const float* x, std::int64_t rows) {
  grow(rows);
  make_results(rows);
  here_.resize(static_cast<std::size_t>(rows * x_.stride));
  for (std::int64_t r = 0; r < rows; ++r) {
    std::copy_n(x + r * config_.hidden_size, config_.hidden_size, here_.data() + r * x_.stride);
  }
  device_->upload(kept_x_.data(), here_.data(), here_.size() * sizeof(float));
  const DeviceLinear* const head = &weights_.head();
  norm(weights_.norm, kept_x_, rows, normed_, {&head, 1});
  project(rows);
  return fetch(rows);
}

// What comes back of a call lies together: flags of overflow, [layers] and a gap, then logits, [rows,
// vocab_size].
std::int64_t DeviceTransformer::flag_count() const { return padded(config_.num_hidden_layers); }

void DeviceTransformer::make_results(std::int64_t rows) {
  const auto count = static_cast<std::size_t>(flag_count() + rows * config_.vocab_size);
  results_.grow(*device_, count * sizeof(float));
  host_results_->grow(count);
  if (kv_type_ == DType::kF16) {
    device_->clear(results_.data(), static_cast<std::size_t>(flag_count()) * sizeof(float));
  }
}

// The output matrix on the first rows of normed_.
void DeviceTransformer::project(std::int64_t wanted) {
  const std::int64_t vocab = config_.vocab_size;
  float* logits = results_.as<float>() + flag_count();
  const DeviceLinear* const head = &weights_.head();
  const DeviceProduct product{&head->matrix(), head->bias(), logits, vocab, false};
  multiply(normed_, wanted, {&head, 1}, {&product, 1});
  if (config_.logit_multiplier == 1 && config_.final_softcap == 0) return;
  device_->scale_and_cap(logits, wanted * vocab, config_.logit_multiplier, config_.final_softcap);
}

std::span<const float> DeviceTransformer::fetch(std::int64_t rows) {
  const bool has_flags = kv_type_ == DType::kF16;
  const auto first = static_cast<std::size_t>(has_flags ? 0 : flag_count());
  const auto end = static_cast<std::size_t>(flag_count() + rows * config_.vocab_size);
  float* results = host_results_->data;
  if (rows > 0 || has_flags) {
    device_->download(results + first, results_.as<float>() + first, (end - first) * sizeof(float));
  }
  if (has_flags) refuse_overflow(results);
  return {results + flag_count(), static_cast<std::size_t>(rows * config_.vocab_size)};
}

void DeviceTransformer::refuse_overflow(const float* flags) const {
  for (std::int64_t layer = 0; layer < config_.num_hidden_layers; ++layer) {
    if (std::bit_cast<std::int32_t>(flags[layer]) == 0) continue;
    throw input_error(
        name_,
        "expected keys and values of up to 65504, the most that a cache of F16 holds, got more in layer {}; "
        "use --kv-type f32",
        layer);
  }
}

}  // namespace refocus
