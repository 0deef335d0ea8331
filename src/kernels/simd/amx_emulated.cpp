// AMX's instructions on tiles in plain code, so that what is written for them can be tested on processors
// that have AVX-512 but no tiles: built with the CMake option REFOCUS_EMULATE_AMX alone, and far too slow for
// anything else. As the Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, defines them
// (LDTILECFG, TILELOADD, TILESTORED, TDPBSSD, TDPBF16PS); what raises an exception there ends the program.
#include <cmath>
#include <limits>

#include "base/error.h"
#include "kernels/simd/amx.h"

namespace refocus::amx {
namespace {

constexpr int kTiles = 8, kMaxRows = 16, kRowBytes = 64;

struct Tile {
  alignas(kRowBytes) std::byte rows[kMaxRows][kRowBytes];
};

struct State {
  TileShapes shapes;  // palette 0: none
  Tile tiles[kTiles];
  State() { shapes.palette = 0; }
};
thread_local State state;

int rows_of(int tile) { return state.shapes.rows[tile]; }
int row_bytes_of(int tile) { return state.shapes.row_bytes[tile]; }

Tile& configured(int tile) {
  REFOCUS_CHECK(state.shapes.palette == 1 && rows_of(tile) > 0 && row_bytes_of(tile) > 0);
  return state.tiles[tile];
}

void zero(Tile& tile) { std::memset(tile.rows, 0, sizeof(tile.rows)); }

// Rows of `a` by columns of `b`, of which a 32-bit lane of `a` meets a row of `b`.
void expect_fit(int sums, int a, int b) {
  REFOCUS_CHECK(sums != a && sums != b && a != b);
  REFOCUS_CHECK(rows_of(sums) == rows_of(a) && row_bytes_of(sums) == row_bytes_of(b));
  REFOCUS_CHECK(row_bytes_of(a) == 4 * rows_of(b) && row_bytes_of(sums) % 4 == 0);
}

// Subnormal numbers count as 0.
float flushed(float x) {
  return std::abs(x) < std::numeric_limits<float>::min() ? std::copysign(0.0f, x) : x;
}

float of_bf16(std::uint16_t bits) {
  const std::uint32_t wide = std::uint32_t{bits} << 16;
  float out;
  std::memcpy(&out, &wide, sizeof out);
  return flushed(out);
}

// One row of sums: += one row of `a` times `b`.
__attribute__((target("fma"))) void add_bf16_row(float* sums, const std::uint16_t* a, const Tile& b,
                                                 int depth, int columns) {
  float even[kRowBytes / 4] = {}, odd[kRowBytes / 4] = {};
  for (int k = 0; k < depth; ++k) {
    std::uint16_t of_row[kRowBytes / 2];
    std::memcpy(of_row, b.rows[k], sizeof of_row);
    const float first = of_bf16(a[2 * k]), second = of_bf16(a[2 * k + 1]);
    for (int n = 0; n < columns; ++n) {
      even[n] = flushed(std::fma(first, of_bf16(of_row[2 * n]), even[n]));
      odd[n] = flushed(std::fma(second, of_bf16(of_row[2 * n + 1]), odd[n]));
    }
  }
  for (int n = 0; n < columns; ++n) sums[n] = flushed(flushed(sums[n]) + flushed(even[n] + odd[n]));
}

}  // namespace

void configure(const TileShapes& shapes) {
  REFOCUS_CHECK(shapes.palette == 1 && shapes.start_row == 0);
  for (int tile = 0; tile < kTiles; ++tile) {
    REFOCUS_CHECK(shapes.rows[tile] <= kMaxRows && shapes.row_bytes[tile] <= kRowBytes);
  }
  state.shapes = shapes;
  for (Tile& tile : state.tiles) zero(tile);
}

void release() {
  state.shapes.palette = 0;
  for (Tile& tile : state.tiles) zero(tile);
}

void clear_tile(int tile) { zero(configured(tile)); }

void load_tile(int tile, const void* from, std::int64_t stride) {
  Tile& to = configured(tile);
  zero(to);
  for (int r = 0; r < rows_of(tile); ++r) {
    std::memcpy(to.rows[r], static_cast<const std::byte*>(from) + r * stride,
                static_cast<std::size_t>(row_bytes_of(tile)));
  }
}

void store_tile(int tile, void* to, std::int64_t stride) {
  const Tile& from = configured(tile);
  for (int r = 0; r < rows_of(tile); ++r) {
    std::memcpy(static_cast<std::byte*>(to) + r * stride, from.rows[r],
                static_cast<std::size_t>(row_bytes_of(tile)));
  }
}

void multiply_tiles(int sums, int a, int b) {
  Tile& to = configured(sums);
  const Tile &left = configured(a), &right = configured(b);
  expect_fit(sums, a, b);
  const int columns = row_bytes_of(sums) / 4, depth = row_bytes_of(a) / 4;
  for (int m = 0; m < rows_of(sums); ++m) {
    std::int32_t row[kRowBytes / 4];
    std::int8_t of_a[kRowBytes], of_b[kRowBytes];
    std::memcpy(row, to.rows[m], sizeof row);
    std::memcpy(of_a, left.rows[m], sizeof of_a);
    for (int k = 0; k < depth; ++k) {
      std::memcpy(of_b, right.rows[k], sizeof of_b);
      for (int n = 0; n < columns; ++n) {
        for (int i = 0; i < 4; ++i) row[n] += of_a[4 * k + i] * of_b[4 * n + i];
      }
    }
    std::memcpy(to.rows[m], row, sizeof row);
  }
}

void multiply_tiles_bf16(int sums, int a, int b) {
  Tile& to = configured(sums);
  const Tile &left = configured(a), &right = configured(b);
  expect_fit(sums, a, b);
  for (int m = 0; m < rows_of(sums); ++m) {
    float row[kRowBytes / 4];
    std::uint16_t of_a[kRowBytes / 2];
    std::memcpy(row, to.rows[m], sizeof row);
    std::memcpy(of_a, left.rows[m], sizeof of_a);
    add_bf16_row(row, of_a, right, row_bytes_of(a) / 4, row_bytes_of(sums) / 4);
    std::memcpy(to.rows[m], row, sizeof row);
  }
}

}  // namespace refocus::amx
