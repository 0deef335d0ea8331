#include "intervene/rebalance.h"

#include <cmath>

namespace refocus {

Rebalance::Rebalance(const RebalanceSpec& spec, std::int64_t layers, std::int64_t heads,
                     std::int64_t max_rows)
    : threshold_(static_cast<float>(spec.threshold)), heads_(heads) {
  const bool all = spec.mode == RebalanceSpec::Mode::kSelf;
  if (!all) masks_.resize(static_cast<std::size_t>(max_rows * heads));
  layers_.resize(static_cast<std::size_t>(layers));
  hooks_.resize(static_cast<std::size_t>(layers));
  for (std::int64_t l = 0; l < layers; ++l) {
    Layer& layer = layers_[static_cast<std::size_t>(l)];
    layer = {this, l == 0 ? 0.0f : static_cast<float>(spec.excess(l, layers))};
    AttentionHooks& hooks = hooks_[static_cast<std::size_t>(l)];
    hooks.context = &layer;
    if (l == 0) {
      if (!all) hooks.rewrite = observe;
    } else if (layer.excess != 0) {
      hooks.rewrite = all ? boost_all : boost_mask;
    }
  }
}

RowRewrite Rebalance::observe(void* context, const SoftmaxRow& row) {
  Rebalance& self = *static_cast<Layer*>(context)->owner;
  std::vector<std::int32_t>& mask =
      self.masks_[static_cast<std::size_t>(row.at.row * self.heads_ + row.at.head)];
  mask.clear();
  // Scores a little below the threshold's own, so that only few exponentials decide the strict comparison.
  const float candidate = row.max + std::log(self.threshold_ * row.sum) - 1e-3f;
  for (std::int64_t j = 0; j < row.at.position; ++j) {  // not the diagonal
    const float score = row.scores[static_cast<std::size_t>(j)];
    if (score >= candidate && std::exp(score - row.max) / row.sum > self.threshold_) {
      mask.push_back(static_cast<std::int32_t>(j));
    }
  }
  return {};
}

RowRewrite Rebalance::boost_mask(void* context, const SoftmaxRow& row) {
  const Layer& layer = *static_cast<Layer*>(context);
  return {1, layer.excess, layer.owner->mask(row.at.row, row.at.head), nullptr};
}

RowRewrite Rebalance::boost_all(void* context, const SoftmaxRow&) {
  return {1 + static_cast<Layer*>(context)->excess, 0, {}, nullptr};
}

}  // namespace refocus
