// A random matrix as files hold it, and the plain formula of products with it.
#pragma once

#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "device_support.h"
#include "tensor/block_formats.h"

namespace refocus::testing {

struct HostWeights {
  DType type;
  std::int64_t outputs, inputs;
  std::vector<std::byte> bytes;  // [outputs, inputs] of `type`
  std::vector<float> values;     // what they stand for

  HostWeights(DType type, std::int64_t outputs, std::int64_t inputs, std::uint64_t seed)
      : type(type), outputs(outputs), inputs(inputs), bytes(row_bytes() * static_cast<std::size_t>(outputs)) {
    const std::vector<float> wanted = random_normals(static_cast<std::size_t>(outputs * inputs), seed, 0.1);
    values.resize(wanted.size());
    for (std::int64_t n = 0; n < outputs; ++n) {
      quantize_row(type, wanted.data() + n * inputs, row(n), inputs);
      dequantize_row(type, row(n), values.data() + n * inputs, inputs);
    }
  }
  std::size_t row_bytes() const { return bytes_of(type, inputs); }
  std::byte* row(std::int64_t n) { return bytes.data() + static_cast<std::size_t>(n) * row_bytes(); }
  const std::byte* row(std::int64_t n) const {
    return bytes.data() + static_cast<std::size_t>(n) * row_bytes();
  }

  DeviceMatrix to(Device& device) const {
    return device.make_matrix(type, outputs, inputs, [this](std::int64_t r) { return row(r); });
  }
  // x . w of an output, and the sum of its terms' magnitudes.
  std::pair<double, double> dot(std::int64_t n, const float* x) const {
    double sum = 0, size = 0;
    for (std::int64_t k = 0; k < inputs; ++k) {
      const double term = static_cast<double>(x[k]) * values[static_cast<std::size_t>(n * inputs + k)];
      sum += term;
      size += std::abs(term);
    }
    return {sum, size};
  }
};

}  // namespace refocus::testing
