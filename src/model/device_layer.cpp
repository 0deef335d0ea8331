// One layer on a device: attention, MLP or experts, and the norms where a family has them; the twin of
// transformer_layer.cpp.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "kernels/matmul.h"
#include "model/device_hooks.h"
#include "model/device_transformer.h"
#include "model/expert_choice.h"

namespace refocus {

namespace {

DeviceActivation activation_of(const ModelConfig& config) {
  if (config.mlp == MlpKind::kClampedGated) return DeviceActivation::kClampedSwiglu;
  switch (config.activation) {
    case Activation::kSilu:
      return DeviceActivation::kSilu;
    case Activation::kGelu:
      return DeviceActivation::kGelu;
    case Activation::kGeluTanh:
      return DeviceActivation::kGeluTanh;
    case Activation::kRelu:
      return DeviceActivation::kRelu;
    case Activation::kReluSquared:
      return DeviceActivation::kReluSquared;
  }
  return DeviceActivation::kSilu;
}

}  // namespace

// Where rows that only these products read may go in half precision; nowhere, unless they all take the same
// type.
DeviceHalf DeviceTransformer::half_for(Rows& y, std::int64_t rows,
                                       std::span<const DeviceLinear* const> readers) {
  if (precision_ != DevicePrecision::kHalf || rows <= kFewRows || readers.empty()) return {};
  const auto type_of = [](const DeviceLinear* linear) {
    const DType type = linear->matrix().type;
    return type == DType::kF32 || type == DType::kBF16 ? type : DType::kF16;
  };
  const DType type = type_of(readers.front());
  for (const DeviceLinear* linear : readers) {
    if (type == DType::kF32 || type_of(linear) != type || linear->rank() > 0) return {};
  }
  const std::int64_t stride = padded(y.size);
  y.half_memory.grow(*device_, static_cast<std::size_t>(capacity_ * stride) * sizeof(std::uint16_t));
  return {type, y.half_memory.data(), stride};
}

// The model's kind of norm with these weights; of no rows yet.
DeviceNorm DeviceTransformer::norm_with(const DeviceNormWeights& weights) const {
  DeviceNorm norm;
  norm.weight = weights.weight.as<const float>();
  norm.bias = weights.bias.as<const float>();
  norm.eps = config_.norm_eps;
  norm.centred = config_.norm == NormKind::kLayer;
  return norm;
}

void DeviceTransformer::norm(const DeviceNormWeights& weights, const Rows& x, std::int64_t rows, Rows& y,
                             std::span<const DeviceLinear* const> readers) {
  DeviceNorm norm = norm_with(weights);
  norm.half = y.half = half_for(y, rows, readers);
  norm.input = {x.data(), x.stride, rows, x.size};
  norm.y = y.data();
  norm.y_stride = y.stride;
  device_->norm(norm);
}

// Products with the same x, and what adapters add to them.
void DeviceTransformer::multiply(const Rows& x, std::int64_t rows,
                                 std::span<const DeviceLinear* const> linears,
                                 std::span<const DeviceProduct> products) {
  const DeviceInput input{x.data(), x.stride, rows, x.size, x.half};
  device_->multiply(input, products, precision_);
  for (std::size_t i = 0; i < products.size(); ++i) {
    const std::int64_t rank = linears[i]->rank();
    if (rank == 0) continue;
    make_rows(rows, {{&low_rank_, rank}});
    const DeviceProduct down{&linears[i]->a(), nullptr, low_rank_.data(), low_rank_.stride, false};
    device_->multiply(input, {&down, 1}, precision_);
    const DeviceProduct up{&linears[i]->b(), nullptr, products[i].y, products[i].y_stride, true};
    device_->multiply({low_rank_.data(), low_rank_.stride, rows, rank}, {&up, 1}, precision_);
  }
}

void DeviceTransformer::add_branch(const DeviceNormWeights& weights) {
  if (weights.present()) norm(weights, branch_, rows_, branch_);
  device_->add(x_.data(), branch_.data(), rows_, x_.size, x_.stride, config_.residual_multiplier);
}

void DeviceTransformer::project_qkv(const DeviceLayerWeights& w) {
  const DeviceLinear* const linears[] = {&w.q_proj, &w.k_proj, &w.v_proj};
  if (w.attention_norm.present()) norm(w.attention_norm, x_, rows_, normed_, linears);
  const DeviceProduct products[] = {{&w.q_proj.matrix(), w.q_proj.bias(), q_.data(), q_.stride, false},
                                    {&w.k_proj.matrix(), w.k_proj.bias(), k_.data(), k_.stride, false},
                                    {&w.v_proj.matrix(), w.v_proj.bias(), v_.data(), v_.stride, false}};
  multiply(w.attention_norm.present() ? normed_ : x_, rows_, linears, products);
}

// Norms of queries and keys, in place.
void DeviceTransformer::norm_heads(const DeviceLayerWeights& w) {
  const bool full = config_.qk_norm == QkNorm::kFull;
  const auto one = [&](const DeviceNormWeights& weights, const Rows& x, std::int64_t heads) {
    DeviceNorm norm = norm_with(weights);
    norm.input = {x.data(), x.stride, rows_, full ? heads * config_.head_dim : config_.head_dim};
    norm.parts = full ? 1 : heads;
    norm.weight_step = config_.qk_norm == QkNorm::kEachHead ? config_.head_dim : 0;
    norm.y = x.data();
    norm.y_stride = x.stride;
    device_->norm(norm);
  };
  one(w.q_norm, q_, config_.num_attention_heads);
  one(w.k_norm, k_, config_.num_key_value_heads);
}

// Keys before rotation, where an intervention changes them.
void DeviceTransformer::change_keys(std::span<const SequenceInput> sequences, std::int64_t layer) {
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const AttentionHooks* hooks = sequences[s].hooks;
    if (hooks == nullptr || hooks[layer].keys == nullptr) continue;
    const DeviceRows::Sequence& its = call_.all().sequences[s];
    // Of the last row the keys alone: the rows' memory ends behind it.
    here_.resize(static_cast<std::size_t>((its.rows - 1) * k_.stride + k_.size));
    float* on_device = k_.data() + its.first_row * k_.stride;
    device_->download(here_.data(), on_device, here_.size() * sizeof(float));
    pool_.parallel_for(its.rows, [&](std::int64_t r, int) {
      hooks[layer].keys(hooks[layer].context, its.position + r,
                        {here_.data() + r * k_.stride, static_cast<std::size_t>(k_.size)});
    });
    device_->upload(on_device, here_.data(), here_.size() * sizeof(float));
  }
}

