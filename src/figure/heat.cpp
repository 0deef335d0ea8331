#include "figure/heat.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace refocus::svg {
namespace {

using Rgb = std::array<double, 3>;
constexpr Rgb kWhite = {255, 255, 255};

std::string between(const Rgb& from, const Rgb& to, double t) {
  int rgb[3];
  for (std::size_t c = 0; c < 3; ++c) rgb[c] = static_cast<int>(std::lround(from[c] + (to[c] - from[c]) * t));
  return fmt::format("#{:02x}{:02x}{:02x}", rgb[0], rgb[1], rgb[2]);
}

}  // namespace

std::string diverging_color(double share) {
  constexpr Rgb kLow = {33, 102, 172}, kHigh = {178, 24, 43};
  return between(kWhite, share < 0 ? kLow : kHigh, std::min(1.0, std::fabs(share)));
}

std::string sequential_color(double share) {
  constexpr Rgb kMiddle = {107, 174, 214}, kEnd = {8, 48, 107};
  const double t = std::clamp(share, 0.0, 1.0);
  return t < 0.5 ? between(kWhite, kMiddle, 2 * t) : between(kMiddle, kEnd, 2 * t - 1);
}

bool is_dark(const std::string& color) {
  // Rec. 709's weights, of the values as they are written, are enough to choose between two.
  constexpr double kWeights[] = {0.2126, 0.7152, 0.0722};
  double sum = 0;
  for (std::size_t c = 0; c < 3; ++c) {
    int value = 0;
    std::from_chars(color.data() + 1 + 2 * c, color.data() + 3 + 2 * c, value, 16);
    sum += kWeights[c] * value;
  }
  return sum < 128;
}

}  // namespace refocus::svg
