#include "kernels/matmul.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>

#include "kernels/targets.h"
#include "tensor/block_formats.h"
#include "tensor/half.h"

namespace refocus {
namespace {

class MatMul : public testing::EveryTarget {};

// Weights of one type at a chosen misalignment, and activations with the padded stride.
struct Problem {
  std::int64_t rows, inputs, outputs;
  std::vector<float> x, bias;
  std::vector<std::byte> storage;
  MatMulJob job;

  Problem(std::int64_t rows, std::int64_t inputs, std::int64_t outputs, DType type, std::size_t misalignment)
      : rows(rows), inputs(inputs), outputs(outputs) {
    const std::vector<float> values = testing::random_floats(static_cast<std::size_t>(rows * inputs), 1);
    x.assign(static_cast<std::size_t>(rows * padded(inputs)), 0.0f);
    for (std::int64_t r = 0; r < rows; ++r) {
      std::copy_n(values.begin() + r * inputs, inputs, x.begin() + r * padded(inputs));
    }
    const auto count = static_cast<std::size_t>(inputs * outputs);
    const std::vector<float> weights = testing::random_floats(count, 2);
    storage.resize(count * size_of(type) + misalignment);
    for (std::size_t i = 0; i < count; ++i) {
      std::byte* to = storage.data() + misalignment + i * size_of(type);
      const std::uint16_t bits = type == DType::kF16 ? f32_to_f16(weights[i]) : f32_to_bf16(weights[i]);
      if (type == DType::kF32) {
        std::memcpy(to, &weights[i], 4);
      } else {
        std::memcpy(to, &bits, 2);
      }
    }
    bias = testing::random_floats(static_cast<std::size_t>(outputs), 3);
    job.weights = storage.data() + misalignment;
    job.dtype = type;
    job.outputs = outputs;
    job.y_stride = outputs + 3;
  }
  MatMulInput input() const { return {x.data(), rows, inputs}; }
  std::vector<float> fresh_y() const {
    return testing::random_floats(static_cast<std::size_t>(rows * job.y_stride), 4);
  }
};

// |error| <= k eps sum |x w| for any order of summation; the operands are standard normal.
float tolerance(std::int64_t inputs) {
  return 1.2e-7f * (static_cast<float>(inputs) / 8 + 16) * std::sqrt(static_cast<float>(inputs) + 1) * 2;
}

TEST_P(MatMul, EqualsThePlainTwin) {
  ThreadPool pool(2);
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const std::int64_t inputs : {1, 7, 8, 15, 16, 17, 31, 33, 512, 515, 1100}) {
      for (const std::int64_t rows : {1, 2, 3, 5, 6, 7, 13, 20, 48, 250}) {
        if (rows > 13 && inputs != 33 && inputs != 1100) continue;
        for (const bool accumulate : {false, true}) {
          Problem p(rows, inputs, 37, type, accumulate ? 3 : 0);
          p.job.accumulate = accumulate;
          p.job.bias = rows % 2 == 0 ? p.bias.data() : nullptr;
          std::vector<float> expected = p.fresh_y(), actual = expected;
          MatMulJob plain = p.job;
          plain.y = expected.data();
          p.job.y = actual.data();
          reference::matmul(p.input(), plain);
          matmul(pool, p.input(), {&p.job, 1});
          for (std::size_t i = 0; i < actual.size(); ++i) {
            ASSERT_NEAR(actual[i], expected[i], tolerance(inputs))
                << name_of(type) << " rows " << rows << " inputs " << inputs << " at " << i;
          }
        }
      }
    }
  }
}

void expect_independent_rows(DType type, std::int64_t inputs) {
  constexpr std::int64_t kRows = 253, kOutputs = 101;
  Problem p(kRows, inputs, kOutputs, type, 1);
  std::vector<float> all = p.fresh_y();
  p.job.y = all.data();
  ThreadPool two(2), one(1);
  matmul(two, p.input(), {&p.job, 1});
  for (const std::int64_t rows : {1, 2, 3, 4, 5, 6, 7, 16, 20, 33, 64, 65, 252}) {
    for (const std::int64_t first : {std::int64_t{0}, kRows - rows}) {
      std::vector<float> some(static_cast<std::size_t>(rows * p.job.y_stride)), other = some;
      MatMulJob jobs[2] = {p.job, p.job};
      jobs[0].y = other.data();
      jobs[1].y = some.data();
      jobs[0].outputs = 50;
      matmul(one, {p.x.data() + first * padded(inputs), rows, inputs}, jobs);
      for (std::int64_t r = 0; r < rows; ++r) {
        ASSERT_EQ(std::memcmp(&some[static_cast<std::size_t>(r * p.job.y_stride)],
                              &all[static_cast<std::size_t>((first + r) * p.job.y_stride)],
                              kOutputs * sizeof(float)),
                  0)
            << name_of(type) << " rows " << rows << " first " << first << " inputs " << inputs;
      }
    }
  }
}

