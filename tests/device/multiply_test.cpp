#include <initializer_list>
#include <list>

#include "device_support.h"
#include "device_weights.h"

namespace refocus {
namespace {

using testing::HostWeights;
using testing::kRoundoff;
using testing::OnDevice;
using testing::Rows;

constexpr DType kKept[] = {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0, DType::kQ4_K};

class Multiply : public testing::EveryDevice {
 protected:
  struct Options {
    bool accumulate = false, bias = false;
    std::int64_t x_gap = 0, y_gap = 0;
    DevicePrecision precision = DevicePrecision::kF32;
  };
  // All products of one call against the plain formula.
  void check(std::initializer_list<HostWeights> weights, std::int64_t rows, const Options& options);

  // Rows [first, first + count) of x W^T.
  std::vector<float> product(const DeviceMatrix& matrix, const OnDevice<float>& x, std::int64_t stride,
                             std::int64_t first, std::int64_t count, DevicePrecision precision) {
    Rows y(count, matrix.outputs, matrix.outputs, 5);
    const OnDevice<float> result(device(), y.values);
    const DeviceProduct job{&matrix, nullptr, result.data(), y.stride, false};
    device().multiply({x.data() + first * stride, stride, count, matrix.inputs}, {&job, 1}, precision);
    return result.download();
  }
};

// What rounding may make of a product with `size` = sum |x w|. Float32: each term takes part in sqrt(inputs)
// or fewer roundings of any sensible order, and in a handful more where weights are unpacked; roundings have
// random signs. Half precision: x is rounded, and weights of blocks are, by the roundoff of F16 (11 bits) or,
// with weights of BF16, of BF16 (8 bits); that bound holds for every term.
double tolerance(DType type, std::int64_t inputs, double size, std::int64_t rows, DevicePrecision precision) {
  double relative = kRoundoff * (8 + std::sqrt(static_cast<double>(inputs)));
  if (precision == DevicePrecision::kHalf && rows > kFewRows && type != DType::kF32) {
    relative += 2 * (type == DType::kBF16 ? testing::kBrainRoundoff : testing::kHalfRoundoff);
  }
  return relative * size;
}

void Multiply::check(std::initializer_list<HostWeights> weights, std::int64_t rows, const Options& options) {
  const std::int64_t inputs = weights.begin()->inputs;
  const Rows x(rows, inputs, inputs + options.x_gap, 11);
  const OnDevice<float> on_device(device(), x.values);
  std::list<OnDevice<float>> biases, results;
  std::vector<std::vector<float>> bias_values;
  std::vector<Rows> before;
  std::list<DeviceMatrix> matrices;
  std::vector<DeviceProduct> jobs;
  for (const HostWeights& w : weights) {
    matrices.push_back(w.to(device()));
    before.emplace_back(rows, w.outputs, w.outputs + options.y_gap, 12);
    if (!options.accumulate) std::ranges::fill(before.back().values, testing::kNotANumber);
    bias_values.push_back(testing::random_normals(static_cast<std::size_t>(w.outputs), 13));
    biases.emplace_back(device(), bias_values.back());
    results.emplace_back(device(), before.back().values);
    jobs.push_back({&matrices.back(), options.bias ? biases.back().data() : nullptr, results.back().data(),
                    before.back().stride, options.accumulate});
  }
  device().multiply({on_device.data(), x.stride, rows, inputs}, jobs, options.precision);
  auto result = results.begin();
  std::size_t p = 0;
  for (const HostWeights& w : weights) {
    const Rows y = before[p].read(*result++);
    for (std::int64_t n = 0; n < w.outputs && !HasFailure(); ++n) {
      for (std::int64_t r = 0; r < rows; ++r) {
        auto [sum, size] = w.dot(n, x.row(r));
        if (options.bias) sum += bias_values[p][n], size += std::abs(bias_values[p][n]);
        if (options.accumulate) sum += before[p].row(r)[n], size += std::abs(before[p].row(r)[n]);
        const double off = std::abs(y.row(r)[n] - sum);
        ASSERT_LE(off, tolerance(w.type, inputs, size, rows, options.precision))
            << name_of(w.type) << " " << testing::name_of(options.precision) << " [" << w.outputs << ", "
            << inputs << "], " << rows << " rows: row " << r << ", output " << n << ": " << y.row(r)[n]
            << " for " << sum;
      }
    }
    ++p;
  }
  for (DeviceMatrix& matrix : matrices) device().release_matrix(matrix);
}

TEST_P(Multiply, EqualsTheFormulaForAllTypesAndRows) {
  for (const DType type : kKept) {
    const HostWeights weights(type, 128, 256, 1);
    for (const DevicePrecision precision : precisions()) {
      for (const std::int64_t rows : {1, 2, 3, 4, 5, 8, 16, 17, 64, 100, 129}) {
        check({weights}, rows, {.precision = precision});
      }
    }
  }
}

TEST_P(Multiply, EqualsTheFormulaForSizesOfModels) {
  const std::int64_t shapes[][2] = {{64, 64}, {192, 64}, {96, 576}, {300, 768}, {1000, 512}, {40, 2048}};
  for (const auto& [outputs, inputs] : shapes) {
    for (const DType type : kKept) {
      if (inputs % block_elements(type) != 0) continue;
      const HostWeights weights(type, outputs, inputs, 2);
      for (const DevicePrecision precision : precisions()) {
        for (const std::int64_t rows : {1, 4, 7, 70}) {
          check({weights}, rows, {.bias = rows == 7, .precision = precision});
        }
      }
    }
  }
}

TEST_P(Multiply, AddsBiasAndWhatWasThere) {
  for (const DType type : kKept) {
    const HostWeights weights(type, 80, 256, 3);
    for (const DevicePrecision precision : precisions()) {
      for (const std::int64_t rows : {1, 4, 5, 33}) {
        check({weights}, rows, {.bias = true, .precision = precision});
        check({weights}, rows, {.accumulate = true, .precision = precision});
        check({weights}, rows, {.accumulate = true, .bias = true, .precision = precision});
      }
    }
  }
}

TEST_P(Multiply, TakesUpToFourProductsAtOnce) {
  for (const DevicePrecision precision : precisions()) {
    for (const std::int64_t rows : {1, 3, 4, 5, 100}) {
      const Options options{.bias = true, .y_gap = 16, .precision = precision};
      for (const DType type : kKept) {
        check({{type, 64, 256, 4}, {type, 16, 256, 5}, {type, 16, 256, 6}}, rows, options);
      }
      check({{DType::kF32, 64, 256, 4},
             {DType::kQ8_0, 33, 256, 5},
             {DType::kBF16, 7, 256, 6},
             {DType::kQ4_K, 130, 256, 7}},
            rows, options);
    }
  }
}

TEST_P(Multiply, TakesStridesBeyondTheSizes) {
  for (const DevicePrecision precision : precisions()) {
    for (const DType type : kKept) {
      for (const std::int64_t rows : {1, 3, 17, 66}) {
        check({{type, 48, 512, 8}}, rows, {.x_gap = 64, .y_gap = 32, .precision = precision});
      }
    }
  }
}

// Rows that begin at any float.
TEST_P(Multiply, TakesOddSizesAndStrides) {
  for (const DType type : kKept) {
    for (const std::int64_t inputs : {1, 2, 7, 31, 32, 33, 96, 160, 288, 515, 768}) {
      if (inputs % block_elements(type) != 0) continue;
      for (const std::int64_t outputs : {1, 3, 17, 65, 131}) {
        const HostWeights weights(type, outputs, inputs, 9);
        for (const DevicePrecision precision : precisions()) {
          for (const std::int64_t rows : {1, 4, 5, 17}) {
            check({weights}, rows, {.bias = true, .x_gap = 3, .y_gap = 5, .precision = precision});
          }
        }
      }
    }
  }
}

TEST_P(Multiply, KeepsARowsBitsWhateverTheCall) {
  constexpr std::int64_t kInputs = 512, kRows = 300;
  const Rows x(kRows, kInputs, kInputs, 21);
  const OnDevice<float> on_device(device(), x.values);
  for (const DType type : kKept) {
    for (const std::int64_t outputs : {100, 256}) {
      DeviceMatrix matrix = HostWeights(type, outputs, kInputs, 22).to(device());
      for (const DevicePrecision precision : precisions()) {
        const bool half = precision == DevicePrecision::kHalf;
        const auto run = [&](std::int64_t first, std::int64_t count) {
          return product(matrix, on_device, kInputs, first, count, precision);
        };
        const std::vector<float> many = run(0, kRows);
        const std::vector<float> some_first = run(0, kSomeRows), some_last = run(37, kSomeRows);
        for (const std::int64_t count : {1, 2, 4, 5, 17, 64, 100, 130}) {
          if (half && count <= kFewRows) continue;
          for (const std::int64_t first : {std::int64_t{0}, std::int64_t{37}, kRows - count}) {
            const std::vector<float> some = run(first, count);
            const bool few = half && count <= kSomeRows;
            if (few && first > 37) continue;
            const float* expected =
                few ? (first == 0 ? some_first : some_last).data() : &many[first * outputs];
            ASSERT_TRUE(testing::same_bits(some.data(), expected, count * outputs))
                << name_of(type) << " " << testing::name_of(precision) << " rows " << first << " + " << count;
          }
        }
        if (!half) continue;
        // Few rows are as in kF32, whatever is asked for.
        const std::vector<float> exact = product(matrix, on_device, kInputs, 0, kRows, DevicePrecision::kF32);
        for (std::int64_t count = 1; count <= kFewRows; ++count) {
          const std::vector<float> some = run(37, count);
          ASSERT_TRUE(testing::same_bits(some.data(), &exact[37 * outputs], count * outputs))
              << name_of(type) << " " << count << " rows of kHalf";
        }
      }
      device().release_matrix(matrix);
    }
  }
}

TEST_P(Multiply, KeepsAProductsBitsWhateverItsCompany) {
  constexpr std::int64_t kInputs = 256, kOutputs = 72;
  for (const DType type : kKept) {
    DeviceMatrix first = HostWeights(type, 40, kInputs, 31).to(device());
    DeviceMatrix second = HostWeights(type, kOutputs, kInputs, 32).to(device());
    for (const DevicePrecision precision : precisions()) {
      for (const std::int64_t rows : {1, 4, 6, 90}) {
        const Rows x(rows, kInputs, kInputs, 33);
        const OnDevice<float> on_device(device(), x.values);
        const OnDevice<float> a(device(), std::vector<float>(rows * 40));
        const OnDevice<float> b(device(), std::vector<float>(rows * kOutputs));
        const DeviceProduct jobs[] = {{&first, nullptr, a.data(), 40, false},
                                      {&second, nullptr, b.data(), kOutputs, false}};
        device().multiply({on_device.data(), kInputs, rows, kInputs}, jobs, precision);
        EXPECT_EQ(b.download(), product(second, on_device, kInputs, 0, rows, precision))
            << name_of(type) << " " << testing::name_of(precision) << " " << rows << " rows";
      }
    }
    device().release_matrix(first);
    device().release_matrix(second);
  }
}

REFOCUS_EVERY_DEVICE(Multiply);

}  // namespace
}  // namespace refocus
