#include "eval/score/summary_table.h"

#include <algorithm>

#include "base/error.h"
#include "eval/task/task_kind.h"
#include "eval/text/display_width.h"
#include "eval/text/table_text.h"

namespace refocus {
namespace {

constexpr int kCountWidth = 8;  // "14,042" and a gap
constexpr int kArmWidth = 13;   // "100.0 ± 50.0" and a mark or gap
constexpr int kLongestName = 36;

// "35.2 ± 0.4", or "-" where no label is known.
std::string with_error(const std::optional<double>& accuracy, const std::optional<double>& error) {
  if (!accuracy) return "-";
  return fmt::format("{} ± {}", one_decimal(in_percent(accuracy)), one_decimal(in_percent(error)));
}

// A star where questions are still open.
std::string accuracy_cell(const Tally& tally) {
  return right(with_error(tally.accuracy(), tally.standard_error()), kArmWidth - 1) +
         (tally.answered < tally.items ? "*" : " ");
}

std::string by_length_text(const Tally& tally) {
  return with_error(tally.accuracy_by_length(), tally.standard_error_by_length());
}

std::string f1_text(const Tally& tally) { return with_error(tally.mean_f1(), tally.standard_error_of_f1()); }

// A row of accuracies, or a heading of rows where it has no tallies.
struct Row {
  std::string label;
  std::vector<const Tally*> tallies;  // one an arm
};

// The same task in every arm.
using Columns = std::vector<const TaskScores*>;

template <class TallyOf>
Row row_of(const Columns& arms, std::string label, const TallyOf& tally_of) {
  Row row{std::move(label), {}};
  for (const TaskScores* arm : arms) row.tallies.push_back(&tally_of(*arm));
  return row;
}

std::vector<Row> subject_rows(const Columns& arms) {
  std::vector<Row> rows;
  const TaskScores& first = *arms.front();
  const auto add = [&](const std::string& category, const std::string& indent) {
    for (std::size_t s = 0; s < first.subjects.size(); ++s) {
      if (first.subjects[s].category != category) continue;
      rows.push_back(row_of(arms, indent + printable(first.subjects[s].subject, kLongestName),
                            [s](const TaskScores& arm) -> const Tally& { return arm.subjects[s].tally; }));
    }
  };
  for (const GroupScore& group : first.groups) {
    if (group.kind != GroupKind::kCategory) continue;
    rows.push_back({shown_group(group.name, kLongestName), {}});
    add(group.name, "  ");
  }
  add("", "");
  return rows;
}

std::vector<Row> total_rows(const Columns& arms) {
  std::vector<Row> rows;
  const TaskScores& first = *arms.front();
  for (std::size_t g = 0; g < first.groups.size(); ++g) {
    rows.push_back(row_of(arms, shown_group(first.groups[g].name, kLongestName),
                          [g](const TaskScores& arm) -> const Tally& { return arm.groups[g].tally; }));
  }
  rows.push_back(row_of(arms, "all", [](const TaskScores& arm) -> const Tally& { return arm.all; }));
  return rows;
}

class TableWriter : public TextLines {
 public:
  TableWriter(int label_width, const TaskKind& kind) : label_width_(label_width), kind_(kind) {}

  // One arm: accuracy and counts side by side; of log-likelihoods, the accuracy by length if there is one.
  void wide_header(const Tally& all) {
    std::string counts =
        right("unparsed", 10) + right("truncated", 11) + right("empty", 7) + right("tokens", 9);
    if (all.scored > 0) counts = all.normalised > 0 ? right("acc_norm", kArmWidth) : "";
    if (kind_.has_f1()) counts = right("F1", kArmWidth) + counts;
    line(left("", label_width_) + right("n", kCountWidth) +
         right(std::string(kind_.metric_title()), kArmWidth - 1) + " " + counts);
  }
  void wide_row(const Row& row) {
    if (row.tallies.empty()) return line(row.label);
    const Tally& tally = *row.tallies.front();
    if (tally.scored > 0) {
      return line(left(row.label, label_width_) + right(with_thousands(tally.answered), kCountWidth) +
                  accuracy_cell(tally) +
                  (tally.normalised > 0 ? right(by_length_text(tally), kArmWidth) : ""));
    }
    line(left(row.label, label_width_) + right(with_thousands(tally.answered), kCountWidth) +
         accuracy_cell(tally) + (kind_.has_f1() ? right(f1_text(tally), kArmWidth) : "") +
         right(kind_.type == AnswerType::kTranscript ? "-" : with_thousands(tally.unparsed), 10) +
         right(with_thousands(tally.truncated), 11) + right(with_thousands(tally.empty), 7) +
         right(one_decimal(tally.mean_generated_tokens()), 9));
  }

