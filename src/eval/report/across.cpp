#include "eval/report/across.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "base/error.h"
#include "eval/journal/run_directory.h"
#include "eval/journal/sessions.h"
#include "eval/report/comparison_rows.h"
#include "eval/report/comparison_text.h"
#include "eval/score/arm_labels.h"
#include "eval/score/test_family.h"
#include "eval/text/display_width.h"
#include "eval/text/json_values.h"
#include "eval/text/table_text.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;

std::string model_of(const std::string& run) {
  const RunRecord record = read_run_record(run);
  const ordered_json* session = newest_session_with(record, "model");
  return session != nullptr && (*session)["model"].is_string() ? (*session)["model"].get<std::string>() : "";
}

// "none" of "cot, none".
std::string without_prompt(const std::string& label, const std::string& prompt) {
  const std::string head = prompt + ", ";
  return label.starts_with(head) ? label.substr(head.size()) : label;
}

// Of one run, with the names that were found.
class RunRows {
 public:
  RunRows(const std::string& run, const AcrossOptions& options, std::set<std::string>& found)
      : run_(run), model_(model_of(run)), options_(options), found_(found) {}

  void add_to(std::vector<AcrossRow>& rows) {
    const std::size_t before = rows.size();
    if (options_.baseline.empty()) {
      add(compare_runs(read_finished_run(run_), {}, {}), rows);
    } else {
      for (const FinishedArm& arm : read_finished_run(run_)) {
        if (!is_called(arm.name, arm.prompt, options_.baseline)) continue;
        found_.insert(options_.baseline);
        ComparisonOptions comparing;
        comparing.baseline = arm.name;
        add(compare_runs(read_finished_run(run_), {}, comparing), rows);
      }
    }
    if (rows.size() > before || !options_.arms.empty() || !options_.baseline.empty()) return;
    throw input_error(printable(run_, 200),
                      "expected arms that can be compared, got none; leave the run out");
  }

 private:
  bool shows(const FinishedArm& arm) {
    if (options_.arms.empty()) return true;
    bool any = false;
    for (const std::string& name : options_.arms) {
      if (!is_called(arm.name, arm.prompt, name)) continue;
      found_.insert(name);
      any = true;
    }
    return any;
  }

  void add(const Comparison& comparison, std::vector<AcrossRow>& rows) {
    const std::vector<std::string> labels = arm_labels(comparison.arms, {});
    for (const TaskComparison& task : comparison.tasks) {
      const TaskKind& kind = kind_of(comparison, task);
      if (kind.type == AnswerType::kTranscript) continue;
      for (const PairComparison& pair : task.pairs) {
        const FinishedArm &base = comparison.arms[pair.pair.baseline].arm,
                          &arm = comparison.arms[pair.pair.arm].arm;
        if (base.prompt != arm.prompt || !shows(arm)) continue;
        rows.push_back({run_, model_, task.task, arm.prompt,
                        without_prompt(labels[pair.pair.arm], arm.prompt),
                        without_prompt(labels[pair.pair.baseline], arm.prompt),
                        std::string(kind.metric_title()), task.tallies[pair.pair.baseline].back().accuracy(),
                        task.tallies[pair.pair.arm].back().accuracy(), pair.numbers.back()});
      }
    }
  }

  std::string run_, model_;
  const AcrossOptions& options_;
  std::set<std::string>& found_;
};

// Of one pair of arms together, as they first appear.
void group(std::vector<AcrossRow>& rows) {
  std::vector<std::string> order;
  for (const AcrossRow& row : rows) {
    if (std::ranges::find(order, row.compared()) == order.end()) order.push_back(row.compared());
  }
  const auto place = [&](const AcrossRow& row) { return std::ranges::find(order, row.compared()); };
  std::ranges::stable_sort(rows, [&](const AcrossRow& a, const AcrossRow& b) { return place(a) < place(b); });
}

void correct(std::vector<AcrossRow>& rows) {
  std::vector<PairedNumbers*> family;
  for (AcrossRow& row : rows) family.push_back(&row.numbers);
  correct_family(family);
}

std::string asked(const AcrossRow& row) {
  std::string out = printable(row.task, 200);
  if (!row.model.empty()) out += ", " + printable(row.model, 200);
  if (row.prompt != "loglikelihood") out += ", " + row.prompt;
  return out;
}

void label(std::vector<AcrossRow>& rows) {
  std::map<std::pair<std::string, std::string>, int> uses;
  for (const AcrossRow& row : rows) ++uses[{row.compared(), asked(row)}];
  for (AcrossRow& row : rows) {
    row.label = asked(row);
    if (uses[{row.compared(), asked(row)}] == 1) continue;
    row.label +=
        fmt::format(" ({})", printable(std::filesystem::path(row.run).lexically_normal().string(), 200));
  }
}

std::string method(const std::vector<AcrossRow>& rows) {
  return fmt::format(
      "McNemar's exact test, two-sided; Holm over all {} rows; differences in points with 95% score "
      "intervals "
      "for paired proportions (Tango 1998)",
      rows.size());
}

}  // namespace

std::string AcrossRow::compared() const {
  return printable(arm, 400) + " against " + printable(baseline, 400);
}

std::vector<AcrossRow> compare_across(const std::vector<std::string>& runs, const AcrossOptions& options) {
  std::vector<AcrossRow> rows;
  std::set<std::string> found;
  for (const std::string& run : runs) RunRows(run, options, found).add_to(rows);
  const auto expect = [&](const char* option, const std::string& name) {
    if (name.empty() || found.contains(name)) return;
    throw usage_error(option, "expected an arm of these runs, got '{}'; `refocus compare RUN` lists them",
                      printable(name));
  };
  expect("--baseline", options.baseline);
  for (const std::string& name : options.arms) expect("--arms", name);
  if (rows.empty()) {
    throw input_error("compare", "expected answers that are right or wrong, in two arms of a run, got none");
  }
  group(rows);
  correct(rows);
  label(rows);
  return rows;
}