// Norms and rotation of queries and keys; keys and values go into the cache.
void DeviceTransformer::place(std::span<const SequenceInput> sequences, std::int64_t layer,
                              const KvLayout::Place& where) {
  const DeviceLayerWeights& w = weights_.layers[static_cast<std::size_t>(layer)];
  const bool by_head = config_.qk_norm == QkNorm::kHead || config_.qk_norm == QkNorm::kEachHead;
  if (config_.qk_norm == QkNorm::kFull || (by_head && !config_.qk_norm_after_rope)) norm_heads(w);
  if (config_.clip_qkv > 0) {
    // Queries, keys and values lie beside each other; gaps hold what they like.
    device_->clamp(q_.data(), rows_ * q_.stride, config_.clip_qkv);
  }
  change_keys(sequences, layer);
  DevicePlacement placement;
  placement.q = q_.data();
  placement.k = k_.data();
  placement.v = v_.data();
  placement.q_stride = q_.stride;
  placement.kv_stride = k_.stride;
  placement.rows = rows_;
  placement.heads = config_.num_attention_heads;
  placement.kv_heads = config_.num_key_value_heads;
  placement.head_dim = config_.head_dim;
  const LayerConfig::Rope rope = config_.layer(layer).rope;
  if (rope != LayerConfig::Rope::kNone) {
    placement.cosines = call_.cosines(rope == LayerConfig::Rope::kLocal);
    placement.sines = call_.sines(rope == LayerConfig::Rope::kLocal);
    placement.rotary = config_.rotary() / 2 * 2;
  }
  if (by_head && config_.qk_norm_after_rope) {
    device_->place(placement);
    placement.cosines = placement.sines = nullptr;
    norm_heads(w);
  }
  placement.blocks = call_.row_blocks(where.group);
  placement.offset = where.offset;
  placement.positions = call_.at<std::int32_t>(call_.all().positions);
  placement.type = kv_type_;
  placement.overflow = results_.as<std::int32_t>() + layer;
  device_->place(placement);
}

