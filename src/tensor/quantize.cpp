// Float32 to the plain 16-bit types and to block formats.
//
// Sums are in double, so that no finite float overflows them.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "tensor/block_formats.h"
#include "tensor/half.h"

namespace refocus {

namespace {

constexpr float kMaxHalf = 65504;

// A scale as half float bits; throws where it does not fit. `at` is the element that made it so large.
std::uint16_t half_scale(double scale, DType type, const float* x, std::int64_t at) {
  if (!(std::abs(scale) <= kMaxHalf)) throw QuantizeError(type, x[at], at);
  return f32_to_f16(static_cast<float>(scale));
}

std::int64_t largest_magnitude(const float* x, std::int64_t count) {
  std::int64_t at = 0;
  for (std::int64_t i = 1; i < count; ++i) {
    if (std::abs(x[i]) > std::abs(x[at])) at = i;
  }
  return at;
}

void quantize(const float* x, BlockQ8_0& block) {
  const std::int64_t at = largest_magnitude(x, 32);
  const float d = std::abs(x[at]) / 127, inverse = d > 0 ? 1 / d : 0;
  block.d = half_scale(d, DType::kQ8_0, x, at);
  const float factor = std::isfinite(inverse) ? inverse : 0;  // 1 / d overflows only where d is 0 as a half
  for (int i = 0; i < 32; ++i) block.qs[i] = static_cast<std::int8_t>(std::round(x[i] * factor));
}

void quantize(const float* x, BlockQ4_0& block) {
  const std::int64_t at = largest_magnitude(x, 32);
  const float d = x[at] / -8, inverse = d != 0 ? 1 / d : 0;
  block.d = half_scale(d, DType::kQ4_0, x, at);
  const float factor = std::isfinite(inverse) ? inverse : 0;
  const auto code = [&](float value) { return std::min(15, static_cast<int>(value * factor + 8.5f)); };
  for (int i = 0; i < 16; ++i) block.qs[i] = static_cast<std::uint8_t>(code(x[i]) | (code(x[i + 16]) << 4));
}

// One sub-block fitted as x = scale * q - min, with scale and min at least 0 and q from 0 to `most`.
struct Fit {
  double scale = 0, min = 0, error = 0;  // the error is squared and weighted
};

// Assigns q = round((x + min) / scale) within its range; returns the weighted squared error.
double assign(const float* x, const float* weights, double scale, double min, int most, std::uint8_t q[32]) {
  const double inverse = scale > 0 ? 1 / scale : 0;
  double error = 0;
  for (int i = 0; i < 32; ++i) {
    const double wanted = std::clamp((x[i] + min) * inverse, 0.0, static_cast<double>(most));
    q[i] = static_cast<std::uint8_t>(wanted + 0.5);
    const double difference = scale * q[i] - min - x[i];
    error += weights[i] * difference * difference;
  }
  return error;
}

// The scale and min of least weighted squared error for these q (weighted linear regression, min clamped).
Fit regress(const float* x, const float* weights, const std::uint8_t q[32]) {
  double w = 0, wx = 0, wq = 0, wqq = 0, wqx = 0, wxx = 0;
  for (int i = 0; i < 32; ++i) {
    const double v = weights[i], vx = v * x[i], vq = v * q[i];
    w += v, wx += vx, wq += vq, wqq += vq * q[i], wqx += vx * q[i], wxx += vx * x[i];
  }
  Fit fit;
  const double determinant = w * wqq - wq * wq;
  if (determinant > 0) {
    fit.scale = (w * wqx - wx * wq) / determinant;
    fit.min = (wq * wqx - wqq * wx) / determinant;
  }
  if (fit.min < 0 || determinant <= 0) {
    fit.min = 0;
    fit.scale = wqq > 0 ? wqx / wqq : 0;
  }
  if (fit.scale < 0) fit = {0, w > 0 ? std::max(0.0, -wx / w) : 0, 0};
  // sum of weights * (scale q - min - x)^2, multiplied out
  fit.error = std::max(0.0, fit.scale * fit.scale * wqq + fit.min * fit.min * w + wxx -
                                2 * fit.scale * fit.min * wq - 2 * fit.scale * wqx + 2 * fit.min * wx);
  return fit;
}

// Searches scales around the one that spans the values, and fits scale and min to each outcome.
Fit fit_sub_block(const float* x, const float* weights, int most) {
  const auto [low_at, high_at] = std::minmax_element(x, x + 32);
  const double low = std::min(0.0, static_cast<double>(*low_at)), high = *high_at;
  if (high <= low) return {0, -low, 0};
  std::uint8_t q[32];
  Fit best{(high - low) / most, -low, 0};
  best.error = assign(x, weights, best.scale, best.min, most, q);
  constexpr int kSteps = 20;
  for (int step = 0; step <= kSteps; ++step) {
    assign(x, weights, (high - low) / (most - 1 + 0.1 * step), -low, most, q);
    const Fit fit = regress(x, weights, q);
    if (fit.error < best.error) best = fit;
  }
  return best;
}

// Of the 6-bit codes next to the fitted scale and min, the pair of least error; leaves its q behind.
void choose_codes(const float* x, const float* weights, const Fit& fit, double d, double dmin, int most,
                  std::uint8_t& scale, std::uint8_t& min, std::uint8_t q[32]) {
  const auto code = [](double value, double unit) {
    return unit > 0 ? static_cast<int>(std::min(63.0, value / unit + 0.5)) : 0;
  };
  const int near_scale = code(fit.scale, d), near_min = code(fit.min, dmin);
  double least = HUGE_VAL;
  for (int s = std::max(0, near_scale - 1); s <= std::min(63, near_scale + 1); ++s) {
    for (int m = std::max(0, near_min - 1); m <= std::min(63, near_min + 1); ++m) {
      std::uint8_t trial[32];
      const double error = assign(x, weights, d * s, dmin * m, most, trial);
      if (error >= least) continue;
      least = error;
      scale = static_cast<std::uint8_t>(s);
      min = static_cast<std::uint8_t>(m);
      std::memcpy(q, trial, 32);
    }
  }
}

// What Q4_K and Q5_K share: d, dmin, the packed scales, and the q of all elements.
template <class Block>
void quantize_with_mins(const float* x, DType type, int most, Block& block, std::uint8_t q[256]) {
  float weights[256];
  Fit fits[8];
  double largest_scale = 0, largest_min = 0;
  for (int s = 0; s < 8; ++s) {
    double squares = 0;
    for (int i = 0; i < 32; ++i) squares += static_cast<double>(x[32 * s + i]) * x[32 * s + i];
    const auto mean = static_cast<float>(std::sqrt(squares / 32));
    for (int i = 0; i < 32; ++i) weights[32 * s + i] = mean + std::abs(x[32 * s + i]);
    fits[s] = fit_sub_block(x + 32 * s, weights + 32 * s, most);
    largest_scale = std::max(largest_scale, fits[s].scale);
    largest_min = std::max(largest_min, fits[s].min);
  }
  const std::int64_t at = largest_magnitude(x, 256);
  block.d = half_scale(largest_scale / 63, type, x, at);
  block.dmin = half_scale(largest_min / 63, type, x, at);
  std::uint8_t scales[8] = {}, mins[8] = {};
  for (int s = 0; s < 8; ++s) {
    choose_codes(x + 32 * s, weights + 32 * s, fits[s], f16_to_f32(block.d), f16_to_f32(block.dmin), most,
                 scales[s], mins[s], q + 32 * s);
  }
  pack_scales_and_mins(scales, mins, block.scales);
}

void quantize(const float* x, BlockQ4_K& block) {
  std::uint8_t q[256];
  quantize_with_mins(x, DType::kQ4_K, 15, block, q);
  for (int i = 0; i < 128; ++i) {
    const std::uint8_t* pair = q + i / 32 * 64 + i % 32;
    block.qs[i] = static_cast<std::uint8_t>(pair[0] | (pair[32] << 4));
  }
}

void quantize(const float* x, BlockQ5_K& block) {
  std::uint8_t q[256];
  quantize_with_mins(x, DType::kQ5_K, 31, block, q);
  for (int i = 0; i < 128; ++i) {
    const std::uint8_t* pair = q + i / 32 * 64 + i % 32;
    block.qs[i] = static_cast<std::uint8_t>((pair[0] & 15) | ((pair[32] & 15) << 4));
  }
  for (int i = 0; i < 32; ++i) {
    int high = 0;
    for (int s = 0; s < 8; ++s) high |= (q[32 * s + i] >> 4) << s;
    block.qh[i] = static_cast<std::uint8_t>(high);
  }
}

// q = round(x / scale) from -32 to 31; returns the squared error weighted by x^2.
double assign_signed(const float* x, double scale, std::int8_t q[16]) {
  const double inverse = scale != 0 ? 1 / scale : 0;
  double error = 0;
  for (int i = 0; i < 16; ++i) {
    const double wanted = std::clamp(x[i] * inverse, -32.0, 31.0);
    q[i] = static_cast<std::int8_t>(static_cast<int>(wanted + 32.5) - 32);
    const double difference = scale * q[i] - x[i];
    error += static_cast<double>(x[i]) * x[i] * difference * difference;
  }
  return error;
}

// The scale, of either sign, that fits 16 values best; 0 where all are 0.
double fit_signed(const float* x) {
  const double largest = x[largest_magnitude(x, 16)];
  if (largest == 0) return 0;
  std::int8_t q[16];
  double best = largest / -32, least = assign_signed(x, best, q);
  constexpr int kSteps = 9;
  for (int step = -kSteps; step <= kSteps; ++step) {
    assign_signed(x, -largest / (32 + 0.1 * step), q);
    double qx = 0, qq = 0;
    for (int i = 0; i < 16; ++i) {
      const double weight = static_cast<double>(x[i]) * x[i];
      qx += weight * q[i] * x[i];
      qq += weight * q[i] * q[i];
    }
    if (qq <= 0) continue;
    const double error = assign_signed(x, qx / qq, q);
    if (error >= least) continue;
    least = error;
    best = qx / qq;
  }
  return best;
}

void quantize(const float* x, BlockQ6_K& block) {
  double scales[16], largest = 0;
  for (int s = 0; s < 16; ++s) {
    scales[s] = fit_signed(x + 16 * s);
    if (std::abs(scales[s]) > std::abs(largest)) largest = scales[s];
  }
  block.d = half_scale(largest / -128, DType::kQ6_K, x, largest_magnitude(x, 256));
  const double d = f16_to_f32(block.d);
  std::int8_t q[256] = {};
  for (int s = 0; s < 16; ++s) {
    const double code = d != 0 ? std::clamp(std::round(scales[s] / d), -128.0, 127.0) : 0;
    block.scales[s] = static_cast<std::int8_t>(code);
    assign_signed(x + 16 * s, d * code, q + 16 * s);
  }
  std::memset(block.ql, 0, sizeof block.ql);
  std::memset(block.qh, 0, sizeof block.qh);
  for (int e = 0; e < 256; ++e) {
    const int half = e / 128, group = e % 128 / 32, i = e % 32, code = q[e] + 32;
    block.ql[64 * half + group % 2 * 32 + i] |= static_cast<std::uint8_t>((code & 15) << (group / 2 * 4));
    block.qh[32 * half + i] |= static_cast<std::uint8_t>((code >> 4) << (2 * group));
  }
}

template <class Block>
void quantize_blocks(const float* from, std::byte* to, std::int64_t count, std::int64_t elements) {
  for (std::int64_t start = 0; start < count; start += elements, to += sizeof(Block)) {
    Block block;
    try {
      quantize(from + start, block);
    } catch (QuantizeError& e) {
      e.index += start;
      throw;
    }
    std::memcpy(to, &block, sizeof block);
  }
}

void narrow(DType type, const float* from, std::byte* to, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint16_t bits = type == DType::kF16 ? f32_to_f16(from[i]) : f32_to_bf16(from[i]);
    if (!std::isfinite(type == DType::kF16 ? f16_to_f32(bits) : bf16_to_f32(bits))) {
      throw QuantizeError(type, from[i], i);
    }
    std::memcpy(to + 2 * i, &bits, 2);
  }
}

}  // namespace

