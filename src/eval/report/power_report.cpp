#include "eval/report/power_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "eval/text/display_width.h"
#include "eval/text/json_values.h"
#include "eval/text/table_text.h"
#include "stats/wilson.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;

// Rounded up, so that what is shown is found.
std::string points(const std::optional<double>& difference) {
  if (!difference) return "-";
  const int decimals = *difference < 0.001 ? 4 : 2;
  const double unit = std::pow(10.0, -decimals);
  return fmt::format("{:.{}f}", std::ceil(100 * *difference / unit - 1e-6) * unit, decimals);
}

std::string items_text(const std::optional<std::int64_t>& items) {
  return items ? with_thousands(*items) : "-";
}

std::string percent(double fraction) { return fmt::format("{:g}%", 100 * fraction); }

// The test and what it is held to, as a sentence goes on with it.
std::string aim_text(const PowerAim& aim) {
  std::string out = fmt::format("{:g}% power, p <= {:g}", 100 * aim.power, aim.level);
  if (aim.tests > 1) {
    out += fmt::format(" / {} tests = {:.2g}, by Bonferroni's bound", with_thousands(aim.tests),
                       aim.of_a_test().level);
  }
  return out;
}

// A difference cannot be larger than the share that changes; rounding of points is no larger difference.
std::optional<std::int64_t> items_for(double changed, double difference, const PowerAim& aim) {
  if (changed <= 0 || difference > changed * (1 + 1e-12)) return std::nullopt;
  return pairs_needed(changed, std::min(difference, changed), aim.of_a_test());
}

std::optional<double> difference_of(std::int64_t items, double changed, const PowerAim& aim) {
  if (changed <= 0) return std::nullopt;
  return smallest_difference(items, changed, aim.of_a_test());
}

ordered_json aim_json(const PowerAim& aim) {
  return {{"level", aim.level}, {"tests", aim.tests}, {"power", aim.power}};
}

// [rows][columns] of text, right-aligned below their heads, with a column of labels before.
std::string grid(const std::string& corner, const std::vector<std::string>& labels,
                 const std::vector<std::string>& heads, const std::vector<std::vector<std::string>>& cells) {
  int first = display_width(corner), width = 0;
  for (const std::string& label : labels) first = std::max(first, display_width(label));
  for (const std::string& head : heads) width = std::max(width, display_width(head));
  for (const auto& row : cells) {
    for (const std::string& cell : row) width = std::max(width, display_width(cell));
  }
  TextLines out;
  const auto line = [&](const std::string& label, const std::vector<std::string>& row) {
    std::string text = right(label, first);
    for (const std::string& cell : row) text += right(cell, width + 3);
    out.line(text);
  };
  line(corner, heads);
  for (std::size_t r = 0; r < labels.size(); ++r) line(labels[r], cells[r]);
  return out.take();
}

constexpr const char* kNoDifference =
    "\n-  not found even where all that changes changes in one direction: more has to be asked\n";
constexpr const char* kNoItems =
    "\n-  a difference cannot exceed the share that changes, nor is it looked for in more than {} items\n";

}  // namespace

std::string designs_text(const PowerDesigns& designs, const PowerAim& aim) {
  const bool smallest = designs.differences.empty();
  std::vector<std::string> labels, heads;
  std::vector<std::vector<std::string>> cells;
  for (const double changed : designs.changed) heads.push_back(percent(changed));
  for (const std::int64_t items : designs.items) {
    labels.push_back(with_thousands(items));
    cells.emplace_back();
    for (const double changed : designs.changed)
      cells.back().push_back(points(difference_of(items, changed, aim)));
  }
  for (const double difference : designs.differences) {
    labels.push_back(fmt::format("{:g}", 100 * difference));
    cells.emplace_back();
    for (const double changed : designs.changed)
      cells.back().push_back(items_text(items_for(changed, difference, aim)));
  }
  std::string out =
      smallest ? "The smallest difference of accuracies, in points, that McNemar's exact test would find\n"
               : "Items that McNemar's exact test takes to find a difference of accuracies, in points\n";
  out += fmt::format("({}), where so many items become right or wrong:\n\n", aim_text(aim));
  out += grid(smallest ? "items" : "points", labels, heads, cells);
  const bool none =
      std::ranges::any_of(cells, [](const auto& row) { return std::ranges::count(row, "-") > 0; });
  if (none) out += smallest ? kNoDifference : fmt::format(kNoItems, with_thousands(kMostPairs));
  return out;
}

ordered_json designs_json(const PowerDesigns& designs, const PowerAim& aim) {
  ordered_json out = aim_json(aim);
  out["designs"] = ordered_json::array();
  for (const std::int64_t items : designs.items) {
    for (const double changed : designs.changed) {
      out["designs"].push_back({{"items", items},
                                {"changed", changed},
                                {"smallest_difference", or_null(difference_of(items, changed, aim))}});
    }
  }
  for (const double difference : designs.differences) {
    for (const double changed : designs.changed) {
      const auto items = items_for(changed, difference, aim);
      out["designs"].push_back({{"difference", difference},
                                {"changed", changed},
                                {"items_needed", items ? ordered_json(*items) : ordered_json()}});
    }
  }
  return out;
}

