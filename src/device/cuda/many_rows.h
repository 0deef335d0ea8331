// Products of many rows through cuBLASLt.
//
// y = x W^T of activations in half precision (or float32, for weights of F32), with float32 sums. For each
// shape of a matrix and each class of calls (up to kSomeRows rows, up to kManyRows, more) one algorithm is
// chosen, once: for many rows one that never splits the sum over `inputs`, for some perhaps one that does, in
// a number of parts that belongs to the algorithm. A row's result so depends on the class of its call, and
// neither on the number of rows otherwise nor on the row's place among them.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <tuple>

#include "device/cuda/cublas_library.h"
#include "device/cuda/launch.h"

namespace refocus::cuda {

class ManyRows {
 public:
  // Of the current device. std::runtime_error where there is no cuBLASLt.
  ManyRows();
  ~ManyRows();

  void multiply(const DeviceInput& x, std::span<const DeviceProduct> products, cudaStream_t stream);

 private:
  // What an algorithm is chosen for. Alignments are 16 or 4 bytes, of each row.
  struct Key {
    DType type;  // of both operands
    std::int64_t outputs, inputs;
    bool accumulate;
    int row_class;  // by the number of rows: see many_rows.cu
    std::uint32_t x_alignment, y_alignment;
    auto operator<=>(const Key&) const = default;
  };
  struct Plan;
  // An operand x: rows of `type`, every `stride` elements.
  struct Operand {
    DType type;
    const void* data;
    std::int64_t stride;
  };

  // x as the matrix' weights need it, converted at most once a call.
  Operand operand(const DeviceInput& x, DType type, cudaStream_t stream);
  DeviceInput in_float(const DeviceInput& x, cudaStream_t stream);
  const Plan& plan_of(const Key& key);
  std::unique_ptr<Plan> choose(const Key& key);
  bool try_product(const DeviceInput& x, const Operand& operand, const DeviceProduct& product,
                   cudaStream_t stream);

  const CublasLibrary& library_;
  CublasHandle handle_ = nullptr;
  std::map<Key, std::unique_ptr<Plan>> plans_;
  Scratch f16_rows_, bf16_rows_, f32_rows_, f16_weights_, workspace_;
  bool f16_ready_ = false, bf16_ready_ = false;  // of the call's x
};

}  // namespace refocus::cuda
