#include "model/weight_binder.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/aligned_buffer.h"
#include "base/error.h"
#include "base/mapped_file.h"
#include "tensor/block_formats.h"

namespace refocus {

namespace {

constexpr const char* kOtherConfig =
    "weights and settings belong to different models, or one of them was changed; download both again";

// A matrix [outputs, inputs] in memory of its own, and the pages that it was read from given back.
std::shared_ptr<const void> reordered(const TensorView& view, std::int64_t outputs, std::int64_t inputs,
                                      const std::function<std::int64_t(std::int64_t)>& stored,
                                      bool transposed, Linear& out) {
  const std::size_t element = size_of(view.dtype), row_bytes = static_cast<std::size_t>(inputs) * element;
  const std::int64_t columns = view.shape.back();
  const auto buffer =
      std::make_shared<AlignedBuffer<std::byte>>(static_cast<std::size_t>(outputs) * row_bytes);
  for (std::int64_t r = 0; r < outputs; ++r) {
    std::byte* to = buffer->data() + static_cast<std::size_t>(r) * row_bytes;
    const std::int64_t from = stored(r);
    if (!transposed) {
      std::memcpy(to, view.data + static_cast<std::size_t>(from) * row_bytes, row_bytes);
      continue;
    }
    for (std::int64_t i = 0; i < inputs; ++i) {
      std::memcpy(to + static_cast<std::size_t>(i) * element,
                  view.data + static_cast<std::size_t>(i * columns + from) * element, element);
    }
  }
  out.data = buffer->data();
  return buffer;
}

bool is_buffer(std::string_view name) {
  static constexpr std::string_view kBuffers[] = {
      "rotary_emb.inv_freq", "rotary_emb.cos_cached", "rotary_emb.sin_cached", ".attn.bias",
      ".attn.masked_bias",   ".attention.bias",       ".attention.masked_bias"};
  return std::ranges::any_of(kBuffers, [&](std::string_view buffer) { return name.ends_with(buffer); });
}

}  // namespace

const TensorView& WeightBinder::take(const std::string& name, const std::vector<std::int64_t>& shape) {
  const WeightMap::Entry* entry = map_.find(name);
  if (entry == nullptr) refuse_missing(name, shape);
  if (entry->view.shape != shape) {
    throw input_error(entry->source, "expected tensor {} of shape {} as {} says, got {}; {}", name,
                      shape_text(shape), settings(*entry), shape_text(entry->view.shape),
                      one_file(*entry) ? "the file contradicts itself, convert the model again"
                                       : "the two files belong to different models, download both again");
  }
  taken_.insert(name);
  return entry->view;
}

Norm WeightBinder::norm(const std::string& name, const std::vector<std::int64_t>& shape) {
  Norm out;
  if (!own_) {
    if (config_.norm_weights) take(name + ".weight", shape);
    if (config_.norm == NormKind::kLayer && has(name + ".bias")) take(name + ".bias", shape);
    return out;
  }
  std::int64_t size = 1;
  for (const std::int64_t n : shape) size *= n;
  if (!config_.norm_weights) {
    out.weight.assign(static_cast<std::size_t>(size), 1.0f);
    return out;
  }
  out.weight = to_f32(take(name + ".weight", shape));
  if (config_.norm_plus_one && !gguf()) {
    for (float& w : out.weight) w += 1;
  }
  if (config_.norm == NormKind::kLayer && has(name + ".bias")) out.bias = to_f32(take(name + ".bias", shape));
  return out;
}

std::vector<float> WeightBinder::bias(const std::string& name, std::int64_t size,
                                      std::optional<bool> biased) {
  const WeightMap::Entry* entry = map_.find(name + ".bias");
  const bool told = biased.has_value() && !gguf();
  if (entry == nullptr && told && *biased) {
    // As in transformers, which sets it to 0 and says so.
    out_.warnings.push_back(
        fmt::format("[{}] config.json says that there is a tensor {}.bias [{}], but the weights have "
                    "none: it counts as 0",
                    where_, name, size));
  }
  if (entry != nullptr && told && !*biased) {
    throw input_error(
        entry->source,
        "expected no tensor {}.bias, as config.json has no biases there, got one; if the model was "
        "trained with biases, say so in config.json (attention_bias, mlp_bias), else remove them",
        name);
  }
  return entry == nullptr ? std::vector<float>() : vector(name + ".bias", size);
}

Linear WeightBinder::linear(const std::string& name, std::int64_t outputs, std::int64_t inputs,
                            std::optional<bool> biased, const RowOrder& order) {
  return rows(name, outputs, 0, outputs, inputs, biased, order);
}

Linear WeightBinder::rows(const std::string& name, std::int64_t all, std::int64_t first, std::int64_t outputs,
                          std::int64_t inputs, std::optional<bool> biased, const RowOrder& order) {
  const std::vector<std::int64_t> shape =
      order.transposed ? std::vector<std::int64_t>{inputs, all} : std::vector<std::int64_t>{all, inputs};
  const TensorView& view = take(name + ".weight", shape);
  return rows_of(view, bias(name, all, biased), first, outputs, inputs, order);
}

Linear WeightBinder::rows_of(const TensorView& view, const std::vector<float>& bias, std::int64_t first,
                             std::int64_t all_outputs, std::int64_t inputs, const RowOrder& order) {
  const ShareRange own =
      order.shared_by > 0 ? share_.part_of(all_outputs, order.shared_by) : ShareRange{0, all_outputs};
  const std::int64_t outputs = own.count;
  first += own.first;
  Linear out{view.data, view.dtype, outputs, inputs, {}, nullptr, view.paired_head_dim, view.paired_rotary};
  out.all_outputs = all_outputs;
  if (!own_) {
    out.data = nullptr;
    return out;
  }
  const auto stored = [&](std::int64_t row) {
    const std::int64_t in_order =
        stored_row(own.first + row, order.paired_head_dim, order.paired_rotary) - own.first;
    return order.stored ? order.stored(own.first + in_order) : first + in_order;
  };
  if (!bias.empty()) {
    for (std::int64_t r = 0; r < outputs; ++r) out.bias.push_back(bias[static_cast<std::size_t>(stored(r))]);
  }
  const bool in_order = !order.transposed && !order.stored && order.paired_head_dim == 0;
  if (in_order) {
    out.data += static_cast<std::size_t>(first) * bytes_of(view.dtype, inputs);
    return out;
  }
  if (is_block_type(view.dtype) && !order.transposed && !order.stored) {  // put in order as it is packed
    out.data += static_cast<std::size_t>(first) * bytes_of(view.dtype, inputs);
    out.paired_head_dim = order.paired_head_dim;
    out.paired_rotary = order.paired_rotary;
    return out;
  }
  if (is_block_type(view.dtype)) {
    throw input_error(
        where_, "expected this family's fused matrices in F32, F16 or BF16, got {}; convert the model again",
        name_of(view.dtype));
  }
  out_.owned.push_back(reordered(view, outputs, inputs, stored, order.transposed, out));
  return out;
}

std::int64_t WeightBinder::layer_of(std::string_view name) const {
  const std::string_view prefix = config_.names.layer.substr(0, config_.names.layer.find("{}"));
  std::int64_t layer = -1;
  if (!name.starts_with(prefix)) return layer;
  std::from_chars(name.data() + prefix.size(), name.data() + name.size(), layer);
  return layer;
}

void WeightBinder::refuse_others() const {
  for (const auto& [name, entry] : map_.entries()) {
    if (is_buffer(name) || taken_.contains(name) || name == std::string(config_.names.head) + ".weight")
      continue;
    if (layer_of(name) >= config_.num_hidden_layers) {
      throw input_error(entry.source, "expected {} layers as {} says, got tensor {}; {}",
                        config_.num_hidden_layers, settings(entry), printable(name), kOtherConfig);
    }
    throw input_error(
        entry.source,
        "expected the tensors of a {} model, got {} too, which would be left out; use a model of one of "
        "the families that are read (docs/models.md)",
        config_.model_type == "llama" ? "LLaMA" : config_.model_type, printable(name, 160));
  }
}

void WeightBinder::refuse_missing(const std::string& name, const std::vector<std::int64_t>& shape) const {
  const std::string shown = fmt::format("{} {}", name, shape_text(shape));
  if (map_.entries().empty()) {
    throw input_error(where_, "expected tensor {}, got no tensors at all; download the weights again", shown);
  }
  if (name == std::string(config_.names.head) + ".weight") {
    throw input_error(where_,
                      "expected tensor {}, or tie_word_embeddings true in config.json, got neither; download "
                      "the model with its output matrix (ForCausalLM), or set tie_word_embeddings if the "
                      "embeddings are its output matrix too",
                      shown);
  }
  if (name == std::string(config_.names.embeddings) + ".weight") {
    throw input_error(
        where_,
        "expected tensor {} of a {} (model_type in config.json), got none; the weights are another "
        "family's, or incomplete: download both again",
        shown, config_.model_type);
  }
  std::int64_t layers = 0;
  for (const auto& [other, entry] : map_.entries()) layers = std::max(layers, layer_of(other) + 1);
  const WeightMap::Entry& any = map_.entries().begin()->second;
  if (const std::int64_t layer = layer_of(name); layers > 0 && layer >= layers) {
    throw input_error(where_, "expected tensor {}, since {} says more layers, got {} layers; {}", shown,
                      settings(any), layers, kOtherConfig);
  }
  throw input_error(where_, "expected tensor {}, got none; the weights are incomplete, download them again",
                    shown);
}

}  // namespace refocus
