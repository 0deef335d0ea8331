// What matmul.cpp hands to a thread, and activations as AMX reads them.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "kernels/matmul.h"

namespace refocus {

// Which inputs of a step are multiplied together: k and k + 1, or k and k + 16.
enum class PairOrder { kNeighbours, kHalves };
// The weights' own order where they are read as they lie, else the one that is split soonest.
constexpr PairOrder pair_order(DType weights) {
  return weights == DType::kBF16 ? PairOrder::kNeighbours : PairOrder::kHalves;
}

// Activations in three bf16 numbers each, x = x0 + x1 + x2: x0 is x rounded to bf16, x1 the rest rounded, x2
// what is left, which has no more than 8 bits. In the order in which AMX reads them: groups of kRows rows, or
// a single one of fewer, zero beyond the rows and the inputs, [group][step of kInputs inputs][part][pair of
// inputs][row of the group][2].
struct SplitRows {
  static constexpr std::int64_t kRows = 16, kInputs = 32, kParts = 3;

  std::int64_t rows = 0, inputs = 0;
  AlignedBuffer<std::byte> data;

  std::int64_t groups() const { return (rows + kRows - 1) / kRows; }
  std::int64_t steps() const { return (inputs + kInputs - 1) / kInputs; }
  std::int64_t rows_of(std::int64_t group) const { return std::min(kRows, rows - group * kRows); }
  // Rows of every group with those that are zero, and bytes of one step of it.
  std::int64_t width() const { return std::min(kRows, rows); }
  std::int64_t step_bytes() const { return kParts * kInputs * width() * 2; }
  std::int64_t place(std::int64_t group, std::int64_t step) const {
    return (group * steps() + step) * step_bytes();
  }
};

// Activation rows of a group of tiles, a multiple of every target's tile.
inline constexpr std::int64_t kTiledGroup = 6;

// Outputs [begin, end) of one job, for all rows; one task of the parallel loop.
struct MatMulTask {
  const MatMulInput* input;
  const MatMulJob* job;
  std::int64_t begin, end;
  const float* tiled = nullptr;  // the input's rows tile by tile, or null
  // For run_matmul_amx: the input's rows in parts, and those groups of them that it takes.
  const SplitRows* split = nullptr;
  std::int64_t first_group = 0, end_group = 0;
};

// AMX with bf16; only where amx_bf16_in_use().
void run_matmul_amx(const MatMulTask& task);

// Fills `out`, which grows as needed. AVX-512 with bf16; only where amx_bf16_in_use().
void split_rows(ThreadPool& pool, const MatMulInput& x, PairOrder order, SplitRows& out);

}  // namespace refocus
