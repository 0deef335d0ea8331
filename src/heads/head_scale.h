// What effects of heads are measured in: accuracy, or what a patched run has of the difference between the
// clean and the corrupted prompts.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "heads/head_statistics.h"

namespace refocus {

// Of one half's items.
class HeadScale {
 public:
  virtual ~HeadScale() = default;
  virtual double level(const ArmAnswers& arm) const = 0;
  // `after` minus `before`.
  virtual PairedEffect effect(const ArmAnswers& before, const ArmAnswers& after) const = 0;
  virtual RandomEffect against_random(const ArmAnswers& set,
                                      std::span<const ArmAnswers* const> draws) const = 0;
};

// Against `none`, the unchanged model.
class AccuracyScale : public HeadScale {
 public:
  explicit AccuracyScale(ArmAnswers none) : none_(std::move(none)) {}
  double level(const ArmAnswers& arm) const override { return arm.accuracy(); }
  PairedEffect effect(const ArmAnswers& before, const ArmAnswers& after) const override {
    return paired_effect(before, after);
  }
  RandomEffect against_random(const ArmAnswers& set,
                              std::span<const ArmAnswers* const> draws) const override {
    return random_effect(none_, set, draws);
  }

 private:
  ArmAnswers none_;
};

// With m an arm's ArmAnswers::likelihood, `base` the run that is patched and `source` the one patched from,
//
//   level = (mean m(arm) - mean m(base)) / (mean m(source) - mean m(base)):
//
// 0 where the patch does nothing, 1 where it does all. It is a ratio of means over items, not a mean of
// items' ratios, which an item whose prompts hardly differ would rule. Intervals are percentile bootstraps of
// the ratio, items drawn together; none where all items' differences are the same, or where a resample's
// denominator is not of the sign of the whole. p is that of exchanging signs of the items' differences of m
// (stats/sign_flip.h: sign_flip_rounded_p).
class RecoveredScale : public HeadScale {
 public:
  // Their means must differ.
  RecoveredScale(ArmAnswers base, const ArmAnswers& source);
  double level(const ArmAnswers& arm) const override;
  PairedEffect effect(const ArmAnswers& before, const ArmAnswers& after) const override;
  RandomEffect against_random(const ArmAnswers& set, std::span<const ArmAnswers* const> draws) const override;

 private:
  PairedEffect effect_of(std::span<const double> differences) const;

  ArmAnswers base_;
  std::vector<double> gaps_;      // [items]: m(source) - m(base)
  double gap_ = 0;                // their mean
  std::vector<double> gap_sums_;  // over resamples; empty where one has another sign
};

}  // namespace refocus
