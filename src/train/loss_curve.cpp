#include "train/loss_curve.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/json_reader.h"
#include "figure/svg.h"

namespace refocus {

namespace {

constexpr double kWidth = 720, kHeight = 400, kLeft = 64, kRight = 16, kTop = 40, kBottom = 48;
constexpr std::size_t kMostPoints = 640;  // about one a pixel

// Neighbouring points averaged until there are at most kMostPoints.
std::vector<LossPoint> thinned(const std::vector<LossPoint>& points) {
  const std::size_t together = (points.size() + kMostPoints - 1) / kMostPoints;
  if (together <= 1) return points;
  std::vector<LossPoint> out;
  for (std::size_t begin = 0; begin < points.size(); begin += together) {
    const std::size_t end = std::min(points.size(), begin + together);
    double sum = 0;
    for (std::size_t i = begin; i < end; ++i) sum += points[i].loss;
    out.push_back({points[end - 1].step, sum / static_cast<double>(end - begin)});
  }
  return out;
}

// Losses over steps 0 to last_step.
struct Axes {
  svg::Scale x, y;
};

svg::Points places(const Axes& axes, const std::vector<LossPoint>& points) {
  svg::Points out;
  for (const LossPoint& p : points) out.emplace_back(axes.x(static_cast<double>(p.step)), axes.y(p.loss));
  return out;
}

std::string grid(const Axes& axes) {
  std::string out = svg::value_grid(axes.y, kLeft, kWidth - kRight);
  for (const double step : svg::ticks(0, axes.x.to, std::max(1.0, svg::nice_step(axes.x.to)))) {
    out += svg::text(axes.x(step), kHeight - kBottom + 20, fmt::format("{:.0f}", step), {.anchor = "middle"});
  }
  return out;
}

}  // namespace

std::vector<LossPoint> loss_points(std::string_view log, const char* key) {
  std::vector<LossPoint> out;
  while (!log.empty()) {
    const std::size_t end = std::min(log.find('\n'), log.size());
    const auto line = json_or_nothing(log.substr(0, end));
    log.remove_prefix(std::min(end + 1, log.size()));
    if (!line || !line->is_object() || !line->contains("step") || !line->contains(key)) continue;
    const nlohmann::json &step = line->at("step"), &loss = line->at(key);
    if (step.is_number_integer() && loss.is_number()) out.push_back({step, loss});
  }
  return out;
}

std::string loss_curve_svg(const std::vector<LossPoint>& training, const std::vector<LossPoint>& validation) {
  const std::vector<LossPoint> drawn = thinned(training);
  double last_step = 1, low = INFINITY, high = -INFINITY;
  for (const auto* points : {&drawn, &validation}) {
    for (const LossPoint& p : *points) {
      last_step = std::max(last_step, static_cast<double>(p.step));
      low = std::min(low, p.loss);
      high = std::max(high, p.loss);
    }
  }
  if (!(low <= high)) return "";
  const double margin = std::max(0.05 * (high - low), 1e-3);
  const Axes axes{{0, last_step, kLeft, kWidth - kRight},
                  {high + margin, low - margin, kTop, kHeight - kBottom}};
  constexpr const char *kTraining = "#2a6fb0", *kValidation = "#c2571a";
  std::string out = svg::begin(kWidth, kHeight);
  out += grid(axes);
  out += svg::line(places(axes, drawn), {.color = kTraining});
  out += svg::text(kLeft, 24, "training loss", {.color = kTraining});
  if (!validation.empty()) {
    out += svg::line(places(axes, validation), {.color = kValidation});
    for (const auto& [x, y] : places(axes, validation)) out += svg::mark(x, y, {0}, kValidation);
    out += svg::text(kLeft + 120, 24, fmt::format("validation loss {:.4f}", validation.back().loss),
                     {.color = kValidation});
  }
  out += svg::text((kLeft + kWidth - kRight) / 2, kHeight - 10, "step", {.anchor = "middle"});
  return out + svg::end();
}

}  // namespace refocus
