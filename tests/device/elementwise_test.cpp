// What is computed row by row or element by element: norms, tables, activations.
#include "device_support.h"
#include "kernels/activation.h"
#include "tensor/block_formats.h"

namespace refocus {
namespace {

using testing::kRoundoff;
using testing::OnDevice;
using testing::Rows;

class RowOperations : public testing::EveryDevice {
 protected:
  struct NormCase {
    std::int64_t rows, size, parts, weight_step;
    bool centred = false, bias = false, in_place = false;
    std::int64_t x_gap = 0, y_gap = 0;
    float mean = 0;
  };
  void check_norm(const NormCase& c);
};

// One run of a norm, by the formula, and what rounding may make of each element: some roundings of x - mean,
// of its factors and of the result.
struct PlainNorm {
  double mean = 0, scale = 0;
  PlainNorm(const float* x, std::int64_t size, float eps, bool centred) {
    double squares = 0;
    for (std::int64_t i = 0; i < size && centred; ++i) mean += x[i] / static_cast<double>(size);
    for (std::int64_t i = 0; i < size; ++i) squares += (x[i] - mean) * (x[i] - mean);
    scale = 1 / std::sqrt(squares / static_cast<double>(size) + eps);
  }
  double value(float x, float weight, float bias) const { return (x - mean) * scale * weight + bias; }
  double tolerance(float x, float weight, float bias) const {
    return 16 * kRoundoff * ((std::abs(x) + std::abs(mean)) * scale * std::abs(weight) + std::abs(bias));
  }
};

void RowOperations::check_norm(const NormCase& c) {
  const std::int64_t width = c.size * c.parts;
  Rows x(c.rows, width, width + c.x_gap, 1, 2);
  for (float& v : x.values) v += c.mean;
  const auto weights = static_cast<std::size_t>(c.weight_step * (c.parts - 1) + c.size);
  const std::vector<float> weight = testing::random_normals(weights, 2);
  const std::vector<float> bias = c.bias ? testing::random_normals(weights, 3) : std::vector<float>(weights);
  Rows y(c.rows, width, width + c.y_gap, 4);
  std::ranges::fill(y.values, testing::kNotANumber);
  const OnDevice<float> on_device(device(), x.values), result(device(), y.values), w(device(), weight),
      b(device(), bias);
  DeviceNorm norm{{on_device.data(), x.stride, c.rows, c.size},
                  c.parts,
                  c.weight_step,
                  w.data(),
                  c.bias ? b.data() : nullptr,
                  1e-5f,
                  c.centred,
                  result.data(),
                  y.stride};
  if (c.in_place) norm.y = on_device.data(), norm.y_stride = x.stride;
  device().norm(norm);
  const Rows actual = c.in_place ? x.read(on_device) : y.read(result);
  for (std::int64_t r = 0; r < c.rows; ++r) {
    for (std::int64_t p = 0; p < c.parts; ++p) {
      const PlainNorm plain(x.row(r) + p * c.size, c.size, 1e-5f, c.centred);
      for (std::int64_t i = 0; i < c.size; ++i) {
        const auto at = static_cast<std::size_t>(p * c.weight_step + i);
        const float from = x.row(r)[p * c.size + i];
        ASSERT_NEAR(actual.row(r)[p * c.size + i], plain.value(from, weight[at], bias[at]),
                    plain.tolerance(from, weight[at], bias[at]))
            << c.rows << " rows, " << c.parts << " parts of " << c.size << ": row " << r << ", part " << p
            << ", element " << i;
      }
    }
  }
}

TEST_P(RowOperations, NormsEqualTheFormula) {
  for (const std::int64_t rows : {1, 3, 4, 5, 17, 100}) {
    for (const std::int64_t size : {64, 96, 576, 1000, 4096, 5120, 9000}) {
      check_norm({rows, size, 1, 0});
      check_norm({rows, size, 1, 0, true, true});
      check_norm({rows, size, 1, 0, true, false});
    }
  }
}

TEST_P(RowOperations, NormsTakeOddSizesAndStrides) {
  for (const std::int64_t rows : {1, 3, 17}) {
    for (const std::int64_t size : {1, 2, 7, 31, 33, 65, 257, 1025}) {
      check_norm({rows, size, 1, 0, false, false, false, 3, 5});
      check_norm({rows, size, 1, 0, true, true, false, 3, 5});
    }
  }
}

TEST_P(RowOperations, NormsOfHeads) {
  for (const std::int64_t rows : {1, 5, 33}) {
    for (const std::int64_t size : {16, 20, 64, 80, 128, 256}) {
      for (const std::int64_t weight_step : {std::int64_t{0}, size}) {
        check_norm({rows, size, 6, weight_step, false, false, false, 8, 16});
        check_norm({rows, size, 6, weight_step, true, true, false, 8, 16});
      }
    }
  }
}

TEST_P(RowOperations, NormsInPlace) {
  check_norm({7, 576, 1, 0, false, false, true, 16});
  check_norm({7, 576, 1, 0, true, true, true, 16});
  check_norm({7, 64, 9, 64, false, false, true, 16});
  check_norm({7, 64, 9, 0, true, true, true, 16});
}

// The variance is not the difference of two large numbers.
TEST_P(RowOperations, CentredNormsOfRowsFarFromZero) {
  check_norm({3, 768, 1, 0, true, true, false, 0, 0, 100});
}

TEST_P(RowOperations, ANormOfARowDoesNotDependOnTheOthers) {
  for (const std::int64_t size : {64, 999, 2048}) {
    for (const bool centred : {false, true}) {
      const Rows x(100, size, size, 5);
      const std::vector<float> weight = testing::random_normals(static_cast<std::size_t>(size), 6);
      const OnDevice<float> on_device(device(), x.values), w(device(), weight);
      const auto run = [&](std::int64_t first, std::int64_t count) {
        const OnDevice<float> y(device(), std::vector<float>(static_cast<std::size_t>(count * size)));
        device().norm({{on_device.data() + first * size, size, count, size},
                       1,
                       0,
                       w.data(),
                       nullptr,
                       1e-5f,
                       centred,
                       y.data(),
                       size});
        return y.download();
      };
      const std::vector<float> all = run(0, 100);
      for (const std::int64_t count : {1, 5, 64}) {
        ASSERT_TRUE(testing::same_bits(run(31, count).data(), &all[31 * size], count * size))
            << count << " rows";
      }
    }
  }
}

TEST_P(RowOperations, GathersRowsOfTables) {
  constexpr std::int64_t kEntries = 50;
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const std::int64_t size : {1, 7, 64, 100, 1030}) {
      for (const bool add : {false, true}) {
        const std::int64_t stride = size + (add ? 6 : 0);
        const std::vector<float> wanted =
            testing::random_normals(static_cast<std::size_t>(kEntries * stride), 7);
        std::vector<std::byte> table(bytes_of(type, kEntries * stride));
        quantize_row(type, wanted.data(), table.data(), kEntries * stride);
        std::vector<float> values(wanted.size());
        dequantize_row(type, table.data(), values.data(), kEntries * stride);
        const std::vector<std::int32_t> ids = {49, 0, 7, 7, 13, 48, 1};
        const auto count = static_cast<std::int64_t>(ids.size());
        Rows out(count, size, size + 5, 8);
        if (!add) std::ranges::fill(out.values, testing::kNotANumber);
        const OnDevice<std::byte> t(device(), table);
        const OnDevice<std::int32_t> on_device(device(), ids);
        const OnDevice<float> result(device(), out.values);
        const float factor = add ? 1 : 22.627417f;
        device().gather(
            {type, t.data(), stride, size, on_device.data(), count, factor, add, result.data(), out.stride});
        const Rows actual = out.read(result);
        for (std::int64_t i = 0; i < count; ++i) {
          for (std::int64_t k = 0; k < size; ++k) {
            const double entry = double{factor} * values[ids[i] * stride + k];
            const double before = add ? out.row(i)[k] : 0.0;
            ASSERT_NEAR(actual.row(i)[k], before + entry,
                        2 * kRoundoff * (std::abs(entry) + std::abs(before)))
                << name_of(type) << " size " << size << " at " << i << ", " << k;
          }
        }
      }
    }
  }
}

