#include "eval/report/html_tables.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "eval/report/comparison_text.h"
#include "eval/report/html_comparisons.h"
#include "eval/report/pair_effect.h"
#include "eval/score/arm_labels.h"
#include "eval/score/summary_table.h"
#include "eval/text/html_text.h"
#include "eval/text/table_text.h"
#include "web/page.h"

namespace refocus {
namespace {

constexpr std::size_t kMostFindings = 8;

std::string rate_cell(std::int64_t count, const Tally& tally) {
  const auto share = tally.rate(count);
  return number_cell(share ? html_percent(share) + "%" : std::string(kMissing), share);
}

std::string decimal_cell(const std::optional<double>& value) {
  return number_cell(value ? one_decimal(value) : std::string(kMissing), value);
}

bool has_subjects(const TaskComparison& task) {
  return std::ranges::count(task.sets, ItemSet::Kind::kSubject, &ItemSet::kind) > 1;
}

std::string finding(const ReportView& view, const TaskComparison& task, const PairComparison& pair) {
  const PairedNumbers& all = pair.numbers.back();
  const PairEffect effect = pair_effect(all);
  std::string sentence = view.comparison.tasks.size() > 1 ? html_escape(task.task) + ": " : "";
  sentence += "<strong>" + html_escape(pair_label(view.comparison, view.labels, pair.pair)) + "</strong>: ";
  if (all.difference) {
    const std::string points = html_points(*all.difference);
    const double p = *all.p;
    const char* what = effect == PairEffect::kBetter  ? "Better"
                       : effect == PairEffect::kWorse ? "Worse"
                                                      : "No clear difference";
    sentence +=
        fmt::format("{} points {}, McNemar p {}. {}: {} fixed, {} broken of {} questions.", points,
                    html_points_interval(all.interval), p < 0.0001 ? "&lt; 0.0001" : "= " + html_p(all.p),
                    what, with_thousands(all.fixed), with_thousands(all.broken), with_thousands(all.items));
  } else {
    sentence += "no right letters are known.";
  }
  const std::string tone = effect == PairEffect::kBetter  ? " class=\"better\""
                           : effect == PairEffect::kWorse ? " class=\"worse\""
                                                          : "";
  return "<li" + tone + ">" + sentence + "</li>\n";
}

std::string arm_finding(const ReportView& view, const TaskComparison& task, std::size_t arm) {
  const Tally& all = task.tallies[arm].back();
  std::string sentence = html_escape(task.task) + ": <strong>" + html_escape(view.labels[arm]) + "</strong> ";
  if (all.accuracy()) {
    sentence += fmt::format("answers {}% {} of {} questions right.", html_percent(all.accuracy()),
                            html_interval(accuracy_interval(all)), with_thousands(all.labelled));
  } else {
    sentence += fmt::format("answered {} questions, whose right letters are not known.",
                            with_thousands(all.answered));
  }
  return "<li>" + sentence + "</li>\n";
}

std::string arms_table(const ReportView& view, const TaskComparison& task) {
  const bool by_length = std::ranges::any_of(
      task.tallies, [](const std::vector<Tally>& t) { return t.back().accuracy_by_length().has_value(); });
  const bool with_f1 = std::ranges::any_of(
      task.tallies, [](const std::vector<Tally>& t) { return t.back().mean_f1().has_value(); });
  std::string head = column_head("arm") + number_column_head("questions") + number_column_head("right") +
                     number_column_head("accuracy, %");
  if (by_length) head += number_column_head("by length, %");
  if (with_f1) head += number_column_head("F1, %");
  const bool unmatched = in_any(task, &Tally::unmatched);
  if (unmatched) head += number_column_head("keys= chose nothing");
  const bool stopped = in_any(task, &Tally::stopped), unfinished = in_any(task, &Tally::read_unfinished);
  if (!view.loglikelihood) {
    head += number_column_head("no answer found") + number_column_head("cut off");
    if (stopped) head += number_column_head("ended by until");
    if (unfinished) head += number_column_head("read from an unfinished answer");
    head += number_column_head("empty") + number_column_head("mean tokens");
  }
  std::string rows;
  for (std::size_t a = 0; a < view.labels.size(); ++a) {
    const Tally& all = task.tallies[a].back();
    std::string cells =
        row_head(view.labels[a]) + count_cell(all.answered) +
        (all.labelled > 0 ? count_cell(all.correct) : number_cell(std::string(kMissing), {})) +
        html_accuracy_cell(all);
    if (by_length) cells += number_cell(html_percent(all.accuracy_by_length()), all.accuracy_by_length());
    if (with_f1) cells += number_cell(html_percent(all.mean_f1()), all.mean_f1());
    if (unmatched) cells += count_cell(all.unmatched);
    if (!view.loglikelihood) {
      cells += rate_cell(all.unparsed, all) + rate_cell(all.truncated, all);
      if (stopped) cells += rate_cell(all.stopped, all);
      if (unfinished) cells += number_cell(unfinished_text(all), static_cast<double>(all.read_unfinished));
      cells += rate_cell(all.empty, all) + decimal_cell(all.mean_generated_tokens());
    }
    rows += html_row(cells);
  }
  return html_table(task.task + ": arms over all questions, accuracy with 95% interval (Wilson)", head,
                    "<tbody>\n" + rows + "</tbody>\n");
}

std::string subjects_table(const ReportView& view, const TaskComparison& task) {
  std::string head = column_head("subject") + column_head("category") + number_column_head("n");
  for (const std::string& label : view.labels) head += number_column_head(label);
  const auto cells = [&](std::size_t s) {
    const std::string& category = task.sets[s].category;
    std::string html = text_cell(category.empty() ? "" : shown_group(category, 40)) +
                       count_cell(task.tallies[0][s].answered);
    for (const std::vector<Tally>& arm : task.tallies) html += html_accuracy_cell(arm[s]);
    return html;
  };
  return html_table(task.task + ": accuracy in % with 95% interval (Wilson)", head,
                    html_set_rows(task, cells));
}

std::string fact(const std::string& name, const std::string& value) {
  if (value.empty()) return "";
  return "<div><dt>" + html_escape(name) + "</dt><dd>" + html_escape(value) + "</dd></div>\n";
}

// A detail of the last session that is a text.
std::string session_text(const RunRecord& record, const char* key) {
  if (record.sessions.empty() || !record.sessions.back().is_object()) return "";
  const auto at = record.sessions.back().find(key);
  return at != record.sessions.back().end() && at->is_string() ? at->get<std::string>() : "";
}

}  // namespace

std::string set_label(const ItemSet& set) {
  if (set.kind == ItemSet::Kind::kAll) return "All questions";
  if (set.kind == ItemSet::Kind::kSubject) return set.name;
  std::string label = shown_group(set.name, 40);
  if (label[0] >= 'a' && label[0] <= 'z' && label != "non-STEM")
    label[0] = static_cast<char>(label[0] - 'a' + 'A');
  return label;
}

std::string html_accuracy_cell(const Tally& tally) {
  return number_cell(
      html_with_interval(html_percent(tally.accuracy()), html_interval(accuracy_interval(tally))),
      tally.accuracy());
}

std::string html_set_rows(const TaskComparison& task, const std::function<std::string(std::size_t)>& cells) {
  std::string groups, subjects;
  std::size_t count = 0;
  for (std::size_t s = 0; s < task.sets.size(); ++s) {
    if (task.sets[s].kind == ItemSet::Kind::kSubject) {
      subjects += html_row(row_head(set_label(task.sets[s])) + cells(s));
      ++count;
    } else {
      const bool all = task.sets[s].kind == ItemSet::Kind::kAll;
      const std::string row = html_row(row_head(set_label(task.sets[s])) + cells(s), all);
      groups = all ? row + groups : groups + row;
    }
  }
  std::string html = "<tbody>\n" + groups + "</tbody>\n";
  if (count > 1) html += "<tbody>\n" + subjects + "</tbody>\n";
  return html;
}

ReportView report_view(const Comparison& comparison, std::vector<std::string> runs,
                       std::vector<RunRecord> records) {
  std::vector<std::string> labels = arm_labels(comparison.arms, runs);
  const bool loglikelihood =
      comparison.arms.front().arm.prompt == prompt_kind_name(PromptKind::kLoglikelihood);
  return {comparison, std::move(runs), std::move(records), std::move(labels), loglikelihood};
}

std::string html_masthead(const ReportView& view, const std::string& title) {
  std::string tasks, models, started;
  std::int64_t questions = 0;
  for (const TaskComparison& task : view.comparison.tasks) {
    tasks += (tasks.empty() ? "" : ", ") + task.task;
    questions += task.tallies[0].back().items;
  }
  for (const RunRecord& record : view.records) {
    const std::string model = session_text(record, "model_path");
    if (!model.empty() && models != model) models += (models.empty() ? "" : " and ") + model;
    started = session_text(record, "started");
  }
  std::string html = "<header class=\"masthead\">\n<div>\n<p class=\"kind\">Refocus report</p>\n<h1>" +
                     html_escape(title) + "</h1>\n<dl class=\"facts\">\n";
  html += fact("Model", models) + fact("Task", tasks) + fact("Questions", with_thousands(questions)) +
          fact("Arms", with_thousands(std::ssize(view.labels))) +
          fact("Letters read by",
               view.loglikelihood ? "log-likelihood" : view.comparison.arms[0].arm.rules + " rules") +
          fact("Answered", started.substr(0, 10));
  return html + "</dl>\n</div>\n</header>\n";
}

std::string html_findings(const ReportView& view, const std::string& selections) {
  std::string items = selections, notes;
  std::size_t pairs = 0, told = 0, unchanged = 0;
  const std::size_t most = selections.empty() ? kMostFindings : 0;  // what a sweep selected says it all
  for (const TaskComparison& task : view.comparison.tasks) {
    pairs += task.pairs.size();
    const PairOrder order = order_by_effect(view.comparison, task);
    const bool fold = order.unchanged.size() > 1;  // what did not change is a number, not a list
    if (fold) unchanged += order.unchanged.size();
    for (const std::size_t place : fold ? order.changed() : order.all()) {
      if (told == most) break;
      items += finding(view, task, task.pairs[place]);
      ++told;
    }
    for (std::size_t a = 0; task.pairs.empty() && a < view.labels.size(); ++a) {
      items += arm_finding(view, task, a);
    }
  }
  if (unchanged > 0 && selections.empty()) {
    notes += "<p class=\"note\">" + unchanged_text(unchanged) + ".</p>\n";
    told += unchanged;
  }
  if (pairs > told) {
    notes += fmt::format(
        "<p class=\"note\">{} {}comparisons of arms are in <a href=\"#comparisons\">the table "
        "below</a>.</p>\n",
        pairs - told, told > 0 ? "more " : "");
  }
  return "<section id=\"findings\" aria-label=\"What was found\">\n<ul class=\"findings\">\n" + items +
         "</ul>\n" + notes + "</section>\n";
}

std::string html_arms(const ReportView& view) {
  std::string html =
      "<section id=\"arms\" aria-labelledby=\"arms-title\">\n<h2 id=\"arms-title\">Arms</h2>\n";
  for (const TaskComparison& task : view.comparison.tasks) html += arms_table(view, task);
  for (std::size_t r = 0; r < view.records.size(); ++r) {
    const auto left_out = view.records[r].identity.find("left_out_long");
    if (left_out == view.records[r].identity.end()) continue;
    html += "<p class=\"note\">" + html_escape(view.runs.size() > 1 ? view.runs[r] + ": " : "") +
            html_escape(left_out_text(left_out->get<LeftOut>())) + "</p>\n";
  }
  html += "<details class=\"names\"><summary>What the arms are</summary>\n";
  std::string rows;
  for (std::size_t a = 0; a < view.labels.size(); ++a) {
    const FinishedArm& arm = view.comparison.arms[a].arm;
    rows += html_row(row_head(view.labels[a]) + text_cell(arm.prompt) + text_cell(arm.intervention) +
                     text_cell(arm.name));
  }
  html += html_table(
      "Names of arms",
      column_head("arm") + column_head("prompt") + column_head("intervention") + column_head("folder"),
      "<tbody>\n" + rows + "</tbody>\n", false);
  return html + "</details>\n</section>\n";
}

std::string html_subjects(const ReportView& view) {
  std::string tables;
  for (const TaskComparison& task : view.comparison.tasks) {
    if (has_subjects(task)) tables += subjects_table(view, task);
  }
  if (tables.empty()) return "";
  return "<section id=\"subjects\" aria-labelledby=\"subjects-title\">\n<h2 "
         "id=\"subjects-title\">Subjects</h2>\n" +
         tables + "</section>\n";
}

}  // namespace refocus
