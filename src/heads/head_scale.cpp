#include "heads/head_scale.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "stats/bootstrap.h"
#include "stats/mean_difference.h"
#include "stats/sign_flip.h"

namespace refocus {

namespace {

double mean_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

std::vector<double> differences_of(const ArmAnswers& before, const ArmAnswers& after) {
  REFOCUS_CHECK(before.likelihood.size() == after.likelihood.size() && !before.likelihood.empty());
  std::vector<double> out;
  for (std::size_t i = 0; i < before.likelihood.size(); ++i) {
    out.push_back(after.likelihood[i] - before.likelihood[i]);
  }
  return out;
}

}  // namespace

RecoveredScale::RecoveredScale(ArmAnswers base, const ArmAnswers& source)
    : base_(std::move(base)), gaps_(differences_of(base_, source)), gap_(mean_of(gaps_)) {
  REFOCUS_CHECK(gap_ != 0);
  gap_sums_ = bootstrap_sums(gaps_, kResamples, kResampleSeed);
  if (!std::ranges::all_of(gap_sums_, [&](double sum) { return sum * gap_ > 0; })) gap_sums_.clear();
}

double RecoveredScale::level(const ArmAnswers& arm) const {
  return mean_of(differences_of(base_, arm)) / gap_;
}

PairedEffect RecoveredScale::effect_of(std::span<const double> differences) const {
  PairedEffect out;
  out.difference = mean_of(differences) / gap_;
  const bool varies = std::ranges::any_of(differences, [&](double d) { return d != differences.front(); });
  if (varies && !gap_sums_.empty()) {
    std::vector<double> ratios = bootstrap_sums(differences, kResamples, kResampleSeed);
    for (std::size_t b = 0; b < ratios.size(); ++b) ratios[b] /= gap_sums_[b];
    std::ranges::sort(ratios);
    out.interval = Interval{sorted_quantile(ratios, (1 - kConfidence) / 2),
                            sorted_quantile(ratios, (1 + kConfidence) / 2)};
  }
  if (const auto p = sign_flip_rounded_p(differences)) {
    out.p = *p;
  } else {
    const std::vector<double> zeros(differences.size(), 0.0);
    out.p = paired_difference(zeros, differences).p;  // so many items that t is as good
  }
  return out;
}

PairedEffect RecoveredScale::effect(const ArmAnswers& before, const ArmAnswers& after) const {
  PairedEffect out = effect_of(differences_of(before, after));
  const PairedEffect accuracy = paired_effect(before, after);
  out.fixed = accuracy.fixed;
  out.broken = accuracy.broken;
  return out;
}

RandomEffect RecoveredScale::against_random(const ArmAnswers& set,
                                            std::span<const ArmAnswers* const> draws) const {
  std::vector<double> levels, beyond = set.likelihood;
  for (const ArmAnswers* draw : draws) {
    levels.push_back(level(*draw));
    for (std::size_t i = 0; i < beyond.size(); ++i) {
      beyond[i] -= draw->likelihood[i] / static_cast<double>(draws.size());
    }
  }
  RandomEffect out = draw_levels(0, level(set), levels);
  out.beyond = effect_of(beyond);
  return out;
}

}  // namespace refocus
