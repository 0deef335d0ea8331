// Products of activations with a model's weights of any type: float ones as they lie in the file, block types
// packed. Adapters are computed in float32 beside either.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "base/thread_pool.h"
#include "kernels/packed_matmul.h"
#include "model/weights.h"

namespace refocus {

// y = x W^T + bias, or y += x W^T + bias; where the linear has an adapter, y += (x A^T) B^T after that.
struct Product {
  const Linear* linear = nullptr;
  float* y = nullptr;
  std::int64_t y_stride = 0;
  bool accumulate = false;
};

class LinearProducts {
 public:
  explicit LinearProducts(ThreadPool& pool) : pool_(pool) {}

  // Several products with the same x: [rows, padded(inputs)], zero beyond `inputs`. At most 4. `make_row`,
  // where given, writes row r of x first: it is called once for every row, by any thread, and the row is
  // quantised while it is still in the cache.
  void run(const float* x, std::int64_t rows, std::int64_t inputs, std::span<const Product> products,
           const std::function<void(std::int64_t r)>& make_row = nullptr);

 private:
  void add_adapters(const float* x, std::int64_t rows, std::int64_t inputs,
                    std::span<const Product> products);

  ThreadPool& pool_;
  QuantizedRows quantized_;      // reused
  AlignedBuffer<float> narrow_;  // x A^T of each adapter, [rows, padded(rank)]; reused
};

// Packs every matrix of a block type that products are taken with, and gives the pages it was read from back
// to the system. InputError where a matrix's width is no multiple of its type's block.
void pack_weights(ThreadPool& pool, ModelWeights& weights, const std::string& where);

}  // namespace refocus