namespace {

PairPower::Numbers numbers_of(double changed, std::int64_t items, const PowerAim& aim) {
  PairPower::Numbers out{changed, difference_of(items, changed, aim), {}};
  for (const double difference : kAskedDifferences)
    out.items_needed.push_back(items_for(changed, difference, aim));
  return out;
}

PairPower power_of(const Comparison& comparison, const TaskComparison& task, const PairComparison& pair,
                   std::optional<std::int64_t> items, const PowerAim& aim) {
  const PairedNumbers& all = pair.numbers.back();
  PairPower out;
  out.task = task.task;
  out.baseline = comparison.arms[pair.pair.baseline].arm.name;
  out.arm = comparison.arms[pair.pair.arm].arm.name;
  out.asked = all.items;
  out.changed = all.fixed + all.broken;
  out.items = items.value_or(all.items);
  const Interval share = wilson_interval(out.changed, out.asked);
  out.observed =
      numbers_of(static_cast<double>(out.changed) / static_cast<double>(out.asked), out.items, aim);
  out.low = numbers_of(share.low, out.items, aim);
  out.high = numbers_of(share.high, out.items, aim);
  return out;
}

ordered_json numbers_json(const PairPower::Numbers& numbers) {
  ordered_json out = {{"changed", numbers.changed},
                      {"smallest_difference", or_null(numbers.smallest_difference)},
                      {"items_needed", ordered_json::array()}};
  for (std::size_t i = 0; i < numbers.items_needed.size(); ++i) {
    const auto& items = numbers.items_needed[i];
    out["items_needed"].push_back(
        {{"difference", kAskedDifferences[i]}, {"items", items ? ordered_json(*items) : ordered_json()}});
  }
  return out;
}

// "2.04 [1.60, 2.61]"
std::string with_range(const std::string& observed, const std::string& low, const std::string& high) {
  return fmt::format("{} [{}, {}]", observed, low, high);
}

}  // namespace

std::vector<PairPower> power_of_pairs(const Comparison& comparison, std::optional<std::int64_t> items,
                                      const PowerAim& aim) {
  std::vector<PairPower> out;
  for (const TaskComparison& task : comparison.tasks) {
    for (const PairComparison& pair : task.pairs) {
      if (pair.numbers.back().items > 0) out.push_back(power_of(comparison, task, pair, items, aim));
    }
  }
  if (out.empty()) {
    throw input_error("power",
                      "expected items whose right answers are known, got a run in which nothing is scored; "
                      "give another run");
  }
  return out;
}

std::string pairs_text(const std::vector<PairPower>& pairs, const PowerAim& aim) {
  TextLines out;
  out.line("What McNemar's exact test would find (" + aim_text(aim) + ")");
  out.line(
      "where as many items become right or wrong as here, with the 95% interval (Wilson) of their share:");
  bool none = false;
  for (const PairPower& pair : pairs) {
    const PairPower::Numbers &at = pair.observed, &low = pair.low, &high = pair.high;
    out.line();
    out.line(printable(pair.task));
    out.line("  baseline             " + printable(pair.baseline, 200));
    out.line("  arm                  " + printable(pair.arm, 200));
    out.line("  items                " + with_thousands(pair.asked) +
             fmt::format(", of which {} changed", with_thousands(pair.changed)));
    out.line("  share changed        " + with_range(fmt::format("{:.2f}%", 100 * at.changed),
                                                    fmt::format("{:.2f}", 100 * low.changed),
                                                    fmt::format("{:.2f}", 100 * high.changed)));
    out.line("  smallest difference  " +
             with_range(points(at.smallest_difference), points(low.smallest_difference),
                        points(high.smallest_difference)) +
             " points" + (pair.items == pair.asked ? "" : " with " + with_thousands(pair.items) + " items"));
    none = none || !at.smallest_difference || !low.smallest_difference || !high.smallest_difference;
    for (std::size_t i = 0; i < at.items_needed.size(); ++i) {
      out.line(
          left(fmt::format("  items for {:g} point{}", 100 * kAskedDifferences[i], i == 0 ? "" : "s"), 23) +
          with_range(items_text(at.items_needed[i]), items_text(low.items_needed[i]),
                     items_text(high.items_needed[i])));
      none = none || !at.items_needed[i] || !low.items_needed[i] || !high.items_needed[i];
    }
  }
  if (none) {
    out.line();
    out.line("-  so few items change that no difference, or none so large, can be found");
  }
  return out.take();
}

ordered_json pairs_json(const std::vector<PairPower>& pairs, const PowerAim& aim) {
  ordered_json out = aim_json(aim);
  out["confidence"] = kConfidence;
  out["pairs"] = ordered_json::array();
  for (const PairPower& pair : pairs) {
    out["pairs"].push_back({{"task", pair.task},
                            {"baseline", pair.baseline},
                            {"arm", pair.arm},
                            {"n", pair.asked},
                            {"changed", pair.changed},
                            {"items", pair.items},
                            {"observed", numbers_json(pair.observed)},
                            {"low", numbers_json(pair.low)},
                            {"high", numbers_json(pair.high)}});
  }
  return out;
}

std::string could_show_line(std::int64_t items, const std::string& of) {
  constexpr double kFew = 0.05, kMany = 0.2;
  const auto few = difference_of(items, kFew, {}), many = difference_of(items, kMany, {});
  std::string what;
  if (few) {
    what = fmt::format("a difference of {} points where {} of them become right or wrong, {} where {} do",
                       points(few), percent(kFew), points(many), percent(kMany));
  } else if (many) {
    what = fmt::format("a difference of {} points where {} of them become right or wrong, none where {} do",
                       points(many), percent(kMany), percent(kFew));
  } else {
    what = fmt::format("no difference where {} of them or fewer become right or wrong", percent(kMany));
  }
  return fmt::format("Could show: with {} items{}, {} ({})\n", with_thousands(items), of, what, aim_text({}));
}

}  // namespace refocus
