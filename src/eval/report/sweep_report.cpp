#include "eval/report/sweep_report.h"

#include <algorithm>

#include "base/error.h"
#include "eval/score/held_out.h"
#include "stats/holm.h"

namespace refocus {
namespace {

constexpr std::array<const char*, 4> kKeys = {"alpha", "threshold", "depth", "mode"};

// One task of a comparison, with the answers of each arm at hand.
class TaskReporter {
 public:
  TaskReporter(const SweepReport& report, const Comparison& comparison, std::size_t task)
      : main_(report.sweep.axes.front().key), comparison_(comparison), task_(task) {
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
      if (std::ranges::find(out.selections, curve.prompt, &SweepSelection::prompt) == out.selections.end()) {
        out.selections.push_back(select(out.curves, curve.prompt));
      }
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

  // Puts the arm into the curve that it belongs to.
  void add(std::size_t arm, std::vector<SweepCurve>& curves) const {
    const FinishedArm& finished = comparison_.arms[arm].arm;
    const InterventionSpec spec = parse_intervention(finished.intervention);
    const std::optional<RebalanceSpec> rebalance = spec.rebalance();
    if (!rebalance) return;
    SweepPoint point{parameter_value(*rebalance, main_), arm, *rebalance, tally_of(arm), {}};
    const auto same = [&](const SweepCurve& curve) {
      return curve.prompt == finished.prompt && std::ranges::all_of(kKeys, [&](const char* key) {
               return key == main_ || parameters_text(curve.points.front().parameters, {key}) ==
                                          parameters_text(point.parameters, {key});
             });
    };
    auto curve = std::ranges::find_if(curves, same);
    if (curve == curves.end()) {
      const std::size_t baseline = baseline_of(finished.prompt);
      curves.push_back({finished.prompt, baseline, tally_of(baseline), {}});
      curve = curves.end() - 1;
    }
    point.difference = numbers_of(curve->baseline, arm);
    curve->points.push_back(std::move(point));
  }

  static void correct_for_points(std::vector<SweepCurve>& curves) {
    std::vector<PairedNumbers*> family;
    std::vector<double> p;
    for (SweepCurve& curve : curves) {
      for (SweepPoint& point : curve.points) {
        if (!point.difference.p) continue;
        family.push_back(&point.difference);
        p.push_back(*point.difference.p);
      }
    }
    const std::vector<double> adjusted = holm_adjusted(p);
    for (std::size_t k = 0; k < family.size(); ++k) family[k]->p_holm = adjusted[k];
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

  // The point with most right answers on that half: of several, the one with the smallest x in the first
  // curve that has it.
  HeldOutBest best_on(const std::vector<SweepCurve>& curves, const std::string& prompt,
                      const std::vector<std::size_t>& half) const {
    HeldOutBest best;
    bool found = false;
    for (std::size_t c = 0; c < curves.size(); ++c) {
      if (curves[c].prompt != prompt) continue;
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

  SweepSelection select(const std::vector<SweepCurve>& curves, const std::string& prompt) const {
    SweepSelection out;
    out.prompt = prompt;
    std::vector<std::int8_t> all;
    for (const std::size_t half : {std::size_t{0}, std::size_t{1}}) {
      HeldOutBest& best = out.best[half];
      best = best_on(curves, prompt, halves_[half]);
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

  const std::string& main_;
  const Comparison& comparison_;
  std::size_t task_;
  std::array<std::vector<std::size_t>, 2> halves_;  // places of items whose right letter is known
};

}  // namespace

SweepReport sweep_report(const Sweep& sweep, const Comparison& comparison) {
  SweepReport out;
  out.sweep = sweep;
  for (const ComparedArm& arm : comparison.arms) out.arms.push_back(arm.arm.name);
  out.extraction = comparison.arms.front().arm.rules;
  for (std::size_t task = 0; task < comparison.tasks.size(); ++task) {
    out.tasks.push_back(TaskReporter(out, comparison, task).report());
  }
  return out;
}

double parameter_value(const RebalanceSpec& parameters, const std::string& key) {
  if (key == "alpha") return parameters.alpha;
  if (key == "threshold") return parameters.threshold;
  return static_cast<double>(parameters.depth.value());
}

std::string parameters_text(const RebalanceSpec& parameters, const std::vector<std::string>& keys) {
  std::string out;
  for (const std::string& key : keys) {
    const std::string value = key == "mode"
                                  ? (parameters.mode == RebalanceSpec::Mode::kSelf ? "self" : "mask")
                                  : fmt::format("{}", parameter_value(parameters, key));
    out += fmt::format("{}{}={}", out.empty() ? "" : " ", key, value);
  }
  return out;
}

CurveKeys curve_keys(const SweepReport& report, const SweepTask& task) {
  CurveKeys out;
  for (const std::string key : kKeys) {
    if (key == report.sweep.axes.front().key) continue;
    const auto text = [&](const SweepCurve& curve) {
      return parameters_text(curve.points.front().parameters, {key});
    };
    const bool varies = std::ranges::any_of(
        task.curves, [&](const SweepCurve& curve) { return text(curve) != text(task.curves.front()); });
    (varies ? out.varying : out.common).push_back(key);
  }
  return out;
}

}  // namespace refocus
