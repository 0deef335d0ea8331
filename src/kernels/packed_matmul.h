// y = x W^T for W in ggml's block formats (Q8_0, Q4_0, Q4_K, Q5_K, Q6_K), with integer dot products.
//
// Weights are packed once into panels of kPanelOutputs outputs, so that lanes run along the outputs.
// Activations are quantised row by row, in blocks of 32 inputs: x = scale * q, q in [-127, 127]. Within a
// block products are summed exactly, in integers; block sums are scaled and added in float32, block after
// block. The order depends on nothing but the number of inputs, and is the same on every instruction set with
// fused multiply-add.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "tensor/dtype.h"

namespace refocus {

inline constexpr std::int64_t kPanelOutputs = 16;
inline constexpr std::int64_t kQuantBlock = 32;  // inputs that share an activation scale

// Whether a weight matrix of this type and width can be packed.
bool can_pack(DType type, std::int64_t inputs);

// One matrix [outputs, inputs], packed: panels one after the other, each a run of units, each of them the
// scales and then the quants of a few blocks, so that a panel is read as one stream. See pack.cpp.
struct PackedMatrix {
  DType type = DType::kQ8_0;
  std::int64_t outputs = 0, inputs = 0;
  std::int64_t panel_bytes = 0;       // a multiple of 64
  const std::byte* data = nullptr;    // [panels, panel_bytes], on a cache-line boundary
  std::shared_ptr<const void> owner;  // keeps `data`

  std::int64_t panels() const { return (outputs + kPanelOutputs - 1) / kPanelOutputs; }
  std::size_t bytes() const { return static_cast<std::size_t>(panels() * panel_bytes); }
};

// What a panel's units are made of; multiples of 64 bytes, so that no vector crosses a cache line.
struct PackedUnit {
  std::int64_t inputs, scales_bytes, quants_bytes;
  constexpr std::int64_t bytes() const { return scales_bytes + quants_bytes; }
};
constexpr PackedUnit packed_unit(DType type) {
  switch (type) {
    case DType::kQ8_0:
      return {64, 64, 1024};
    case DType::kQ4_0:
      return {64, 64, 512};
    case DType::kQ4_K:
      return {256, 320, 2048};
    case DType::kQ5_K:
    case DType::kQ6_K:
      return {256, 320, 4096};
    default:
      return {};
  }
}

// Memory for many packed matrices, one after the other, so that all but its ends lies on huge pages.
class PackedStorage {
 public:
  explicit PackedStorage(std::size_t bytes) : data_(std::make_shared<AlignedBuffer<std::byte>>(bytes)) {}

 private:
  friend PackedMatrix pack(ThreadPool&, DType, const std::byte*, std::int64_t, std::int64_t, PackedStorage&,
                           const std::function<std::int64_t(std::int64_t)>&);
  std::shared_ptr<AlignedBuffer<std::byte>> data_;
  std::size_t used_ = 0;
};

// Bytes that a matrix takes of the storage.
std::size_t packed_bytes(DType type, std::int64_t outputs, std::int64_t inputs);

// Packs `rows` (ggml blocks, row-major, [outputs, inputs]); output n is row stored_row(n) of them, or row n
// where that is null. can_pack must hold and the storage have room.
PackedMatrix pack(ThreadPool& pool, DType type, const std::byte* rows, std::int64_t outputs,
                  std::int64_t inputs, PackedStorage& storage,
                  const std::function<std::int64_t(std::int64_t n)>& stored_row = nullptr);
// The same with storage of its own.
PackedMatrix pack(ThreadPool& pool, DType type, const std::byte* rows, std::int64_t outputs,
                  std::int64_t inputs);

// kQuantBlock activations in int8 and what kernels need of them beside.
struct QuantizedBlock {
  std::int8_t q[kQuantBlock];
  float scale;
  float scaled_sum;           // scale * sum of q
  std::int32_t eight_less;    // -8 * sum of q: what weights with 8 added have too much
  std::int16_t half_sums[2];  // sums of q over inputs 0-15 and 16-31
};
static_assert(sizeof(QuantizedBlock) == 48);

// Activations, filled by quantize_rows.
struct QuantizedRows {
  std::int64_t rows = 0, inputs = 0;
  AlignedBuffer<QuantizedBlock> blocks;  // [rows, inputs / 32]

  const QuantizedBlock* row(std::int64_t r) const { return blocks.data() + r * (inputs / kQuantBlock); }
  QuantizedBlock* row(std::int64_t r) { return blocks.data() + r * (inputs / kQuantBlock); }
};

// One row: x [inputs], `inputs` a multiple of kQuantBlock, to blocks [inputs / kQuantBlock].
void quantize_row(const float* x, std::int64_t inputs, QuantizedBlock* blocks);

// Makes room for `rows` rows; what they hold is not kept.
void resize(QuantizedRows& rows, std::int64_t count, std::int64_t inputs);

// x: [rows, x_stride]. Grows `out` as needed.
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
