// One layer of the forward pass: attention, MLP or experts, and the norms where a family has them.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "kernels/layer_norm.h"
#include "kernels/matmul.h"
#include "kernels/rms_norm.h"
#include "kernels/rope.h"
#include "model/expert_choice.h"
#include "model/transformer.h"

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

void clamp_values(float* x, std::int64_t size, float most) {
  for (std::int64_t i = 0; i < size; ++i) x[i] = std::clamp(x[i], -most, most);
}

}  // namespace

void Transformer::apply_norm(const Norm& norm, const float* x, std::int64_t size, float* y,
                             std::int64_t first) const {
  const float* weight = norm.weight.data() + first;
  if (config_.norm == NormKind::kRms) {
    rms_norm(x, weight, size, config_.norm_eps, y);
  } else {
    layer_norm(x, weight, norm.bias.empty() ? nullptr : norm.bias.data() + first, size, config_.norm_eps, y);
  }
}

void Transformer::normed_products(const Norm& norm, std::span<const Product> products) {
  const auto rows = static_cast<std::int64_t>(rows_.size());
  const std::int64_t hidden = config_.hidden_size, stride = padded(hidden);
  if (!norm.present()) return products_.run(x_.data(), rows, hidden, products);
  products_.run(normed_.data(), rows, hidden, products, [&](std::int64_t r) {
    apply_norm(norm, x_.data() + r * stride, hidden, normed_.data() + r * stride);
  });
}

void Transformer::add_branch(const Norm& norm) {
  const std::int64_t hidden = config_.hidden_size, stride = padded(hidden);
  const float times = config_.residual_multiplier;
  pool_.parallel_for(static_cast<std::int64_t>(rows_.size()), [&](std::int64_t r, int) {
    float* x = x_.data() + r * stride;
    float* branch = branch_.data() + r * stride;
    if (norm.present()) apply_norm(norm, branch, hidden, branch);
    if (times == 1) {
      for (std::int64_t i = 0; i < hidden; ++i) x[i] += branch[i];
    } else {
      for (std::int64_t i = 0; i < hidden; ++i) x[i] += times * branch[i];
    }
  });
}

// Norms and rotation of row r's query and key; `hooks`: of its sequence in the layer, or null.
void Transformer::turn_row(std::int64_t r, const LayerWeights& w, LayerConfig::Rope rope_of,
                           const AttentionHooks* hooks) {
  const std::int64_t dim = config_.head_dim, half = config_.rotary() / 2;
  const std::int64_t heads = own_.count, kv_heads = own_.kv_count;
  float* q = q_.data() + r * heads * dim;
  float* k = k_.data() + r * kv_heads * dim;
  if (config_.qk_norm == QkNorm::kFull) {
    apply_norm(w.q_norm, q, heads * dim, q);
    apply_norm(w.k_norm, k, kv_heads * dim, k);
  }
  const auto norm_heads = [&](const Norm& norm, float* x, std::int64_t first, std::int64_t count) {
    const bool each = config_.qk_norm == QkNorm::kEachHead;
    for (std::int64_t head = first; head < first + count; ++head, x += dim)
      apply_norm(norm, x, dim, x, each ? head * dim : 0);
  };
  const bool by_head = config_.qk_norm == QkNorm::kHead || config_.qk_norm == QkNorm::kEachHead;
  const auto norm_both = [&] {
    norm_heads(w.q_norm, q, own_.first, heads);
    norm_heads(w.k_norm, k, own_.first_kv, kv_heads);
  };
  if (by_head && !config_.qk_norm_after_rope) norm_both();
  if (config_.clip_qkv > 0) {
    clamp_values(q, heads * dim, config_.clip_qkv);
    clamp_values(k, kv_heads * dim, config_.clip_qkv);
    clamp_values(v_.data() + r * kv_heads * dim, kv_heads * dim, config_.clip_qkv);
  }
  if (hooks != nullptr && hooks->keys != nullptr) {
    hooks->keys(hooks->context, rows_[static_cast<std::size_t>(r)].position,
                {k, static_cast<std::size_t>(kv_heads * dim)});
  }
  if (rope_of != LayerConfig::Rope::kNone) {
    const bool local = rope_of == LayerConfig::Rope::kLocal;
    const float* cosines = (local ? local_cosines_ : cosines_).data() + r * half;
    const float* sines = (local ? local_sines_ : sines_).data() + r * half;
    rope(q, heads, dim, cosines, sines, 2 * half);
    rope(k, kv_heads, dim, cosines, sines, 2 * half);
  }
  if (by_head && config_.qk_norm_after_rope) norm_both();
}

