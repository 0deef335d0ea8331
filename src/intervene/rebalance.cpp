#include "intervene/rebalance.h"

#include <algorithm>

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
  // Few weights are near the threshold: most are passed over in runs, without a division.
  const float candidate = self.threshold_ * row.sum * (1 - 1e-5f);
  constexpr std::int64_t kRun = 16;
  const float* weights = row.weights.data();
  const std::int64_t end = row.at.position;  // not the diagonal
  for (std::int64_t first = 0; first < end; first += kRun) {
    const std::int64_t stop = std::min(end, first + kRun);
    bool any = false;
    for (std::int64_t j = first; j < stop; ++j) any |= weights[j] >= candidate;
    if (!any) continue;
    for (std::int64_t j = first; j < stop; ++j) {
      if (weights[j] / row.sum > self.threshold_) mask.push_back(static_cast<std::int32_t>(j));
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
