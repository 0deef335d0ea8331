#include "model/rope_table.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace refocus {

namespace {

// Llama 3.1's scaling of one inverse frequency: long wavelengths are stretched by the factor, short ones
// kept, those between blended.
double llama3_scaled(double inverse, const RopeScaling& scaling) {
  const double turns = scaling.original_max_position_embeddings * inverse / (2 * std::numbers::pi);
  const double smooth = std::clamp(
      (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor), 0.0, 1.0);
  return (1 - smooth) * inverse / scaling.factor + smooth * inverse;
}

}  // namespace

RopeTable::RopeTable(const LlamaConfig& config, std::span<const float> factors)
    : head_dim_(config.head_dim),
      max_position_embeddings_(config.max_position_embeddings),
      theta_(config.rope_theta),
      scaling_(config.rope_scaling),
      inverse_frequencies_(static_cast<std::size_t>(config.head_dim / 2)),
      factors_(factors.begin(), factors.end()) {
  REFOCUS_CHECK(factors_.empty() || factors_.size() == inverse_frequencies_.size());
  set_base(0);
}

bool RopeTable::depends_on_length(std::int64_t length) const {
  return scaling_.kind == RopeScaling::Kind::kDynamic && length > max_position_embeddings_;
}

void RopeTable::set_base(std::int64_t length) {
  base_length_ = length;
  const auto dim = static_cast<double>(head_dim_);
  double base = theta_;
  if (depends_on_length(length)) {
    const double stretch =
        scaling_.factor * static_cast<double>(length) / static_cast<double>(max_position_embeddings_);
    base *= std::pow(stretch - (scaling_.factor - 1), dim / (dim - 2));
  }
  for (std::size_t i = 0; i < inverse_frequencies_.size(); ++i) {
    double inverse = 1 / std::pow(base, 2 * static_cast<double>(i) / dim);
    if (scaling_.kind == RopeScaling::Kind::kLlama3) inverse = llama3_scaled(inverse, scaling_);
    inverse_frequencies_[i] = factors_.empty() ? inverse : inverse / factors_[i];
  }
}

void RopeTable::fill(std::int64_t position, std::int64_t length, float* cosines, float* sines) {
  const std::int64_t wanted = depends_on_length(length) ? length : 0;
  if (wanted != base_length_) set_base(wanted);
  const double scale = scaling_.kind == RopeScaling::Kind::kLinear ? scaling_.factor : 1.0;
  const double scaled = static_cast<double>(position) / scale;
  for (std::size_t i = 0; i < inverse_frequencies_.size(); ++i) {
    const double angle = scaled * inverse_frequencies_[i];
    cosines[i] = static_cast<float>(std::cos(angle));
    sines[i] = static_cast<float>(std::sin(angle));
  }
}

std::vector<float> llama3_frequency_factors(const LlamaConfig& config) {
  std::vector<float> factors;
  if (config.rope_scaling.kind != RopeScaling::Kind::kLlama3) return factors;
  const auto dim = static_cast<double>(config.head_dim);
  for (std::int64_t i = 0; i < config.head_dim / 2; ++i) {
    const double inverse = 1 / std::pow(config.rope_theta, 2 * static_cast<double>(i) / dim);
    factors.push_back(static_cast<float>(inverse / llama3_scaled(inverse, config.rope_scaling)));
  }
  return factors;
}

}  // namespace refocus
