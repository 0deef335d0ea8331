#include "train/loss_curve.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

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

// 1, 2 or 5 times a power of ten, so that about five steps cover the range.
double nice_step(double range) {
  const double rough = range / 5, power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough) return factor * power;
  }
  return 10 * power;
}

struct Axes {
  double last_step, low, high;
  double x(double step) const { return kLeft + (kWidth - kLeft - kRight) * step / last_step; }
  double y(double loss) const { return kTop + (kHeight - kTop - kBottom) * (high - loss) / (high - low); }
};

std::string grid(const Axes& axes) {
  std::string out;
  const double loss_step = nice_step(axes.high - axes.low),
               step_step = std::max(1.0, nice_step(axes.last_step));
  for (double loss = std::ceil(axes.low / loss_step) * loss_step; loss <= axes.high + 1e-9;
       loss += loss_step) {
    out += fmt::format(
        "<line x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\" stroke=\"#ddd\"/>"
        "<text x=\"{3}\" y=\"{4:.1f}\" text-anchor=\"end\">{5:.6g}</text>\n",
        kLeft, kWidth - kRight, axes.y(loss), kLeft - 8, axes.y(loss) + 4,
        std::fabs(loss) < 1e-9 ? 0.0 : loss);
  }
  for (double step = 0; step <= axes.last_step + 1e-9; step += step_step) {
    out += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{:.0f}</text>\n", axes.x(step),
                       kHeight - kBottom + 20, step);
  }
  return out;
}

std::string line(const Axes& axes, const std::vector<LossPoint>& points, const char* color) {
  std::string out;
  for (const LossPoint& p : points) {
    out += fmt::format("{}{:.1f},{:.1f}", out.empty() ? "" : " ", axes.x(static_cast<double>(p.step)),
                       axes.y(p.loss));
  }
  return fmt::format("<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\" points=\"{}\"/>\n", color,
                     out);
}

}  // namespace

std::vector<LossPoint> loss_points(std::string_view log, const char* key) {
  std::vector<LossPoint> out;
  while (!log.empty()) {
    const std::size_t end = std::min(log.find('\n'), log.size());
    const auto json = nlohmann::json::parse(log.substr(0, end), nullptr, /*allow_exceptions=*/false);
    log.remove_prefix(std::min(end + 1, log.size()));
    if (!json.is_object() || !json.contains("step") || !json.contains(key)) continue;
    if (json["step"].is_number_integer() && json[key].is_number()) out.push_back({json["step"], json[key]});
  }
  return out;
}

std::string loss_curve_svg(const std::vector<LossPoint>& training, const std::vector<LossPoint>& validation) {
  const std::vector<LossPoint> drawn = thinned(training);
  Axes axes{1, INFINITY, -INFINITY};
  for (const auto* points : {&drawn, &validation}) {
    for (const LossPoint& p : *points) {
      axes.last_step = std::max(axes.last_step, static_cast<double>(p.step));
      axes.low = std::min(axes.low, p.loss);
      axes.high = std::max(axes.high, p.loss);
    }
  }
  if (!(axes.low <= axes.high)) return "";
  const double margin = std::max(0.05 * (axes.high - axes.low), 1e-3);
  axes.low -= margin;
  axes.high += margin;
  constexpr const char *kTraining = "#2a6fb0", *kValidation = "#c2571a";
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n",
      kWidth, kHeight);
  out += grid(axes);
  out += line(axes, drawn, kTraining);
  out += fmt::format("<text x=\"{}\" y=\"24\" fill=\"{}\">training loss</text>\n", kLeft, kTraining);
  if (!validation.empty()) {
    out += line(axes, validation, kValidation);
    for (const LossPoint& p : validation) {
      out += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>\n",
                         axes.x(static_cast<double>(p.step)), axes.y(p.loss), kValidation);
    }
    out += fmt::format("<text x=\"{}\" y=\"24\" fill=\"{}\">validation loss {:.4f}</text>\n", kLeft + 120,
                       kValidation, validation.back().loss);
  }
  out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">step</text>\n</svg>\n",
                     (kLeft + kWidth - kRight) / 2, kHeight - 10);
  return out;
}

}  // namespace refocus
