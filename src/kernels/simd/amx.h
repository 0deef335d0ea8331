// Intel's Advanced Matrix Extensions (Intel 64 and IA-32 Architectures Optimization Reference Manual, chapter
// 20): whether this process may use them, and their instructions on tiles, which are registers of up to 16
// rows of 64 bytes. And whether it may use AVX-512's products of bf16, which stand in for them.
#pragma once

#include <cstdint>
#include <cstring>

namespace refocus {

// Whether the processor multiplies tiles of int8, the kernel lets this process use them (asked for once), and
// limit_amx allows it.
bool amx_int8_in_use();
// The same of tiles of bf16, with AVX-512's conversions to bf16 beside them.
bool amx_bf16_in_use();

// Whether the processor has AVX-512's products of bf16 (VDPBF16PS), beside its permutations of bytes (VBMI),
// and limit_avx512_bf16 allows them.
bool avx512_bf16_in_use();

// From now on `allowed` or not, whatever the processor has; for measurements and tests, not while kernels
// run.
void limit_amx(bool allowed);
void limit_avx512_bf16(bool allowed);

#if defined(__x86_64__)
namespace amx {

// The shapes of the eight tiles (palette 1), as LDTILECFG reads them.
struct alignas(64) TileShapes {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};

  void set(int tile, std::int64_t tile_rows, std::int64_t tile_row_bytes) {
    rows[tile] = static_cast<std::uint8_t>(tile_rows);
    row_bytes[tile] = static_cast<std::uint16_t>(tile_row_bytes);
  }
};
static_assert(sizeof(TileShapes) == 64);

#if defined(REFOCUS_EMULATE_AMX)
// The same in plain code, for tests on processors without tiles; see amx_emulated.cpp.
void configure(const TileShapes& shapes);
void release();
void clear_tile(int tile);
void load_tile(int tile, const void* from, std::int64_t stride);
void store_tile(int tile, void* to, std::int64_t stride);
void multiply_tiles(int sums, int a, int b);
void multiply_tiles_bf16(int sums, int a, int b);
template <int tile>
inline __attribute__((always_inline)) void clear() {
  clear_tile(tile);
}
template <int tile>
inline __attribute__((always_inline)) void load(const void* from, std::int64_t stride) {
  load_tile(tile, from, stride);
}
template <int tile>
inline __attribute__((always_inline)) void store(void* to, std::int64_t stride) {
  store_tile(tile, to, stride);
}
template <int sums, int a, int b>
inline __attribute__((always_inline)) void multiply() {
  multiply_tiles(sums, a, b);
}
template <int sums, int a, int b>
inline __attribute__((always_inline)) void multiply_bf16() {
  multiply_tiles_bf16(sums, a, b);
}
#else
// Inline assembly rather than the compiler's intrinsics: those of g++ 12 do not say that loads read memory.
inline void configure(const TileShapes& shapes) { asm volatile("ldtilecfg %0" ::"m"(shapes)); }
inline void release() { asm volatile("tilerelease" :::); }
template <int tile>
inline __attribute__((always_inline)) void clear() {
  asm volatile("tilezero %%tmm%c0" ::"i"(tile));
}
// Rows `stride` bytes apart.
template <int tile>
inline __attribute__((always_inline)) void load(const void* from, std::int64_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(tile) : "memory");
}
template <int tile>
inline __attribute__((always_inline)) void store(void* to, std::int64_t stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(tile) : "memory");
}
// sums[m][n] += the sum over k of a[m][k] b[k / 4][n][k % 4], of signed bytes, in 32 bits.
template <int sums, int a, int b>
inline __attribute__((always_inline)) void multiply() {
  asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(sums), "i"(a), "i"(b));
}
// sums[m][n] += the sum over k of a[m][k] b[k / 2][n][k % 2], of bf16 numbers, in float32: the products with
// even k are added one after the other, from 0 and by fused multiply-adds, those with odd k likewise, then
// both sums are added and their sum to what was there. Subnormal numbers count as 0.
template <int sums, int a, int b>
inline __attribute__((always_inline)) void multiply_bf16() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(sums), "i"(a), "i"(b));
}
#endif

}  // namespace amx
#endif

}  // namespace refocus
