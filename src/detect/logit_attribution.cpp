#include "detect/logit_attribution.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "kernels/matmul.h"
#include "tensor/tensor_view.h"

namespace refocus {

namespace {

template <class A, class B>
double dot(const A& a, const B* b) {
  double sum = 0;
  for (std::size_t i = 0; i < std::size(a); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

// The g with g . c = direction . norm(c) for what is a part c of x: the norm with its scale frozen at x's,
// and without its bias, which is no part's.
template <class T>
std::vector<double> before_norm(const ModelConfig& config, const Norm& norm, const T* x,
                                const std::vector<double>& direction) {
  const auto size = direction.size();
  double mean = 0, squares = 0;
  if (config.norm == NormKind::kLayer) {
    for (std::size_t i = 0; i < size; ++i) mean += static_cast<double>(x[i]) / static_cast<double>(size);
  }
  for (std::size_t i = 0; i < size; ++i) {
    const double off = static_cast<double>(x[i]) - mean;
    squares += off * off / static_cast<double>(size);
  }
  const double scale = 1 / std::sqrt(squares + double{config.norm_eps});
  std::vector<double> out(size);
  double centre = 0;
  for (std::size_t i = 0; i < size; ++i) {
    out[i] = direction[i] * double{norm.weight[i]} * scale;
    centre += out[i] / static_cast<double>(size);
  }
  if (config.norm == NormKind::kLayer) {
    for (double& one : out) one -= centre;
  }
  return out;
}

double of_bias(const std::vector<double>& direction, const std::vector<float>& bias) {
  return bias.empty() ? 0 : dot(direction, bias.data());
}

}  // namespace

LogitAttribution::LogitAttribution(Transformer& model)
    : model_(model),
      layers_(model.config().num_hidden_layers),
      heads_(model.config().num_attention_heads),
      head_dim_(model.config().head_dim),
      hidden_(model.config().hidden_size),
      products_(model.pool(), model.activations()),
      tap_{this, keep_layer, keep_first},
      contexts_(static_cast<std::size_t>(layers_)),
      outputs_(static_cast<std::size_t>(layers_ * heads_ * head_dim_)),
      residuals_(static_cast<std::size_t>((1 + layers_) * hidden_)),
      alone_(static_cast<std::size_t>(heads_ * padded(heads_ * head_dim_))),
      added_(static_cast<std::size_t>(heads_ * padded(hidden_))) {
  if (model.device() != nullptr) {
    throw input_error("--device", "expected cpu for direct logit attribution, got a device; leave it out");
  }
  for (std::size_t l = 0; l < contexts_.size(); ++l) contexts_[l] = {this, static_cast<std::int64_t>(l)};
  std::fill_n(alone_.data(), alone_.size(), 0.0f);
}

void LogitAttribution::watch_with(std::span<AttentionHooks> hooks) {
  REFOCUS_CHECK(hooks.size() == contexts_.size());
  for (std::size_t l = 0; l < hooks.size(); ++l) {
    REFOCUS_CHECK(hooks[l].output == nullptr && hooks[l].context == nullptr);
    hooks[l].context = &contexts_[l];
    hooks[l].output = keep_output;
  }
}

void LogitAttribution::begin_call(std::int64_t first_position, std::int64_t rows) {
  first_ = first_position;
  rows_ = rows;
}

void LogitAttribution::keep_output(void* context, const AttentionRow& at, std::span<float> out) {
  const Layer& layer = *static_cast<const Layer*>(context);
  LogitAttribution& self = *layer.owner;
  if (at.position != self.position_) return;
  std::ranges::copy(out, self.outputs_.data() + (layer.layer * self.heads_ + at.head) * self.head_dim_);
}

void LogitAttribution::keep_residual(std::int64_t place, const float* x, std::int64_t stride) {
  const std::int64_t row = position_ - first_;
  if (row < 0 || row >= rows_) return;
  std::copy_n(x + row * stride, hidden_, residuals_.data() + place * hidden_);
}

void LogitAttribution::keep_first(void* context, const float* x, std::int64_t stride) {
  static_cast<LogitAttribution*>(context)->keep_residual(0, x, stride);
}

void LogitAttribution::keep_layer(void* context, std::int64_t layer, const float* x, std::int64_t stride) {
  static_cast<LogitAttribution*>(context)->keep_residual(1 + layer, x, stride);
}

// A row of the output matrix, with an adapter's change of it.
std::vector<double> LogitAttribution::unembedding(std::int32_t token) const {
  const Linear& head = model_.weights().lm_head;
  std::vector<float> row(static_cast<std::size_t>(padded(hidden_)));
  const std::size_t bytes = bytes_of(head.dtype, hidden_);
  copy_as_f32({head.data + static_cast<std::size_t>(token) * bytes, head.dtype, {hidden_}}, row.data());
  std::vector<double> out(row.begin(), row.begin() + hidden_);
  if (head.adapter == nullptr) return out;
  const LowRank& change = *head.adapter;
  for (std::int64_t k = 0; k < change.rank; ++k) {
    const double times = double{change.b[static_cast<std::size_t>(token * change.rank + k)]};
    const float* a = change.a.data() + k * change.inputs;
    for (std::size_t i = 0; i < out.size(); ++i) out[i] += times * double{a[i]};
  }
  return out;
}

void LogitAttribution::attribute_layer(std::int64_t layer, const std::vector<double>& direction,
                                       Attribution& out) {
  const ModelConfig& config = model_.config();
  const LayerWeights& weights = model_.weights().layers[static_cast<std::size_t>(layer)];
  const std::int64_t width = heads_ * head_dim_, stride = padded(hidden_);
  for (std::int64_t h = 0; h < heads_; ++h) {
    std::copy_n(outputs_.data() + (layer * heads_ + h) * head_dim_, head_dim_,
                alone_.data() + h * padded(width) + h * head_dim_);
  }
  Linear projection = weights.o_proj;
  projection.bias.clear();
  const Product product{&projection, added_.data(), stride};
  products_.run(alone_.data(), heads_, width, {&product, 1});
  std::vector<double> to_branch = direction;
  for (double& one : to_branch) one *= double{config.residual_multiplier};
  double bias = 0;
  if (const Norm& norm = weights.attention_output_norm; norm.present()) {
    std::vector<double> branch(weights.o_proj.bias.begin(), weights.o_proj.bias.end());
    branch.resize(static_cast<std::size_t>(hidden_));
    for (std::int64_t h = 0; h < heads_; ++h) {
      for (std::int64_t i = 0; i < hidden_; ++i) {
        branch[static_cast<std::size_t>(i)] += double{added_.data()[h * stride + i]};
      }
    }
    bias += of_bias(to_branch, norm.bias);
    to_branch = before_norm(config, norm, branch.data(), to_branch);
  }
  bias += of_bias(to_branch, weights.o_proj.bias);
  double attention = bias;
  for (std::int64_t h = 0; h < heads_; ++h) {
    out.heads.push_back(dot(to_branch, added_.data() + h * stride));
    attention += out.heads.back();
  }
  out.attention_bias.push_back(bias);
  const float* before = residuals_.data() + layer * hidden_;
  out.mlps.push_back(dot(direction, before + hidden_) - dot(direction, before) - attention);
}

Attribution LogitAttribution::attribute(std::int32_t right, std::span<const std::int32_t> others) {
  REFOCUS_CHECK(!others.empty());
  const ModelWeights& weights = model_.weights();
  const auto bias_of = [&](std::int32_t token) {
    return weights.lm_head.bias.empty() ? 0 : double{weights.lm_head.bias[static_cast<std::size_t>(token)]};
  };
  std::vector<double> difference = unembedding(right);
  double bias = bias_of(right);
  const auto share = 1 / static_cast<double>(others.size());
  for (const std::int32_t other : others) {
    const std::vector<double> its = unembedding(other);
    for (std::size_t i = 0; i < its.size(); ++i) difference[i] -= share * its[i];
    bias -= share * bias_of(other);
  }
  const double times = double{model_.config().logit_multiplier};
  for (double& one : difference) one *= times;
  Attribution out;
  out.bias = times * bias + of_bias(difference, weights.norm.bias);
  const float* last = residuals_.data() + layers_ * hidden_;
  const std::vector<double> direction = before_norm(model_.config(), weights.norm, last, difference);
  out.embedding = dot(direction, residuals_.data());
  for (std::int64_t layer = 0; layer < layers_; ++layer) attribute_layer(layer, direction, out);
  out.total = dot(direction, last) + out.bias;
  return out;
}

double LogitAttribution::difference_of(std::span<const float> logits, std::int32_t right,
                                       std::span<const std::int32_t> others) const {
  const auto cap = double{model_.config().final_softcap};
  const auto at = [&](std::int32_t token) {
    const auto z = double{logits[static_cast<std::size_t>(token)]};
    return cap > 0 ? cap * std::atanh(z / cap) : z;
  };
  double out = at(right);
  for (const std::int32_t other : others) out -= at(other) / static_cast<double>(others.size());
  return out;
}

}  // namespace refocus
