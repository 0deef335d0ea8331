// Activations in the order in which AMX reads them; see packed_task.h.
#include <cstring>

#include "kernels/simd/packed_task.h"

namespace refocus {

namespace {

constexpr std::int64_t kLeastRows = 9;  // of a tile that pays, measured

void copy_block(const QuantizedBlock& from, std::int64_t row, std::byte* to) {
  std::memcpy(to + row * kQuantBlock, from.q, kQuantBlock);
  const float floats[] = {from.scale, from.scaled_sum, from.scale * static_cast<float>(from.half_sums[0]),
                          from.scale * static_cast<float>(from.half_sums[1])};
  std::byte* at = to + kAmxRows * kQuantBlock;
  for (std::int64_t i = 0; i < 4; ++i) std::memcpy(at + (i * kAmxRows + row) * 4, &floats[i], 4);
}

}  // namespace

void tile_rows(ThreadPool& pool, const QuantizedRows& x, Int8Parts parts, TiledRows& out) {
  const auto taken = static_cast<std::int64_t>(parts);
  const std::int64_t rows = x.rows * taken, last = rows % kAmxRows;
  out.rows = last < kLeastRows ? rows - last : rows;
  out.blocks = x.inputs / kQuantBlock;
  const auto bytes = static_cast<std::size_t>(out.tiles() * out.blocks * TiledRows::block_bytes());
  if (out.data.size() < bytes) out.data = AlignedBuffer<std::byte>(bytes);
  const std::int64_t chunk = out.chunk_blocks();
  pool.parallel_for(out.tiles(), [&](std::int64_t t, int) {
    static constexpr QuantizedBlock kNothing{};
    const QuantizedBlock* from[kAmxRows];
    for (std::int64_t r = 0; r < kAmxRows; ++r) {
      const std::int64_t row = t * kAmxRows + r;
      from[r] = row < out.rows ? x.row(row / taken) + row % taken * out.blocks : nullptr;
    }
    for (std::int64_t first = 0; first < out.blocks; first += chunk) {
      std::byte* to = out.data.data() + out.place(first, t);
      const std::int64_t end = first + out.count(first);
      for (std::int64_t b = first; b < end; ++b, to += TiledRows::block_bytes()) {
        for (std::int64_t r = 0; r < kAmxRows; ++r)
          copy_block(from[r] == nullptr ? kNothing : from[r][b], r, to);
      }
    }
  });
}

}  // namespace refocus