TEST_P(RowOperations, ScattersWeightedRows) {
  for (const std::int64_t size : {1, 33, 64, 1000}) {
    const std::vector<std::int32_t> ids = {5, 0, 11, 3};
    const std::vector<float> weights = {0.5f, -1.25f, 0.1f, 2};
    const Rows from(4, size, size + 3, 9), to(12, size, size + 1, 10);
    const OnDevice<std::int32_t> on_device(device(), ids);
    const OnDevice<float> f(device(), from.values), w(device(), weights), result(device(), to.values);
    device().scatter_add(
        {f.data(), from.stride, size, 4, on_device.data(), w.data(), result.data(), to.stride});
    const Rows actual = to.read(result);
    for (std::int64_t r = 0; r < 12; ++r) {
      const auto found = std::ranges::find(ids, static_cast<std::int32_t>(r));
      for (std::int64_t k = 0; k < size; ++k) {
        const auto i = found - ids.begin();
        const double added = found == ids.end() ? 0.0 : double{weights[i]} * from.row(i)[k];
        ASSERT_NEAR(actual.row(r)[k], to.row(r)[k] + added,
                    2 * kRoundoff * (std::abs(added) + std::abs(to.row(r)[k])))
            << "row " << r;
      }
    }
  }
}

TEST_P(RowOperations, ActivationsEqualThePlainKernels) {
  const struct {
    DeviceActivation kind;
    Elementwise plain;
  } cases[] = {{DeviceActivation::kSilu, reference::silu},
               {DeviceActivation::kGelu, reference::gelu},
               {DeviceActivation::kGeluTanh, reference::gelu_tanh},
               {DeviceActivation::kRelu, reference::relu},
               {DeviceActivation::kReluSquared, reference::relu_squared},
               {DeviceActivation::kClampedSwiglu, reference::clamped_swiglu}};
  for (const auto& [kind, plain] : cases) {
    for (const std::int64_t size : {1, 5, 64, 333, 1024}) {
      for (const bool with_up : {true, false}) {
        if (!with_up && kind == DeviceActivation::kClampedSwiglu) continue;
        Rows gate(3, size, size + 5, 11, 4);
        Rows up(3, size, size + 5, 12, 5);
        const float edges[] = {0, 20, -20, 87, -87, 100, -100, 1e-20f, -1e-20f};
        if (size >= 64) std::ranges::copy(edges, gate.row(1));
        const OnDevice<float> g(device(), gate.values), u(device(), up.values);
        device().activate(kind, g.data(), with_up ? u.data() : nullptr, 3, size, gate.stride);
        const Rows actual = gate.read(g);
        EXPECT_TRUE(testing::same_bits(up.read(u).row(0), up.row(0), size));
        for (std::int64_t r = 0; r < 3; ++r) {
          std::vector<float> expected(gate.row(r), gate.row(r) + size);
          plain(expected.data(), with_up ? up.row(r) : nullptr, size);
          for (std::int64_t i = 0; i < size; ++i) {
            // Relative, and where 1 + erf or 1 + tanh nearly vanishes, to what it is multiplied with.
            const double most = std::abs(gate.row(r)[i]) * (with_up ? 1 + std::abs(up.row(r)[i]) : 1);
            ASSERT_NEAR(actual.row(r)[i], expected[i], 1e-6 * std::abs(expected[i]) + 4e-7 * most)
                << "activation " << static_cast<int>(kind) << " of " << gate.row(r)[i];
          }
        }
      }
    }
  }
}

