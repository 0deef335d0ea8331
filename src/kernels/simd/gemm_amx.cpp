// Products of training by AMX: tiles of bf16 numbers, with both operands in three parts each; see
// gemm_task.h. x86 only.
//
// An operand is packed into tiles of 16 lines (rows of A, columns of B) by 32 steps of k, in pairs (k, k +
// 16): [block of k][line / 32][step][part][2 tiles]. Four tiles of C, 32 rows by 32 columns, stay in the
// processor's tiles while k runs over a block.
#include <algorithm>
#include <cstddef>

#include "base/error.h"
#include "kernels/simd/amx.h"
#include "kernels/simd/gemm_task.h"

#include <hwy/highway.h>

#if HWY_ARCH_X86
#include <immintrin.h>

HWY_PUSH_ATTRIBUTES("avx,avx2,fma,f16c,avx512f,avx512vl,avx512dq,avx512bw,avx512bf16,prfchw")
namespace refocus {
namespace gemm_by_amx {
using namespace amx;
#include "kernels/simd/bf16_parts-inl.h"

constexpr std::int64_t kLines = 16, kUnit = 2 * kLines, kStep = 32, kTileBytes = 1024;
constexpr int kParts = 3;
constexpr std::int64_t kStepBytes = kParts * 2 * kTileBytes;  // of a unit of 32 lines
constexpr std::int64_t kBlockSteps = kGemmDepth / kStep;      // of k whose sums stay in tiles
constexpr std::int64_t kChunkBytes = std::int64_t{4} << 20;   // of packed B that all threads share
constexpr std::int64_t kTaskRows = 192;                       // of C, at most

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// Lines of an operand beside each other along k: A's rows or B's columns.
struct Lines {
  const float* data;
  std::int64_t line_stride, k_stride;
  std::int64_t lines, k;  // that exist from `data` on

