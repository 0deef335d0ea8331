// y = x W^T for W in any of ggml's block formats, with integer dot products of activations in int8, or with
// float32 activations.
//
// Weights are packed once, without loss, into panels of kPanelOutputs outputs, so that lanes run along the
// outputs. Activations are quantised row by row, in blocks of 32 inputs: x = scale * q, q in [-127, 127]; or
// in two parts, where the second holds what the first leaves of x in the same way: some 15 bits for twice the
// arithmetic, with the weights read and unpacked once. Within a block products are summed exactly, in
// integers; block sums are scaled and added in float32, block after block, those of the second part to a sum
// of its own, which is added to the first's at the end. The order depends on nothing but the number of
// inputs, and is the same on every instruction set with fused multiply-add.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "kernels/matmul.h"
#include "tensor/block_formats.h"
#include "tensor/dtype.h"

namespace refocus {

inline constexpr std::int64_t kPanelOutputs = 16;
inline constexpr std::int64_t kQuantBlock = 32;  // inputs that share an activation scale

// How a panel holds its weights. Types that a form of its own would not serve better share one that holds all
// of their values exactly: TQ1_0 and TQ2_0 that of Q2_K, and IQ1, IQ2, IQ3 and NVFP4 have integers of 8 bits
// with a float32 scale for each 16 (kScaledInts), which takes more memory than the file.
enum class PackedForm {
  kQ8_0,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kIQ4_NL,
  kMXFP4,
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kIQ4_XS,
  kScaledInts,
};
constexpr PackedForm packed_form(DType type) {
  switch (type) {
    case DType::kQ8_0:
      return PackedForm::kQ8_0;
    case DType::kQ4_0:
      return PackedForm::kQ4_0;
    case DType::kQ4_1:
      return PackedForm::kQ4_1;
    case DType::kQ5_0:
      return PackedForm::kQ5_0;
    case DType::kQ5_1:
      return PackedForm::kQ5_1;
    case DType::kIQ4_NL:
      return PackedForm::kIQ4_NL;
    case DType::kMXFP4:
      return PackedForm::kMXFP4;
    case DType::kQ2_K:
    case DType::kTQ1_0:
    case DType::kTQ2_0:
      return PackedForm::kQ2_K;
    case DType::kQ3_K:
      return PackedForm::kQ3_K;
    case DType::kQ4_K:
      return PackedForm::kQ4_K;
    case DType::kQ5_K:
      return PackedForm::kQ5_K;
    case DType::kQ6_K:
      return PackedForm::kQ6_K;
    case DType::kIQ4_XS:
      return PackedForm::kIQ4_XS;
    default:
      REFOCUS_CHECK(has_scaled_ints(type));
      return PackedForm::kScaledInts;
  }
}

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

  PackedForm form() const { return packed_form(type); }
  std::int64_t panels() const { return (outputs + kPanelOutputs - 1) / kPanelOutputs; }
  std::size_t bytes() const { return static_cast<std::size_t>(panels() * panel_bytes); }
};

// What a panel's units are made of; multiples of 64 bytes, so that no vector crosses a cache line.
struct PackedUnit {
  std::int64_t inputs, scales_bytes, quants_bytes;
  constexpr std::int64_t bytes() const { return scales_bytes + quants_bytes; }
};
constexpr PackedUnit packed_unit(PackedForm form) {
  switch (form) {
    case PackedForm::kQ8_0:
      return {64, 64, 1024};
    case PackedForm::kQ4_0:
    case PackedForm::kIQ4_NL:
    case PackedForm::kMXFP4:
      return {64, 64, 512};
    case PackedForm::kQ4_1:
      return {64, 128, 512};
    case PackedForm::kQ5_0:
      return {64, 64, 640};
    case PackedForm::kQ5_1:
      return {64, 128, 640};
    case PackedForm::kQ2_K:
      return {256, 320, 1024};
    case PackedForm::kQ3_K:
      return {256, 320, 1536};
    case PackedForm::kQ4_K:
      return {256, 320, 2048};
    case PackedForm::kQ5_K:
      return {256, 320, 2560};
    case PackedForm::kQ6_K:
      return {256, 320, 3072};
    case PackedForm::kIQ4_XS:
      return {256, 192, 2048};
    case PackedForm::kScaledInts:
      return {32, 128, 512};
  }
  return {};
}

