#include "eval/report/comparison_table.h"

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "eval/report/comparison_rows.h"
#include "eval/report/comparison_text.h"
#include "eval/text/display_width.h"
#include "eval/text/table_text.h"

namespace refocus {
namespace {

constexpr int kCountWidth = 6;        // "14,042": only totals have so many, and these have short labels
constexpr int kAccuracyWidth = 6;     // "100.0" and a gap
constexpr int kIntervalWidth = 21;    // "100.0 [100.0, 100.0]" and a gap
constexpr int kDifferenceWidth = 23;  // "-33.3 [-100.0, +33.3]" and a gap
constexpr int kValueWidth = 7;        // "<.0001" and a gap
constexpr int kFixedWidth = 6, kBrokenWidth = 7;

std::string arm_text(const ComparedArm& arm, const std::vector<std::string>& runs) {
  const std::string name = printable(arm.arm.name, 200);
  if (runs.empty()) return name;
  return fmt::format("{} of {}", name, printable(runs[static_cast<std::size_t>(arm.run)], 200));
}

// For a legend: with the intervention, where the name does not tell it.
std::string legend_text(const ComparedArm& arm, const std::vector<std::string>& runs) {
  const std::string name = arm_text(arm, runs);
  return arm.arm.given_name().empty() ? name : name + "  " + printable(arm.arm.intervention, 1000);
}

// The rows as columns of text have them.
struct Rows {
  std::vector<ComparisonRow> subjects, totals;
  int width = 12;  // of labels
};

Rows rows_of(const TaskComparison& task) {
  ComparisonRows found = comparison_rows(task);
  Rows rows{std::move(found.subjects), std::move(found.totals)};
  for (ComparisonRow& row : rows.subjects) {
    if (row.under_heading) row.label = "  " + row.label;
  }
  for (const auto* list : {&rows.subjects, &rows.totals}) {
    for (const ComparisonRow& row : *list) rows.width = std::max(rows.width, display_width(row.label));
  }
  return rows;
}

// Writes the header, the subjects, a rule, and the header and totals again.
void write_rows(TextLines& table, const Rows& rows, const std::string& header,
                const std::function<std::string(std::size_t)>& cells) {
  const auto write = [&](const std::vector<ComparisonRow>& list) {
    table.line(left("", rows.width) + header);
    for (const ComparisonRow& row : list)
      table.line(left(row.label, rows.width) + (row.set ? cells(*row.set) : ""));
  };
  if (!rows.subjects.empty()) {
    write(rows.subjects);
    table.rule(rows.width + display_width(header));
  }
  write(rows.totals);
}

void write_arms(TextLines& table, const Comparison& comparison, const TaskComparison& task, const Rows& rows,
                int columns) {
  const std::size_t arms = comparison.arms.size();
  const bool transcript = kind_of(comparison, task).type == AnswerType::kTranscript;
  const auto fitting =
      static_cast<std::size_t>(std::max(1, (columns - rows.width - kCountWidth) / kIntervalWidth));
  for (std::size_t begin = 0; begin < arms; begin += fitting) {
    const std::size_t end = std::min(arms, begin + fitting);
    const auto across = [&](const auto& text_of) {
      std::string out;
      for (std::size_t a = begin; a < end; ++a) out += right(text_of(a), kIntervalWidth);
      return out;
    };
    const std::string header =
        right("n", kCountWidth) + across([](std::size_t a) { return std::to_string(a + 1); });
    write_rows(table, rows, header, [&](std::size_t s) {
      return right(with_thousands(task.tallies[begin][s].answered), kCountWidth) +
             across([&](std::size_t a) { return accuracy_text(task.tallies[a][s]); });
    });
    const auto all = [&](const char* label, const auto& text_of) {
      table.line(left(label, rows.width + kCountWidth) +
                 across([&](std::size_t a) { return text_of(task.tallies[a].back()); }));
    };
    if (task.tallies[begin].back().scored > 0) {  // no texts, so nothing to count of them
      table.line();
      continue;
    }
    if (task.tallies[begin].back().mean_f1()) {
      all("F1", [](const Tally& t) { return one_decimal(in_percent(t.mean_f1())); });
    }
    if (!transcript) all("unparsed", [](const Tally& t) { return rate_text(t.unparsed, t); });
    all("truncated", [](const Tally& t) { return rate_text(t.truncated, t); });
    if (in_any(task, &Tally::stopped)) {
      all("stopped", [](const Tally& t) { return rate_text(t.stopped, t); });
    }
    if (in_any(task, &Tally::read_unfinished)) {
      all("read, unfinished", [](const Tally& t) { return unfinished_text(t); });
    }
    all("mean tokens", [](const Tally& t) { return one_decimal(t.mean_generated_tokens()); });
    all("mean characters", [](const Tally& t) { return one_decimal(t.mean_characters()); });
    table.line();
  }
}

// All questions' difference of F1, as a line below a pair.
std::string f1_text(const PairedNumbers& all, std::uint64_t seed) {
  return fmt::format("  F1: {} points with 95% interval (bootstrap, seed {})",
                     points_with_interval(*all.f1_difference, all.f1_interval), seed);
}

void write_pair(TextLines& table, const Comparison& comparison, const TaskComparison& task,
                const PairComparison& pair, const Rows& rows, const std::vector<std::string>& runs) {
  const ArmPair& at = pair.pair;
  table.line("  baseline  " + arm_text(comparison.arms[at.baseline], runs));
  table.line("  arm       " + arm_text(comparison.arms[at.arm], runs));
  if (kind_of(comparison, task).type == AnswerType::kTranscript) {
    write_rows(table, rows, right("turns", kValueWidth) + right("differ", kValueWidth), [&](std::size_t s) {
      return right(with_thousands(task.tallies[at.baseline][s].answered), kValueWidth) +
             right(with_thousands(pair.numbers[s].differing.value_or(0)), kValueWidth);
    });
    table.line();
    return;
  }
  const std::string header = right("n", kCountWidth) + right("base", kAccuracyWidth) +
                             right("arm", kAccuracyWidth) + right("difference", kDifferenceWidth) +
                             right("p", kValueWidth) + right("Holm", kValueWidth) +
                             right("fixed", kFixedWidth) + right("broken", kBrokenWidth);
  write_rows(table, rows, header, [&](std::size_t s) {
    const PairedNumbers& numbers = pair.numbers[s];
    return right(with_thousands(numbers.items), kCountWidth) +
           right(percent_text(task.tallies[at.baseline][s].accuracy()), kAccuracyWidth) +
           right(percent_text(task.tallies[at.arm][s].accuracy()), kAccuracyWidth) +
           right(difference_text(numbers), kDifferenceWidth) + right(p_text(numbers.p), kValueWidth) +
           right(p_text(numbers.p_holm), kValueWidth) + right(with_thousands(numbers.fixed), kFixedWidth) +
           right(with_thousands(numbers.broken), kBrokenWidth);
  });
  if (pair.numbers.back().f1_difference) {
    table.line();
    table.line(f1_text(pair.numbers.back(), comparison.seed));
  }
  table.line();
}

std::string answer_text(const std::optional<std::string>& answer) {
  return answer ? printable(*answer) : "-";
}

void write_response(TextLines& list, const std::string& name, const std::string& text) {
  list.line("    " + name + ":");
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    list.line("    | " + printable(line, 4 * line.size() + 1));
    begin = end + 1;
  }
}

}  // namespace