DeviceAttention DeviceTransformer::attention_of(std::int64_t layer, const DeviceRows& rows,
                                                const KvLayout::Place& where) {
  DeviceAttention out;
  out.heads = config_.num_attention_heads;
  out.kv_heads = config_.num_key_value_heads;
  out.head_dim = config_.head_dim;
  out.scale = config_.attention_scale > 0 ? config_.attention_scale
                                          : 1 / std::sqrt(static_cast<float>(config_.head_dim));
  out.softcap = config_.attention_softcap;
  out.window = config_.layer(layer).window;
  out.sinks = weights_.layers[static_cast<std::size_t>(layer)].sinks.as<const float>();
  out.q = queries_->data();
  out.q_stride = queries_->stride;
  out.out = attended_.data();
  out.out_stride = attended_.stride;
  out.type = kv_type_;
  out.precision = precision_;
  out.mask = mask_.as<std::uint32_t>();
  out.mask_words = blocks_for(call_.longest());
  call_.describe(rows, where, layer, out);
  return out;
}

// Goes on with these rows of the call alone.
void DeviceTransformer::keep_rows(const DeviceRows& kept) {
  const auto* ids = call_.at<std::int32_t>(kept.ids);
  const auto keep = [&](const Rows& from, const Rows& to) {
    device_->gather(
        {DType::kF32, from.data(), from.stride, from.size, ids, kept.count, 1, false, to.data(), to.stride});
  };
  keep(q_, kept_q_);  // and not the other way round: q_ lies beside k_ and v_
  queries_ = &kept_q_;
  keep(x_, kept_x_);
  std::swap(x_, kept_x_);
  rows_ = kept.count;
}

bool DeviceTransformer::attend(std::span<const SequenceInput> sequences, std::int64_t layer) {
  const DeviceLayerWeights& w = weights_.layers[static_cast<std::size_t>(layer)];
  const KvLayout::Place& where = sequences.front().cache->layout().place(layer);
  for (const SequenceInput& in : sequences) {
    // What the first row sees must not have been given up.
    AttentionShape shape;
    shape.window = config_.layer(layer).window;
    REFOCUS_CHECK(in.cache->first_block(where.group) * kKeyBlock <= shape.first_key(in.cache->length()));
  }
  project_qkv(w);
  place(sequences, layer, where);
  const DeviceRows* rows = &call_.all();
  if (layer == config_.num_hidden_layers - 1 && call_.kept().count < rows->count) {
    if (call_.kept().count == 0) return false;
    // Passes that look at all rows come first.
    const DeviceAttention whole = attention_of(layer, *rows, where);
    hooks_.survey(whole, *rows, sequences, layer);
    rows = &call_.kept();
    keep_rows(*rows);
    run_attention(sequences, layer, *rows, where, /*surveyed=*/true);
  } else {
    run_attention(sequences, layer, *rows, where, /*surveyed=*/false);
  }
  const bool directly = adds_directly();
  const Rows& to = directly ? x_ : branch_;
  const DeviceLinear* const linear = &w.o_proj;
  const DeviceProduct out{&linear->matrix(), linear->bias(), to.data(), to.stride, directly};
  multiply(attended_, rows_, {&linear, 1}, {&out, 1});
  if (!directly && !is_parallel()) add_branch(w.attention_output_norm);
  return true;
}

