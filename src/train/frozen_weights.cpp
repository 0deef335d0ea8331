#include "train/frozen_weights.h"

#include <algorithm>

#include "tensor/block_formats.h"

namespace refocus {

namespace {

using Group = std::vector<const Linear*>;

std::array<Group, kLinearGroups> groups_of(const LayerWeights& w) {
  return {Group{&w.q_proj, &w.k_proj, &w.v_proj}, Group{&w.o_proj}, Group{&w.gate_proj, &w.up_proj},
          Group{&w.down_proj}};
}

std::int64_t size_of_group(const Group& group) {
  std::int64_t size = 0;
  for (const Linear* linear : group) size += linear->outputs * linear->inputs;
  return size;
}

// The group's biases one after the other; empty where no matrix has one.
std::vector<float> biases_of(const Group& group) {
  std::vector<float> out;
  bool any = false;
  for (const Linear* linear : group) {
    any = any || !linear->bias.empty();
    const std::size_t end = out.size() + static_cast<std::size_t>(linear->outputs);
    out.insert(out.end(), linear->bias.begin(), linear->bias.end());
    out.resize(end, 0.0f);
  }
  return any ? out : std::vector<float>();
}

void expand_matrix(ThreadPool& pool, const Linear& linear, float* to) {
  const std::size_t row_bytes = bytes_of(linear.dtype, linear.inputs);
  pool.parallel_for(linear.outputs, [&](std::int64_t row, int) {
    const auto stored = static_cast<std::size_t>(stored_row(row, linear.paired_head_dim));
    dequantize_row(linear.dtype, linear.data + stored * row_bytes, to + row * linear.inputs, linear.inputs);
  });
}

}  // namespace

FrozenWeights::FrozenWeights(const ModelConfig& config, std::shared_ptr<const WeightMap> map,
                             const std::string& where, ThreadPool& pool, std::int64_t most_resident)
    : pool_(pool), map_(std::move(map)), weights_(bind_weights(config, *map_, where)) {
  const auto layers = static_cast<std::int64_t>(weights_.layers.size());
  for (const LayerWeights& layer : weights_.layers) {
    layer_size_ = 0;
    std::array<std::vector<float>, kLinearGroups>& biases = biases_.emplace_back();
    std::size_t index = 0;
    for (const Group& group : groups_of(layer)) {
      layer_size_ += size_of_group(group);
      biases[index++] = biases_of(group);
    }
  }
  const std::int64_t head = weights_.lm_head.outputs * weights_.lm_head.inputs;
  size_ = layers * layer_size_ + head;
  resident_ = size_ <= most_resident;
  floats_ = AlignedBuffer<float>(static_cast<std::size_t>(resident_ ? size_ : std::max(layer_size_, head)));
  for (std::int64_t i = 0; resident_ && i <= layers; ++i) expand(i, floats_.data() + i * layer_size_);
}

void FrozenWeights::expand(std::int64_t index, float* to) {
  if (index == static_cast<std::int64_t>(weights_.layers.size()))
    return expand_matrix(pool_, weights_.lm_head, to);
  for (const Group& group : groups_of(weights_.layers[static_cast<std::size_t>(index)])) {
    for (const Linear* linear : group) {
      expand_matrix(pool_, *linear, to);
      to += linear->outputs * linear->inputs;
    }
  }
}

const float* FrozenWeights::expanded(std::int64_t index) {
  if (resident_) return floats_.data() + index * layer_size_;
  if (held_ != index) expand(index, floats_.data());
  held_ = index;
  return floats_.data();
}

LayerPointers FrozenWeights::layer(std::int64_t index) {
  const LayerWeights& w = weights_.layers[static_cast<std::size_t>(index)];
  LayerPointers out;
  const Norm* norms[kNormPlaces] = {
      &w.attention_norm, &w.attention_output_norm, &w.mlp_norm, &w.mlp_output_norm, &w.q_norm, &w.k_norm};
  for (std::size_t n = 0; n < kNormPlaces; ++n) {
    out.norms[n] = norms[n]->present() ? norms[n]->weight.data() : nullptr;
  }
  const float* at = expanded(index);
  std::size_t i = 0;
  for (const Group& group : groups_of(w)) {
    const std::vector<float>& bias = biases_[static_cast<std::size_t>(index)][i];
    out.biases[i] = bias.empty() ? nullptr : bias.data();
    out.matrices[i++] = at;
    at += size_of_group(group);
  }
  return out;
}

const float* FrozenWeights::lm_head() { return expanded(static_cast<std::int64_t>(weights_.layers.size())); }

void FrozenWeights::embedding(std::int32_t token, float* to) const {
  const Linear& table = weights_.embed_tokens;
  const std::size_t row_bytes = bytes_of(table.dtype, table.inputs);
  dequantize_row(table.dtype, table.data + static_cast<std::size_t>(token) * row_bytes, to, table.inputs);
}

}  // namespace refocus
