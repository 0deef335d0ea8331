#include "analyze/map_divergence.h"

#include <algorithm>
#include <cmath>

namespace refocus {
namespace {

// The part of the divergence that an outcome with these probabilities adds: with m their mean,
// (x ln (x / m) + y ln (y / m)) / 2.
double part(double x, double y) {
  const double m = (x + y) / 2;
  const double of_x = x > 0 ? x * std::log(x / m) : 0, of_y = y > 0 ? y * std::log(y / m) : 0;
  return (of_x + of_y) / 2;
}

double total(const MapRows& map, std::size_t row) {
  double sum = std::fabs(map.rest[row]);
  for (auto i = map.offsets[row]; i < map.offsets[row + 1]; ++i) {
    sum += std::fabs(map.weights[static_cast<std::size_t>(i)]);
  }
  return sum;
}

double row_divergence(const MapRows& a, const MapRows& b, std::size_t row, double sum_a, double sum_b) {
  double divergence = 0, left_a = 1, left_b = 1;
  auto i = static_cast<std::size_t>(a.offsets[row]), j = static_cast<std::size_t>(b.offsets[row]);
  const auto end_a = static_cast<std::size_t>(a.offsets[row + 1]);
  const auto end_b = static_cast<std::size_t>(b.offsets[row + 1]);
  while (i < end_a && j < end_b) {
    if (a.keys[i] != b.keys[j]) {
      ++(a.keys[i] < b.keys[j] ? i : j);
      continue;
    }
    const double of_a = a.weights[i++], of_b = b.weights[j++];
    const double x = std::fabs(of_a) / sum_a, y = std::fabs(of_b) / sum_b;
    const bool opposite = (of_a < 0 && of_b > 0) || (of_a > 0 && of_b < 0);
    divergence += opposite ? part(x, 0) + part(0, y) : part(x, y);
    left_a -= x;
    left_b -= y;
  }
  return divergence + part(std::max(left_a, 0.0), std::max(left_b, 0.0));
}

}  // namespace

std::optional<double> mean_divergence(const MapRows& a, const MapRows& b) {
  const std::size_t rows = std::min(a.offsets.size(), b.offsets.size()) - 1;
  double sum = 0;
  std::int64_t count = 0;
  for (std::size_t row = 0; row < rows; ++row) {
    const double sum_a = total(a, row), sum_b = total(b, row);
    if (sum_a == 0 || sum_b == 0) continue;
    sum += row_divergence(a, b, row, sum_a, sum_b);
    ++count;
  }
  if (count == 0) return std::nullopt;
  return sum / static_cast<double>(count);
}

}  // namespace refocus
