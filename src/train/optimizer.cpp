#include "train/optimizer.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "kernels/adamw.h"

namespace refocus {

namespace {

constexpr std::int64_t kPiece = 1 << 16;  // parameters a task

}  // namespace

double learning_rate_at(const OptimizerOptions& o, std::int64_t step) {
  if (step <= o.warmup) return o.learning_rate * static_cast<double>(step) / static_cast<double>(o.warmup);
  if (o.steps <= o.warmup) return o.learning_rate;
  const double part = static_cast<double>(step - o.warmup) / static_cast<double>(o.steps - o.warmup);
  const double cosine = 0.5 * (1 + std::cos(std::numbers::pi * std::min(part, 1.0)));
  return o.min_learning_rate + (o.learning_rate - o.min_learning_rate) * cosine;
}

AdamW::AdamW(const ParameterList& layout, const OptimizerOptions& options, ThreadPool& pool)
    : layout_(layout),
      options_(options),
      pool_(pool),
      m_(static_cast<std::size_t>(layout.size())),
      v_(static_cast<std::size_t>(layout.size())) {}

double AdamW::gradient_norm(const float* gradients) {
  const std::int64_t size = layout_.size(), pieces = (size + kPiece - 1) / kPiece;
  std::vector<double> sums(static_cast<std::size_t>(pieces));
  pool_.parallel_for(pieces, [&](std::int64_t piece, int) {
    sums[static_cast<std::size_t>(piece)] =
        sum_of_squares(gradients + piece * kPiece, std::min(kPiece, size - piece * kPiece));
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return std::sqrt(total);
}

void AdamW::update(std::int64_t step, const float* gradients, double gradient_norm, float* weights) {
  AdamWStep s;
  s.learning_rate = static_cast<float>(learning_rate_at(options_, step));
  s.beta1 = static_cast<float>(options_.beta1);
  s.beta2 = static_cast<float>(options_.beta2);
  s.eps = static_cast<float>(options_.eps);
  s.bias1 = static_cast<float>(1 - std::pow(options_.beta1, static_cast<double>(step)));
  s.bias2 = static_cast<float>(1 - std::pow(options_.beta2, static_cast<double>(step)));
  if (options_.clip > 0 && gradient_norm > options_.clip) {
    s.gradient_scale = static_cast<float>(options_.clip / gradient_norm);
  }
  const auto& parameters = layout_.parameters();
  pool_.parallel_for(static_cast<std::int64_t>(parameters.size()), [&](std::int64_t index, int) {
    const Parameter& p = parameters[static_cast<std::size_t>(index)];
    AdamWStep own = s;
    own.weight_decay = p.is_matrix() ? static_cast<float>(options_.weight_decay) : 0.0f;
    adamw(own, p.size, gradients + p.offset, weights + p.offset, m_.data() + p.offset, v_.data() + p.offset);
  });
}

}  // namespace refocus