void Transformer::store_keys_and_values(std::span<const SequenceInput> sequences, std::int64_t layer) {
  const LayerWeights& w = weights_.layers[static_cast<std::size_t>(layer)];
  const LayerConfig::Rope rope_of = config_.layer(layer).rope;
  const std::int64_t dim = config_.head_dim, kv_heads = own_.kv_count;
  std::atomic<bool> fit = true;
  pool_.parallel_for(static_cast<std::int64_t>(rows_.size()), [&](std::int64_t r, int) {
    const Row& row = rows_[static_cast<std::size_t>(r)];
    const AttentionHooks* hooks = sequences[row.sequence].hooks;
    turn_row(r, w, rope_of, hooks != nullptr ? hooks + layer : nullptr);
    const float* k = k_.data() + r * kv_heads * dim;
    const float* v = v_.data() + r * kv_heads * dim;
    KvSequence& cache = *sequences[row.sequence].cache;
    if (cache.type() == DType::kF16 && !(fits_half(k, kv_heads * dim) && fits_half(v, kv_heads * dim))) {
      fit.store(false, std::memory_order_relaxed);
    }
    const KvLayout::Place& place = cache.layout().place(layer);
    const std::int64_t head_bytes = kv_block_bytes(cache.type(), dim);
    std::byte* block = cache.part(place.group, row.position / kKeyBlock) + place.offset;
    for (std::int64_t head = 0; head < kv_heads; ++head, block += head_bytes) {
      store_key_and_value(cache.type(), block, dim, row.position % kKeyBlock, k + head * dim, v + head * dim);
    }
  });
  const auto stored = static_cast<std::size_t>(static_cast<std::int64_t>(rows_.size()) * kv_heads * dim);
  if (fit) return;
  try {
    refuse_half_overflow(name_, layer, {k_.data(), stored}, {v_.data(), stored});
  } catch (const InputError& error) {
    if (!partition_) throw;
    remember_failure(error);  // the other ranks of the stage must not wait for this one
  }
}

AttentionBuffers Transformer::attention_buffers() {
  const std::int64_t dim = config_.head_dim;
  return {q_.data(),
          own_.count * dim,
          attended_.data() + own_.first * dim,
          padded(config_.num_attention_heads * dim),
          scratch_.data(),
          scratch_stride_};
}

// The passes before the one that counts, where an intervention looks at all rows before it changes any; see
// AttentionHooks::surveys.
void Transformer::survey(const AttentionShape& shape) {
  int surveys = 0;
  for (const AttentionSequence& s : attention_) surveys = std::max(surveys, s.hooks.surveys);
  if (surveys == 0) return;
  std::vector<AttentionSequence> now;
  const auto begins = [](const AttentionSequence& s, int pass) {
    return s.hooks.begin_pass(s.hooks.context, pass, s.position, s.rows);
  };
  for (int pass = 0; pass < surveys; ++pass) {
    now.clear();
    for (const AttentionSequence& s : attention_) {
      if (s.hooks.surveys <= pass || !begins(s, pass)) continue;
      now.push_back(s);
      now.back().hooks.observe = nullptr;
      now.back().hooks.output = nullptr;
    }
    if (!now.empty()) attention(pool_, shape, now, attention_buffers());
    for (const AttentionSequence& s : now) gather_survey_sums(s);
  }
  for (const AttentionSequence& s : attention_) {
    if (s.hooks.surveys > 0) begins(s, s.hooks.surveys);
  }
}

// Of the last layer, whose keys and values are stored: goes on with those rows alone whose logits are wanted,
// which are the last ones of each sequence, and with all rows of those that somebody looks at.
void Transformer::leave_unwanted_rows(std::span<const SequenceInput> sequences) {
  const std::int64_t q_size = own_.count * config_.head_dim;
  const std::int64_t hidden = config_.hidden_size, stride = padded(hidden);
  std::int64_t kept = 0;
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    AttentionSequence& its = attention_[s];
    const ResidualTap* tap = sequences[s].tap;
    const bool seen = (tap != nullptr && !tap->spares_last_layer) || its.hooks.sees_all_rows();
    const std::int64_t wanted = seen ? its.rows : sequences[s].wanted_rows();
    const std::int64_t left_out = its.rows - wanted, first = its.first_row + left_out;
    for (std::int64_t r = 0; r < wanted && first != kept; ++r) {
      std::copy_n(q_.data() + (first + r) * q_size, q_size, q_.data() + (kept + r) * q_size);
      std::copy_n(x_.data() + (first + r) * stride, hidden, x_.data() + (kept + r) * stride);
      rows_[static_cast<std::size_t>(kept + r)] = rows_[static_cast<std::size_t>(first + r)];
    }
    its.first_row = kept;
    its.rows = wanted;
    its.position += left_out;
    its.left_out = left_out;
    kept += wanted;
  }
  rows_.resize(static_cast<std::size_t>(kept));
}

