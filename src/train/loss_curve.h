// A training run's losses over its steps, drawn as SVG.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace refocus {

struct LossPoint {
  std::int64_t step = 0;
  double loss = 0;
};

// The points of a log (log.jsonl of a TrainingDirectory) that have this key: "loss" or "validation_loss".
// Lines that are no JSON are passed over.
std::vector<LossPoint> loss_points(std::string_view log, const char* key);

// One line for the training loss (the mean of neighbouring steps, where there are more than the drawing has
// room for) and one, with a mark a point, for the validation loss. Empty where there is no point.
std::string loss_curve_svg(const std::vector<LossPoint>& training, const std::vector<LossPoint>& validation);

}  // namespace refocus
