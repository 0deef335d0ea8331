#include "eval/report/html_comparisons.h"

#include <fmt/core.h>

#include <algorithm>

#include "eval/report/pair_effect.h"
#include "eval/score/arm_labels.h"
#include "eval/text/html_text.h"
#include "eval/text/table_text.h"
#include "web/page.h"

namespace refocus {
namespace {

std::string points_cell(const std::optional<double>& difference, const std::optional<Interval>& interval) {
  return number_cell(difference ? html_with_interval(html_points(*difference), html_points_interval(interval))
                                : std::string(kMissing),
                     difference);
}

std::string difference_cells(const PairedNumbers& numbers) {
  return points_cell(numbers.difference, numbers.interval) + number_cell(html_p(numbers.p), numbers.p);
}

// The pairs of a task in one table or several.
class PairTable {
 public:
  PairTable(const ReportView& view, const TaskComparison& task)
      : view_(view), task_(task), with_f1_(std::ranges::any_of(task.pairs, [](const PairComparison& pair) {
          return pair.numbers.back().f1_difference.has_value();
        })) {}

  // A body of the table; `heading` may be empty.
  std::string body(const std::vector<std::size_t>& places, const std::string& heading) const {
    if (places.empty()) return "";
    std::string rows;
    if (!heading.empty()) {
      rows += fmt::format("<tr class=\"group\"><th scope=\"rowgroup\" colspan=\"{}\">{}</th></tr>\n",
                          with_f1_ ? 7 : 6, html_escape(heading));
    }
    for (const std::size_t place : places) rows += row(place);
    return "<tbody>\n" + rows + "</tbody>\n";
  }

  std::string table(const std::string& caption, const std::string& bodies) const {
    return html_table(caption,
                      column_head("arm") + column_head("baseline") +
                          number_column_head("difference, points") + number_column_head("p") +
                          number_column_head("fixed") + number_column_head("broken") +
                          (with_f1_ ? number_column_head("F1, points (bootstrap)") : ""),
                      bodies);
  }

 private:
  // data-place: the place of the pair as the arms were asked, for the page to sort by.
  std::string row(std::size_t place) const {
    const PairComparison& pair = task_.pairs[place];
    const PairedNumbers& all = pair.numbers.back();
    return fmt::format("<tr data-place=\"{}\">", place) + row_head(view_.labels[pair.pair.arm]) +
           text_cell(view_.labels[pair.pair.baseline]) + difference_cells(all) + count_cell(all.fixed) +
           count_cell(all.broken) + (with_f1_ ? points_cell(all.f1_difference, all.f1_interval) : "") +
           "</tr>\n";
  }

  const ReportView& view_;
  const TaskComparison& task_;
  bool with_f1_;
};

std::string pairs_tables(const ReportView& view, const TaskComparison& task) {
  PairOrder order = order_by_effect(view.comparison, task);
  const bool fold = order.unchanged.size() > 1;
  if (!fold) {  // one row is no shorter folded
    order.same_prompt.insert(order.same_prompt.end(), order.unchanged.begin(), order.unchanged.end());
  }
  const bool both = !order.same_prompt.empty() && !order.prompts.empty();
  const PairTable pairs(view, task);
  const std::string bodies = pairs.body(order.same_prompt, both ? "Arms with the same prompt" : "") +
                             pairs.body(order.prompts, both ? "Different prompts" : "");
  std::string html;
  if (!bodies.empty()) {
    html = "<div class=\"by-effect\">\n" +
           pairs.table(task.task +
                           ": differences over all questions, with 95% interval (Tango) and "
                           "McNemar’s exact p",
                       bodies) +
           "</div>\n";
  }
  if (!fold) return html;
  return html + "<details class=\"unchanged\"><summary>" + unchanged_text(order.unchanged.size()) +
         "</summary>\n" +
         pairs.table(task.task + ": comparisons in which no question has another outcome",
                     pairs.body(order.unchanged, "")) +
         "</details>\n";
}

std::string pair_section(const ReportView& view, std::size_t t, std::size_t p, bool unchanged) {
  const TaskComparison& task = view.comparison.tasks[t];
  const PairComparison& pair = task.pairs[p];
  const std::string label = (view.comparison.tasks.size() > 1 ? task.task + ": " : "") +
                            pair_label(view.comparison, view.labels, pair.pair);
  const std::string head =
      column_head("subject") + number_column_head("n") + number_column_head("baseline, %") +
      number_column_head("arm, %") + number_column_head("difference, points") + number_column_head("p") +
      number_column_head("p, Holm") + number_column_head("fixed") + number_column_head("broken");
  const auto cells = [&](std::size_t s) {
    const PairedNumbers& numbers = pair.numbers[s];
    const auto base = task.tallies[pair.pair.baseline][s].accuracy(),
               arm = task.tallies[pair.pair.arm][s].accuracy();
    const bool subject = task.sets[s].kind == ItemSet::Kind::kSubject;
    return count_cell(numbers.items) + number_cell(html_percent(base), base) +
           number_cell(html_percent(arm), arm) + difference_cells(numbers) +
           number_cell(subject ? html_p(numbers.p_holm) : "", numbers.p_holm) + count_cell(numbers.fixed) +
           count_cell(numbers.broken);
  };
  return fmt::format(
             "<section class=\"pair{2}\" id=\"{0}\" aria-labelledby=\"{0}-title\">\n<h3 "
             "id=\"{0}-title\">{1}</h3>\n",
             pair_id(t, p), html_escape(label), unchanged ? " unchanged" : "") +
         html_table(label + ": by subject", head, html_set_rows(task, cells)) + "</section>\n";
}

}  // namespace

std::string pair_id(std::size_t task, std::size_t pair) { return fmt::format("pair-{}-{}", task, pair); }

std::string unchanged_text(std::size_t pairs) {
  return fmt::format("{} comparison{} without a discordant pair",
                     with_thousands(static_cast<std::int64_t>(pairs)), pairs == 1 ? "" : "s");
}

std::string html_comparisons(const ReportView& view) {
  const std::vector<TaskComparison>& tasks = view.comparison.tasks;
  if (tasks.empty() || tasks[0].pairs.empty()) return "";
  std::string html =
      "<section id=\"comparisons\" aria-labelledby=\"comparisons-title\">\n"
      "<h2 id=\"comparisons-title\">Comparisons</h2>\n"
      "<p class=\"note\">A question is <em>fixed</em> where the baseline is wrong and the arm right, and "
      "<em>broken</em> the other way round; either is a discordant pair. p of subjects are also given after "
      "Holm’s correction over all subjects of the task.</p>\n";
  for (const TaskComparison& task : tasks) html += pairs_tables(view, task);
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    const PairOrder order = order_by_effect(view.comparison, tasks[t]);
    const std::size_t changed = order.changed().size();
    const std::vector<std::size_t> all = order.all();
    for (std::size_t i = 0; i < all.size(); ++i) html += pair_section(view, t, all[i], i >= changed);
  }
  return html + "</section>\n";
}

}  // namespace refocus
