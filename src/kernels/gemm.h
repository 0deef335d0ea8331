// C = A B or C += A B in float32: the matrix products of training.
//
// An operand names its elements by two strides, so that the three products of a linear layer y = x W^T are
// one:
//   y [rows, out]  = x W^T      A = x,    B = W^T   ("NT")
//   dx [rows, in]  = dy W       A = dy,   B = W     ("NN")
//   dW [out, in]  += dy^T x     A = dy^T, B = x     ("TN")
//
// Every element of C is summed over k in ascending order, in blocks of kGemmDepth whose sums are added to C
// one after the other. Work is split along rows and columns of C only: results depend neither on threads nor
// on how rows are grouped. B is packed into panels of kGemmPanel columns; A is read where it lies (Goto & van
// de Geijn 2008 for the blocking). Where the processor has AMX with bf16, gemm (not gemm_packed) multiplies
// numbers of three bf16 parts by it (kernels/simd/gemm_task.h), in an order of its own that is as independent
// of threads and rows, and as exact as float32's.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"

namespace refocus {

inline constexpr std::int64_t kGemmDepth = 256;  // of k in a block
inline constexpr std::int64_t kGemmPanel = 32;   // columns of a packed panel

// Element (i, j) of a matrix is data[i * row_stride + j * column_stride].
struct GemmOperand {
  const float* data = nullptr;
  std::int64_t row_stride = 0, column_stride = 1;

  GemmOperand transposed() const { return {data, column_stride, row_stride}; }
};

struct GemmShape {
  std::int64_t m = 0, n = 0, k = 0;  // A is [m, k], B [k, n], C [m, n]
};

struct GemmOutput {
  float* data = nullptr;  // [m, row_stride]
  std::int64_t row_stride = 0;
  bool accumulate = false;  // adds to C instead of overwriting it
};

// Packed B of any product, or what of it is packed at once, kept between calls; grows as needed.
struct GemmScratch {
  AlignedBuffer<float> packed;
  AlignedBuffer<std::byte> parts;  // the same for AMX, in bf16 parts, 4 MB of them or a block of k at a time
};

void gemm(ThreadPool& pool, const GemmShape& shape, const GemmOperand& a, const GemmOperand& b,
          const GemmOutput& c, GemmScratch& scratch);

// The two halves of gemm on the calling thread, for kernels that use a packed B several times.
struct PackedOperand {
  float* data = nullptr;  // [packed_b_floats(n, k)], aligned to 64 bytes
  std::int64_t n = 0, k = 0;
};
std::int64_t packed_b_floats(std::int64_t n, std::int64_t k);
void pack_b(const GemmOperand& b, const PackedOperand& packed);
// Takes the first shape.k rows and shape.n columns of what was packed.
void gemm_packed(const GemmShape& shape, const GemmOperand& a, const PackedOperand& packed,
                 const GemmOutput& c);

}  // namespace refocus
