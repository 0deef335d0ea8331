#include "eval/report/comparison_text.h"

#include <fmt/core.h>

#include <algorithm>

#include "eval/text/table_text.h"

namespace refocus {

std::string percent_text(const std::optional<double>& fraction) { return one_decimal(in_percent(fraction)); }

std::string accuracy_text(const Tally& tally) {
  const auto interval = accuracy_interval(tally);
  if (!interval) return "-";
  return fmt::format("{} [{}, {}]", percent_text(tally.accuracy()), percent_text(interval->low),
                     percent_text(interval->high));
}

std::string points_text(double difference) {
  const std::string text = fmt::format("{:+.1f}", 100 * difference);
  return text == "+0.0" || text == "-0.0" ? "0.0" : text;
}

std::string points_with_interval(double difference, const std::optional<Interval>& interval) {
  if (!interval) return points_text(difference) + " [none]";
  const std::string low = points_end(interval->low), high = points_end(interval->high);
  const bool long_ones = low.size() + high.size() > 11;  // "-100.0" twice
  return fmt::format("{} [{},{}{}]", points_text(difference), low, long_ones ? "" : " ", high);
}

std::string difference_text(const PairedNumbers& numbers) {
  return numbers.difference ? points_with_interval(*numbers.difference, numbers.interval) : "-";
}

std::string p_text(const std::optional<double>& p) {
  if (!p) return "";
  return *p < 0.0001 ? "<.0001" : fmt::format("{:.4f}", *p);
}

std::string unfinished_text(const Tally& tally) {
  const std::string count = with_thousands(tally.read_unfinished);
  if (tally.labelled == 0) return count;
  return fmt::format("{} ({} right)", count, with_thousands(tally.read_unfinished_correct));
}

bool in_any(const TaskComparison& task, std::int64_t Tally::*count) {
  return std::ranges::any_of(task.tallies, [&](const auto& arm) { return arm.back().*count > 0; });
}

std::string rate_text(std::int64_t count, const Tally& tally) {
  if (tally.answered == 0) return "-";
  return fmt::format("{:.1f}%", 100 * static_cast<double>(count) / static_cast<double>(tally.answered));
}

}  // namespace refocus