// Of 1,015 inputs, rows are 4 KB apart.
TEST_P(MatMul, DoesNotDependOnRowsThreadsOrCompany) {
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const bool single_streams : {false, true}) {
      const testing::ReadAs way(single_streams);
      for (const std::int64_t inputs : {777, 1015}) expect_independent_rows(type, inputs);
    }
  }
}

// A row alone takes its weights' chunks four at a time.
TEST_P(MatMul, ASingleStreamAddsAsSeveralDo) {
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const std::int64_t inputs : {1, 15, 16, 511, 512, 513, 1024, 1100, 2047, 2048, 2049}) {
      for (const bool accumulate : {false, true}) {
        Problem p(1, inputs, 21, type, 3);
        p.job.accumulate = accumulate;
        p.job.bias = accumulate ? nullptr : p.bias.data();
        ThreadPool pool(2);
        std::vector<float> y[2];
        for (const bool single_streams : {false, true}) {
          const testing::ReadAs way(single_streams);
          y[single_streams] = p.fresh_y();
          p.job.y = y[single_streams].data();
          matmul(pool, p.input(), {&p.job, 1});
        }
        ASSERT_EQ(std::memcmp(y[0].data(), y[1].data(), y[0].size() * sizeof(float)), 0)
            << name_of(type) << ", " << inputs << " inputs";
      }
    }
  }
}

TEST_P(MatMul, NeverReadsBeyondTheWeights) {
  // The weights end where a vector's storage ends; the address sanitizer sees a read past it.
  ThreadPool pool(1);
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (std::int64_t inputs = 1; inputs < 40; ++inputs) {
      for (const std::int64_t rows : {1, 2}) {
        const testing::ReadAs way(rows == 1);  // a row alone is what a single stream is for
        Problem p(rows, inputs, 5, type, 0);
        std::vector<float> y = p.fresh_y();
        p.job.y = y.data();
        matmul(pool, p.input(), {&p.job, 1});
      }
    }
  }
}

// Memory that ends where reading is a fault, which instructions that no sanitizer sees run into too.
class GuardedBytes {
 public:
  explicit GuardedBytes(std::span<const std::byte> bytes) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t held = (bytes.size() + page - 1) / page * page;
    mapped_ = held + page;
    base_ = static_cast<std::byte*>(
        ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    EXPECT_EQ(::mprotect(base_ + held, page, PROT_NONE), 0);
    data_ = base_ + held - bytes.size();
    std::ranges::copy(bytes, data_);
  }
  ~GuardedBytes() { ::munmap(base_, mapped_); }
  GuardedBytes(const GuardedBytes&) = delete;
  GuardedBytes& operator=(const GuardedBytes&) = delete;
  const std::byte* data() const { return data_; }

 private:
  std::byte *base_, *data_;
  std::size_t mapped_;
};

void expect_reading_ends(std::int64_t rows, std::int64_t inputs, std::int64_t outputs, DType type) {
  ThreadPool pool(1);
  Problem p(rows, inputs, outputs, type, 0);
  const GuardedBytes weights(p.storage);
  std::vector<float> y = p.fresh_y(), expected = y;
  p.job.y = expected.data();
  matmul(pool, p.input(), {&p.job, 1});
  p.job.weights = weights.data();
  p.job.y = y.data();
  matmul(pool, p.input(), {&p.job, 1});
  ASSERT_EQ(y, expected) << name_of(type) << " " << outputs << " x " << inputs << " rows " << rows;
}

TEST_P(MatMul, EndsReadingWhereTheWeightsEnd) {
  for (const bool single_streams : {false, true}) {
    const testing::ReadAs way(single_streams);
    for (const DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
      for (const std::int64_t outputs : {1, 16, 31, 64, 70}) {
        for (const std::int64_t inputs : {1, 31, 32, 33, 100, 352}) {
          for (const std::int64_t rows : {1, 5, 40}) expect_reading_ends(rows, inputs, outputs, type);
        }
      }
    }
  }
}

// The numbers of one step that AMX multiplies, in its own order of pairs.
struct StepParts {
  std::int64_t count;
  float parts[3][32];
};

// x is rounded to bf16 part by part, weights are cut off.
StepParts step_parts(const float* from, std::int64_t left, std::int64_t count, bool rounded) {
  StepParts out{count, {}};
  for (std::int64_t k = 0; k < std::min<std::int64_t>(left, 32); ++k) {
    float rest = from[k];
    for (std::int64_t p = 0; p < count; ++p) {
      std::uint32_t bits = 0;
      std::memcpy(&bits, &rest, 4);
      out.parts[p][k] = bf16_to_f32(rounded ? f32_to_bf16(rest) : static_cast<std::uint16_t>(bits >> 16));
      rest -= out.parts[p][k];
    }
    EXPECT_EQ(rest, 0.0f);  // nothing is lost
  }
  return out;
}

