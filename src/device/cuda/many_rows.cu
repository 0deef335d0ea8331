// cuBLASLt's matrices are column-major: W [outputs, inputs] is its [inputs x outputs], x [rows, inputs] its
// [inputs x rows] and y [rows, outputs] its [outputs x rows], so that y = x W^T is D = op_T(A) B with A = W,
// B = x.
#include "device/cuda/many_rows.h"

#include <array>
#include <stdexcept>
#include <utility>

namespace refocus::cuda {

namespace {

constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;
constexpr int kMostCandidates = 8;
// What algorithms are chosen for, and numbers of rows that they must be able to compute.
struct RowClass {
  std::int64_t typical;
  std::array<std::int64_t, 6> checked;
};
constexpr RowClass kSome = {kSomeRows, {kFewRows + 1, 7, 16, 33, 48, kSomeRows}};
constexpr RowClass kMany = {512, {kSomeRows + 1, 100, 256, 512, 777, kManyRows}};
constexpr RowClass kMost = {2048, {kManyRows + 1, 1500, 2048, 3000, 4096, 8192}};
constexpr const RowClass* kClasses[] = {&kSome, &kMany, &kMost};
constexpr int class_of(std::int64_t rows) { return rows <= kSomeRows ? 0 : rows <= kManyRows ? 1 : 2; }

std::int64_t round_up(std::int64_t value, std::int64_t step) { return (value + step - 1) / step * step; }

cudaDataType data_type(DType type) {
  return type == DType::kF32 ? CUDA_R_32F : type == DType::kBF16 ? CUDA_R_16BF : CUDA_R_16F;
}

// Of every row of a matrix of float32.
std::uint32_t alignment_of(const void* data, std::int64_t stride) {
  return reinterpret_cast<std::uintptr_t>(data) % 16 == 0 && stride % 4 == 0 ? 16 : 4;
}

void check_status(const CublasLibrary& library, CublasStatus status, const char* what) {
  if (status == kCublasSuccess) return;
  throw input_error("device cuda",
                    "expected cuBLASLt ({}, version {}) to work, got {} from {}; use another release",
                    library.file, library.version(), library.status_name(status), what);
}

// A matrix' layout; `destroy` of the library with it.
class Layout {
 public:
  Layout(const CublasLibrary& library, DType type, std::int64_t rows, std::int64_t columns,
         std::int64_t stride)
      : library_(library) {
    check_status(library,
                 library.layout_create(&layout_, data_type(type), static_cast<std::uint64_t>(rows),
                                       static_cast<std::uint64_t>(columns), stride),
                 "cublasLtMatrixLayoutCreate");
  }
  ~Layout() { library_.layout_destroy(layout_); }
  Layout(const Layout&) = delete;
  Layout& operator=(const Layout&) = delete;

  void set(std::int64_t columns, std::int64_t stride) {
    const auto count = static_cast<std::uint64_t>(columns);
    check_status(library_, library_.layout_set(layout_, kLayoutColumns, &count, sizeof count),
                 "cublasLtMatrixLayoutSetAttribute");
    check_status(library_, library_.layout_set(layout_, kLayoutLeadingDimension, &stride, sizeof stride),
                 "cublasLtMatrixLayoutSetAttribute");
  }
  CublasLayout get() const { return layout_; }

 private:
  const CublasLibrary& library_;
  CublasLayout layout_ = nullptr;
};

class Matmul {
 public:
  explicit Matmul(const CublasLibrary& library) : library_(library) {
    check_status(library, library.matmul_create(&matmul_, kCublasCompute32F, CUDA_R_32F),
                 "cublasLtMatmulDescCreate");
    const std::int32_t transposed = kCublasTransposed;
    const CublasStatus status = library.matmul_set(matmul_, kMatmulTransA, &transposed, sizeof transposed);
    if (status != kCublasSuccess) library.matmul_destroy(matmul_);
    check_status(library, status, "cublasLtMatmulDescSetAttribute");
  }
  ~Matmul() { library_.matmul_destroy(matmul_); }
  Matmul(const Matmul&) = delete;
  Matmul& operator=(const Matmul&) = delete;
  CublasMatmul get() const { return matmul_; }

 private:
  const CublasLibrary& library_;
  CublasMatmul matmul_ = nullptr;
};

class Preference {
 public:
  explicit Preference(const CublasLibrary& library) : library_(library) {
    check_status(library, library.preference_create(&preference_), "cublasLtMatmulPreferenceCreate");
  }
  ~Preference() { library_.preference_destroy(preference_); }
  Preference(const Preference&) = delete;
  Preference& operator=(const Preference&) = delete;

  template <class T>
  void set(int attribute, T value) {
    check_status(library_, library_.preference_set(preference_, attribute, &value, sizeof value),
                 "cublasLtMatmulPreferenceSetAttribute");
  }
  CublasPreference get() const { return preference_; }

