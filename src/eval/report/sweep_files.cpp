#include "eval/report/sweep_files.h"

#include <set>

#include "base/json_reader.h"
#include "base/text_file.h"
#include "eval/report/comparison_files.h"
#include "eval/report/sweep_figure.h"
#include "eval/score/held_out.h"
#include "eval/text/json_values.h"
#include "stats/interval.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;

constexpr int kVersion = 1;

void add_interval(ordered_json& entry, const std::string& prefix, const std::optional<Interval>& interval) {
  entry[prefix + "low"] = interval ? ordered_json(interval->low) : ordered_json();
  entry[prefix + "high"] = interval ? ordered_json(interval->high) : ordered_json();
}

void add_accuracy(ordered_json& entry, const Tally& tally, bool interval = true) {
  entry["n"] = tally.labelled;
  entry["correct"] = tally.correct;
  entry["accuracy"] = or_null(tally.accuracy());
  if (interval) add_interval(entry, "", accuracy_interval(tally));
}

void add_difference(ordered_json& entry, const PairedNumbers& numbers) {
  entry["fixed"] = numbers.fixed;
  entry["broken"] = numbers.broken;
  entry["difference"] = or_null(numbers.difference);
  add_interval(entry, "difference_", numbers.interval);
  entry["p"] = or_null(numbers.p);
}

ordered_json parameter_json(const RebalanceSpec& parameters, const std::string& key) {
  if (key == "mode") return parameters.mode == RebalanceSpec::Mode::kSelf ? "self" : "mask";
  if (key == "depth") return parameters.depth.value();
  return parameter_value(parameters, key);
}

// All of them but `without`.
ordered_json parameters_json(const RebalanceSpec& parameters, const std::string& without) {
  ordered_json out = ordered_json::object();
  for (const char* key : {"alpha", "threshold", "depth", "mode"}) {
    if (key != without) out[key] = parameter_json(parameters, key);
  }
  return out;
}

// The values that the arms have on an axis, in ascending order.
ordered_json axis_json(const SweepReport& report, const std::string& key) {
  std::set<ordered_json> values;
  for (const SweepCurve& curve : report.tasks.front().curves) {
    for (const SweepPoint& point : curve.points) values.insert(parameter_json(point.parameters, key));
  }
  return {{"name", key}, {"values", std::vector<ordered_json>(values.begin(), values.end())}};
}

ordered_json curve_json(const SweepReport& report, const SweepCurve& curve) {
  const std::string& axis = report.sweep.axes.front().key;
  ordered_json out = {{"prompt", curve.prompt}, {"axis", axis}};
  out["fixed"] = parameters_json(curve.points.front().parameters, axis);
  out["points"] = ordered_json::array();
  for (const SweepPoint& point : curve.points) {
    ordered_json e = {{"x", parameter_json(point.parameters, axis)}, {"arm", report.arms[point.arm]}};
    add_accuracy(e, point.tally);
    add_difference(e, point.difference);
    e["p_holm"] = or_null(point.difference.p_holm);
    out["points"].push_back(std::move(e));
  }
  out["baseline"] = {{"arm", report.arms[curve.baseline]}};
  add_accuracy(out["baseline"], curve.baseline_tally);
  return out;
}

void add_against_baseline(ordered_json& entry, const Tally& tally, const Tally& baseline,
                          const PairedNumbers& difference) {
  add_accuracy(entry, tally);
  entry["baseline_accuracy"] = or_null(baseline.accuracy());
  add_difference(entry, difference);
}

ordered_json best_json(const SweepReport& report, const SweepTask& task, const HeldOutBest& best) {
  const std::string& axis = report.sweep.axes.front().key;
  const SweepPoint& point = task.curves[best.curve].points[best.point];
  ordered_json out;
  out["best"] = {{"x", parameter_json(point.parameters, axis)},
                 {"arm", report.arms[point.arm]},
                 {"fixed", parameters_json(point.parameters, axis)},
                 {"tied", best.tied}};
  out["chosen_on"] = ordered_json::object();
  add_accuracy(out["chosen_on"], best.chosen_on, false);
  out["reported_on"] = ordered_json::object();
  add_against_baseline(out["reported_on"], best.reported_on, best.baseline, best.difference);
  return out;
}

ordered_json selection_json(const SweepReport& report, const SweepTask& task,
                            const SweepSelection& selection) {
  ordered_json out = {{"prompt", selection.prompt}, {"axis", report.sweep.axes.front().key}};
  out.update(best_json(report, task, selection.best[0]));
  out["exchanged"] = best_json(report, task, selection.best[1]);
  out["crossed"] = ordered_json::object();
  add_against_baseline(out["crossed"], selection.crossed, selection.crossed_baseline,
                       selection.crossed_difference);
  return out;
}

}  // namespace

ordered_json sweep_json(const SweepReport& report) {
  ordered_json file;
  file["format"] = "refocus-sweep";
  file["version"] = kVersion;
  file["confidence"] = kConfidence;
  file["difference_interval"] = kDifferenceInterval;
  file["held_out_seed"] = kHeldOutSeed;
  file["extraction"] = report.extraction;
  file["axes"] = ordered_json::array();
  for (const SweepAxis& axis : report.sweep.axes) file["axes"].push_back(axis_json(report, axis.key));
  file["tasks"] = ordered_json::array();
  for (const SweepTask& task : report.tasks) {
    ordered_json e = {{"task", task.task}};
    e["curves"] = ordered_json::array();
    for (const SweepCurve& curve : task.curves) e["curves"].push_back(curve_json(report, curve));
    e["selection"] = ordered_json::array();
    for (const SweepSelection& selection : task.selections) {
      e["selection"].push_back(selection_json(report, task, selection));
    }
    file["tasks"].push_back(std::move(e));
  }
  return file;
}

void write_sweep(const std::filesystem::path& run_directory, const SweepReport& report) {
  const std::string figure = sweep_svg(report);
  if (!figure.empty()) write_file_atomically(run_directory / kSweepFigure, figure);
  write_file_atomically(run_directory / kSweepFile, json_text(sweep_json(report), 1) + "\n");
}

}  // namespace refocus