  // Several arms, [begin, end) of them: accuracies side by side.
  void arm_header(std::size_t begin, std::size_t end) {
    std::string text = left("", label_width_) + right("n", kCountWidth);
    for (std::size_t a = begin; a < end; ++a) text += right(std::to_string(a + 1), kArmWidth - 1) + " ";
    line(text);
  }
  void arm_row(const Row& row, std::size_t begin, std::size_t end) {
    if (row.tallies.empty()) return line(row.label);
    std::int64_t n = 0;
    std::string cells;
    for (std::size_t a = begin; a < end; ++a) {
      n = std::max(n, row.tallies[a]->answered);
      cells += accuracy_cell(*row.tallies[a]);
    }
    line(left(row.label, label_width_) + right(with_thousands(n), kCountWidth) + cells);
  }
  template <class TextOf>
  void count_row(const std::string& label, const Row& row, std::size_t begin, std::size_t end,
                 const TextOf& text_of) {
    std::string text = left(label, label_width_ + kCountWidth);
    for (std::size_t a = begin; a < end; ++a) text += right(text_of(*row.tallies[a]), kArmWidth - 1) + " ";
    line(text);
  }

 private:
  int label_width_;
  const TaskKind& kind_;
};

int label_width(const std::vector<Row>& rows, const std::vector<Row>& totals) {
  int width = 12;
  for (const auto* list : {&rows, &totals}) {
    for (const Row& row : *list) width = std::max(width, display_width(row.label));
  }
  return width;
}

bool any_open(const std::vector<ArmScores>& arms, std::size_t task) {
  return std::any_of(arms.begin(), arms.end(), [&](const ArmScores& arm) {
    return arm.tasks[task].all.answered < arm.tasks[task].all.items;
  });
}

void write_legend(TableWriter& table, const std::vector<ArmScores>& arms) {
  for (std::size_t a = 0; a < arms.size(); ++a) {
    const std::string number = arms.size() > 1 ? fmt::format("{:>3}  ", a + 1) : "  ";
    const std::string meaning = arms[a].meaning.empty() ? "" : "  " + printable(arms[a].meaning, 1000);
    table.line(number + printable(arms[a].arm, 200) + meaning);
  }
}

void write_counts(TableWriter& table, const TaskKind& kind, const Row& all, std::size_t begin,
                  std::size_t end, bool open) {
  const auto count = [&](const char* label, std::int64_t Tally::*field) {
    table.count_row(label, all, begin, end,
                    [field](const Tally& tally) { return with_thousands(tally.*field); });
  };
  if (open) count("answered", &Tally::answered);
  const auto has = [&](std::int64_t Tally::*field) {
    return std::any_of(all.tallies.begin(), all.tallies.end(),
                       [field](const Tally* tally) { return tally->*field > 0; });
  };
  if (has(&Tally::unmatched)) count("keys unmatched", &Tally::unmatched);
  if (has(&Tally::normalised)) table.count_row("acc_norm", all, begin, end, by_length_text);
  if (has(&Tally::scored)) return;  // no texts, so nothing to count of them
  if (kind.has_f1()) table.count_row("F1", all, begin, end, f1_text);
  if (kind.type != AnswerType::kTranscript) count("unparsed", &Tally::unparsed);
  count("truncated", &Tally::truncated);
  if (has(&Tally::stopped)) count("stopped", &Tally::stopped);
  if (has(&Tally::read_unfinished)) {
    count("read, unfinished", &Tally::read_unfinished);
    count("  of these right", &Tally::read_unfinished_correct);
  }
  count("empty", &Tally::empty);
  if (has(&Tally::manual)) count("manual", &Tally::manual);
  table.count_row("mean tokens", all, begin, end,
                  [](const Tally& tally) { return one_decimal(tally.mean_generated_tokens()); });
}

// What of one arm has no column.
void write_notes(TableWriter& table, const Tally& all) {
  const auto note = [&](std::int64_t count, const std::string& what) {
    if (count == 0) return;
    table.line(fmt::format("{} answer{} {}", with_thousands(count), count == 1 ? " was" : "s were", what));
  };
  note(all.stopped, "ended by a text of until");
  note(all.read_unfinished,
       fmt::format("read though unfinished; {} right", with_thousands(all.read_unfinished_correct)));
  note(all.manual, "judged by a person");
  note(all.unmatched, "to a prompt of which some keys= chose nothing");
}

std::string task_table(const std::vector<ArmScores>& arms, std::size_t task, int columns) {
  Columns scores;
  for (const ArmScores& arm : arms) scores.push_back(&arm.tasks[task]);
  const std::vector<Row> totals = total_rows(scores);
  // A task of one subject has nothing to show but its total.
  const std::vector<Row> rows =
      scores.front()->subjects.size() > 1 ? subject_rows(scores) : std::vector<Row>();
  const int width = label_width(rows, totals);
  const bool open = any_open(arms, task);
  const Tally& all = scores.front()->all;
  const TaskKind& kind = kind_of(*scores.front()->task);
  const bool transcript = kind.type == AnswerType::kTranscript;

  TableWriter table(width, kind);
  const std::string numbers =
      transcript ? "nothing is scored" : fmt::format("{} in %, ± one standard error", kind.metric_title());
  table.line(fmt::format("{}: {} {}{}{}; {}", printable(scores.front()->task->name),
                         with_thousands(all.items), transcript ? "turn" : "question",
                         all.items == 1 ? "" : "s",
                         arms.size() > 1 ? fmt::format(", {} arms", arms.size()) : "", numbers));
  table.line();
  write_legend(table, arms);
  table.line();
  const auto fitting = static_cast<std::size_t>(std::max(1, (columns - width - kCountWidth) / kArmWidth));
  constexpr std::size_t kScreen = 20;  // rows after which the legend is out of sight
  for (std::size_t begin = 0; begin < arms.size(); begin += fitting) {
    const std::size_t end = std::min(arms.size(), begin + fitting);
    const bool wide = arms.size() == 1;
    const int beside = all.scored == 0      ? (kind.has_f1() ? 37 + kArmWidth : 37)
                       : all.normalised > 0 ? kArmWidth
                                            : 0;  // the accuracy
    const int line_width = wide ? width + kCountWidth + kArmWidth + beside
                                : width + kCountWidth + static_cast<int>(end - begin) * kArmWidth;
    const auto header = [&] { wide ? table.wide_header(all) : table.arm_header(begin, end); };
    const auto row_line = [&](const Row& row) {
      wide ? table.wide_row(row) : table.arm_row(row, begin, end);
    };
    if (begin > 0) table.line();
    if (!rows.empty()) {
      header();
      for (const Row& row : rows) row_line(row);
      table.rule(line_width);
      if (rows.size() > kScreen && !wide) write_legend(table, arms);
    }
    header();
    for (const Row& row : totals) row_line(row);
    if (!wide) write_counts(table, kind, totals.back(), begin, end, open);
    if (wide) write_notes(table, all);
  }
  if (open)
    table.line("* some questions are not answered yet; their count is left out of n and of the accuracy");
  return table.take();
}

}  // namespace

std::string summary_table(const std::vector<ArmScores>& arms, int columns) {
  if (arms.empty()) return "";
  std::string out;
  for (const ArmScores& arm : arms) REFOCUS_CHECK(arm.tasks.size() == arms.front().tasks.size());
  for (std::size_t task = 0; task < arms.front().tasks.size(); ++task) {
    if (task > 0) out += "\n";
    out += task_table(arms, task, std::max(columns, 80));
  }
  return out;
}

std::string left_out_text(const LeftOut& left_out) {
  std::int64_t items = 0;
  std::string subjects;
  for (const auto& [task, counts] : left_out) {
    for (const auto& [subject, count] : counts) {
      items += count;
      subjects += fmt::format("{}{} {}", subjects.empty() ? "" : ", ", printable(subject), count);
    }
  }
  if (items == 0) return "";
  return fmt::format("{} item{} left out, too long for the context: {}", items,
                     items == 1 ? " was" : "s were", subjects);
}

}  // namespace refocus
