#include "eval/report/comparison_text.h"

#include <fmt/core.h>

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

std::string difference_text(const PairedNumbers& numbers) {
  if (!numbers.difference) return "-";
  const std::string low = points_text(numbers.interval->low), high = points_text(numbers.interval->high);
  const bool long_ones = low.size() + high.size() > 11;  // "-100.0" twice
  return fmt::format("{} [{},{}{}]", points_text(*numbers.difference), low, long_ones ? "" : " ", high);
}

std::string p_text(const std::optional<double>& p) {
  if (!p) return "";
  return *p < 0.0001 ? "<.0001" : fmt::format("{:.4f}", *p);
}

std::string rate_text(std::int64_t count, const Tally& tally) {
  if (tally.answered == 0) return "-";
  return fmt::format("{:.1f}%", 100 * static_cast<double>(count) / static_cast<double>(tally.answered));
}

}  // namespace refocus