QuantizeError::QuantizeError(DType type, float value, std::int64_t at)
    : std::runtime_error(fmt::format("{} cannot hold {}", name_of(type), value)), index(at) {}

void quantize_row(DType type, const float* from, std::byte* to, std::int64_t count) {
  REFOCUS_CHECK(count % block_elements(type) == 0);
  for (std::int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(from[i])) throw QuantizeError(type, from[i], i);
  }
  switch (type) {
    case DType::kF32:
      if (count > 0) std::memcpy(to, from, static_cast<std::size_t>(count) * 4);
      return;
    case DType::kF16:
    case DType::kBF16:
      return narrow(type, from, to, count);
    case DType::kQ8_0:
      return quantize_blocks<BlockQ8_0>(from, to, count, 32);
    case DType::kQ4_0:
      return quantize_blocks<BlockQ4_0>(from, to, count, 32);
    case DType::kQ4_K:
      return quantize_blocks<BlockQ4_K>(from, to, count, 256);
    case DType::kQ5_K:
      return quantize_blocks<BlockQ5_K>(from, to, count, 256);
    case DType::kQ6_K:
      return quantize_blocks<BlockQ6_K>(from, to, count, 256);
    default:
      REFOCUS_CHECK(is_written(type));
  }
}

}  // namespace refocus