  Lines from(std::int64_t line, std::int64_t first_k) const {
    return {data + line * line_stride + first_k * k_stride, line_stride, k_stride, lines - line, k - first_k};
  }
};

// Which index of a tile is a register's: A's tiles have a line a row, B's a pair of k a row.
enum class TileOrder { kLineRows, kPairRows };

// Where one stride is 1, the tile is read as it lies; what has none is copied first.
Lines with_unit_stride(const Lines& from, float* copy) {
  if (from.k_stride == 1 || from.line_stride == 1) return from;
  const std::int64_t lines = std::min(kLines, from.lines), depth = std::min(kStep, from.k);
  for (std::int64_t i = 0; i < lines; ++i) {
    for (std::int64_t p = 0; p < depth; ++p)
      copy[i * kStep + p] = from.data[i * from.line_stride + p * from.k_stride];
  }
  return {copy, kStep, 1, lines, depth};
}

// The parts' tiles lie 2 kTileBytes apart.
void pack_tile(const Lines& any, TileOrder order, std::byte* to) {
  alignas(64) float copy[kLines * kStep];
  const Lines from = with_unit_stride(any, copy);
  __m512i rows[kParts][kLines];
  const bool by_lines = from.k_stride == 1;
  for (std::int64_t i = 0; i < kLines; ++i) {
    Floats32 x = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    if (by_lines) {  // line i
      if (i < from.lines) x = load_floats(from.data + i * from.line_stride, from.k);
    } else {  // pair i
      const __mmask16 some = first_of_16(from.lines);
      const float* at = from.data + i * from.k_stride;
      if (i < from.k) x.low = _mm512_maskz_loadu_ps(some, at);
      if (i + kLines < from.k) x.high = _mm512_maskz_loadu_ps(some, at + kLines * from.k_stride);
    }
    __m512i parts[kParts];
    split_in_halves<kParts>(x, parts);
    for (int p = 0; p < kParts; ++p) rows[p][i] = parts[p];
  }
  for (int p = 0; p < kParts; ++p, to += 2 * kTileBytes) {
    if (by_lines != (order == TileOrder::kLineRows)) transpose(rows[p]);
    for (std::int64_t i = 0; i < kLines; ++i) _mm512_store_si512(to + i * 64, rows[p][i]);
  }
}

// A unit's steps: [step][part][2 tiles].
void pack_unit(const Lines& from, TileOrder order, std::int64_t steps, std::byte* to) {
  for (std::int64_t s = 0; s < steps; ++s, to += kStepBytes) {
    for (std::int64_t half = 0; half < 2; ++half) {
      const Lines lines = from.from(half * kLines, s * kStep);
      pack_tile({lines.data, lines.line_stride, lines.k_stride,
                 std::clamp<std::int64_t>(lines.lines, 0, kLines), lines.k},
                order, to + half * kTileBytes);
    }
  }
}

template <int kTile>
HWY_INLINE void load_part(const std::byte* unit, int part) {
  load<kTile>(unit + part * 2 * kTileBytes, 64);
  load<kTile + 1>(unit + part * 2 * kTileBytes + kTileBytes, 64);
}
// Tiles: 0 to 3 sums (rows, then columns), 4 and 5 A, 6 and 7 B.
HWY_INLINE void multiply_four() {
  multiply_bf16<0, 4, 6>();
  multiply_bf16<1, 4, 7>();
  multiply_bf16<2, 5, 6>();
  multiply_bf16<3, 5, 7>();
}
// The largest products come last; the order before needs the fewest loads.
HWY_INLINE void add_step(const std::byte* a, const std::byte* b) {
  load_part<4>(a, 2), load_part<6>(b, 0), multiply_four();
  load_part<4>(a, 1), multiply_four();
  load_part<6>(b, 1), multiply_four();
  load_part<4>(a, 0), multiply_four();
  load_part<6>(b, 2), multiply_four();
  load_part<6>(b, 0), multiply_four();
}

// Four tiles of C at `c`, rows `stride` floats apart: of the matrix, or of a copy where they lie over its
// edge.
void multiply_block(const std::byte* a, const std::byte* b, std::int64_t steps, bool accumulate, float* c,
                    std::int64_t stride) {
  const std::int64_t bytes = stride * 4;
  float* below = c + kLines * stride;
  if (accumulate) {
    load<0>(c, bytes), load<1>(c + kLines, bytes), load<2>(below, bytes), load<3>(below + kLines, bytes);
  } else {
    clear<0>(), clear<1>(), clear<2>(), clear<3>();
  }
  for (std::int64_t s = 0; s < steps; ++s) add_step(a + s * kStepBytes, b + s * kStepBytes);
  store<0>(c, bytes), store<1>(c + kLines, bytes), store<2>(below, bytes), store<3>(below + kLines, bytes);
}

struct Block {
  const std::byte *a, *b;
  std::int64_t steps;
  bool accumulate;
};
// The same over the edge: `rows` and `columns` of the four tiles exist.
void multiply_edge(const Block& block, float* c, std::int64_t stride, std::int64_t rows,
                   std::int64_t columns) {
  alignas(64) float copy[kUnit * kUnit] = {};
  for (std::int64_t r = 0; block.accumulate && r < rows; ++r) {
    std::copy_n(c + r * stride, columns, copy + r * kUnit);
  }
  multiply_block(block.a, block.b, block.steps, block.accumulate, copy, kUnit);
  for (std::int64_t r = 0; r < rows; ++r) std::copy_n(copy + r * kUnit, columns, c + r * stride);
}

// What of k all threads work on at a time.
struct Chunk {
  std::int64_t first, depth;  // of k; `first` a multiple of kGemmDepth

  std::int64_t blocks() const { return divide_up(depth, kGemmDepth); }
  std::int64_t steps(std::int64_t block) const {
    return divide_up(std::min(kGemmDepth, depth - block * kGemmDepth), kStep);
  }
};

class Product {
 public:
  Product(const GemmShape& shape, const GemmOperand& a, const GemmOperand& b, const GemmOutput& c)
      : shape_(shape),
        a_{a.data, a.row_stride, a.column_stride, shape.m, shape.k},
        b_{b.data, b.column_stride, b.row_stride, shape.n, shape.k},
        c_(c),
        units_(divide_up(shape.n, kUnit)) {}

  void run(ThreadPool& pool, GemmScratch& scratch) {
    const std::int64_t block_bytes = units_ * kBlockSteps * kStepBytes;
    const std::int64_t blocks = std::max<std::int64_t>(1, kChunkBytes / block_bytes);
    const auto bytes =
        static_cast<std::size_t>(std::min(blocks, divide_up(shape_.k, kGemmDepth)) * block_bytes);
    if (scratch.parts.size() < bytes) scratch.parts = AlignedBuffer<std::byte>(bytes);
    packed_ = scratch.parts.data();
    for (std::int64_t k = 0; k < shape_.k; k += blocks * kGemmDepth) {
      run_chunk(pool, {k, std::min(blocks * kGemmDepth, shape_.k - k)});
    }
  }