TEST_P(RowOperations, AddsBranches) {
  for (const std::int64_t size : {1, 64, 333}) {
    for (const float times : {1.0f, 0.22f}) {
      const Rows x(5, size, size + 3, 13), branch(5, size, size + 3, 14);
      const OnDevice<float> to(device(), x.values), from(device(), branch.values);
      device().add(to.data(), from.data(), 5, size, x.stride, times);
      const Rows actual = x.read(to);
      for (std::int64_t r = 0; r < 5; ++r) {
        for (std::int64_t i = 0; i < size; ++i) {
          const double added = double{times} * branch.row(r)[i];
          ASSERT_NEAR(actual.row(r)[i], x.row(r)[i] + added,
                      2 * kRoundoff * (std::abs(added) + std::abs(x.row(r)[i])));
        }
      }
    }
  }
}

TEST_P(RowOperations, ClampsScalesAndCaps) {
  for (const std::size_t count : {1U, 7U, 256U, 100003U}) {
    const std::vector<float> x = testing::random_normals(count, 15, 10);
    const OnDevice<float> clamped(device(), x), scaled(device(), x), capped(device(), x);
    const auto n = static_cast<std::int64_t>(count);
    device().clamp(clamped.data(), n, 8);
    device().scale_and_cap(scaled.data(), n, 0.3f, 0);
    device().scale_and_cap(capped.data(), n, 3, 30);
    const std::vector<float> a = clamped.download(), b = scaled.download(), c = capped.download();
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_EQ(a[i], std::clamp(x[i], -8.0f, 8.0f)) << i;
      ASSERT_NEAR(b[i], double{0.3f} * x[i], kRoundoff * std::abs(x[i])) << i;
      const double expected = 30 * std::tanh(3 * double{x[i]} / 30);
      ASSERT_NEAR(c[i], expected, 1e-6 * std::abs(expected)) << i;
    }
  }
}

REFOCUS_EVERY_DEVICE(RowOperations);

}  // namespace
}  // namespace refocus
