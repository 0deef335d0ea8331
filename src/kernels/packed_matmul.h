// y = x W^T for W in ggml's block formats (Q8_0, Q4_0, Q4_K, Q5_K, Q6_K), with integer dot products.
//
// Weights are packed once into panels of kPanelOutputs outputs, so that lanes run along the outputs.
// Activations are quantised row by row, in blocks of 32 inputs: x = scale * q, q in [-127, 127]. Within a
// block products are summed exactly, in integers; block sums are scaled and added in float32, block after
// block. The order depends on nothing but the number of inputs, and is the same on every instruction set with
// fused multiply-add.
#pragma once

#include <cstdint>
#include <span>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "tensor/dtype.h"

namespace refocus {

inline constexpr std::int64_t kPanelOutputs = 16;
inline constexpr std::int64_t kQuantBlock = 32;  // inputs that share an activation scale

// Whether a weight matrix of this type and width can be packed.
bool can_pack(DType type, std::int64_t inputs);

// One matrix [outputs, inputs], packed. Of each panel first the scales, then the quants; see pack.cpp.
struct PackedMatrix {
  DType type = DType::kQ8_0;
  std::int64_t outputs = 0, inputs = 0;
  std::int64_t panel_bytes = 0, quants_offset = 0;  // multiples of 64
  AlignedBuffer<std::byte> data;                    // [panels, panel_bytes]
};

// Packs `rows` (ggml blocks, row-major, [outputs, inputs]). InputError-free: can_pack must hold.
PackedMatrix pack(ThreadPool& pool, DType type, const std::byte* rows, std::int64_t outputs,
                  std::int64_t inputs);

// Activations in int8, filled by quantize_rows.
struct QuantizedRows {
  std::int64_t rows = 0, inputs = 0;
  AlignedBuffer<std::int8_t> q;           // [rows, inputs]
  AlignedBuffer<float> scales;            // [rows, inputs / 32]
  AlignedBuffer<float> scaled_sums;       // [rows, inputs / 32]: scale * sum of q over the block
  AlignedBuffer<std::int32_t> half_sums;  // [rows, inputs / 16]: sums of q over half blocks
};

// x: [rows, x_stride]; `inputs` a multiple of kQuantBlock. Grows `out` as needed.
void quantize_rows(ThreadPool& pool, const float* x, std::int64_t x_stride, std::int64_t rows,
                   std::int64_t inputs, QuantizedRows& out);

struct PackedJob {
  const PackedMatrix* weights = nullptr;
  const float* bias = nullptr;  // [outputs], or null
  bool accumulate = false;      // adds to y instead of overwriting it
  float* y = nullptr;           // [rows, y_stride]
  std::int64_t y_stride = 0;
};

// Runs several products with the same x as one parallel loop.
void packed_matmul(ThreadPool& pool, const QuantizedRows& x, std::span<const PackedJob> jobs);

namespace reference {
// The plain twin of packed_matmul: unpacked weights (ggml blocks) times the quantised activations, in double.
void block_matmul(const QuantizedRows& x, DType type, const std::byte* rows, const PackedJob& job);
}  // namespace reference

}  // namespace refocus
