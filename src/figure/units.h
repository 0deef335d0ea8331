// Lengths on paper. Everything drawn is in points, 72 to an inch.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace refocus::figure {

inline constexpr double kPoint = 1, kInch = 72, kMillimetre = kInch / 25.4;
inline constexpr double kPixel = kInch / 96;  // of CSS

// "84mm", "3.3in", "8.4cm", "240pt", "320px", in points; nothing where the text is no such length above 0.
std::optional<double> parse_length(std::string_view text);

// "84mm", with at most two decimals.
std::string millimetres_text(double points);

}  // namespace refocus::figure