// What the heads make of the rows, from x_ to attended_; of the last layer, of those rows that are wanted.
void Transformer::run_attention(std::span<const SequenceInput> sequences, std::int64_t layer) {
  const LayerWeights& w = weights_.layers[static_cast<std::size_t>(layer)];
  const std::int64_t dim = config_.head_dim, own_q_size = own_.count * dim, own_kv_size = own_.kv_count * dim;
  const Product projections[] = {{&w.q_proj, q_.data(), own_q_size},
                                 {&w.k_proj, k_.data(), own_kv_size},
                                 {&w.v_proj, v_.data(), own_kv_size}};
  normed_products(w.attention_norm, projections);
  store_keys_and_values(sequences, layer);
  AttentionShape shape{own_.count, own_.kv_count, dim};
  shape.first_head = own_.first;
  shape.scale =
      config_.attention_scale > 0 ? config_.attention_scale : 1 / std::sqrt(static_cast<float>(dim));
  shape.softcap = config_.attention_softcap;
  shape.window = config_.layer(layer).window;
  shape.sinks = w.sinks.empty() ? nullptr : w.sinks.data();
  shape.bf16 = activations() == Activations::kBf16;
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const KvSequence& cache = *sequences[s].cache;
    const KvLayout::Place& place = cache.layout().place(layer);
    // What the first row sees must not have been given up.
    REFOCUS_CHECK(cache.first_block(place.group) * kKeyBlock <= shape.first_key(attention_[s].position));
    attention_[s].blocks = cache.pointers(place.group);
    attention_[s].block_offset = place.offset;
    attention_[s].hooks = sequences[s].hooks != nullptr ? sequences[s].hooks[layer] : AttentionHooks{};
  }
  survey(shape);
  if (layer == config_.num_hidden_layers - 1) leave_unwanted_rows(sequences);
  if (!rows_.empty()) attention(pool_, shape, attention_, attention_buffers());
}

// For a call that begins with a later layer: what hooks that look at layer 0's weights are to see of them.
void Transformer::show_first_layer(std::span<const SequenceInput> sequences) {
  std::vector<SequenceInput> looking;
  std::ranges::copy_if(sequences, std::back_inserter(looking), [](const SequenceInput& in) {
    return in.hooks != nullptr && in.hooks->changes_weights();
  });
  if (looking.empty()) return;
  start(looking, 0);
  run_attention(looking, 0);
}

void Transformer::attend(std::span<const SequenceInput> sequences, std::int64_t layer) {
  run_attention(sequences, layer);
  if (rows_.empty()) return;
  const LayerWeights& w = weights_.layers[static_cast<std::size_t>(layer)];
  const std::int64_t q_size = config_.num_attention_heads * config_.head_dim;
  const auto rows = static_cast<std::int64_t>(rows_.size());
  gather_columns(attended_.data(), rows, padded(q_size), q_size, q_size / config_.num_key_value_heads);
  const bool directly = adds_directly();
  const Product out{&w.o_proj, (directly ? x_ : branch_).data(), padded(config_.hidden_size), directly};
  run_outputs(attended_.data(), rows, q_size, out);
  if (!directly && !is_parallel()) add_branch(w.attention_output_norm);
}

// Parallel placements keep what attention adds in branch_ until the MLP, which reads x_ too, has added its
// own.
void Transformer::feed_forward(const LayerWeights& w, bool experts) {
  const std::int64_t stride = padded(config_.hidden_size);
  const Norm& norm = config_.placement == Placement::kParallel ? w.attention_norm : w.mlp_norm;
  if (experts) {
    run_experts(w.experts, norm);
    return add_branch(w.mlp_output_norm);
  }
  const bool directly = adds_directly() || is_parallel();
  const Product down{&w.down_proj, (directly ? x_ : branch_).data(), stride, directly};
  const auto rows = static_cast<std::int64_t>(rows_.size());
  const std::function<void(std::int64_t)> make_row = [&](std::int64_t r) {
    apply_norm(norm, x_.data() + r * stride, config_.hidden_size, normed_.data() + r * stride);
  };
  run_mlp(norm.present() ? normed_.data() : x_.data(), rows, w.gate_proj, w.up_proj, down, mlp_,
          norm.present() ? make_row : nullptr);
  if (!adds_directly()) add_branch(is_parallel() ? Norm() : w.mlp_output_norm);
}