 private:
  std::byte* packed_unit(std::int64_t block, std::int64_t unit) const {
    return packed_ + (block * units_ + unit) * kBlockSteps * kStepBytes;
  }

  void run_chunk(ThreadPool& pool, const Chunk& chunk) {
    pool.parallel_for(chunk.blocks() * units_, [&](std::int64_t i, int) {
      const std::int64_t block = i / units_, unit = i % units_;
      pack_unit(b_.from(unit * kUnit, chunk.first + block * kGemmDepth), TileOrder::kPairRows,
                chunk.steps(block), packed_unit(block, unit));
    });
    const std::int64_t wanted = pool.size() == 1 ? 1 : 4 * pool.size();
    const std::int64_t rows =
        std::clamp(divide_up(divide_up(shape_.m, wanted), kUnit) * kUnit, kUnit, kTaskRows);
    const std::int64_t row_tasks = divide_up(shape_.m, rows);
    const std::int64_t column_tasks = std::clamp<std::int64_t>(wanted / row_tasks, 1, units_);
    pool.parallel_for(row_tasks * column_tasks, [&](std::int64_t task, int) {
      const std::int64_t row = task / column_tasks * rows, part = task % column_tasks;
      run_rows(chunk, row, std::min(rows, shape_.m - row), units_ * part / column_tasks,
               units_ * (part + 1) / column_tasks);
    });
  }

  void run_rows(const Chunk& chunk, std::int64_t row, std::int64_t rows, std::int64_t first_unit,
                std::int64_t end_unit) const {
    thread_local AlignedBuffer<std::byte> packed(
        static_cast<std::size_t>(kTaskRows / kUnit * kBlockSteps * kStepBytes));
    TileShapes shapes;
    for (int t = 0; t < 8; ++t) shapes.set(t, kLines, 64);
    configure(shapes);
    for (std::int64_t block = 0; block < chunk.blocks(); ++block) {
      const std::int64_t k = chunk.first + block * kGemmDepth, steps = chunk.steps(block);
      for (std::int64_t r = 0; r < rows; r += kUnit) {
        pack_unit(a_.from(row + r, k), TileOrder::kLineRows, steps,
                  packed.data() + r / kUnit * kBlockSteps * kStepBytes);
      }
      const bool accumulate = c_.accumulate || k > 0;
      for (std::int64_t unit = first_unit; unit < end_unit; ++unit) {
        for (std::int64_t r = 0; r < rows; r += kUnit) {
          const Block tiles{packed.data() + r / kUnit * kBlockSteps * kStepBytes, packed_unit(block, unit),
                            steps, accumulate};
          multiply(tiles, row + r, unit * kUnit);
        }
      }
    }
    release();
  }

  void multiply(const Block& block, std::int64_t row, std::int64_t column) const {
    float* c = c_.data + row * c_.row_stride + column;
    const std::int64_t rows = std::min(kUnit, shape_.m - row), columns = std::min(kUnit, shape_.n - column);
    if (rows < kUnit || columns < kUnit) return multiply_edge(block, c, c_.row_stride, rows, columns);
    multiply_block(block.a, block.b, block.steps, block.accumulate, c, c_.row_stride);
  }

  GemmShape shape_;
  Lines a_, b_;
  GemmOutput c_;
  std::int64_t units_;           // of B's columns
  std::byte* packed_ = nullptr;  // [block][unit][step][part][2 tiles] of a chunk of B
};
}  // namespace gemm_by_amx

void gemm_amx(ThreadPool& pool, const GemmShape& shape, const GemmOperand& a, const GemmOperand& b,
              const GemmOutput& c, GemmScratch& scratch) {
  gemm_by_amx::Product(shape, a, b, c).run(pool, scratch);
}

}  // namespace refocus
HWY_POP_ATTRIBUTES
#else
namespace refocus {
void gemm_amx(ThreadPool&, const GemmShape&, const GemmOperand&, const GemmOperand&, const GemmOutput&,
              GemmScratch&) {
  REFOCUS_CHECK(false);
}
}  // namespace refocus
#endif
