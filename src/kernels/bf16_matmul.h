// y = x W^T with both operands in bf16: activations are rounded to it once (to nearest, ties to even),
// weights of any type are their float32 values rounded in the same way (those of BF16 are what they are).
// Products are exact in float32 and are added in float32: a third of the arithmetic of matmul.h with AMX and
// half of it with AVX-512's products of bf16, for 8 bits of every operand. Errors, against sums in double of
// the same rounded operands, are those of float32 sums: some 2^-24 of the root of the sum of squared products
// for each addition in a row of them, less where they cancel.
//
// With AMX steps of 32 inputs are added one after the other, from 0, each as multiply_bf16 (simd/amx.h) adds
// it, with inputs k and k + 1 as the pairs. With AVX-512's VDPBF16PS pairs are added one after the other,
// from 0, by two fused multiply-adds, that of input k + 1 first. In both, numbers of less than 2^-126 count
// as 0. Without them the order is that of matmul.h (float weights) or of unpacked_matmul (block types). Bias
// and what y held come last. In all of them the order depends on the inputs' count, the type and what
// multiplies alone: not on the rows of x, on threads, or on how work is split.
#pragma once

#include <cstdint>
#include <span>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "kernels/matmul.h"
#include "kernels/packed_matmul.h"

namespace refocus {

// What multiplies: AMX's tiles, AVX-512's VDPBF16PS, or the products of float32 numbers, whose operands are
// rounded.
enum class Bf16Kind { kFloat32, kAvx512, kAmx };

// The best that the processor has and limit_instruction_set allows.
Bf16Kind bf16_kind();

// Activations rounded to bf16, filled by round_row. With AMX and AVX-512 as bf16 numbers in the order in
// which they are read: [group of up to 16 rows][step of 32 inputs][row of the group][32], zero beyond the
// inputs; a call's groups are all as high as the first one. Without them as floats that have such values,
// [rows, padded(inputs)].
struct Bf16Rows {
  static constexpr std::int64_t kRows = 16, kInputs = 32;

  std::int64_t rows = 0, inputs = 0;
  Bf16Kind kind = Bf16Kind::kFloat32;
  AlignedBuffer<std::byte> data;

  bool tiled() const { return kind != Bf16Kind::kFloat32; }
  std::int64_t height() const { return rows < kRows ? rows : kRows; }
  std::int64_t groups() const { return (rows + kRows - 1) / kRows; }
  std::int64_t steps() const { return (inputs + kInputs - 1) / kInputs; }
  std::int64_t step_bytes() const { return height() * kInputs * 2; }
  std::int64_t place(std::int64_t group, std::int64_t step) const {
    return (group * steps() + step) * step_bytes();
  }
};

// Makes room for `count` rows, in the order of what multiplies now; what they hold is not kept.
void resize(Bf16Rows& rows, std::int64_t count, std::int64_t inputs);

// Rounds one row, x: [padded(inputs)], zero beyond the inputs. Different rows may be filled by several
// threads at once.
void round_row(const float* x, std::int64_t row, Bf16Rows& out);

// A product with weights as they lie in a file, or with packed ones; `product` says where they go, and for
// packed ones its weights, dtype and outputs are not looked at.
struct Bf16Job {
  MatMulJob product;
  const PackedMatrix* packed = nullptr;

  std::int64_t outputs() const { return packed != nullptr ? packed->outputs : product.outputs; }
};

// Runs several products with the same x as one parallel loop (with AMX and AVX-512).
void bf16_matmul(ThreadPool& pool, const Bf16Rows& x, std::span<const Bf16Job> jobs);

namespace reference {
// The plain twin, in double, of rows that are not rounded yet. weights: [outputs, inputs] of any type, as
// they lie in a file.
void bf16_matmul(const MatMulInput& x, DType type, const std::byte* weights, const Bf16Job& job);
}  // namespace reference

}  // namespace refocus
