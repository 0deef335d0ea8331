#include "eval/report/sweep/sweep_table.h"

#include <algorithm>

#include "base/error.h"
#include "eval/report/comparison_text.h"
#include "eval/text/display_width.h"
#include "eval/text/table_text.h"

namespace refocus {
namespace {

constexpr int kColumns = 100;
constexpr int kValue = 10;       // "threshold" and a margin
constexpr int kAccuracy = 21;    // "100.0 [100.0, 100.0]" and a gap
constexpr int kDifference = 23;  // "-33.3 [-100.0, +33.3]" and a gap
constexpr int kP = 7;            // "<.0001" and a gap
constexpr int kMethod = 13, kTried = 6;
constexpr int kFixed = 6, kBroken = 7, kUnparsed = 9, kTruncated = 10;

// Breaks between words, but not within brackets, so that lines stay within kColumns. The first line has
// `indent`, the others 4 more.
void write_wrapped(TextLines& out, const std::string& text, int indent = 0) {
  std::string line = repeated(' ', indent);
  bool first = true;
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = std::min(text.find(' ', begin), text.size());
    if (text[begin] == '[') end = std::min(text.find(' ', text.find(']', begin)), text.size());
    const std::string word = text.substr(begin, end - begin);
    if (!first && display_width(line) + 1 + display_width(word) > kColumns) {
      out.line(line);
      line = repeated(' ', indent + 4);
      first = true;
    }
    if (!first) line += ' ';
    line += word;
    first = false;
    begin = end + 1;
  }
  out.line(line);
}

// Nothing for answers by log-likelihood, which are no texts.
std::string counts(const Tally& tally) {
  if (tally.scored > 0) return "";
  return right(rate_text(tally.unparsed, tally), kUnparsed) +
         right(rate_text(tally.truncated, tally), kTruncated);
}

// Below a curve, what few curves have: "read from unfinished answers: none 3 (1 right), 0.5 4 (0 right)".
template <class TextOf>
void write_note(TextLines& table, const SweepCurve& curve, const std::string& axis, const char* what,
                std::int64_t Tally::*count, const TextOf& text_of) {
  std::string list;
  const auto add = [&](const std::string& name, const Tally& tally) {
    if (tally.*count > 0) list += fmt::format("{} {} {}", list.empty() ? "" : ",", name, text_of(tally));
  };
  add("none", curve.baseline_tally);
  for (const SweepPoint& point : curve.points) add(point.find(axis)->text, point.tally);
  if (!list.empty()) write_wrapped(table, fmt::format("{}:{}", what, list));
}

// A point's value on the axis. What has no room in its column gets a line of its own before the row.
std::string value_cell(TextLines& table, const SweepPoint& point, const std::string& axis) {
  const std::string text = printable(point.find(axis)->text, 1000);
  if (display_width(text) < kValue) return right(text, kValue);
  write_wrapped(table, fmt::format("{}={}", axis, text), 2);
  return repeated(' ', kValue);
}

void write_curve(TextLines& table, const SweepCurve& curve, const std::string& axis) {
  const bool scored = curve.baseline_tally.scored > 0;
  const int beyond = std::max(0, display_width(axis) - kValue);  // "renormalise" takes of the next column
  table.line(right(axis, kValue) + right("accuracy", kAccuracy - beyond) + right("difference", kDifference) +
             right("p", kP) + right("Holm", kP) + right("fixed", kFixed) + right("broken", kBroken) +
             (scored ? "" : right("unparsed", kUnparsed) + right("truncated", kTruncated)));
  table.line(right("none", kValue) + right(accuracy_text(curve.baseline_tally), kAccuracy) +
             repeated(' ', kDifference + 2 * kP + kFixed + kBroken) + counts(curve.baseline_tally));
  for (const SweepPoint& point : curve.points) {
    const PairedNumbers& numbers = point.difference;
    const std::string value = value_cell(table, point, axis);
    table.line(value + right(accuracy_text(point.tally), kAccuracy) +
               right(difference_text(numbers), kDifference) + right(p_text(numbers.p), kP) +
               right(p_text(numbers.p_holm), kP) + right(with_thousands(numbers.fixed), kFixed) +
               right(with_thousands(numbers.broken), kBroken) + counts(point.tally));
  }
  write_note(table, curve, axis, "ended by a text of until", &Tally::stopped,
             [](const Tally& tally) { return with_thousands(tally.stopped); });
  write_note(table, curve, axis, "read from unfinished answers", &Tally::read_unfinished, unfinished_text);
  table.line();
}

// "cot", or where it is not plain what is swept "cot, boost".
std::string title_of(const SweepReport& report, const SweepCurve& curve) {
  if (report.is_plain()) return curve.prompt;
  return fmt::format("{}, {}", curve.prompt, report.family(curve).method->name);
}

// "alpha=0.1", or with what the curves differ in: "alpha=0.1 threshold=0.01".
std::string name_of(const SweepReport& report, const SweepTask& task, const HeldOutBest& best) {
  const SweepPoint& point = task.curves[best.curve].points[best.point];
  const SweepCurve& curve = task.curves[best.curve];
  std::vector<std::string> keys = {report.axis(curve)};
  const CurveKeys curves = curve_keys(report, task, curve.family);
  keys.insert(keys.end(), curves.varying.begin(), curves.varying.end());
  const std::string name = printable(parameters_text(point, keys), 1000);
  if (best.tied == 0) return name;
  return fmt::format("{} (the first of {} that tie)", name, best.tied + 1);
}

std::string worth(const Tally& tally, const PairedNumbers& difference) {
  const std::string p = p_text(difference.p);
  return fmt::format("{}, {} points from none, p{}{}", accuracy_text(tally), difference_text(difference),
                     p.starts_with('<') ? "" : "=", p);
}

// "cot", or where several choices stand beside each other "cot, boost".
std::string heading_of(const SweepReport& report, const SweepTask& task, const SweepSelection& selection) {
  if (report.is_plain() && !task.compares_selections()) return selection.prompt;
  return fmt::format("{}, {}", selection.prompt, report.title(selection));
}

void write_selection(TextLines& table, const SweepReport& report, const SweepTask& task,
                     const SweepSelection& selection) {
  const auto& [first, second] = selection.best;
  write_wrapped(
      table,
      fmt::format("{}: best on one half of the questions ({}): {}, {}%. On the other half ({}): {}.",
                  heading_of(report, task, selection), with_thousands(first.chosen_on.labelled),
                  name_of(report, task, first), percent_text(first.chosen_on.accuracy()),
                  with_thousands(first.reported_on.labelled), worth(first.reported_on, first.difference)));
  write_wrapped(
      table,
      fmt::format("halves exchanged: {}, {}%. On the other: {}.", name_of(report, task, second),
                  percent_text(second.chosen_on.accuracy()), worth(second.reported_on, second.difference)),
      4);
  write_wrapped(table,
                fmt::format("each half with the other's choice: {}.",
                            worth(selection.crossed, selection.crossed_difference)),
                4);
  table.line();
}

// "boost 10, pasta 5 of 12", where there are several methods or a budget.
std::string tries_text(const SweepReport& report) {
  std::string out;
  for (std::size_t f = 0; f < report.tried.size(); ++f) {
    const bool cut = report.tried[f] < report.grids[f];
    out += fmt::format("{}{} {}{}", out.empty() ? "" : ", ", report.sweep.families[f].method->name,
                       report.tried[f], cut ? fmt::format(" of {}", report.grids[f]) : "");
  }
  return report.tried.size() > 1 || report.sweep.budget ? out : "";
}

// "boost 10, mine 5": of what was chosen from, by name.
std::string tries_text(const SweepReport& report, const SweepTask& task) {
  std::string out;
  for (const SweepSelection& selection : task.selections) {
    if (selection.prompt != task.selections.front().prompt) continue;
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", printable(report.title(selection), 100),
                       selection.tried);
  }
  return out;
}

