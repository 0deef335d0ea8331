#include "model/device_weights.h"

#include <atomic>
#include <cmath>
#include <optional>
#include <utility>

#include "base/mapped_file.h"
#include "kernels/argmax.h"
#include "tensor/block_formats.h"
#include "tensor/half.h"
#include "tensor/tensor_view.h"

namespace refocus {

namespace {

bool is_table_type(DType type) { return type == DType::kF32 || type == DType::kF16 || type == DType::kBF16; }

// The rows' bytes in the engine's order.
auto rows_of(const Linear& linear) {
  const std::size_t bytes = bytes_of(linear.dtype, linear.inputs);
  return [&linear, bytes](std::int64_t r) {
    return linear.data +
           static_cast<std::size_t>(stored_row(r, linear.paired_head_dim, linear.paired_rotary)) * bytes;
  };
}

// The matrix in F16; nothing where a weight is beyond its range.
std::optional<std::vector<std::uint16_t>> in_half(ThreadPool& pool, const Linear& linear) {
  std::vector<std::uint16_t> out(static_cast<std::size_t>(linear.outputs * linear.inputs));
  std::atomic<bool> fits = true;
  const auto row = rows_of(linear);
  pool.parallel_for(linear.outputs, [&](std::int64_t r, int) {
    std::vector<float> values(static_cast<std::size_t>(linear.inputs));
    dequantize_row(linear.dtype, row(r), values.data(), linear.inputs);
    if (!fits_half(values.data(), linear.inputs)) fits = false;
    std::uint16_t* to = out.data() + r * linear.inputs;
    for (const float value : values) *to++ = f32_to_f16(value);
  });
  if (!fits) return std::nullopt;
  return out;
}

DeviceMatrix other_form(Device& device, ThreadPool& pool, const Linear& linear, DevicePrecision precision) {
  const bool exact = linear.dtype == DType::kF64 || precision == DevicePrecision::kF32;
  if (const auto half = exact ? std::nullopt : in_half(pool, linear)) {
    return device.make_matrix(DType::kF16, linear.outputs, linear.inputs, [&](std::int64_t r) {
      return reinterpret_cast<const std::byte*>(half->data() + r * linear.inputs);
    });
  }
  if (device.keeps(linear.dtype)) {
    return device.make_matrix(linear.dtype, linear.outputs, linear.inputs, rows_of(linear));
  }
  std::vector<float> values(static_cast<std::size_t>(linear.inputs));
  const auto row = rows_of(linear);
  return device.make_matrix(DType::kF32, linear.outputs, linear.inputs, [&](std::int64_t r) {
    dequantize_row(linear.dtype, row(r), values.data(), linear.inputs);
    return reinterpret_cast<const std::byte*>(values.data());
  });
}

DeviceMatrix float_matrix(Device& device, const std::vector<float>& values, std::int64_t outputs,
                          std::int64_t inputs) {
  return device.make_matrix(DType::kF32, outputs, inputs, [&](std::int64_t r) {
    return reinterpret_cast<const std::byte*>(values.data() + r * inputs);
  });
}

DeviceNormWeights norm_on(Device& device, const Norm& norm) {
  return {on_device(device, std::span(norm.weight)), on_device(device, std::span(norm.bias))};
}

// A matrix is given back when nobody holds this any more.
std::shared_ptr<const void> owner_of(Device& device, const DeviceMatrix& matrix) {
  struct Owned {
    Owned(Device& device, const DeviceMatrix& matrix) : device(device), matrix(matrix) {}
    Device& device;
    DeviceMatrix matrix;
    ~Owned() { device.release_matrix(matrix); }
  };
  return std::make_shared<Owned>(device, matrix);
}

void give_back_pages(const Linear& linear) {
  if (linear.owner != nullptr) return;
  release_mapped_pages(linear.stored_bytes());
}

bool is_kept(const Device& device, const Linear& linear, DevicePrecision precision) {
  return device.keeps(linear.dtype) && (linear.dtype != DType::kBF16 || precision == DevicePrecision::kF32);
}

// Several matrices as one, where they are kept as they are stored; nothing where they are not alike.
std::vector<DeviceLinear> upload_together(Device& device, const std::vector<const Linear*>& linears,
                                          DevicePrecision precision) {
  const Linear& first = *linears.front();
  std::int64_t outputs = 0;
  for (const Linear* linear : linears) {
    if (!linear->present() || !is_kept(device, *linear, precision) || linear->dtype != first.dtype ||
        linear->inputs != first.inputs) {
      return {};
    }
    outputs += linear->outputs;
  }
  std::vector<std::pair<std::int64_t, const Linear*>> begins;  // rows of the whole
  for (std::int64_t row = 0; const Linear* linear : linears) {
    begins.emplace_back(row, linear);
    row += linear->outputs;
  }
  const DeviceMatrix all = device.make_matrix(first.dtype, outputs, first.inputs, [&](std::int64_t r) {
    auto part = begins.rbegin();
    while (part->first > r) ++part;
    return rows_of(*part->second)(r - part->first);
  });
  const auto owner = owner_of(device, all);
  std::vector<DeviceLinear> out;
  for (const auto& [begin, linear] : begins) {
    const DeviceMatrix part = device.part_of(all, begin, linear->outputs);
    if (!part.present()) return {};
    out.emplace_back(device, owner, part, *linear);
  }
  for (const Linear* linear : linears) give_back_pages(*linear);
  return out;
}

}  // namespace

DeviceLinear::DeviceLinear(Device& device, ThreadPool& pool, const Linear& linear,
                           DevicePrecision precision) {
  if (!linear.present()) return;
  matrix_ = is_kept(device, linear, precision)
                ? device.make_matrix(linear.dtype, linear.outputs, linear.inputs, rows_of(linear))
                : other_form(device, pool, linear, precision);
  owners_.push_back(owner_of(device, matrix_));
  bias_ = on_device(device, std::span(linear.bias));
  give_back_pages(linear);
}

DeviceLinear::DeviceLinear(Device& device, std::shared_ptr<const void> owner, const DeviceMatrix& matrix,
                           const Linear& linear)
    : owners_{std::move(owner)}, matrix_(matrix), bias_(on_device(device, std::span(linear.bias))) {}

void DeviceLinear::attach(Device& device, const LowRank& change) {
  a_ = float_matrix(device, change.a, change.rank, change.inputs);
  owners_.push_back(owner_of(device, a_));
  b_ = float_matrix(device, change.b, change.outputs, change.rank);
  owners_.push_back(owner_of(device, b_));
}

namespace {

// Calls f(linear, its place on the device) for every matrix that products are taken with, but for the head.
template <class Weights, class F>
void each_linear(const LayerWeights& from, Weights& to, const F& f) {
  f(from.q_proj, to.q_proj);
  f(from.k_proj, to.k_proj);
  f(from.v_proj, to.v_proj);
  f(from.o_proj, to.o_proj);
  f(from.gate_proj, to.gate_proj);
  f(from.up_proj, to.up_proj);
  f(from.down_proj, to.down_proj);
  const ExpertWeights& experts = from.experts;
  f(experts.router, to.experts.router);
  for (std::size_t e = 0; e < experts.up.size(); ++e) {
    f(experts.gate[e], to.experts.gate[e]);
    f(experts.up[e], to.experts.up[e]);
    f(experts.down[e], to.experts.down[e]);
  }
  f(experts.shared_gate, to.experts.shared_gate);
  f(experts.shared_up, to.experts.shared_up);
  f(experts.shared_down, to.experts.shared_down);
  f(experts.shared_expert_gate, to.experts.shared_expert_gate);
}

}  // namespace

DeviceWeights upload_weights(Device& device, ThreadPool& pool, const ModelWeights& weights,
                             DevicePrecision precision) {
  DeviceWeights out;
  const auto upload = [&](const Linear& linear) { return DeviceLinear(device, pool, linear, precision); };
  out.tied = weights.lm_head.data == weights.embed_tokens.data;
  if (out.tied || is_table_type(weights.embed_tokens.dtype)) out.embed_tokens = upload(weights.embed_tokens);
  if (is_table_type(weights.positions.dtype)) out.positions = upload(weights.positions);
  for (const LayerWeights& layer : weights.layers) {
    DeviceLayerWeights to;
    to.attention_norm = norm_on(device, layer.attention_norm);
    to.attention_output_norm = norm_on(device, layer.attention_output_norm);
    to.mlp_norm = norm_on(device, layer.mlp_norm);
    to.mlp_output_norm = norm_on(device, layer.mlp_output_norm);
    to.q_norm = norm_on(device, layer.q_norm);
    to.k_norm = norm_on(device, layer.k_norm);
    to.sinks = on_device(device, std::span(layer.sinks));
    for (auto* group : {&to.experts.gate, &to.experts.up, &to.experts.down}) {
      group->resize(layer.experts.up.size());
    }
    const auto together = [&](const std::vector<std::pair<const Linear*, DeviceLinear*>>& places) {
      std::vector<const Linear*> linears;
      for (const auto& place : places) linears.push_back(place.first);
      std::vector<DeviceLinear> made = upload_together(device, linears, precision);
      for (std::size_t i = 0; i < made.size(); ++i) *places[i].second = std::move(made[i]);
    };
    together({{&layer.q_proj, &to.q_proj}, {&layer.k_proj, &to.k_proj}, {&layer.v_proj, &to.v_proj}});
    together({{&layer.gate_proj, &to.gate_proj}, {&layer.up_proj, &to.up_proj}});
    each_linear(layer, to, [&](const Linear& from, DeviceLinear& place) {
      if (!place.present()) place = upload(from);
    });
    out.layers.push_back(std::move(to));
  }
  out.norm = norm_on(device, weights.norm);
  if (!out.tied) out.lm_head = upload(weights.lm_head);
  return out;
}

void attach_adapters(Device& device, const ModelWeights& weights, DeviceWeights& to) {
  const auto attach = [&](const Linear& from, DeviceLinear& place) {
    if (from.adapter != nullptr) place.attach(device, *from.adapter);
  };
  for (std::size_t l = 0; l < weights.layers.size(); ++l)
    each_linear(weights.layers[l], to.layers[l], attach);
  // Of tied embeddings an adapter changes the head alone, which is looked up in no table.
  attach(weights.lm_head, to.tied ? to.embed_tokens : to.lm_head);
}

}  // namespace refocus