void DeviceTransformer::run_attention(std::span<const SequenceInput> sequences, std::int64_t layer,
                                      const DeviceRows& rows, const KvLayout::Place& where, bool surveyed) {
  DeviceAttention attention = attention_of(layer, rows, where);
  bool any_there = false, any_here = false, any_output = false;
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    (call_.edits_here(sequences[s], s, layer) ? any_here : any_there) = true;
    any_output = any_output || (sequences[s].hooks != nullptr && sequences[s].hooks[layer].output != nullptr);
  }
  attended_.half = {};
  if (!any_here && !any_output) {
    const DeviceLinear* const reader = &weights_.layers[static_cast<std::size_t>(layer)].o_proj;
    attention.half = attended_.half = half_for(attended_, rows.count, {&reader, 1});
  }
  if (any_there) device_->attend(attention);
  if (any_here && !surveyed) hooks_.survey(attention, rows, sequences, layer);
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    if (sequences[s].hooks == nullptr) continue;
    const AttentionHooks& hooks = sequences[s].hooks[layer];
    if (call_.edits_here(sequences[s], s, layer)) {
      hooks_.attend(attention, rows.sequences[s], hooks);
    } else if (call_.shows(sequences[s], s, layer)) {
      hooks_.show(attention, rows.sequences[s], hooks);
    }
    if (hooks.output != nullptr) hooks_.change_outputs(attention, rows.sequences[s], hooks);
  }
}

// Parallel placements keep what attention adds in branch_ until the MLP, which reads x_ too, has added its
// own.
void DeviceTransformer::feed_forward(const DeviceLayerWeights& w, bool experts) {
  const DeviceNormWeights& its_norm =
      config_.placement == Placement::kParallel ? w.attention_norm : w.mlp_norm;
  const DeviceLinear* const linears[] = {&w.up_proj,
                                         config_.mlp == MlpKind::kPlain ? &w.up_proj : &w.gate_proj};
  if (its_norm.present()) {
    norm(its_norm, x_, rows_, normed_, experts ? std::span<const DeviceLinear* const>() : linears);
  }
  const Rows& x = its_norm.present() ? normed_ : x_;
  if (experts) {
    run_experts(w.experts, x);
    return add_branch(w.mlp_output_norm);
  }
  const bool directly = adds_directly() || is_parallel();
  const Branch out{(directly ? x_ : branch_).data(), directly};
  run_mlp(x, rows_, w.gate_proj, w.up_proj, w.down_proj, gate_, up_, out);
  static const DeviceNormWeights kNoNorm;
  if (!adds_directly()) add_branch(is_parallel() ? kNoNorm : w.mlp_output_norm);
}

void DeviceTransformer::run_mlp(const Rows& x, std::int64_t rows, const DeviceLinear& gate,
                                const DeviceLinear& up, const DeviceLinear& down, Rows& inner, Rows& other,
                                Branch out) {
  const bool gated = config_.mlp != MlpKind::kPlain;
  const DeviceLinear* const linears[] = {&gate, &up};
  const DeviceProduct products[] = {
      {&gate.matrix(), gate.bias(), inner.data(), inner.stride, false},
      {&up.matrix(), up.bias(), (gated ? other : inner).data(), inner.stride, false}};
  const std::size_t first = gated ? 0 : 1;
  multiply(x, rows, std::span(linears).subspan(first), std::span(products).subspan(first));
  const DeviceLinear* const linear = &down;
  inner.half = half_for(inner, rows, {&linear, 1});
  device_->activate(activation_of(config_), inner.data(), gated ? other.data() : nullptr, rows, inner.size,
                    inner.stride, inner.half);
  const DeviceProduct product{&down.matrix(), down.bias(), out.y, x_.stride, out.accumulate};
  multiply(inner, rows, {&linear, 1}, {&product, 1});
}

