// What a sweep shows: the accuracy of each swept point beside that without intervention, and the best point,
// chosen on one half of the items and reported on the other. docs/sweeps.md defines each number.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "eval/score/comparison.h"
#include "intervene/sweep.h"

namespace refocus {

struct SweepPoint {
  double x = 0;         // the value on the main axis
  std::size_t arm = 0;  // place in the comparison's arms
  RebalanceSpec parameters;
  Tally tally;
  PairedNumbers difference;  // to the baseline; p_holm over all points of the task
};

// The points of one kind of prompt that differ in the main axis alone, which ascends.
struct SweepCurve {
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
  std::array<HeldOutBest, 2> best;  // chosen on half 0 and on half 1 (eval/score/held_out.h)
  // All items, each answered with the point that the other half chose.
  Tally crossed, crossed_baseline;
  PairedNumbers crossed_difference;
};

struct SweepTask {
  std::string task;
  std::vector<SweepCurve> curves;
  std::vector<SweepSelection> selections;  // none for a prompt where a half has no item with a right letter
};

struct SweepReport {
  Sweep sweep;
  std::vector<std::string> arms;  // the names of the comparison's arms
  std::string extraction;         // how letters were read
  std::vector<SweepTask> tasks;
};

// Of a run whose interventions expand_sweep made, compared without another baseline.
SweepReport sweep_report(const Sweep& sweep, const Comparison& comparison);

// alpha, threshold or depth as a number. The parameters are an arm's, which all have a value.
double parameter_value(const RebalanceSpec& parameters, const std::string& key);

// "0.01", "3", "mask".
std::string parameter_text(const RebalanceSpec& parameters, const std::string& key);

// The parameters beside the main axis: those in which the curves of a task differ, and those that they share.
struct CurveKeys {
  std::vector<std::string> varying, common;
};
CurveKeys curve_keys(const SweepReport& report, const SweepTask& task);

// "threshold=0.01 depth=3", of the keys in their order; empty for none.
std::string parameters_text(const RebalanceSpec& parameters, const std::vector<std::string>& keys);

}  // namespace refocus
