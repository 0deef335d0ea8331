#include "eval/report/sweep/sweep_files.h"

#include <algorithm>
#include <map>
#include <vector>

#include "base/json_reader.h"
#include "base/text_file.h"
#include "eval/report/comparison_files.h"
#include "eval/report/sweep/sweep_figure.h"
#include "eval/report/sweep/sweep_grid.h"
#include "eval/score/held_out.h"
#include "eval/text/json_values.h"
#include "stats/interval.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;

constexpr int kSweepVersion = 1;

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

ordered_json value_json(const ParameterValue& value) {
  if (!value.number) return value.text;
  return value.whole ? ordered_json(static_cast<std::int64_t>(*value.number)) : ordered_json(*value.number);
}

ordered_json x_json(const SweepPoint& point, const std::string& axis) {
  return value_json(*point.find(axis));
}

// All of them but `without`.
ordered_json parameters_json(const SweepPoint& point, const std::string& without) {
  ordered_json out = ordered_json::object();
  for (const ParameterValue& value : point.parameters) {
    if (value.key != without) out[value.key] = value_json(value);
  }
  return out;
}

// The values that the arms have on an axis: numbers in ascending order, texts in theirs.
ordered_json axis_json(const SweepReport& report, std::size_t family, const SweepAxis& axis) {
  std::map<std::size_t, ordered_json> by_arm;
  for (const SweepCurve& curve : report.tasks.front().curves) {
    if (curve.family != family) continue;
    for (const SweepPoint& point : curve.points) by_arm[point.arm] = x_json(point, axis.key);
  }
  std::vector<ordered_json> values;
  for (const auto& [arm, value] : by_arm) {
    if (std::ranges::find(values, value) == values.end()) values.push_back(value);
  }
  if (axis.numeric) {
    std::ranges::sort(values);
  } else {  // what a model's layers make another text stays where it is
    std::ranges::stable_sort(values, {}, [&](const ordered_json& value) {
      return std::ranges::find(axis.values, value.get_ref<const std::string&>()) - axis.values.begin();
    });
  }
  ordered_json out = {{"name", axis.key}};
  if (!report.is_plain()) out["method"] = axis.method->name;
  out["values"] = values;
  return out;
}

// Of anything but re-balancing alone: what else was swept, and how many points each method has.
void add_methods(const SweepReport& report, ordered_json& file) {
  if (report.is_plain()) return;
  if (report.sweep.budget) file["budget"] = *report.sweep.budget;
  file["methods"] = ordered_json::array();
  for (std::size_t f = 0; f < report.sweep.families.size(); ++f) {
    file["methods"].push_back({{"method", report.sweep.families[f].method->name},
                               {"tried", report.tried[f]},
                               {"grid", report.grids[f]}});
  }
}

// The beginning of a curve's or selection's entry.
ordered_json begun_entry(const SweepReport& report, const SweepCurve& curve) {
  ordered_json out = {{"prompt", curve.prompt}};
  if (!report.is_plain()) out["method"] = report.family(curve).method->name;
  out["axis"] = report.axis(curve);
  return out;
}

ordered_json curve_json(const SweepReport& report, const SweepCurve& curve) {
  const std::string& axis = report.axis(curve);
  ordered_json out = begun_entry(report, curve);
  out["fixed"] = parameters_json(curve.points.front(), axis);
  out["points"] = ordered_json::array();
  for (const SweepPoint& point : curve.points) {
    ordered_json e = {{"x", x_json(point, axis)}, {"arm", report.arms[point.arm]}};
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
  const std::string& axis = report.axis(task.curves[best.curve]);
  const SweepPoint& point = task.curves[best.curve].points[best.point];
  ordered_json out;
  out["best"] = {{"x", x_json(point, axis)},
                 {"arm", report.arms[point.arm]},
                 {"fixed", parameters_json(point, axis)},
                 {"tied", best.tied}};
  out["chosen_on"] = ordered_json::object();
  add_accuracy(out["chosen_on"], best.chosen_on, false);
  out["reported_on"] = ordered_json::object();
  add_against_baseline(out["reported_on"], best.reported_on, best.baseline, best.difference);
  if (best.difference.p_holm) out["reported_on"]["p_holm"] = *best.difference.p_holm;
  return out;
}

ordered_json selection_json(const SweepReport& report, const SweepTask& task,
                            const SweepSelection& selection) {
  ordered_json out = begun_entry(report, task.curves[selection.best[0].curve]);
  if (!selection.name.empty()) out["name"] = selection.name;
  if (!report.is_plain() || task.compares_selections()) out["tried"] = selection.tried;
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
  file["version"] = kSweepVersion;
  file["confidence"] = kConfidence;
  file["difference_interval"] = kDifferenceInterval;
  file["held_out_seed"] = kHeldOutSeed;
  file["extraction"] = report.extraction;
  file["axes"] = ordered_json::array();
  for (std::size_t f = 0; f < report.sweep.families.size(); ++f) {
    for (const SweepAxis& axis : report.sweep.families[f].axes) {
      file["axes"].push_back(axis_json(report, f, axis));
    }
  }
  add_methods(report, file);
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
  const ordered_json file = sweep_json(report);
  const SweepNode sweep(file, {kSweepFile});
  const std::string figure = sweep_svg(sweep);
  if (!figure.empty()) write_file_atomically(run_directory / kSweepFigure, figure);
  const std::string grids = sweep_grid_svg(sweep_grids(sweep));
  if (!grids.empty()) write_file_atomically(run_directory / kSweepGridFigure, grids);
  write_file_atomically(run_directory / kSweepFile, json_text(file, 1) + "\n");
}

}  // namespace refocus
