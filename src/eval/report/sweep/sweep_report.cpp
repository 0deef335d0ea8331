#include "eval/report/sweep/sweep_report.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "base/error.h"
#include "eval/score/held_out.h"
#include "eval/score/test_family.h"
#include "intervene/grammar/spec_keys.h"

namespace refocus {
namespace {

// [swept interventions' canonical texts] what they are points of.
using PointsByText = std::map<std::string, const SweptPoint*, std::less<>>;

ParameterValue parameter_of(const InterventionPart& part, std::string_view key, std::int64_t layers) {
  ParameterValue out{std::string(key), key_text(part, key, layers), std::nullopt, false};
  const auto own = std::ranges::find(part.method->keys, key, &MethodKey::name);
  if (own == part.method->keys.end()) return out;
  out.whole = own->kind == MethodKey::Kind::kLayer || own->kind == MethodKey::Kind::kSeed;
  if (!is_numeric(own->kind)) return out;
  double number = 0;
  std::from_chars(out.text.data(), out.text.data() + out.text.size(), number);
  out.number = number;
  return out;
}

// The intervention with no more than the name of the swept part, where it has others: "nosink:...+boost".
std::string around(const SweptPoint& point, std::int64_t layers) {
  const std::vector<InterventionPart>& parts = point.intervention.spec.parts;
  std::string out;
  if (parts.size() == 1) return out;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    out += p == 0 ? "" : "+";
    out += p == point.part ? std::string(parts[p].method->name) : parts[p].canonical(layers);
  }
  return out;
}

std::vector<ParameterValue> parameters_of(const SweptPoint& point, std::int64_t layers) {
  const InterventionPart& part = point.intervention.spec.parts[point.part];
  std::vector<ParameterValue> out;
  for (const std::string_view key : keys_of(*part.method)) {
    ParameterValue value = parameter_of(part, key, layers);
    if (!value.text.empty()) out.push_back(std::move(value));
  }
  for (const auto& [key, text] : {std::pair("with", around(point, layers)), std::pair("name", point.base)}) {
    if (!text.empty()) out.push_back({key, text, std::nullopt, false});
  }
  return out;
}

// The name that the curve's --intervene has; may be empty.
std::string name_of(const SweepCurve& curve) {
  const ParameterValue* name = curve.points.front().find("name");
  return name == nullptr ? "" : name->text;
}

// One task of a comparison, with the answers of each arm at hand.
class TaskReporter {
 public:
  TaskReporter(const SweepReport& report, const PointsByText& points, std::int64_t layers,
               const Comparison& comparison, std::size_t task)
      : report_(report), points_(points), layers_(layers), comparison_(comparison), task_(task) {
    const std::vector<Answer>& answers = answers_of(0);
    for (std::size_t i = 0; i < answers.size(); ++i) {
      const Item& item = *answers[i].item;
      if (answers[i].correct)
        halves_[static_cast<std::size_t>(half_of_item(item.subject, item.index))].push_back(i);
    }
  }

  SweepTask report() const {
    SweepTask out{comparison_.tasks[task_].task, {}, {}};
    for (std::size_t arm = 0; arm < comparison_.arms.size(); ++arm) add(arm, out.curves);
    for (SweepCurve& curve : out.curves) std::ranges::stable_sort(curve.points, {}, &SweepPoint::x);
    correct_for_points(out.curves);
    if (halves_[0].empty() || halves_[1].empty()) return out;
    for (const SweepCurve& curve : out.curves) {
      if (std::ranges::any_of(out.selections, [&](const SweepSelection& made) {
            return made.prompt == curve.prompt && made.family == curve.family && made.name == name_of(curve);
          })) {
        continue;
      }
      out.selections.push_back(select(out.curves, curve));
    }
    if (out.compares_selections()) {
      std::vector<PairedNumbers*> held_out;
      for (SweepSelection& made : out.selections) held_out.push_back(&made.best[0].difference);
      correct_family(held_out);
    }
    return out;
  }

 private:
  const std::vector<Answer>& answers_of(std::size_t arm) const {
    return comparison_.arms[arm].arm.tasks[task_].answers.answers;
  }
  const Tally& tally_of(std::size_t arm) const { return comparison_.tasks[task_].tallies[arm].back(); }

