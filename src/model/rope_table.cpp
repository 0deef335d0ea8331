#include "model/rope_table.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace refocus {

namespace {

using Kind = RopeScaling::Kind;

// Llama 3.1's scaling of one inverse frequency: long wavelengths are stretched by the factor, short ones
// kept, those between blended.
double llama3_scaled(double inverse, const RopeScaling& scaling) {
  const double turns = scaling.original_max_position_embeddings * inverse / (2 * std::numbers::pi);
  const double smooth = std::clamp(
      (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor), 0.0, 1.0);
  return (1 - smooth) * inverse / scaling.factor + smooth * inverse;
}

// YaRN (Peng et al. 2023, arXiv 2309.00071): dimensions that turn often within the original length are kept,
// those that turn seldom are stretched by the factor, and those between are blended along a ramp over the
// dimensions.
class YarnRamp {
 public:
  YarnRamp(const RopeScaling& scaling, double theta, std::int64_t rotary) {
    const auto dimension = [&](double turns) {
      return static_cast<double>(rotary) *
             std::log(scaling.original_max_position_embeddings / (turns * 2 * std::numbers::pi)) /
             (2 * std::log(theta));
    };
    low_ = dimension(scaling.beta_fast);
    high_ = dimension(scaling.beta_slow);
    if (scaling.truncate) {
      low_ = std::floor(low_);
      high_ = std::ceil(high_);
    }
    low_ = std::max(low_, 0.0);
    high_ = std::min(high_, static_cast<double>(rotary - 1));
    if (low_ == high_) high_ += 0.001;
  }

  double scaled(double inverse, std::size_t i, double factor) const {
    const double stretched = std::clamp((static_cast<double>(i) - low_) / (high_ - low_), 0.0, 1.0);
    return inverse / factor * stretched + inverse * (1 - stretched);
  }

 private:
  double low_, high_;
};

}  // namespace

RopeTable::RopeTable(const ModelConfig& config, std::span<const float> factors)
    : RopeTable(config, config.rope, factors) {}

RopeTable::RopeTable(const ModelConfig& config, const RopeConfig& rope, std::span<const float> factors)
    : rotary_(config.rotary()),
      max_position_embeddings_(config.max_position_embeddings),
      theta_(rope.theta),
      scaling_(rope.scaling),
      inverse_frequencies_(static_cast<std::size_t>(config.rotary() / 2)),
      factors_(factors.begin(), factors.end()) {
  REFOCUS_CHECK(factors_.empty() || factors_.size() == inverse_frequencies_.size());
  set_base(0);
}

bool RopeTable::depends_on_length(std::int64_t length) const {
  if (scaling_.kind == Kind::kDynamic) return length > max_position_embeddings_;
  return scaling_.kind == Kind::kLongrope &&
         static_cast<double>(length) > scaling_.original_max_position_embeddings;
}

void RopeTable::set_base(std::int64_t length) {
  base_length_ = length;
  const auto dim = static_cast<double>(rotary_);
  double base = theta_;
  if (scaling_.kind == Kind::kDynamic && depends_on_length(length)) {
    const double stretch =
        scaling_.factor * static_cast<double>(length) / static_cast<double>(max_position_embeddings_);
    base *= std::pow(stretch - (scaling_.factor - 1), dim / (dim - 2));
  }
  const YarnRamp ramp(scaling_, theta_, rotary_);
  const std::vector<double>& longrope =
      depends_on_length(length) ? scaling_.long_factor : scaling_.short_factor;
  for (std::size_t i = 0; i < inverse_frequencies_.size(); ++i) {
    double inverse = 1 / std::pow(base, 2 * static_cast<double>(i) / dim);
    if (scaling_.kind == Kind::kLlama3) inverse = llama3_scaled(inverse, scaling_);
    if (scaling_.kind == Kind::kYarn) inverse = ramp.scaled(inverse, i, scaling_.factor);
    if (scaling_.kind == Kind::kLongrope) inverse /= longrope[i];
    inverse_frequencies_[i] = factors_.empty() ? inverse : inverse / factors_[i];
  }
}

void RopeTable::fill(std::int64_t position, std::int64_t length, float* cosines, float* sines) {
  const std::int64_t wanted = depends_on_length(length) ? length : 0;
  if (wanted != base_length_) set_base(wanted);
  const double scale = scaling_.kind == Kind::kLinear ? scaling_.factor : 1.0;
  const double scaled = static_cast<double>(position) / scale, size = scaling_.attention_factor;
  for (std::size_t i = 0; i < inverse_frequencies_.size(); ++i) {
    const double angle = scaled * inverse_frequencies_[i];
    cosines[i] = static_cast<float>(std::cos(angle) * size);
    sines[i] = static_cast<float>(std::sin(angle) * size);
  }
}

std::vector<float> llama3_frequency_factors(const ModelConfig& config) {
  std::vector<float> factors;
  if (config.rope.scaling.kind != Kind::kLlama3) return factors;
  const auto dim = static_cast<double>(config.rotary());
  for (std::int64_t i = 0; i < config.rotary() / 2; ++i) {
    const double inverse = 1 / std::pow(config.rope.theta, 2 * static_cast<double>(i) / dim);
    factors.push_back(static_cast<float>(inverse / llama3_scaled(inverse, config.rope.scaling)));
  }
  return factors;
}

}  // namespace refocus
