// Single-precision matrix products; see kernels/gemm.h.
//
// Packed B is [k blocks][panels][depth of the block][kGemmPanel]. A tile of C, kTileRows rows by two vectors,
// is kept in registers while k runs over a block: each step loads two vectors of B and broadcasts one element
// of A a row. Operands of gemm come from memory: a tile asks for its lines of C, and shares of the next tile
// of A, before it begins.
#include "kernels/gemm.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "kernels/simd/amx.h"
#include "kernels/simd/fetch.h"
#include "kernels/simd/gemm_task.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/gemm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef REFOCUS_GEMM_SHARED
#define REFOCUS_GEMM_SHARED
namespace refocus {
// Rows of C [0, shape.m) and panels [first_panel, last_panel).
struct GemmTask {
  GemmShape shape;
  GemmOperand a;
  PackedOperand packed;
  std::int64_t first_panel, last_panel;
  GemmOutput c;
  bool fetch;  // asks ahead for lines of A and C
};

inline std::int64_t panels_of(std::int64_t n) { return (n + kGemmPanel - 1) / kGemmPanel; }
}  // namespace refocus
#endif

HWY_BEFORE_NAMESPACE();
namespace refocus {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
constexpr int kTileRows = 12;  // 24 sums + 2 of B of 32 registers
#elif HWY_TARGET == HWY_AVX2
constexpr int kTileRows = 6;  // 12 sums + 2 of B + 1 of A of 16 registers
#else
constexpr int kTileRows = 4;
#endif
constexpr std::int64_t kPanelsTogether = 16;  // whose block of B stays in the L2 cache
constexpr std::int64_t kLineFloats = 16;
constexpr std::int64_t kCopyStride = kGemmDepth + kLineFloats;  // of the rows of a copied tile of A

// What one call of a tile works on: a panel's columns from `b`, `depth` steps of k.
struct Tile {
  const float* a;
  std::int64_t a_row, a_column;
  const float* b;  // [depth, kGemmPanel]
  std::int64_t depth;
  float* c;
  std::int64_t c_row, columns;  // columns: of the panel that exist
  bool accumulate, fetch;
};

// How the rows of a tile of A lie: a_row apart, kCopyStride apart, or beside each other.
enum class RowsOfA { kApart, kCopied, kAdjacent };

template <int kRows, RowsOfA rows_of_a>
HWY_INLINE void two_vectors(const Tile& t, std::int64_t first) {
  const D d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (int r = 0; t.fetch && r < kRows; ++r) {
    for (std::int64_t n = 0; n < 2 * lanes; n += kLineFloats) fetch_into_l2(t.c + r * t.c_row + first + n);
  }
  const float* HWY_RESTRICT a = t.a;
  const float* HWY_RESTRICT b = t.b + first;
  constexpr bool kAdjacent = rows_of_a == RowsOfA::kAdjacent, kCopied = rows_of_a == RowsOfA::kCopied;
  const std::int64_t a_row = kAdjacent ? 1 : kCopied ? kCopyStride : t.a_row;
  const std::int64_t a_column = kAdjacent ? t.a_column : 1;
  V sum[kRows][2];
  for (int r = 0; r < kRows; ++r) sum[r][0] = sum[r][1] = hn::Zero(d);
  for (std::int64_t p = 0; p < t.depth; ++p, a += a_column, b += kGemmPanel) {
    const V b0 = hn::Load(d, b), b1 = hn::Load(d, b + lanes);
    for (int r = 0; r < kRows; ++r) {
      const V x = hn::Set(d, a[r * a_row]);
      sum[r][0] = hn::MulAdd(x, b0, sum[r][0]);
      sum[r][1] = hn::MulAdd(x, b1, sum[r][1]);
    }
  }
  const std::int64_t columns = t.columns - first;
  for (int r = 0; r < kRows; ++r) {
    float* c = t.c + r * t.c_row + first;
    if (columns >= 2 * lanes) {
      if (t.accumulate) {
        sum[r][0] = hn::Add(sum[r][0], hn::LoadU(d, c));
        sum[r][1] = hn::Add(sum[r][1], hn::LoadU(d, c + lanes));
      }
      hn::StoreU(sum[r][0], d, c);
      hn::StoreU(sum[r][1], d, c + lanes);
    } else {
      alignas(64) float out[32];
      hn::Store(sum[r][0], d, out);
      hn::Store(sum[r][1], d, out + lanes);
      for (std::int64_t n = 0; n < columns; ++n) c[n] = t.accumulate ? out[n] + c[n] : out[n];
    }
  }
}

template <int kRows, RowsOfA rows_of_a>
HWY_INLINE void all_vectors(const Tile& t) {
  const std::int64_t step = 2 * static_cast<std::int64_t>(hn::Lanes(D()));
  for (std::int64_t first = 0; first < t.columns; first += step) two_vectors<kRows, rows_of_a>(t, first);
}

template <int kRows>
HWY_INLINE void tile_rows(const Tile& t) {
  if (t.a_column == 1) return all_vectors<kRows, RowsOfA::kApart>(t);
  all_vectors<kRows, RowsOfA::kAdjacent>(t);
}

// Fewer rows than a whole tile, or operands with no unit stride.
void odd_tile(Tile t, std::int64_t rows) {
  const bool any_stride = t.a_column != 1 && t.a_row != 1;
  alignas(64) float copy[kGemmDepth];
  for (std::int64_t r = 0; r < rows; ++r, t.c += t.c_row) {
    Tile one = t;
    one.a = t.a + r * t.a_row;
    if (any_stride) {
      for (std::int64_t p = 0; p < t.depth; ++p) copy[p] = one.a[p * t.a_column];
      one.a = copy;
      one.a_column = 1;
    }
    tile_rows<1>(one);
  }
}

void run_rows(const Tile& t, std::int64_t rows) {
  if (t.a_column != 1 && t.a_row != 1) return odd_tile(t, rows);
  Tile now = t;
  const auto advance = [&](std::int64_t by) {
    now.a += by * t.a_row;
    now.c += by * t.c_row;
    rows -= by;
  };
  if (rows >= kTileRows) {
    tile_rows<kTileRows>(now);
    advance(kTileRows);
  }
  while (rows >= 4) tile_rows<4>(now), advance(4);
  if (rows >= 2) tile_rows<2>(now), advance(2);
  if (rows >= 1) tile_rows<1>(now);
}

void copy_rows(const GemmOperand& a, std::int64_t depth, float* to) {
  const auto bytes = static_cast<std::size_t>(depth) * sizeof(float);
  for (int r = 0; r < kTileRows; ++r) std::memcpy(to + r * kCopyStride, a.data + r * a.row_stride, bytes);
}

void run_copied_rows(const Tile& t) { all_vectors<kTileRows, RowsOfA::kCopied>(t); }

// Asks for share `share` of `shares` of a whole tile of A. Inline, as fetch_into_l2 has to be.
HWY_INLINE void fetch_share(const GemmOperand& a, std::int64_t depth, std::int64_t share,
                            std::int64_t shares) {
  if (a.column_stride == 1) {
    const std::int64_t lines = (depth + kLineFloats - 1) / kLineFloats;
    for (std::int64_t l = lines * share / shares; l < lines * (share + 1) / shares; ++l) {
      for (int r = 0; r < kTileRows; ++r) fetch_into_l2(a.data + r * a.row_stride + l * kLineFloats);
    }
  } else if (a.row_stride == 1) {
    for (std::int64_t p = depth * share / shares; p < depth * (share + 1) / shares; ++p) {
      const float* column = a.data + p * a.column_stride;
      fetch_into_l2(column);
      fetch_into_l2(column + kTileRows - 1);
    }
  }
}

// Rows [i, i + kTileRows) of C, or those that are left, times panels [first, last): adds the block of k.
void run_panels(const GemmTask& task, std::int64_t i, std::int64_t k, std::int64_t first, std::int64_t last) {
  const GemmShape& s = task.shape;
  const std::int64_t rows = std::min<std::int64_t>(kTileRows, s.m - i), depth = std::min(kGemmDepth, s.k - k);
  const float* block = task.packed.data + k * panels_of(task.packed.n) * kGemmPanel;
  const std::int64_t panel_floats = std::min(kGemmDepth, task.packed.k - k) * kGemmPanel;
  GemmOperand a = task.a;
  a.data += i * a.row_stride + k * a.column_stride;
  GemmOperand next = a;
  next.data += kTileRows * a.row_stride;
  const bool fetch_next = task.fetch && i + 2 * kTileRows <= s.m;
  const bool copy =
      rows == kTileRows && last - first > 1 && a.column_stride == 1 && rows_collide(a.row_stride);
  alignas(64) float copied[kTileRows * kCopyStride];
  if (copy) copy_rows(a, depth, copied);
  for (std::int64_t p = first; p < last; ++p) {
    if (fetch_next) fetch_share(next, depth, p - first, last - first);
    const Tile tile{copy ? copied : a.data,
                    a.row_stride,
                    a.column_stride,
                    block + p * panel_floats,
                    depth,
                    task.c.data + i * task.c.row_stride + p * kGemmPanel,
                    task.c.row_stride,
                    std::min(kGemmPanel, s.n - p * kGemmPanel),
                    task.c.accumulate || k > 0,
                    task.fetch};
    copy ? run_copied_rows(tile) : run_rows(tile, rows);
  }
}

void run_gemm(const GemmTask& task) {
  const GemmShape& s = task.shape;
  for (std::int64_t j = task.first_panel; j < task.last_panel; j += kPanelsTogether) {
    const std::int64_t end = std::min(j + kPanelsTogether, task.last_panel);
    for (std::int64_t k = 0; k < s.k; k += kGemmDepth) {
      for (std::int64_t i = 0; i < s.m; i += kTileRows) run_panels(task, i, k, j, end);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace refocus
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refocus {
namespace {

HWY_EXPORT(run_gemm);

// One panel of one block of k: [depth, kGemmPanel], zero beyond n.
void pack_panel(const GemmOperand& b, std::int64_t n, std::int64_t depth, float* to) {
  if (b.column_stride == 1) {
    for (std::int64_t p = 0; p < depth; ++p, to += kGemmPanel) {
      std::memcpy(to, b.data + p * b.row_stride, static_cast<std::size_t>(n) * sizeof(float));
      std::fill(to + n, to + kGemmPanel, 0.0f);
    }
    return;
  }
  for (std::int64_t p = 0; p < depth; ++p) {
    float* row = to + p * kGemmPanel;
    const float* from = b.data + p * b.row_stride;
    for (std::int64_t j = 0; j < n; ++j) row[j] = from[j * b.column_stride];
    std::fill(row + n, row + kGemmPanel, 0.0f);
  }
}

// Panel `index` of all blocks, counted block by block.
void pack_one(const GemmOperand& b, std::int64_t index, const PackedOperand& packed) {
  const std::int64_t n = packed.n, k = packed.k;
  const std::int64_t panels = panels_of(n), first_k = index / panels * kGemmDepth;
  const std::int64_t panel = index % panels, depth = std::min(kGemmDepth, k - first_k);
  const GemmOperand part{b.data + first_k * b.row_stride + panel * kGemmPanel * b.column_stride, b.row_stride,
                         b.column_stride};
  pack_panel(part, std::min(kGemmPanel, n - panel * kGemmPanel), depth,
             packed.data + (first_k * panels + panel * depth) * kGemmPanel);
}

std::int64_t pieces_of(std::int64_t n, std::int64_t k) {
  return panels_of(n) * ((k + kGemmDepth - 1) / kGemmDepth);
}

constexpr std::int64_t kRowStep = 12;  // a multiple of every target's tile but the narrowest one's

// Tasks of some rows and a part of the columns each.
struct Division {
  std::int64_t rows = 0, row_tasks = 0, column_tasks = 0;
};

// Such that threads that take equally many tasks end together, and there are a few for each.
Division divide(std::int64_t m, std::int64_t panels, int threads) {
  constexpr std::int64_t kMostSteps = 16, kFewestSteps = 4, kFewestPanels = 4;
  const std::int64_t wanted = threads == 1 ? 1 : std::int64_t{4} * threads,
                     steps = (m + kRowStep - 1) / kRowStep;
  Division best;
  double least = std::numeric_limits<double>::infinity();
  for (std::int64_t step = kMostSteps; step >= kFewestSteps; --step) {
    const std::int64_t row_tasks = (steps + step - 1) / step;
    const std::int64_t most =
        row_tasks < threads ? panels : std::max<std::int64_t>(1, panels / kFewestPanels);
    const std::int64_t column_tasks = std::clamp<std::int64_t>(wanted / row_tasks, 1, most);
    const std::int64_t of_thread = (row_tasks * column_tasks + threads - 1) / threads;
    const auto work =
        static_cast<double>(of_thread * std::min(step, steps)) / static_cast<double>(column_tasks);
    if (work < least) best = {step * kRowStep, row_tasks, column_tasks}, least = work;
  }
  return best;
}

// k at a time, in whole blocks: as many as are packed into 2 MB of B, so that it is in a cache when it is
// used, and as many as C has rows, since each time adds to all of C.
std::int64_t depth_at_once(const GemmShape& shape) {
  constexpr std::int64_t kPackedFloats = std::int64_t{1} << 19;
  const std::int64_t depth = std::max(kPackedFloats / (panels_of(shape.n) * kGemmPanel), shape.m);
  return std::max<std::int64_t>(1, depth / kGemmDepth) * kGemmDepth;
}

void gemm_at_once(ThreadPool& pool, const GemmShape& shape, const GemmOperand& a, const GemmOperand& b,
                  const GemmOutput& c, GemmScratch& scratch) {
  const auto floats = static_cast<std::size_t>(packed_b_floats(shape.n, shape.k));
  if (scratch.packed.size() < floats) scratch.packed = AlignedBuffer<float>(floats);
  const PackedOperand packed{scratch.packed.data(), shape.n, shape.k};
  pool.parallel_for(pieces_of(shape.n, shape.k), [&](std::int64_t i, int) { pack_one(b, i, packed); });
  const std::int64_t panels = panels_of(shape.n);
  const Division d = divide(shape.m, panels, pool.size());
  const auto run = HWY_DYNAMIC_DISPATCH(run_gemm);
  pool.parallel_for(d.row_tasks * d.column_tasks, [&](std::int64_t task, int) {
    const std::int64_t row = task / d.column_tasks * d.rows, column = task % d.column_tasks;
    const GemmShape part{std::min(d.rows, shape.m - row), shape.n, shape.k};
    run({part,
         {a.data + row * a.row_stride, a.row_stride, a.column_stride},
         packed,
         panels * column / d.column_tasks,
         panels * (column + 1) / d.column_tasks,
         {c.data + row * c.row_stride, c.row_stride, c.accumulate},
         /*fetch=*/true});
  });
}

}  // namespace

std::int64_t packed_b_floats(std::int64_t n, std::int64_t k) { return panels_of(n) * kGemmPanel * k; }

void pack_b(const GemmOperand& b, const PackedOperand& packed) {
  for (std::int64_t i = 0; i < pieces_of(packed.n, packed.k); ++i) pack_one(b, i, packed);
}

void gemm_packed(const GemmShape& shape, const GemmOperand& a, const PackedOperand& packed,
                 const GemmOutput& c) {
  REFOCUS_CHECK(shape.k >= 1 && shape.k <= packed.k && shape.n <= packed.n);
  HWY_DYNAMIC_DISPATCH(run_gemm)({shape, a, packed, 0, panels_of(shape.n), c, /*fetch=*/false});
}

void gemm(ThreadPool& pool, const GemmShape& shape, const GemmOperand& a, const GemmOperand& b,
          const GemmOutput& c, GemmScratch& scratch) {
  REFOCUS_CHECK(shape.k >= 1);
  if (amx_bf16_in_use()) return gemm_amx(pool, shape, a, b, c, scratch);
  const std::int64_t depth = depth_at_once(shape);
  for (std::int64_t k = 0; k < shape.k; k += depth) {
    GemmShape part = shape;
    part.k = std::min(depth, shape.k - k);
    gemm_at_once(pool, part, {a.data + k * a.column_stride, a.row_stride, a.column_stride},
                 {b.data + k * b.row_stride, b.row_stride, b.column_stride},
                 {c.data, c.row_stride, c.accumulate || k > 0}, scratch);
  }
}

}  // namespace refocus
#endif