void Transformer::run_mlp(const float* x, std::int64_t rows, const Linear& gate, const Linear& up,
                          const Product& down, InnerRows& inner,
                          const std::function<void(std::int64_t r)>& make_row) {
  const std::int64_t stride = padded(inner.size);
  const bool gated = config_.mlp != MlpKind::kPlain;
  const ShareRange own = share_.part_of(inner.size, kPanelOutputs);
  float *gates = inner.gate.data() + own.first, *ups = inner.up.data() + own.first;
  const auto activate = [&](std::int64_t r) {
    activation_(gates + r * stride, gated ? ups + r * stride : nullptr, own.count);
  };
  const Product products[] = {{&gate, gates, stride}, {&up, ups, stride}};
  const Product plain{&up, gates, stride};
  if (own.count > 0) {
    products_.run(x, rows, config_.hidden_size,
                  gated ? std::span<const Product>(products) : std::span(&plain, 1), make_row);
  }
  if (share_.places == 1) return products_.run(inner.gate.data(), rows, inner.size, {&down, 1}, activate);
  pool_.parallel_for(rows, [&](std::int64_t r, int) { activate(r); });
  gather_columns(inner.gate.data(), rows, stride, inner.size, kPanelOutputs);
  run_outputs(inner.gate.data(), rows, inner.size, down);
}

// branch_ = sum over the experts of a row, in rising order, of weight * expert(norm(x)). Each expert's rows
// go through it together; what a row becomes does not depend on the others.
void Transformer::run_experts(const ExpertWeights& w, const Norm& norm) {
  const auto rows = static_cast<std::int64_t>(rows_.size());
  const std::int64_t count = config_.experts.count, hidden = config_.hidden_size, stride = padded(hidden);
  const Product router{&w.router, router_.data(), count};
  normed_products(norm, {&router, 1});
  const float* normed = norm.present() ? normed_.data() : x_.data();
  pool_.parallel_for(rows, [&](std::int64_t r, int) {
    choose_experts(config_.experts, router_.data() + r * count);
    std::fill_n(branch_.data() + r * stride, hidden, 0.0f);
  });
  std::vector<std::int64_t> chosen;
  for (std::int64_t e = 0; e < count; ++e) {
    chosen.clear();
    for (std::int64_t r = 0; r < rows; ++r) {
      if (router_.data()[r * count + e] != kNotChosen) chosen.push_back(r);
    }
    if (chosen.empty()) continue;
    const auto expert = static_cast<std::size_t>(e);
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      std::memcpy(expert_in_.data() + static_cast<std::int64_t>(i) * stride, normed + chosen[i] * stride,
                  static_cast<std::size_t>(hidden) * sizeof(float));
    }
    const auto its_rows = static_cast<std::int64_t>(chosen.size());
    run_mlp(expert_in_.data(), its_rows, w.gate[expert], w.up[expert],
            {&w.down[expert], expert_out_.data(), stride}, expert_, nullptr);
    pool_.parallel_for(its_rows, [&](std::int64_t i, int) {
      const std::int64_t r = chosen[static_cast<std::size_t>(i)];
      const float weight = router_.data()[r * count + e];
      const float* from = expert_out_.data() + i * stride;
      float* to = branch_.data() + r * stride;
      for (std::int64_t k = 0; k < hidden; ++k) to[k] += weight * from[k];
    });
  }
  if (w.shared_up.present()) run_shared_expert(w, rows);
}

// branch_ += sigmoid(gate(x)) * expert(x), for all rows (Qwen 2 MoE).
void Transformer::run_shared_expert(const ExpertWeights& w, std::int64_t rows) {
  const std::int64_t hidden = config_.hidden_size, stride = padded(hidden);
  run_mlp(normed_.data(), rows, w.shared_gate, w.shared_up, {&w.shared_down, expert_out_.data(), stride},
          shared_, nullptr);
  const Product gate{&w.shared_expert_gate, router_.data(), 1};  // router_ is done with
  products_.run(normed_.data(), rows, hidden, {&gate, 1});
  pool_.parallel_for(rows, [&](std::int64_t r, int) {
    const float open = 1 / (1 + std::exp(-router_.data()[r]));
    const float* from = expert_out_.data() + r * stride;
    float* to = branch_.data() + r * stride;
    for (std::int64_t k = 0; k < hidden; ++k) to[k] += open * from[k];
  });
}

}  // namespace refocus