std::string across_table(const std::vector<AcrossRow>& rows) {
  int width = 0;
  for (const AcrossRow& row : rows) width = std::max(width, display_width(row.label));
  TextLines table;
  table.line(method(rows));
  std::string pair;
  for (const AcrossRow& row : rows) {
    if (row.compared() != pair) {
      pair = row.compared();
      table.line();
      table.line(pair);
      table.line("  " + left("", width) + right("n", 7) + right("base", 6) + right("arm", 6) +
                 right("difference", 21) + right("p", 8) + right("Holm", 8) + right("fixed", 7) +
                 right("broken", 7));
    }
    const PairedNumbers& numbers = row.numbers;
    table.line("  " + left(row.label, width) + right(with_thousands(numbers.items), 7) +
               right(percent_text(row.before), 6) + right(percent_text(row.after), 6) +
               right(difference_text(numbers), 21) + right(p_text(numbers.p), 8) +
               right(p_text(numbers.p_holm), 8) + right(with_thousands(numbers.fixed), 7) +
               right(with_thousands(numbers.broken), 7));
  }
  return table.take();
}

PrintedTable across_printed(const std::vector<AcrossRow>& rows) {
  using Kind = PrintedColumn::Kind;
  PrintedTable out;
  out.label = "across-runs";
  out.caption = "Paired differences between arms, of each run over all its questions.";
  out.columns = {{Kind::kText, "Run"},
                 {Kind::kNumber, "n"},
                 {Kind::kNumber, "baseline (%)"},
                 {Kind::kNumber, "arm (%)"},
                 {Kind::kNumber, "difference (points)"},
                 {Kind::kInterval, "95% interval"},
                 {Kind::kNumber, "p"},
                 {Kind::kNumber, "p (Holm)"},
                 {Kind::kNumber, "fixed"},
                 {Kind::kNumber, "broken"}};
  std::string pair;
  for (const AcrossRow& row : rows) {
    if (row.compared() != pair) {
      pair = row.compared();
      out.rows.push_back({{pair}, true, !out.rows.empty()});
    }
    const PairedNumbers& numbers = row.numbers;
    out.rows.push_back({{row.label, with_thousands(numbers.items), percent_text(row.before),
                         percent_text(row.after), numbers.difference ? points_text(*numbers.difference) : "-",
                         numbers.interval ? fmt::format("[{}, {}]", points_end(numbers.interval->low),
                                                        points_end(numbers.interval->high))
                                          : "-",
                         p_text(numbers.p), p_text(numbers.p_holm), with_thousands(numbers.fixed),
                         with_thousands(numbers.broken)}});
  }
  out.note =
      method(rows) + ". Fixed: wrong in the baseline and right in the arm; broken: the other way round.";
  return out;
}

ordered_json across_json(const std::vector<AcrossRow>& rows) {
  ordered_json out = {{"format", "refocus-across"}, {"version", 1}, {"rows", ordered_json::array()}};
  for (const AcrossRow& row : rows) {
    const PairedNumbers& numbers = row.numbers;
    ordered_json interval;
    if (numbers.interval) interval = {numbers.interval->low, numbers.interval->high};
    out["rows"].push_back({{"run", row.run},
                           {"model", row.model},
                           {"task", row.task},
                           {"prompt", row.prompt},
                           {"arm", row.arm},
                           {"baseline", row.baseline},
                           {"n", numbers.items},
                           {"baseline_accuracy", or_null(row.before)},
                           {"arm_accuracy", or_null(row.after)},
                           {"fixed", numbers.fixed},
                           {"broken", numbers.broken},
                           {"difference", or_null(numbers.difference)},
                           {"difference_interval", interval},
                           {"p", or_null(numbers.p)},
                           {"p_holm", or_null(numbers.p_holm)}});
  }
  return out;
}

figure::Picture across_forest(const std::vector<AcrossRow>& rows, const figure::Style& style) {
  figure::RowChart chart;
  chart.reference = 0;
  chart.within = figure::Range{-100, 100};
  chart.label = fmt::format("Difference in {} (points)", rows.front().metric);
  chart.numbers_title = "difference [95%]";
  std::string pair;
  for (const AcrossRow& row : rows) {
    if (row.compared() != pair) {
      pair = row.compared();
      chart.rows.push_back({.label = pair, .heading = true});
    }
    figure::ChartRow& out = chart.rows.emplace_back();
    out.label = row.label;
    out.numbers = difference_text(row.numbers);
    if (!row.numbers.difference) continue;
    figure::RowMark mark{.value = 100 * *row.numbers.difference};
    if (row.numbers.interval)
      mark.interval = {100 * row.numbers.interval->low, 100 * row.numbers.interval->high};
    out.marks.push_back(mark);
  }
  const auto different = std::ranges::count_if(
      rows, [](const AcrossRow& row) { return row.numbers.p_holm && *row.numbers.p_holm <= 0.05; });
  return figure::row_chart(
      chart, style,
      fmt::format(
          "Difference in {} of each run over all its questions, in percentage points, with 95% score "
          "intervals "
          "for paired proportions (Tango 1998). McNemar's exact test, two-sided, after Holm over all {} "
          "rows: {} of them at most 0.05.",
          rows.front().metric, rows.size(), different == 0 ? "none" : std::to_string(different)));
}

}  // namespace refocus
