#include "intervene/surveyed_steps.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "kernels/matmul.h"
#include "kernels/weight_row.h"

namespace refocus {

SpotlightLayer::SpotlightLayer(std::size_t part, double target, const InterventionShape& shape)
    : part_(part),
      share_(target),
      heads_(shape.heads),
      sums_(static_cast<std::size_t>(shape.max_rows * shape.heads)),
      factors_(static_cast<std::size_t>(shape.max_rows)) {}

bool SpotlightLayer::begin_survey(std::int64_t, std::int64_t first_position, std::int64_t rows) {
  first_position_ = first_position;
  rows_ = rows;
  std::fill_n(sums_.begin(), rows * heads_, Sums());
  return true;
}

void SpotlightLayer::survey(std::int64_t, const EditableRow& row, bool acts) {
  if (!acts || row.sum == 0) return;
  const std::int64_t keys = row.at.position + 1;
  double chosen = 0;
  target_->keys[part_].within(row.first_key, keys, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t j = begin; j < end; ++j) chosen += double{row.weights[static_cast<std::size_t>(j)]};
  });
  const double divisor = row.sum;
  sums_[static_cast<std::size_t>(row.at.row * heads_ + row.at.head)] = {
      chosen / divisor, sum_of_weights(row.weights.data(), keys) / divisor};
}

float SpotlightLayer::factor_of(const Sums& sums) const {
  const double c = sums.all != 0 ? sums.chosen / sums.all : 0;
  return c > 0 && c < share_ ? static_cast<float>(share_ / c) : 1.0f;
}

void SpotlightLayer::end_survey(std::int64_t) {
  Sums of_prompt;
  for (std::int64_t row = 0; row < rows_; ++row) {
    Sums of_row;
    Sums& sums = first_position_ + row < target_->prompt ? of_prompt : of_row;
    for (std::int64_t head = 0; head < heads_; ++head) {
      const Sums& one = sums_[static_cast<std::size_t>(row * heads_ + head)];
      sums.chosen += one.chosen;
      sums.all += one.all;
    }
    factors_[static_cast<std::size_t>(row)] = factor_of(of_row);
  }
  const std::int64_t of_these = std::clamp<std::int64_t>(target_->prompt - first_position_, 0, rows_);
  std::fill_n(factors_.begin(), of_these, factor_of(of_prompt));
}

void SpotlightLayer::change_weights(std::int64_t, EditedRow& row) {
  const float factor = factors_[static_cast<std::size_t>(row.row.at.row)];
  if (factor == 1) return;
  const double before = row.total();
  float* weights = row.weights().data();
  target_->keys[part_].within(row.row.first_key, row.keys(), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t j = begin; j < end; ++j) weights[j] *= factor;
    row.changed = true;
  });
  if (row.changed) row.keep_mass(before);
}

AttentionCalibration::AttentionCalibration(double beta, double theta, const InterventionShape& shape)
    : beta_(beta),
      theta_(theta),
      shape_(shape),
      sinks_(static_cast<std::size_t>(shape.layers * shape.heads)) {}

void AttentionCalibration::aim(const InterventionTarget* target) {
  prompt_ = target->prompt;
  for (auto& sinks : sinks_) sinks.clear();
}

bool AttentionCalibration::begin_survey(std::int64_t, std::int64_t first_position, std::int64_t) {
  if (first_position >= prompt_) return false;
  const auto stride = static_cast<std::size_t>(padded(prompt_));
  received_.assign(static_cast<std::size_t>(shape_.threads * shape_.heads) * stride, 0);
  normalised_.resize(static_cast<std::size_t>(shape_.threads) * stride);
  return true;
}

void AttentionCalibration::survey(std::int64_t, const EditableRow& row, bool) {
  if (row.at.position >= prompt_ || row.sum == 0) return;
  const std::int64_t stride = padded(prompt_), keys = row.at.position + 1;
  float* normalised = normalised_.data() + row.at.thread * stride;
  normalise_weights(row.weights.data(), row.sum, keys, normalised);
  // Within what add_exactly adds exactly; only rows that were made to sum to far more than 1 have such
  // weights.
  const float most = 65536.0f / static_cast<float>(prompt_);
  for (std::int64_t j = 0; j < keys; ++j) normalised[j] = std::clamp(normalised[j], -most, most);
  add_exactly(normalised, keys, received_.data() + (row.at.thread * shape_.heads + row.at.head) * stride);
}

void AttentionCalibration::end_survey(std::int64_t layer) {
  for (std::int64_t head = 0; head < shape_.heads; ++head) {
    std::vector<std::int64_t>& sinks = sinks_[static_cast<std::size_t>(layer * shape_.heads + head)];
    sinks.clear();
    for (std::int64_t j = 0; j < prompt_; ++j) {
      double sum = 0;
      for (int thread = 0; thread < shape_.threads; ++thread) {
        sum += received_[static_cast<std::size_t>((thread * shape_.heads + head) * padded(prompt_) + j)];
      }
      if (sum / static_cast<double>(prompt_ - j) > theta_) sinks.push_back(j);
    }
    if (!sinks.empty()) sinks.erase(sinks.begin());
  }
}

void AttentionCalibration::change_weights(std::int64_t layer, EditedRow& row) {
  const auto& sinks = sinks_[static_cast<std::size_t>(layer * shape_.heads + row.row.at.head)];
  const auto end = std::ranges::upper_bound(sinks, row.row.at.position);
  const double before = row.total();
  double of_sinks = 0, rest = 0;  // each summed by itself: where all that a row sees are sinks, rest is 0
  float* weights = row.weights().data();
  std::int64_t next = row.row.first_key;
  for (auto sink = std::lower_bound(sinks.begin(), end, next); sink != end; ++sink) {
    for (; next < *sink; ++next) rest += double{weights[next]};
    of_sinks += double{weights[next++]};
  }
  for (; next < row.keys(); ++next) rest += double{weights[next]};
  if (of_sinks == 0 || !(rest > 0)) return;
  // Sinks by beta and the rest by g = (rest + (1 - beta) of_sinks) / rest is sinks by beta / g, then all by
  // g.
  const auto factor = static_cast<float>(beta_ * rest / (rest + (1 - beta_) * of_sinks));
  for (auto sink = sinks.begin(); sink != end; ++sink) weights[*sink] *= factor;  // 0 before first_key
  row.changed = true;
  row.keep_mass(before);
}

void AttentionCalibration::go_on_from(const RowStep& other) {
  const auto* same = dynamic_cast<const AttentionCalibration*>(&other);
  REFOCUS_CHECK(same != nullptr);
  sinks_ = same->sinks_;
}

}  // namespace refocus
