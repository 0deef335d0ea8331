// Matrix units of sm_80 and later: D += A B with A [16, 16] and B [16, 8] of F16 and D [16, 8] of float32,
// spread over a warp as the PTX manual has it for mma.m16n8k16; and how their parts come from shared memory.
//
// With g = lane / 4 and t = lane % 4 * 2: A's four pairs are (g, t), (g + 8, t), (g, t + 8), (g + 8, t + 8),
// each with the column after it; B's two pairs are rows t and t + 8 of column g, each with the row after it;
// D's four elements are (g, t), (g, t + 1), (g + 8, t), (g + 8, t + 1).
#pragma once

#include <cuda_fp16.h>

#include <cstdint>

namespace refocus::cuda {

__device__ inline std::uint32_t shared_address(const void* at) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(at));
}

__device__ inline std::uint32_t pack(float low, float high) {
  std::uint32_t both;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
  return both;
}

__device__ inline float exp2_of(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// 16 bytes to shared memory, or zeros, without reading, where not `seen`.
__device__ inline void copy_or_clear(void* to, const void* from, bool seen) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from),
               "r"(seen ? 16 : 0)
               : "memory");
}
__device__ inline void close_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
__device__ inline void wait_for_copies() { asm volatile("cp.async.wait_group 0;" ::: "memory"); }

// Four matrices of 8 rows of 16 bytes; lane l gives the address of row l % 8 of matrix l / 8. The matrices of
// a [16, 16] part in the order of A's pairs are (0, 0), (8, 0), (0, 8), (8, 8): rows matrix_rows(lane),
// columns from matrix_columns(lane) on. As a B of two times 8 columns, from a transposed [columns, rows] in
// memory, they are (0, 0), (0, 8), (8, 0), (8, 8): the other two.
__device__ inline int matrix_rows(int lane) { return lane % 16; }
__device__ inline int matrix_columns(int lane) { return lane / 16 * 8; }
__device__ inline int matrix_columns_as_rows(int lane) { return lane / 16 * 8 + lane % 8; }
__device__ inline int matrix_rows_as_columns(int lane) { return lane / 8 % 2 * 8; }

__device__ inline void load_matrices(std::uint32_t (&to)[4], std::uint32_t at) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(at)
               : "memory");
}
__device__ inline void load_transposed(std::uint32_t (&to)[4], std::uint32_t at) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(at)
               : "memory");
}

__device__ inline void multiply_add(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                                    std::uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

}  // namespace refocus::cuda
