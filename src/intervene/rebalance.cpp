#include "intervene/rebalance.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/random.h"

namespace refocus {

Rebalance::Rebalance(const RebalanceSpec& spec, const InterventionShape& shape)
    : idle_(spec.alpha == 0),
      all_(spec.mode == RebalanceSpec::Mode::kSelf),
      threshold_(static_cast<float>(spec.threshold)),
      heads_(shape.heads) {
  if (spec.mode == RebalanceSpec::Mode::kRandom) seed_ = spec.seed;
  if (!all_) masks_.resize(static_cast<std::size_t>(shape.max_rows * shape.heads));
  for (std::int64_t l = 0; l < shape.layers; ++l) {
    excess_.push_back(l == 0 ? 0.0f : static_cast<float>(spec.excess(l, shape.layers)));
  }
}

void Rebalance::observe(const EditableRow& row) {
  std::vector<std::int32_t>& mask = masks_[static_cast<std::size_t>(row.at.row * heads_ + row.at.head)];
  mask.clear();
  // Few weights are near the threshold: most are passed over in runs, without a division.
  const float candidate = threshold_ * row.sum * (1 - 1e-5f);
  constexpr std::int64_t kRun = 16;
  const float* weights = row.weights.data();
  const std::int64_t end = row.at.position;  // not the diagonal
  for (std::int64_t first = 0; first < end; first += kRun) {
    const std::int64_t stop = std::min(end, first + kRun);
    bool any = false;
    for (std::int64_t j = first; j < stop; ++j) any |= weights[j] >= candidate;
    if (!any) continue;
    for (std::int64_t j = first; j < stop; ++j) {
      if (weights[j] / row.sum > threshold_) mask.push_back(static_cast<std::int32_t>(j));
    }
  }
  if (seed_) draw_mask(row.at, row.first_key, mask);
}

// As many of the keys that the row sees before its own.
void Rebalance::draw_mask(const AttentionRow& at, std::int64_t first_key,
                          std::vector<std::int32_t>& mask) const {
  const std::uint64_t of_head = seed_of(*seed_, static_cast<std::uint64_t>(at.head));
  const SplitMix64 random(seed_of(of_head, static_cast<std::uint64_t>(at.position)));
  const std::vector<bool> drawn =
      drawn_of(static_cast<std::size_t>(at.position - first_key), mask.size(), random);
  mask.clear();
  for (std::size_t j = 0; j < drawn.size(); ++j) {
    if (drawn[j]) mask.push_back(static_cast<std::int32_t>(first_key + static_cast<std::int64_t>(j)));
  }
}

// Of each row and head: how many keys, and the keys.
void Rebalance::save_rows(std::int64_t rows, std::vector<std::byte>& out) const {
  if (all_ || idle_) return;
  std::vector<std::int32_t> numbers;
  for (std::int64_t i = 0; i < rows * heads_; ++i) {
    const std::vector<std::int32_t>& mask = masks_[static_cast<std::size_t>(i)];
    numbers.push_back(static_cast<std::int32_t>(mask.size()));
    numbers.insert(numbers.end(), mask.begin(), mask.end());
  }
  const auto bytes = std::as_bytes(std::span(numbers));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

std::size_t Rebalance::load_rows(std::int64_t rows, std::span<const std::byte> saved) {
  if (all_ || idle_) return 0;
  std::size_t at = 0;
  const auto take = [&](void* to, std::size_t bytes) {
    REFOCUS_CHECK(bytes <= saved.size() - at);
    if (bytes > 0) std::memcpy(to, saved.data() + at, bytes);
    at += bytes;
  };
  for (std::int64_t i = 0; i < rows * heads_; ++i) {
    std::vector<std::int32_t>& mask = masks_[static_cast<std::size_t>(i)];
    std::int32_t size = 0;
    take(&size, sizeof size);
    mask.resize(static_cast<std::size_t>(size));
    take(mask.data(), mask.size() * sizeof size);
  }
  return at;
}

void Rebalance::change_weights(std::int64_t layer, EditedRow& row) {
  const float factor = 1 + excess_[static_cast<std::size_t>(layer)];
  if (all_) {
    for (float& weight : row.weights()) weight *= factor;
    row.changed = true;
    return;
  }
  for (const std::int32_t j : mask(row.row.at.row, row.row.at.head)) {
    row.weights()[static_cast<std::size_t>(j)] *= factor;
    row.changed = true;
  }
}

}  // namespace refocus