  // Over all items of the task.
  const PairedNumbers& numbers_of(std::size_t baseline, std::size_t arm) const {
    const std::vector<PairComparison>& pairs = comparison_.tasks[task_].pairs;
    const auto pair = std::ranges::find_if(
        pairs, [&](const PairComparison& p) { return p.pair.baseline == baseline && p.pair.arm == arm; });
    REFOCUS_CHECK(pair != pairs.end());
    return pair->numbers.back();
  }

  std::size_t baseline_of(const std::string& prompt) const {
    const auto at = std::ranges::find_if(comparison_.arms, [&](const ComparedArm& a) {
      return a.arm.prompt == prompt && a.arm.intervention == "none";
    });
    REFOCUS_CHECK(at != comparison_.arms.end());
    return static_cast<std::size_t>(at - comparison_.arms.begin());
  }

  bool in_curve(const SweepPoint& point, const SweepCurve& curve) const {
    const auto rest = [&](const SweepPoint& of) {
      std::vector<std::string> texts;
      for (const ParameterValue& value : of.parameters) {
        if (value.key != report_.axis(curve)) texts.push_back(value.key + "=" + value.text);
      }
      return texts;
    };
    return rest(point) == rest(curve.points.front());
  }

  // Puts the arm into the curve that it belongs to.
  void add(std::size_t arm, std::vector<SweepCurve>& curves) const {
    const FinishedArm& finished = comparison_.arms[arm].arm;
    const auto found = points_.find(finished.intervention);
    if (found == points_.end()) return;
    const SweptPoint& swept = *found->second;
    SweepPoint point{0, arm, parameters_of(swept, layers_), tally_of(arm), {}};
    const SweepAxis& main = report_.sweep.families[swept.family].axes.front();
    point.x = main.numeric ? point.find(main.key)->number.value() : static_cast<double>(swept.main_place);
    auto curve = std::ranges::find_if(curves, [&](const SweepCurve& c) {
      return c.prompt == finished.prompt && c.family == swept.family && in_curve(point, c);
    });
    if (curve == curves.end()) {
      const std::size_t baseline = baseline_of(finished.prompt);
      curves.push_back({swept.family, finished.prompt, baseline, tally_of(baseline), {}});
      curve = curves.end() - 1;
    }
    point.difference = numbers_of(curve->baseline, arm);
    curve->points.push_back(std::move(point));
  }

  static void correct_for_points(std::vector<SweepCurve>& curves) {
    std::vector<PairedNumbers*> all;
    for (SweepCurve& curve : curves) {
      for (SweepPoint& point : curve.points) all.push_back(&point.difference);
    }
    correct_family(all);
  }

  Tally tally_over(std::size_t arm, const std::vector<std::size_t>& items) const {
    Tally tally;
    tally.items = static_cast<std::int64_t>(items.size());
    for (const std::size_t i : items) tally.add(answers_of(arm)[i]);
    return tally;
  }

  void append_changes(std::size_t baseline, std::size_t arm, const std::vector<std::size_t>& items,
                      std::vector<std::int8_t>& changes) const {
    for (const std::size_t i : items) changes.push_back(change(answers_of(baseline)[i], answers_of(arm)[i]));
  }

  // The selection's point with most right answers on that half: of several, the one with the smallest x in
  // the first curve that has it.
  HeldOutBest best_on(const std::vector<SweepCurve>& curves, const SweepSelection& of,
                      const std::vector<std::size_t>& half) const {
    HeldOutBest best;
    bool found = false;
    for (std::size_t c = 0; c < curves.size(); ++c) {
      if (!is_of(curves[c], of)) continue;
      for (std::size_t p = 0; p < curves[c].points.size(); ++p) {
        const SweepPoint& point = curves[c].points[p];
        const Tally tally = tally_over(point.arm, half);
        const bool equal = found && tally.correct == best.chosen_on.correct;
        const bool better = !found || tally.correct > best.chosen_on.correct;
        if (equal) ++best.tied;
        if (better) best.tied = 0;
        if (better || (equal && point.x < curves[best.curve].points[best.point].x)) {
          best.curve = c;
          best.point = p;
          best.chosen_on = tally;
        }
        found = true;
      }
    }
    return best;
  }

