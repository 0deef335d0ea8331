#include "eval/report/html_accuracies.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "eval/report/pair_effect.h"
#include "eval/text/html_text.h"
#include "eval/text/table_text.h"
#include "figure/svg.h"
#include "web/page.h"

namespace refocus {
namespace {

constexpr std::size_t kMostArms = 24;  // that fit on the first screen of a phone

// In per cent, from one round number to another.
struct Axis {
  double from = 0, to = 100;
  double place(double fraction) const {
    return std::clamp(100 * (100 * fraction - from) / (to - from), 0.0, 100.0);
  }
};

const Tally& tally_of(const TaskComparison& task, std::size_t arm) { return task.tallies[arm].back(); }

// Arms with one kind of prompt: the others' accuracies may lie so far away that nothing would be seen.
struct Group {
  std::string prompt;
  std::vector<std::size_t> arms;
};

std::vector<Group> groups_of(const ReportView& view) {
  std::vector<Group> groups;
  for (std::size_t a = 0; a < view.labels.size(); ++a) {
    const std::string& prompt = view.comparison.arms[a].arm.prompt;
    auto group = std::ranges::find(groups, prompt, &Group::prompt);
    if (group == groups.end()) group = groups.insert(group, {prompt, {}});
    group->arms.push_back(a);
  }
  return groups;
}

Axis axis_of(const TaskComparison& task, const Group& group) {
  double low = 100, high = 0;
  for (const std::size_t arm : group.arms) {
    const auto interval = accuracy_interval(tally_of(task, arm));
    if (!interval) continue;
    low = std::min(low, 100 * interval->low);
    high = std::max(high, 100 * interval->high);
  }
  const double step = svg::nice_step(std::max(high - low, 1.0));
  return {std::max(0.0, step * std::floor(low / step)), std::min(100.0, step * std::ceil(high / step))};
}

// Without the kind of prompt, which the table says.
std::string label_in(const ReportView& view, const Group& group, std::size_t arm) {
  const std::string &label = view.labels[arm], prefix = group.prompt + ", ";
  return label.starts_with(prefix) ? label.substr(prefix.size()) : label;
}

// The pair in which an arm stands against a baseline with the same kind of prompt, null where there is none.
const PairComparison* pair_of(const ReportView& view, const TaskComparison& task, std::size_t arm) {
  const auto& arms = view.comparison.arms;
  const auto found = std::ranges::find_if(task.pairs, [&](const PairComparison& pair) {
    return pair.pair.arm == arm && arms[pair.pair.baseline].arm.prompt == arms[arm].arm.prompt;
  });
  return found == task.pairs.end() ? nullptr : &*found;
}

// The interval as a bar, the accuracy as a dot, the baseline's accuracy as a line; hidden from readers of
// screens, to whom the number beside it says the same.
std::string track(const TaskComparison& task, std::size_t arm, const PairComparison* pair, const Axis& axis) {
  const Tally& tally = tally_of(task, arm);
  const auto interval = accuracy_interval(tally);
  if (!interval) return "";
  const double low = axis.place(interval->low), high = axis.place(interval->high);
  std::string baseline;
  if (pair != nullptr) {
    baseline = fmt::format("<i class=\"base\" style=\"left:{:.2f}%\"></i>",
                           axis.place(tally_of(task, pair->pair.baseline).accuracy().value_or(0)));
  }
  return fmt::format(
      "<span class=\"track\" aria-hidden=\"true\">{}<i class=\"bar\" "
      "style=\"left:{:.2f}%;width:{:.2f}%\"></i>"
      "<i class=\"dot\" style=\"left:{:.2f}%\"></i></span>",
      baseline, low, high - low, axis.place(tally.accuracy().value_or(0)));
}

std::string arm_row(const ReportView& view, const TaskComparison& task, const Group& group, std::size_t arm,
                    const Axis& axis) {
  const PairComparison* pair = pair_of(view, task, arm);
  const PairEffect effect = pair != nullptr ? pair_effect(pair->numbers.back()) : PairEffect::kUnclear;
  const char* tone = effect == PairEffect::kBetter  ? " class=\"better\""
                     : effect == PairEffect::kWorse ? " class=\"worse\""
                                                    : "";
  return fmt::format("<tr{}>{}{}<td class=\"picture\">{}</td></tr>\n", tone,
                     row_head(label_in(view, group, arm)), html_accuracy_cell(tally_of(task, arm)),
                     track(task, arm, pair, axis));
}

// Of the arms from `first` to before `last`; empty where the group has none of them.
std::string group_table(const ReportView& view, const TaskComparison& task, const Group& group,
                        std::size_t first, std::size_t last) {
  const Axis axis = axis_of(task, group);
  std::string rows;
  for (const std::size_t arm : group.arms) {
    if (arm >= first && arm < last) rows += arm_row(view, task, group, arm, axis);
  }
  if (rows.empty()) return "";
  return fmt::format(
      "<table class=\"accuracies\">\n<caption>{}{}</caption>\n<thead><tr>{}{}<th scope=\"col\" "
      "class=\"axis\"><span class=\"ends\"><span>{:.6g}</span><span class=\"unseen\"> to </span>"
      "<span>{:.6g}</span></span></th></tr></thead>\n<tbody>\n{}</tbody>\n</table>\n",
      html_escape(fmt::format("{}, {}: accuracy in %, 95% interval", task.task, group.prompt)),
      task.pairs.empty() ? "" : "<span class=\"hint\">; dashed: the baseline</span>", column_head("arm"),
      number_column_head("%"), axis.from, axis.to, rows);
}

std::string task_html(const ReportView& view, std::size_t t) {
  const TaskComparison& task = view.comparison.tasks[t];
  const std::size_t arms = view.labels.size(), shown = std::min(arms, kMostArms);
  const std::vector<Group> groups = groups_of(view);
  const auto tables = [&](std::size_t first, std::size_t last) {
    std::string html = "<div class=\"tables\">\n";
    for (const Group& group : groups) html += group_table(view, task, group, first, last);
    return html + "</div>\n";
  };
  std::string html = fmt::format("<div class=\"accuracy\" data-task=\"{}\">\n", t) + tables(0, shown);
  if (arms > shown) {
    html += fmt::format("<details><summary>{} more arm{}</summary>\n", arms - shown,
                        arms - shown == 1 ? "" : "s") +
            tables(shown, arms) + "</details>\n";
  }
  return html + "</div>\n";
}

}  // namespace

std::string html_accuracies(const ReportView& view) {
  std::string tables;
  for (std::size_t t = 0; t < view.comparison.tasks.size(); ++t) {
    const auto& tallies = view.comparison.tasks[t].tallies;
    const bool known = std::ranges::any_of(
        tallies, [](const std::vector<Tally>& tally) { return tally.back().accuracy().has_value(); });
    if (known) tables += task_html(view, t);
  }
  if (tables.empty()) return "";
  return "<section id=\"accuracies\" aria-label=\"Accuracy of each arm\">\n" + tables + "</section>\n";
}

}  // namespace refocus