// Groups of kPanelOutputs x 4 bytes that hold a block's quants, where no other block has a part of them.
constexpr std::int64_t block_groups(PackedForm form) {
  const PackedUnit unit = packed_unit(form);
  return unit.quants_bytes / (unit.inputs / kQuantBlock) / (4 * kPanelOutputs);
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

// How many int8 numbers stand for an activation: x = s1 q1, or x = s1 q1 + s2 q2 with s2 q2 for x - s1 q1.
enum class Int8Parts : std::int64_t { kOne = 1, kTwo = 2 };

// Activations, filled by quantize_rows.
struct QuantizedRows {
  std::int64_t rows = 0, inputs = 0;
  Int8Parts parts = Int8Parts::kOne;
  AlignedBuffer<QuantizedBlock> blocks;  // [rows, parts, inputs / 32]

  std::int64_t part_count() const { return static_cast<std::int64_t>(parts); }
  const QuantizedBlock* part_row(std::int64_t i) const { return blocks.data() + i * (inputs / kQuantBlock); }
  const QuantizedBlock* row(std::int64_t r) const { return part_row(r * part_count()); }
  QuantizedBlock* row(std::int64_t r) { return blocks.data() + r * part_count() * (inputs / kQuantBlock); }
};

// One row: x [inputs], `inputs` a multiple of kQuantBlock, to blocks [parts, inputs / kQuantBlock].
void quantize_row(const float* x, std::int64_t inputs, Int8Parts parts, QuantizedBlock* blocks);

// Makes room for `count` rows; what they hold is not kept.
void resize(QuantizedRows& rows, std::int64_t count, std::int64_t inputs, Int8Parts parts);

// x: [rows, x_stride]. Grows `out` as needed.
void quantize_rows(ThreadPool& pool, const float* x, std::int64_t x_stride, std::int64_t rows,
                   std::int64_t inputs, Int8Parts parts, QuantizedRows& out);

struct PackedJob {
  const PackedMatrix* weights = nullptr;
  const float* bias = nullptr;  // [outputs], or null
  bool accumulate = false;      // adds to y instead of overwriting it
  float* y = nullptr;           // [rows, y_stride]
  std::int64_t y_stride = 0;
  Int8Parts parts = Int8Parts::kOne;  // of x that it takes: the first, or both where x has two
};

// Runs several products with the same x as one parallel loop.
void packed_matmul(ThreadPool& pool, const QuantizedRows& x, std::span<const PackedJob> jobs);

// The same with activations as they are: float32 products with the weights' float32 values, unpacked panel by
// panel as they are needed. Each output adds the products of kQuantBlock inputs, one after the other, and
// then that sum to what it has, from the first block to the last and from 0, whatever the rows; bias and what
// y held come last. Every instruction set with fused multiply-add gives the same bits.
void unpacked_matmul(ThreadPool& pool, const MatMulInput& x, std::span<const PackedJob> jobs);

// The weights of panel p as float32, [inputs, kPanelOutputs]: dequantize_row's values, or 0 beyond the
// outputs.
void unpack_panel(const PackedMatrix& weights, std::int64_t p, float* to);

namespace reference {
// The plain twin of packed_matmul: unpacked weights (ggml blocks) times the quantised activations, in double.
void block_matmul(const QuantizedRows& x, DType type, const std::byte* rows, const PackedJob& job);
// The plain twin of unpacked_matmul, in float32 and in the same order.
void unpacked_matmul(const MatMulInput& x, DType type, const std::byte* rows, const PackedJob& job);
}  // namespace reference

}  // namespace refocus