// Methods beside each other: what each one's choice is worth on the half that did not choose.
void write_methods(TextLines& table, const SweepReport& report, const SweepTask& task) {
  table.line("methods, each at its choice of one half, on the other half; Holm over these rows");
  table.line(right("method", kMethod) + right("tried", kTried) + right("accuracy", kAccuracy) +
             right("difference", kDifference) + right("p", kP) + right("Holm", kP) + right("fixed", kFixed) +
             right("broken", kBroken));
  std::string prompt;
  for (const SweepSelection& selection : task.selections) {
    const HeldOutBest& best = selection.best[0];
    if (prompt != selection.prompt) {
      table.line(selection.prompt);
      table.line(right("none", kMethod) + repeated(' ', kTried) +
                 right(accuracy_text(best.baseline), kAccuracy));
    }
    prompt = selection.prompt;
    const PairedNumbers& numbers = best.difference;
    const std::string title = printable(report.title(selection), 100);
    const bool fits = display_width(title) <= kMethod;
    if (!fits) table.line("  " + title);
    table.line(right(fits ? title : "", kMethod) + right(std::to_string(selection.tried), kTried) +
               right(accuracy_text(best.reported_on), kAccuracy) +
               right(difference_text(numbers), kDifference) + right(p_text(numbers.p), kP) +
               right(p_text(numbers.p_holm), kP) + right(with_thousands(numbers.fixed), kFixed) +
               right(with_thousands(numbers.broken), kBroken));
    write_wrapped(table, name_of(report, task, best), 4);
  }
  table.line();
  std::vector<std::size_t> tried;
  for (const SweepSelection& selection : task.selections) tried.push_back(selection.tried);
  const auto [fewest, most] = std::ranges::minmax(tried);
  if (fewest != most) {
    write_wrapped(table,
                  fmt::format("The methods had different numbers of tries ({}): the best of more is "
                              "flattered more on the half that chose. Only the held-out rows compare them; "
                              "--budget {} makes tries equal.",
                              tries_text(report, task), fewest));
  } else {
    write_wrapped(table, fmt::format("Each had {} tries.", most));
  }
  table.line();
}

