// What a sweep shows: the accuracy of each swept point beside that without intervention, and the best point
// of each method, chosen on one half of the items and reported on the other. docs/sweeps.md defines each
// number.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "eval/score/comparison.h"
#include "intervene/grammar/sweep.h"

namespace refocus {

// A parameter of the part that is swept.
struct ParameterValue {
  std::string key, text;         // "alpha", "0.2"
  std::optional<double> number;  // where it is one
  bool whole = false;            // of layers
};

struct SweepPoint {
  double x = 0;         // the value on the main axis; of texts its place among the axis' values
  std::size_t arm = 0;  // place in the comparison's arms
  // All that the swept part has, in the order of keys_of; behind them "with", the other parts of the
  // intervention around it, and "name", that of its --intervene, where it has such.
  std::vector<ParameterValue> parameters;
  Tally tally;
  PairedNumbers difference;  // to the baseline; p_holm over all points of the task

  // Null where it has none.
  const ParameterValue* find(const std::string& key) const;
};

// The points of one method and kind of prompt that differ in the main axis alone, which ascends.
struct SweepCurve {
  std::size_t family = 0;    // place in the sweep's families
  std::string prompt;        // "cot", "direct" or "loglikelihood"
  std::size_t baseline = 0;  // the arm without intervention
  Tally baseline_tally;
  std::vector<SweepPoint> points;
};

// The best point of one half, measured on the other.
struct HeldOutBest {
  std::size_t curve = 0, point = 0;
  int tied = 0;                            // other points that are as good on the half that chose
  Tally chosen_on, reported_on, baseline;  // the last two on the other half
  PairedNumbers difference;                // to the baseline, there
};

struct SweepSelection {
  std::string prompt;
  std::size_t family = 0;
  std::string name;       // of its --intervene, where that has one: each such is chosen from by itself
  std::size_t tried = 0;  // points that it was chosen from
  // Chosen on half 0 and on half 1 (eval/score/held_out.h). Of several selections of a kind of prompt the
  // first one's difference has p_holm, over the task's selections.
  std::array<HeldOutBest, 2> best;
  // All items, each answered with the point that the other half chose.
  Tally crossed, crossed_baseline;
  PairedNumbers crossed_difference;
};

struct SweepTask {
  std::string task;
  std::vector<SweepCurve> curves;
  std::vector<SweepSelection> selections;  // none for a prompt where a half has no item with a right letter

  // Whether selections of one kind of prompt stand beside each other: several methods, or named
  // interventions.
  bool compares_selections() const;
};

struct SweepReport {
  Sweep sweep;
  std::vector<std::size_t> tried, grids;  // [families] points, and what they would be without a budget
  std::vector<std::string> arms;          // the names of the comparison's arms
  std::string extraction;                 // how letters were read
  std::vector<SweepTask> tasks;

  const SweepFamily& family(const SweepCurve& curve) const { return sweep.families[curve.family]; }
  // The name, or else the method.
  std::string title(const SweepSelection& selection) const;
  // The key that the curve's accuracies are drawn over.
  const std::string& axis(const SweepCurve& curve) const { return family(curve).axes.front().key; }
  // Re-balancing alone and all of its points: then nothing needs to say what is swept.
  bool is_plain() const;
};

// Of a run whose interventions are those of `sweep`, by a model of so many layers, compared without another
// baseline.
SweepReport sweep_report(const ExpandedSweep& sweep, std::int64_t layers, const Comparison& comparison);

// The parameters beside the main axis: those in which the curves of a method differ in a task, and those that
// they share.
struct CurveKeys {
  std::vector<std::string> varying, common;
};
CurveKeys curve_keys(const SweepReport& report, const SweepTask& task, std::size_t family);

// "threshold=0.01 depth=3", of the keys in their order that it has; empty for none.
std::string parameters_text(const SweepPoint& point, const std::vector<std::string>& keys);

}  // namespace refocus
