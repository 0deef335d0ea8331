#include "eval/report/comparison_markup.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/error.h"
#include "eval/report/comparison_rows.h"
#include "eval/report/comparison_text.h"
#include "eval/score/arm_labels.h"
#include "eval/text/table_text.h"

namespace refocus {
namespace {

using Kind = PrintedColumn::Kind;

constexpr const char* kNoteOfDifferences =
    "Differences are arm minus baseline over the same n questions, in percentage points, with 95% score "
    "intervals for "
    "paired proportions (Tango 1998). p: McNemar's exact test, two-sided";
constexpr const char* kNoteOfFlips =
    " Fixed: wrong in the baseline and right in the arm; broken: the other way round.";

std::string interval_text(const std::optional<Interval>& interval, std::string (*end_text)(double)) {
  return interval ? fmt::format("[{}, {}]", end_text(interval->low), end_text(interval->high)) : "-";
}
std::string percent_end(double fraction) { return percent_text(fraction); }

// "worlds-arms": of letters, digits and hyphens.
std::string label_of(const std::string& task, const std::string& what) {
  std::string out;
  for (const char c : task + "-" + what) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (plain) {
      out += c;
    } else if (!out.ends_with('-')) {
      out += '-';
    }
  }
  return out;
}

// A comparison with what its tables call things.
class Tables {
 public:
  Tables(const Comparison& comparison, const std::vector<std::string>& runs)
      : comparison_(comparison), labels_(arm_labels(comparison.arms, runs)) {
    for (std::string& label : labels_) label = printable(label, 400);
  }

  std::vector<PrintedTable> all() const {
    std::vector<PrintedTable> out;
    for (const TaskComparison& task : comparison_.tasks) {
      out.push_back(arms_table(task));
      const bool scored = kind_of(comparison_, task).type != AnswerType::kTranscript;
      if (!scored) {
        out.push_back(turns_table(task));
        continue;
      }
      out.push_back(differences_table(task));
      if (comparison_rows(task).subjects.empty()) continue;
      for (std::size_t p = 0; p < task.pairs.size(); ++p) out.push_back(subjects_table(task, p));
    }
    return out;
  }

 private:
  std::string name(const TaskComparison& task) const { return printable(task.task, 200); }
  std::string metric(const TaskComparison& task) const {
    return std::string(kind_of(comparison_, task).metric_title());
  }

  PrintedTable arms_table(const TaskComparison& task) const {
    PrintedTable out;
    out.label = label_of(task.task, "arms");
    const bool scored = kind_of(comparison_, task).type != AnswerType::kTranscript;
    const bool texts = task.tallies.front().back().scored == 0;
    const bool f1 = task.tallies.front().back().mean_f1().has_value();
    out.columns = {{Kind::kText, "Arm"}, {Kind::kNumber, "n"}};
    if (scored) {
      out.columns.push_back({Kind::kNumber, metric(task) + " (%)"});
      out.columns.push_back({Kind::kInterval, "95% interval"});
    }
    if (f1) out.columns.push_back({Kind::kNumber, "F1 (%)"});
    if (texts && scored) out.columns.push_back({Kind::kNumber, "unparsed"});
    if (texts) {
      out.columns.push_back({Kind::kNumber, "truncated"});
      out.columns.push_back({Kind::kNumber, "mean tokens"});
    }
    for (std::size_t a = 0; a < comparison_.arms.size(); ++a) {
      const Tally& tally = task.tallies[a].back();
      std::vector<std::string> cells = {labels_[a], with_thousands(scored ? tally.labelled : tally.answered)};
      if (scored) {
        cells.push_back(percent_text(tally.accuracy()));
        cells.push_back(interval_text(accuracy_interval(tally), percent_end));
      }
      if (f1) cells.push_back(one_decimal(in_percent(tally.mean_f1())));
      if (texts && scored) cells.push_back(rate_text(tally.unparsed, tally));
      if (texts) {
        cells.push_back(rate_text(tally.truncated, tally));
        cells.push_back(one_decimal(tally.mean_generated_tokens()));
      }
      out.rows.push_back({std::move(cells)});
    }
    out.caption = scored ? fmt::format("{}: {} of each arm.", name(task), metric(task))
                         : fmt::format("{}: answers of each arm.", name(task));
    if (scored) {
      out.note =
          "n: questions whose right answer is known. Intervals: Wilson's score interval of each arm alone.";
      if (texts) out.note += " Unparsed: no answer was found, which counts as wrong.";
    }
    if (texts)
      out.note +=
          (out.note.empty() ? "" : " ") + std::string("Truncated: cut off at the limit of new tokens.");
    return out;
  }

  // Turns of a transcript, which are not right or wrong.
  PrintedTable turns_table(const TaskComparison& task) const {
    PrintedTable out;
    out.label = label_of(task.task, "turns");
    out.caption = name(task) + ": turns whose texts differ.";
    out.columns = {
        {Kind::kText, "Baseline"}, {Kind::kText, "Arm"}, {Kind::kNumber, "turns"}, {Kind::kNumber, "differ"}};
    for (const PairComparison& pair : task.pairs) {
      out.rows.push_back({{labels_[pair.pair.baseline], labels_[pair.pair.arm],
                           with_thousands(task.tallies[pair.pair.baseline].back().answered),
                           with_thousands(pair.numbers.back().differing.value_or(0))}});
    }
    return out;
  }