  static bool is_of(const SweepCurve& curve, const SweepSelection& selection) {
    return curve.prompt == selection.prompt && curve.family == selection.family &&
           name_of(curve) == selection.name;
  }

  // From the curves that are asked alike, of the same method and name as `like`.
  SweepSelection select(const std::vector<SweepCurve>& curves, const SweepCurve& like) const {
    SweepSelection out;
    out.prompt = like.prompt;
    out.family = like.family;
    out.name = name_of(like);
    for (const SweepCurve& curve : curves) out.tried += is_of(curve, out) ? curve.points.size() : 0;
    std::vector<std::int8_t> all;
    for (const std::size_t half : {std::size_t{0}, std::size_t{1}}) {
      HeldOutBest& best = out.best[half];
      best = best_on(curves, out, halves_[half]);
      const std::vector<std::size_t>& other = halves_[1 - half];
      const std::size_t arm = curves[best.curve].points[best.point].arm;
      const std::size_t baseline = curves[best.curve].baseline;
      best.reported_on = tally_over(arm, other);
      best.baseline = tally_over(baseline, other);
      std::vector<std::int8_t> changes;
      append_changes(baseline, arm, other, changes);
      best.difference = paired_numbers(changes);
      all.insert(all.end(), changes.begin(), changes.end());
      out.crossed.add(best.reported_on);
      out.crossed_baseline.add(best.baseline);
    }
    out.crossed_difference = paired_numbers(all);
    return out;
  }

  const SweepReport& report_;
  const PointsByText& points_;
  std::int64_t layers_;
  const Comparison& comparison_;
  std::size_t task_;
  std::array<std::vector<std::size_t>, 2> halves_;  // places of items whose right letter is known
};

}  // namespace

const ParameterValue* SweepPoint::find(const std::string& key) const {
  const auto found = std::ranges::find(parameters, key, &ParameterValue::key);
  return found == parameters.end() ? nullptr : &*found;
}

bool SweepTask::compares_selections() const {
  std::set<std::string> prompts;
  for (const SweepSelection& selection : selections) prompts.insert(selection.prompt);
  return selections.size() > prompts.size();
}

std::string SweepReport::title(const SweepSelection& selection) const {
  return selection.name.empty() ? std::string(sweep.families[selection.family].method->name) : selection.name;
}

bool SweepReport::is_plain() const {
  return sweep.families.size() == 1 && sweep.families[0].method->id == MethodId::kRebalance && !sweep.budget;
}

SweepReport sweep_report(const ExpandedSweep& sweep, std::int64_t layers, const Comparison& comparison) {
  SweepReport out;
  out.sweep = sweep.sweep;
  out.grids = sweep.grids;
  for (std::size_t f = 0; f < sweep.grids.size(); ++f) out.tried.push_back(sweep.points_of(f));
  for (const ComparedArm& arm : comparison.arms) out.arms.push_back(arm.arm.name);
  out.extraction = comparison.arms.front().arm.rules;
  PointsByText points;
  for (const SweptPoint& point : sweep.points) points[point.intervention.spec.canonical(layers)] = &point;
  for (std::size_t task = 0; task < comparison.tasks.size(); ++task) {
    out.tasks.push_back(TaskReporter(out, points, layers, comparison, task).report());
  }
  return out;
}

std::string parameters_text(const SweepPoint& point, const std::vector<std::string>& keys) {
  std::string out;
  for (const std::string& key : keys) {
    const ParameterValue* value = point.find(key);
    if (value != nullptr) out += fmt::format("{}{}={}", out.empty() ? "" : " ", key, value->text);
  }
  return out;
}

CurveKeys curve_keys(const SweepReport& report, const SweepTask& task, std::size_t family) {
  CurveKeys out;
  const SweepFamily& swept = report.sweep.families[family];
  std::vector<std::string> keys;
  for (const std::string_view key : keys_of(*swept.method)) keys.emplace_back(key);
  keys.insert(keys.end(), {"with", "name"});
  for (const std::string& key : keys) {
    if (key == swept.axes.front().key) continue;
    std::set<std::string> texts;
    for (const SweepCurve& curve : task.curves) {
      if (curve.family == family) texts.insert(parameters_text(curve.points.front(), {key}));
    }
    (texts.size() > 1 ? out.varying : out.common).push_back(key);
  }
  return out;
}

}  // namespace refocus