 private:
  const CublasLibrary& library_;
  CublasPreference preference_ = nullptr;
};

// Whether the algorithm computes each sum in one piece. Schemes of reduction are ruled out by the preference;
// algorithms that know no splitting leave the attribute as it is.
bool is_whole(const CublasLibrary& library, const CublasAlgorithm& algorithm) {
  std::int32_t split = 1;
  std::size_t written = 0;
  const CublasStatus status =
      library.algorithm_get(&algorithm, kAlgorithmSplitK, &split, sizeof split, &written);
  return status != kCublasSuccess || written != sizeof split || split <= 1;
}

__global__ void add_bias_to_rows(float* y, std::int64_t stride, std::int64_t rows, std::int64_t outputs,
                                 const float* bias) {
  const std::int64_t output = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (output >= outputs) return;
  const float b = bias[output];
  for (std::int64_t row = blockIdx.y; row < rows; row += gridDim.y) y[row * stride + output] += b;
}

void add_bias(const DeviceProduct& product, std::int64_t rows, cudaStream_t stream) {
  const std::int64_t outputs = product.weights->outputs;
  const dim3 grid(static_cast<unsigned>((outputs + 255) / 256),
                  static_cast<unsigned>(rows < 4096 ? rows : 4096));
  add_bias_to_rows<<<grid, 256, 0, stream>>>(product.y, product.y_stride, rows, outputs, product.bias);
}

}  // namespace

struct ManyRows::Plan {
  Plan(const CublasLibrary& library, const Key& key, std::int64_t x_stride, std::int64_t y_stride)
      : matmul(library),
        w(library, key.type, key.inputs, key.outputs, key.inputs),
        x(library, key.type, key.inputs, kClasses[key.row_class]->typical, x_stride),
        y(library, DType::kF32, key.outputs, kClasses[key.row_class]->typical, y_stride) {}