void add_as_amx(const float* w, const float* x, bool neighbours, float& sum) {
  float sums[2] = {};
  for (std::int64_t i = 0; i < 16; ++i) {
    for (std::int64_t second = 0; second < 2; ++second) {
      const std::int64_t k = neighbours ? 2 * i + second : i + 16 * second;
      sums[second] = std::fma(w[k], x[k], sums[second]);
    }
  }
  sum += sums[0] + sums[1];
}

// One element of y in the order that kernels/matmul.h states.
float product_in_order_of_amx(const std::vector<float>& x, const std::vector<float>& w, DType type) {
  const std::int64_t parts = type == DType::kF32 ? 3 : type == DType::kF16 ? 2 : 1;
  float sum = 0;
  for (std::size_t k = 0; k < x.size(); k += 32) {
    const auto left = static_cast<std::int64_t>(x.size() - k);
    const StepParts a = step_parts(&w[k], left, parts, false), b = step_parts(&x[k], left, 3, true);
    for (std::int64_t i = parts - 1; i >= 0; --i) {
      for (std::int64_t j = 2 - i; j >= 0; --j) add_as_amx(a.parts[i], b.parts[j], type == DType::kBF16, sum);
    }
  }
  return sum;
}

TEST(MatMulByAmx, AddsInTheStatedOrder) {
  if (!amx_bf16_in_use()) GTEST_SKIP() << "this processor has no AMX with bf16";
  ThreadPool pool(2);
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const std::int64_t rows : {1, 3, 16, 39}) {
      for (const std::int64_t inputs : {31, 64, 333}) {
        Problem p(rows, inputs, 83, type, 1);
        std::vector<float> y(static_cast<std::size_t>(rows * p.job.y_stride));
        p.job.y = y.data();
        matmul(pool, p.input(), {&p.job, 1});
        std::vector<float> w(static_cast<std::size_t>(inputs));
        for (std::int64_t n = 0; n < 83; ++n) {
          dequantize_row(type, p.job.weights + n * inputs * static_cast<std::int64_t>(size_of(type)),
                         w.data(), inputs);
          for (std::int64_t r = 0; r < rows; ++r) {
            const float* row = &p.x[static_cast<std::size_t>(r * padded(inputs))];
            ASSERT_EQ(y[static_cast<std::size_t>(r * p.job.y_stride + n)],
                      product_in_order_of_amx({row, row + inputs}, w, type))
                << name_of(type) << " rows " << rows << " inputs " << inputs << " row " << r << " output "
                << n;
          }
        }
      }
    }
  }
}

// 273 groups are seventeen parts of 16 and one of a single group, which goes another way.
TEST(MatMulByAmx, TakesASingleGroupAfterMany) {
  if (!amx_bf16_in_use()) GTEST_SKIP() << "this processor has no AMX with bf16";
  ThreadPool pool(2);
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
    Problem p(272 * 16 + 5, 70, 33, type, 0);
    std::vector<float> all(static_cast<std::size_t>(p.rows * p.job.y_stride)), one = all;
    p.job.y = all.data();
    matmul(pool, p.input(), {&p.job, 1});
    for (const std::int64_t r : {std::int64_t{271 * 16}, p.rows - 5, p.rows - 1}) {
      p.job.y = one.data();
      matmul(pool, {p.x.data() + r * padded(p.inputs), 1, p.inputs}, {&p.job, 1});
      ASSERT_EQ(
          std::memcmp(one.data(), &all[static_cast<std::size_t>(r * p.job.y_stride)], 33 * sizeof(float)), 0)
          << name_of(type) << " row " << r;
    }
  }
}

TEST(MatMulByAmx, TakesManyGroupsAndPanelsAtATime) {
  if (!amx_bf16_in_use()) GTEST_SKIP() << "this processor has no AMX with bf16";
  ThreadPool pool(2);
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
    // 33 groups in three parts. The last output's tile and the last step are not full.
    Problem p(515, 1100, 677, type, 0);
    std::vector<float> all(static_cast<std::size_t>(p.rows * p.job.y_stride)), one = all;
    p.job.y = all.data();
    matmul(pool, p.input(), {&p.job, 1});
    for (const std::int64_t r : {std::int64_t{0}, std::int64_t{511}, std::int64_t{512}, std::int64_t{514}}) {
      p.job.y = one.data();
      matmul(pool, {p.x.data() + r * padded(p.inputs), 1, p.inputs}, {&p.job, 1});
      ASSERT_EQ(
          std::memcmp(one.data(), &all[static_cast<std::size_t>(r * p.job.y_stride)], 677 * sizeof(float)), 0)
          << name_of(type) << " row " << r;
    }
  }
}

REFOCUS_EVERY_TARGET_AND_AMX(MatMul);

}  // namespace
}  // namespace refocus