// branch_ = sum over the experts of a row, in rising order, of weight * expert(x). Which they are is chosen
// on the processor.
void DeviceTransformer::run_experts(const DeviceExpertWeights& w, const Rows& x) {
  const std::int64_t count = config_.experts.count;
  router_.size = count;
  const DeviceLinear* const linear = &w.router;
  const DeviceProduct product{&linear->matrix(), linear->bias(), router_.data(), router_.stride, false};
  multiply(x, rows_, {&linear, 1}, {&product, 1});
  here_.resize(static_cast<std::size_t>(rows_ * router_.stride));
  device_->download(here_.data(), router_.data(), here_.size() * sizeof(float));
  for (std::int64_t r = 0; r < rows_; ++r) choose_experts(config_.experts, here_.data() + r * router_.stride);
  device_->clear(branch_.data(), static_cast<std::size_t>(rows_ * branch_.stride) * sizeof(float));
  expert_ids_.grow(*device_, static_cast<std::size_t>(capacity_) * 2 * sizeof(float));
  auto* ids = expert_ids_.as<std::int32_t>();
  auto* weights = expert_ids_.as<float>() + capacity_;
  std::vector<std::int32_t> chosen;
  std::vector<float> its_weights;
  for (std::int64_t e = 0; e < count; ++e) {
    chosen.clear();
    its_weights.clear();
    for (std::int64_t r = 0; r < rows_; ++r) {
      const float weight = here_[static_cast<std::size_t>(r * router_.stride + e)];
      if (weight == kNotChosen) continue;
      chosen.push_back(static_cast<std::int32_t>(r));
      its_weights.push_back(weight);
    }
    if (chosen.empty()) continue;
    const std::int64_t its_rows = std::ssize(chosen);
    device_->upload(ids, chosen.data(), chosen.size() * sizeof(std::int32_t));
    device_->upload(weights, its_weights.data(), its_weights.size() * sizeof(float));
    device_->gather({DType::kF32, x.data(), x.stride, x.size, ids, its_rows, 1, false, expert_in_.data(),
                     expert_in_.stride});
    const auto expert = static_cast<std::size_t>(e);
    run_mlp(expert_in_, its_rows, w.gate[expert], w.up[expert], w.down[expert], expert_gate_, expert_up_,
            {expert_out_.data(), false});
    device_->scatter_add({expert_out_.data(), expert_out_.stride, x_.size, its_rows, ids, weights,
                          branch_.data(), branch_.stride});
  }
  if (w.shared_up.present()) run_shared_expert(w, x);
}

// branch_ += sigmoid(gate(x)) * expert(x), for all rows (Qwen 2 MoE).
void DeviceTransformer::run_shared_expert(const DeviceExpertWeights& w, const Rows& x) {
  run_mlp(x, rows_, w.shared_gate, w.shared_up, w.shared_down, shared_gate_, shared_up_,
          {expert_out_.data(), false});
  const DeviceLinear* const linear = &w.shared_expert_gate;
  const DeviceProduct product{&linear->matrix(), linear->bias(), router_.data(), router_.stride, false};
  multiply(x, rows_, {&linear, 1}, {&product, 1});
  here_.resize(static_cast<std::size_t>(rows_ * router_.stride));
  device_->download(here_.data(), router_.data(), here_.size() * sizeof(float));
  std::vector<std::int32_t> all;
  std::vector<float> open;
  for (std::int64_t r = 0; r < rows_; ++r) {
    all.push_back(static_cast<std::int32_t>(r));
    open.push_back(1 / (1 + std::exp(-here_[static_cast<std::size_t>(r * router_.stride)])));
  }
  auto* ids = expert_ids_.as<std::int32_t>();
  auto* weights = expert_ids_.as<float>() + capacity_;
  device_->upload(ids, all.data(), all.size() * sizeof(std::int32_t));
  device_->upload(weights, open.data(), open.size() * sizeof(float));
  device_->scatter_add(
      {expert_out_.data(), expert_out_.stride, x_.size, rows_, ids, weights, branch_.data(), branch_.stride});
}

}  // namespace refocus
