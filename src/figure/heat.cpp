#include "figure/heat.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace refocus::svg {

std::string diverging_color(double share) {
  constexpr double kLow[3] = {33, 102, 172}, kHigh[3] = {178, 24, 43};
  const double* end = share < 0 ? kLow : kHigh;
  const double t = std::min(1.0, std::fabs(share));
  int rgb[3];
  for (int c = 0; c < 3; ++c) rgb[c] = static_cast<int>(std::lround(255 + (end[c] - 255) * t));
  return fmt::format("#{:02x}{:02x}{:02x}", rgb[0], rgb[1], rgb[2]);
}

Points box(double x, double y, double width, double height) {
  return {{x, y}, {x + width, y}, {x + width, y + height}, {x, y + height}};
}

std::string diverging_legend(double x, double y, double most, double (*share_of)(double), bool with_sign) {
  constexpr int kSteps = 9;
  constexpr double kStep = kLegendHeight / kSteps;
  const double range = with_sign ? 2 : 1;
  std::string out;
  for (int i = 0; i < kSteps; ++i) {
    const double share = 1 - range * i / (kSteps - 1), top = y + kStep * i;
    const std::string color = diverging_color(share_of != nullptr ? share_of(share) : share);
    out += area(box(x, top, 14, kStep), color.c_str(), 1);
    if (i % 4 == 0) {
      out +=
          text(x + 20, top + 11,
               share == 0 ? "0" : fmt::format(fmt::runtime(with_sign ? "{:+.3g}" : "{:.3g}"), share * most));
    }
  }
  return out;
}

}  // namespace refocus::svg
