#include "figure/units.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <utility>

namespace refocus::figure {

std::optional<double> parse_length(std::string_view text) {
  constexpr std::pair<std::string_view, double> kUnits[] = {
      {"mm", kMillimetre}, {"cm", 10 * kMillimetre}, {"in", kInch}, {"pt", kPoint}, {"px", kPixel}};
  for (const auto& [unit, points] : kUnits) {
    if (!text.ends_with(unit)) continue;
    const std::string_view digits = text.substr(0, text.size() - unit.size());
    double number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    if (!std::isfinite(number) || number <= 0) return std::nullopt;
    return number * points;
  }
  return std::nullopt;
}

std::string millimetres_text(double points) {
  return fmt::format("{:.6g}mm", std::round(100 * points / kMillimetre) / 100);
}

}  // namespace refocus::figure
