// What packed_matmul.cpp hands to a thread, and the kernels it chooses from.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "kernels/packed_matmul.h"

#define REFOCUS_INT8_PLAIN 0
#define REFOCUS_INT8_AVX2 1
#define REFOCUS_INT8_VNNI 2

namespace refocus {

inline constexpr std::int64_t kAmxRows = 16;  // of a tile
inline constexpr std::int64_t kAmxChunk = 8;  // blocks of a tile that lie together, at most
static_assert(kAmxChunk % 2 == 0);            // so that TiledRows::chunk_blocks() is no more

// Activations in the order in which AMX reads them: tiles of kAmxRows rows (or parts of rows, those of one
// row side by side), zero beyond the last, [chunk][tile][block of the chunk]. Of each block of 32 inputs
// there are the quants [kAmxRows, 32] and then, as floats, the scales, the scaled sums and the scaled sums of
// both halves, each [kAmxRows].
struct TiledRows {
  std::int64_t rows = 0, blocks = 0;
  AlignedBuffer<std::byte> data;

  // Blocks of a chunk: as many in each, an even number, but for the last.
  std::int64_t chunk_blocks() const {
    const std::int64_t chunks = (blocks + kAmxChunk - 1) / kAmxChunk, each = (blocks + chunks - 1) / chunks;
    return each + each % 2;
  }
  // Those of the chunk that starts at block `first`.
  std::int64_t count(std::int64_t first) const { return std::min(chunk_blocks(), blocks - first); }
  std::int64_t tiles() const { return (rows + kAmxRows - 1) / kAmxRows; }
  static constexpr std::int64_t block_bytes() {
    return kAmxRows * (kQuantBlock + 4 * std::int64_t{sizeof(float)});
  }
  // Where a tile's blocks of the chunk that starts at block `first` lie, in `data`; the next tile's follow.
  std::int64_t place(std::int64_t first, std::int64_t tile) const {
    return (first * tiles() + tile * count(first)) * block_bytes();
  }
};

// Panels [begin, end) of one job, for rows from first_row on.
struct PackedTask {
  const QuantizedRows* x;
  const PackedJob* job;
  std::int64_t begin, end;
  const TiledRows* tiled = nullptr;  // rows of x, or of its parts that the job takes, for run_packed_amx
  std::int64_t first_row = 0;        // run_packed_amx takes those of `tiled`
  bool single_stream = false;        // one or two rows (or parts), where reads_single_streams()
};

using RunPacked = void (*)(const PackedTask& task);

// AVX-512 with VNNI; only where the processor has both.
void run_packed_vnni(const PackedTask& task);

// AMX beside it; only where amx_int8_in_use().
inline constexpr std::int64_t kAmxPanels = 4;  // that are multiplied together
void run_packed_amx(const PackedTask& task);

// Fills `out`, which grows as needed, with as many rows of x as AMX computes faster than VNNI: all, or all
// but the few that would leave most of a tile empty; of them the parts that a job takes.
void tile_rows(ThreadPool& pool, const QuantizedRows& x, Int8Parts parts, TiledRows& out);

}  // namespace refocus
