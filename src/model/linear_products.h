// Products of activations with a model's weights of any type: float ones as they lie in the file, block types
// packed. Adapters are computed in float32 beside either.
//
// Weights of block types meet activations in int8 (fast; 8 bits in blocks of 32, or twice 8 bits for products
// that ask for it), or as they are, in float32: then products are those of the weights' float32 values. Float
// weights meet float32 activations in both. With activations in bf16 weights of every type are rounded to it
// too (kernels/bf16_matmul.h), those of the last matrix as all others.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string_view>

#include "base/thread_pool.h"
#include "kernels/bf16_matmul.h"
#include "kernels/packed_matmul.h"
#include "model/weights.h"

namespace refocus {

// y = x W^T + bias, or y += x W^T + bias; where the linear has an adapter, y += (x A^T) B^T after that.
struct Product {
  const Linear* linear = nullptr;
  float* y = nullptr;
  std::int64_t y_stride = 0;
  bool accumulate = false;
  Int8Parts parts = Int8Parts::kOne;  // of activations, where they are int8
};

// kF16: of a device (model/device_transformer.h) alone, which has neither int8 nor bf16.
enum class Activations { kInt8, kF32, kBf16, kF16 };
constexpr std::string_view name_of(Activations activations) {
  switch (activations) {
    case Activations::kInt8:
      return "int8";
    case Activations::kF32:
      return "f32";
    case Activations::kBf16:
      return "bf16";
    case Activations::kF16:
      return "f16";
  }
  return "";
}

class LinearProducts {
 public:
  LinearProducts(ThreadPool& pool, Activations activations) : pool_(pool), activations_(activations) {}

  Activations activations() const { return activations_; }

  // Several products with the same x: [rows, padded(inputs)], zero beyond `inputs`. At most 4. `make_row`,
  // where given, writes row r of x first: it is called once for every row, by any thread, and the row is
  // quantised or rounded while it is still in the cache.
  void run(const float* x, std::int64_t rows, std::int64_t inputs, std::span<const Product> products,
           const std::function<void(std::int64_t r)>& make_row = nullptr);

 private:
  void run_rounded(const float* x, std::int64_t rows, std::int64_t inputs, std::span<const Product> products,
                   const std::function<void(std::int64_t r)>& make_row);
  void run_exact_or_int8(const float* x, std::int64_t rows, std::int64_t inputs,
                         std::span<const Product> products,
                         const std::function<void(std::int64_t r)>& make_row);
  void add_adapters(const float* x, std::int64_t rows, std::int64_t inputs,
                    std::span<const Product> products);

  ThreadPool& pool_;
  Activations activations_;
  QuantizedRows quantized_;      // reused
  Bf16Rows rounded_;             // reused
  AlignedBuffer<float> narrow_;  // x A^T of each adapter, [rows, padded(rank)]; reused
};

// Packs every matrix of a block type that products are taken with, and gives the pages it was read from back
// to the system; one of F64 becomes float32. InputError where a matrix's width is no multiple of its type's
// block.
void pack_weights(ThreadPool& pool, ModelWeights& weights, const std::string& where);

// Bytes of the matrices that pack_weights packs, in the file and in memory, by type. `tied`: the embedding is
// the output matrix too (else it is only looked up, and not packed).
struct PackedMemory {
  std::size_t stored = 0, packed = 0;
};
std::map<DType, PackedMemory> packed_memory(const WeightMap& weights, bool tied);

}  // namespace refocus