  Matmul matmul;
  mutable Layout w, x, y;  // x and y: rows and stride are the call's
  bool found = false;
  CublasAlgorithm algorithm{};
};

ManyRows::ManyRows() : library_(CublasLibrary::get()) {
  check_status(library_, library_.create(&handle_), "cublasLtCreate");
}

ManyRows::~ManyRows() {
  plans_.clear();
  if (handle_ != nullptr) library_.destroy(handle_);
}

std::unique_ptr<ManyRows::Plan> ManyRows::choose(const Key& key) {
  // Strides of the alignment that the key says; of the call only that is known here.
  const std::int64_t x_stride = key.type != DType::kF32 ? round_up(key.inputs, 8)
                                : key.x_alignment == 16 ? round_up(key.inputs, 4)
                                                        : key.inputs | 1;
  const std::int64_t y_stride = key.y_alignment == 16 ? round_up(key.outputs, 4) : key.outputs | 1;
  auto plan = std::make_unique<Plan>(library_, key, x_stride, y_stride);
  Preference preference(library_);
  preference.set(kPreferMaxWorkspaceBytes, std::uint64_t{kWorkspaceBytes});
  // Calls of few rows have too few tiles to fill the device unless sums are split. The number of parts
  // belongs to the algorithm, and so is the same for all of them.
  preference.set(kPreferReductionSchemeMask,
                 key.row_class > 0 ? kReductionSchemeNone : kReductionSchemeComputeType);
  preference.set(kPreferAlignmentA, std::uint32_t{256});
  preference.set(kPreferAlignmentB, key.x_alignment);
  preference.set(kPreferAlignmentC, key.y_alignment);
  preference.set(kPreferAlignmentD, key.y_alignment);
  CublasHeuristic candidates[kMostCandidates] = {};
  int count = 0;
  const CublasStatus status =
      library_.heuristics(handle_, plan->matmul.get(), plan->w.get(), plan->x.get(), plan->y.get(),
                          plan->y.get(), preference.get(), kMostCandidates, candidates, &count);
  if (status != kCublasSuccess) return plan;  // none for the shape
  for (int c = 0; c < count && !plan->found; ++c) {
    if (candidates[c].state != kCublasSuccess) continue;
    if (key.row_class > 0 && !is_whole(library_, candidates[c].algorithm)) continue;
    bool fits = true;
    for (const std::int64_t rows : kClasses[key.row_class]->checked) {
      plan->x.set(rows, x_stride);
      plan->y.set(rows, y_stride);
      CublasHeuristic result{};
      fits =
          fits &&
          library_.algorithm_check(handle_, plan->matmul.get(), plan->w.get(), plan->x.get(), plan->y.get(),
                                   plan->y.get(), &candidates[c].algorithm, &result) == kCublasSuccess &&
          result.workspace_bytes <= kWorkspaceBytes;
    }
    if (!fits) continue;
    plan->found = true;
    plan->algorithm = candidates[c].algorithm;
  }
  return plan;
}

const ManyRows::Plan& ManyRows::plan_of(const Key& key) {
  const auto known = plans_.find(key);
  if (known != plans_.end()) return *known->second;
  return *plans_.emplace(key, choose(key)).first->second;
}

ManyRows::Operand ManyRows::operand(const DeviceInput& x, DType type, cudaStream_t stream) {
  if (type == DType::kF32) return {type, x.x, x.stride};
  const DType half = type == DType::kBF16 ? DType::kBF16 : DType::kF16;
  if (x.half.data != nullptr && x.half.type == half) return {half, x.half.data, x.half.stride};
  const std::int64_t padded = round_up(x.size, 8);
  Scratch& scratch = half == DType::kBF16 ? bf16_rows_ : f16_rows_;
  bool& ready = half == DType::kBF16 ? bf16_ready_ : f16_ready_;
  void* rows = scratch.at_least(static_cast<std::size_t>(x.rows * padded) * 2, stream);
  if (!std::exchange(ready, true)) to_half(x, half, rows, padded, stream);
  return {half, rows, padded};
}

// False where cuBLASLt has no algorithm for the shape that never splits a sum.
bool ManyRows::try_product(const DeviceInput& x, const Operand& operand, const DeviceProduct& product,
                           cudaStream_t stream) {
  const DeviceMatrix& matrix = *product.weights;
  const Key key{.type = operand.type,
                .outputs = matrix.outputs,
                .inputs = matrix.inputs,
                .accumulate = product.accumulate,
                .row_class = class_of(x.rows),
                .x_alignment = operand.type == DType::kF32 ? alignment_of(operand.data, operand.stride) : 16,
                .y_alignment = alignment_of(product.y, product.y_stride)};
  const Plan& plan = plan_of(key);
  if (!plan.found) return false;
  const void* weights = matrix.data;
  if (is_block_type(matrix.type)) {
    void* halves =
        f16_weights_.at_least(static_cast<std::size_t>(matrix.outputs * matrix.inputs) * 2, stream);
    to_f16(matrix, halves, stream);
    weights = halves;
  }
  plan.x.set(x.rows, operand.stride);
  plan.y.set(x.rows, product.y_stride);
  const float one = 1, beta = product.accumulate ? 1.0f : 0.0f;
  const CublasStatus status =
      library_.matmul(handle_, plan.matmul.get(), &one, weights, plan.w.get(), operand.data, plan.x.get(),
                      &beta, product.y, plan.y.get(), product.y, plan.y.get(), &plan.algorithm,
                      workspace_.at_least(kWorkspaceBytes, stream), kWorkspaceBytes, stream);
  check_status(library_, status, "cublasLtMatmul");
  return true;
}

// Rows of which only the half may have been written, in float32.
DeviceInput ManyRows::in_float(const DeviceInput& x, cudaStream_t stream) {
  if (x.half.data == nullptr) return x;
  const std::int64_t stride = round_up(x.size, 4);
  DeviceInput out{nullptr, stride, x.rows, x.size};
  auto* rows = static_cast<float*>(
      f32_rows_.at_least(static_cast<std::size_t>(x.rows * stride) * sizeof(float), stream));
  to_float(x.half, x.rows, x.size, rows, stride, stream);
  out.x = rows;
  return out;
}

// Whether b's matrix and results lie right behind a's, so that one product makes both.
bool follows(const DeviceProduct& a, const DeviceProduct& b) {
  const DeviceMatrix &first = *a.weights, &second = *b.weights;
  const auto behind = [](const void* data, std::size_t bytes) {
    return data == nullptr ? nullptr : static_cast<const std::byte*>(data) + bytes;
  };
  return first.type == second.type && first.inputs == second.inputs && a.accumulate == b.accumulate &&
         a.y_stride == b.y_stride && b.y == a.y + first.outputs &&
         second.data == behind(first.data, data_bytes(first.type, first.outputs, first.inputs)) &&
         second.scales == behind(first.scales, scale_bytes(first.type, first.outputs, first.inputs));
}

void ManyRows::multiply(const DeviceInput& x, std::span<const DeviceProduct> products, cudaStream_t stream) {
  f16_ready_ = bf16_ready_ = false;
  for (std::size_t first = 0, end = 0; first < products.size(); first = end) {
    DeviceProduct together = products[first];
    DeviceMatrix matrix = *together.weights;
    together.weights = &matrix;
    for (end = first + 1; end < products.size() && follows(products[end - 1], products[end]); ++end) {
      matrix.outputs += products[end].weights->outputs;
    }
    if (matrix.outputs == 0) continue;
    const std::span<const DeviceProduct> parts = products.subspan(first, end - first);
    if (!try_product(x, operand(x, matrix.type, stream), together, stream)) {
      multiply_in_order(in_float(x, stream), parts.data(), parts.size(), stream);  // which adds biases too
      continue;
    }
    for (const DeviceProduct& product : parts) {
      if (product.bias != nullptr) add_bias(product, x.rows, stream);
    }
  }
}

}  // namespace refocus::cuda