void write_task(TextLines& table, const SweepReport& report, const SweepTask& task) {
  std::size_t points = 0;
  for (const SweepCurve& curve : task.curves) points += curve.points.size();
  const Tally& all = task.curves.front().baseline_tally;
  const std::string tries = tries_text(report);
  write_wrapped(table, fmt::format("{}: {} question{}, {} swept point{}{}", printable(task.task),
                                   with_thousands(all.answered), all.answered == 1 ? "" : "s", points,
                                   points == 1 ? "" : "s", tries.empty() ? "" : " (" + tries + ")"));
  write_wrapped(
      table,
      "accuracy in % with 95% interval (Wilson); difference to none in points with 95% interval "
      "(Tango's score interval), McNemar's exact p, and p after Holm over the points of this table");
  table.line();
  for (const SweepCurve& curve : task.curves) {
    const CurveKeys keys = curve_keys(report, task, curve.family);
    std::string heading = title_of(report, curve);
    for (const auto* list : {&keys.varying, &keys.common}) {
      const std::string text = parameters_text(curve.points.front(), *list);
      if (!text.empty()) heading += "  " + printable(text, 1000);
    }
    write_wrapped(table, heading);
    write_curve(table, curve, report.axis(curve));
  }
  for (const SweepSelection& selection : task.selections) write_selection(table, report, task, selection);
  if (task.compares_selections()) write_methods(table, report, task);
  if (!task.selections.empty()) {
    write_wrapped(table,
                  "A best point that is chosen and reported on the same questions flatters itself: report "
                  "the other half.");
  } else {
    write_wrapped(table,
                  "There is no held-out choice of the best point: a half of the questions has none with a "
                  "known answer.");
  }
}

}  // namespace

std::string sweep_table(const SweepReport& report) {
  TextLines table;
  for (const SweepTask& task : report.tasks) {
    write_task(table, report, task);
    table.line();
  }
  return table.take();
}

}  // namespace refocus