  // The columns of a pair's numbers; `corrected`: with Holm's.
  static void add_columns(bool corrected, bool f1, PrintedTable& out) {
    for (const char* title : {"n", "baseline (%)", "arm (%)", "difference (points)"}) {
      out.columns.push_back({Kind::kNumber, title});
    }
    out.columns.push_back({Kind::kInterval, "95% interval"});
    out.columns.push_back({Kind::kNumber, "p"});
    if (corrected) out.columns.push_back({Kind::kNumber, "p (Holm)"});
    out.columns.push_back({Kind::kNumber, "fixed"});
    out.columns.push_back({Kind::kNumber, "broken"});
    if (!f1) return;
    out.columns.push_back({Kind::kNumber, "F1 (points)"});
    out.columns.push_back({Kind::kInterval, "95% interval"});
  }

  static void add_cells(const TaskComparison& task, const PairComparison& pair, std::size_t set,
                        bool corrected, bool f1, std::vector<std::string>& cells) {
    const PairedNumbers& numbers = pair.numbers[set];
    const auto points_of = [](const std::optional<double>& value) {
      return value ? points_text(*value) : "-";
    };
    cells.insert(
        cells.end(),
        {with_thousands(numbers.items), percent_text(task.tallies[pair.pair.baseline][set].accuracy()),
         percent_text(task.tallies[pair.pair.arm][set].accuracy()), points_of(numbers.difference),
         interval_text(numbers.interval, points_end), p_text(numbers.p)});
    if (corrected) cells.push_back(p_text(numbers.p_holm));
    cells.push_back(with_thousands(numbers.fixed));
    cells.push_back(with_thousands(numbers.broken));
    if (!f1) return;
    cells.push_back(points_of(numbers.f1_difference));
    cells.push_back(interval_text(numbers.f1_interval, points_end));
  }

  static bool has_f1(const TaskComparison& task) {
    return std::ranges::any_of(
        task.pairs, [](const PairComparison& pair) { return pair.numbers.back().f1_difference.has_value(); });
  }
  std::string f1_note(const TaskComparison& task) const {
    if (!has_f1(task)) return "";
    return fmt::format(" F1: difference of means with 95% interval by paired bootstrap (seed {}).",
                       comparison_.seed);
  }

  PrintedTable differences_table(const TaskComparison& task) const {
    PrintedTable out;
    out.label = label_of(task.task, "differences");
    out.caption = fmt::format("{}: paired differences in {} between arms.", name(task), metric(task));
    out.columns = {{Kind::kText, "Baseline"}, {Kind::kText, "Arm"}};
    add_columns(false, has_f1(task), out);
    for (const PairComparison& pair : task.pairs) {
      std::vector<std::string> cells = {labels_[pair.pair.baseline], labels_[pair.pair.arm]};
      add_cells(task, pair, task.sets.size() - 1, false, has_f1(task), cells);
      out.rows.push_back({std::move(cells)});
    }
    out.note = std::string(kNoteOfDifferences) + ", not corrected for the number of rows." + kNoteOfFlips +
               f1_note(task);
    return out;
  }

  PrintedTable subjects_table(const TaskComparison& task, std::size_t place) const {
    const PairComparison& pair = task.pairs[place];
    PrintedTable out;
    out.label = label_of(task.task, fmt::format("subjects-{}", place + 1));
    out.caption = fmt::format("{}: {} by subject, {}.", name(task), metric(task),
                              pair_label(comparison_, labels_, pair.pair));
    out.columns = {{Kind::kText, "Subject"}};
    add_columns(true, has_f1(task), out);
    const ComparisonRows rows = comparison_rows(task);
    const auto add = [&](const ComparisonRow& row, bool rule) {
      PrintedRow& to = out.rows.emplace_back(PrintedRow{{row.label}, !row.set, rule});
      if (row.set) add_cells(task, pair, *row.set, true, has_f1(task), to.cells);
    };
    for (const ComparisonRow& row : rows.subjects) add(row, false);
    for (const ComparisonRow& row : rows.totals) add(row, &row == &rows.totals.front());
    out.note = std::string(kNoteOfDifferences) +
               "; Holm: corrected over the subjects of this table (Holm 1979)." + kNoteOfFlips +
               f1_note(task);
    return out;
  }

  const Comparison& comparison_;
  std::vector<std::string> labels_;  // [arms]
};

// What labels stand for.
std::vector<std::string> meanings(const Comparison& comparison, const std::vector<std::string>& runs) {
  const std::vector<std::string> labels = arm_labels(comparison.arms, runs);
  std::vector<std::string> out;
  for (std::size_t a = 0; a < labels.size(); ++a) {
    const FinishedArm& arm = comparison.arms[a].arm;
    out.push_back(
        fmt::format("{}: {}, {}", printable(labels[a], 400), arm.prompt, printable(arm.intervention, 1000)));
  }
  return out;
}

}  // namespace

std::vector<PrintedTable> comparison_tables(const Comparison& comparison,
                                            const std::vector<std::string>& runs) {
  return Tables(comparison, runs).all();
}

std::string comparison_latex(const Comparison& comparison, const std::vector<std::string>& runs) {
  std::string out = "% Needs \\usepackage{booktabs}. The arms:\n";
  for (const std::string& line : meanings(comparison, runs)) out += "%   " + line + "\n";
  for (const PrintedTable& table : comparison_tables(comparison, runs)) out += "\n" + latex_text(table);
  return out;
}

std::string comparison_markdown(const Comparison& comparison, const std::vector<std::string>& runs) {
  std::string out;
  for (const PrintedTable& table : comparison_tables(comparison, runs)) out += markdown_text(table) + "\n";
  out += "Arms:\n\n";
  for (const std::string& line : meanings(comparison, runs)) out += "- " + markdown_escaped(line) + "\n";
  return out;
}

}  // namespace refocus