std::string comparison_table(const Comparison& comparison, const ComparisonTableOptions& options) {
  TextLines table;
  for (const TaskComparison& task : comparison.tasks) {
    Rows rows = rows_of(task);
    if (!options.subjects) rows.subjects.clear();
    const TaskKind& kind = kind_of(comparison, task);
    const bool transcript = kind.type == AnswerType::kTranscript;
    if (options.arms) {
      table.line(fmt::format("{}: {} arms; {}", printable(task.task), comparison.arms.size(),
                             transcript
                                 ? "nothing is scored"
                                 : fmt::format("{} in % with 95% interval (Wilson)", kind.metric_title())));
      table.line();
      for (std::size_t a = 0; a < comparison.arms.size(); ++a) {
        table.line(fmt::format("{:>3}  {}", a + 1, legend_text(comparison.arms[a], options.runs)));
      }
      table.line();
      write_arms(table, comparison, task, rows, std::max(100, options.columns));
    }
    table.line(
        transcript
            ? fmt::format("{}: turns whose texts differ", printable(task.task))
            : fmt::format("{}: paired differences in points with 95% interval (Tango's score interval), "
                          "McNemar's exact p",
                          printable(task.task)));
    table.line();
    for (const PairComparison& pair : task.pairs) {
      write_pair(table, comparison, task, pair, rows, options.runs);
    }
  }
  return table.take();
}

std::string flip_list(const Comparison& comparison, const std::vector<std::string>& runs, bool responses) {
  TextLines list;
  for (const TaskComparison& task : comparison.tasks) {
    for (const PairComparison& pair : task.pairs) {
      const std::string before = arm_text(comparison.arms[pair.pair.baseline], runs);
      const std::string after = arm_text(comparison.arms[pair.pair.arm], runs);
      const PairedNumbers& all = pair.numbers.back();
      list.line(fmt::format("{}: {} against {}: {} fixed, {} broken", printable(task.task), after, before,
                            with_thousands(all.fixed), with_thousands(all.broken)));
      for (const Flip& flip : pair.flips) {
        const Item& item = *flip.after->item;
        list.line(fmt::format("  {}  {} {}: right {}, {} -> {}", flip.fixed() ? "fixed " : "broken",
                              printable(item.subject), item.index, answer_text(shown_target(item)),
                              answer_text(shown_answer(*flip.before)),
                              answer_text(shown_answer(*flip.after))));
        if (!responses) continue;
        write_response(list, before, flip.before->response.text);
        write_response(list, after, flip.after->response.text);
      }
      list.line();
    }
  }
  return list.take();
}

}  // namespace refocus
