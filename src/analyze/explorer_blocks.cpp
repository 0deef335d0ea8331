#include "analyze/explorer_blocks.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "tensor/half.h"

namespace refocus {
namespace {

// `get(i)` for i < count, as little-endian numbers of `bytes` bytes in planes.
template <class Get>
void append_planes(std::size_t count, int bytes, const Get& get, std::string& out) {
  const std::size_t begin = out.size();
  out.resize(begin + count * static_cast<std::size_t>(bytes));
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t value = get(i);
    for (int b = 0; b < bytes; ++b) {
      out[begin + static_cast<std::size_t>(b) * count + i] = static_cast<char>(value >> (8 * b) & 255);
    }
  }
}

void append_floats(std::span<const float> numbers, int bytes, std::string& out) {
  append_planes(
      numbers.size(), bytes,
      [&](std::size_t i) {
        constexpr float kLargest = 65504;  // of float16
        return bytes == 2 ? std::uint32_t{f32_to_f16(std::clamp(numbers[i], -kLargest, kLargest))}
                          : std::bit_cast<std::uint32_t>(numbers[i]);
      },
      out);
}

void append_keys(const MapRows& rows, int bytes, std::string& out) {
  const std::size_t count = rows.offsets.size() - 1;
  append_planes(
      count, bytes,
      [&](std::size_t r) { return static_cast<std::uint32_t>(rows.offsets[r + 1] - rows.offsets[r]); }, out);
  std::vector<std::uint32_t> steps(rows.keys.size());
  for (std::size_t r = 0; r < count; ++r) {
    std::int32_t last = 0;
    for (auto i = static_cast<std::size_t>(rows.offsets[r]);
         i < static_cast<std::size_t>(rows.offsets[r + 1]); ++i) {
      steps[i] = static_cast<std::uint32_t>(rows.keys[i] - last);
      last = rows.keys[i];
    }
  }
  append_planes(
      steps.size(), bytes, [&](std::size_t i) { return steps[i]; }, out);
}

std::int64_t cell_of(std::int64_t at, std::int64_t cells, std::int64_t of) { return at * cells / of; }

// 1 for the cells that have a key at or before a query, 0 for others.
std::vector<std::uint8_t> causal_cells(std::span<const std::int64_t> queries, const ThumbnailShape& shape) {
  std::vector<std::uint8_t> cells(static_cast<std::size_t>(shape.rows * shape.columns));
  const auto count = static_cast<std::int64_t>(queries.size());
  for (std::int64_t r = 0; r < count; ++r) {
    const std::int64_t last = cell_of(queries[static_cast<std::size_t>(r)], shape.columns, shape.keys);
    const auto row = cells.begin() + cell_of(r, shape.rows, count) * shape.columns;
    std::fill(row, row + last + 1, std::uint8_t{1});
  }
  return cells;
}

// Calls visit(row of the map, place of the cell, entry) for each entry.
template <class Visit>
void for_each_entry(const MapRows& map, const ThumbnailShape& shape, const Visit& visit) {
  const auto rows = static_cast<std::int64_t>(map.offsets.size()) - 1;
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t row = cell_of(r, shape.rows, rows) * shape.columns;
    for (std::int64_t i = map.offsets[static_cast<std::size_t>(r)];
         i < map.offsets[static_cast<std::size_t>(r) + 1]; ++i) {
      const std::int64_t column = cell_of(map.keys[static_cast<std::size_t>(i)], shape.columns, shape.keys);
      visit(static_cast<std::size_t>(row + column), static_cast<std::size_t>(i));
    }
  }
}

// `map` less `base`, with the keys of both.
MapRows difference(const MapRows& map, const MapRows& base) {
  MapRows out;
  const std::size_t rows = std::min(map.offsets.size(), base.offsets.size()) - 1;
  for (std::size_t r = 0; r < rows; ++r) {
    auto a = static_cast<std::size_t>(map.offsets[r]), b = static_cast<std::size_t>(base.offsets[r]);
    const auto a_end = static_cast<std::size_t>(map.offsets[r + 1]);
    const auto b_end = static_cast<std::size_t>(base.offsets[r + 1]);
    while (a < a_end || b < b_end) {
      const bool take_a = a < a_end && (b == b_end || map.keys[a] <= base.keys[b]);
      const bool take_b = b < b_end && (a == a_end || base.keys[b] <= map.keys[a]);
      out.keys.push_back(take_a ? map.keys[a] : base.keys[b]);
      out.weights.push_back((take_a ? map.weights[a] : 0.0f) - (take_b ? base.weights[b] : 0.0f));
      a += take_a;
      b += take_b;
    }
    out.offsets.push_back(static_cast<std::int64_t>(out.keys.size()));
  }
  return out;
}

std::string as_bytes(const std::vector<std::uint8_t>& cells) { return {cells.begin(), cells.end()}; }

// The part of the scale from 0.0001 to 1 that a size, above 0, reaches.
float logarithmic_part(float size) { return std::clamp((4 + std::log10(size)) / 4, 0.0f, 1.0f); }

// A cell has the entry that is largest in size, `part` of it above or below the middle.
template <class Part>
std::string diverging_thumbnail(const MapRows& map, std::span<const std::int64_t> queries,
                                const ThumbnailShape& shape, const Part& part) {
  std::vector<std::uint8_t> cells = causal_cells(queries, shape);
  std::vector<float> largest(cells.size());
  for_each_entry(map, shape, [&](std::size_t cell, std::size_t i) {
    if (std::abs(map.weights[i]) > std::abs(largest[cell])) largest[cell] = map.weights[i];
  });
  for (std::size_t c = 0; c < cells.size(); ++c) {
    if (cells[c] == 0) continue;
    const float signed_part = std::copysign(part(std::abs(largest[c])), largest[c]);
    cells[c] = static_cast<std::uint8_t>(128 + std::lround(127 * signed_part));
  }
  return as_bytes(cells);
}

}  // namespace

std::string rows_block(const MapRows& rows, const BlockFormat& format) {
  std::string out;
  if (!format.whole_rows) append_keys(rows, format.key_bytes, out);
  append_floats(rows.weights, format.weight_bytes, out);
  append_floats(rows.rest, format.weight_bytes, out);
  return out;
}

std::string mask_block(const MapRows& mask, const BlockFormat& format) {
  std::string out;
  append_keys(mask, format.key_bytes, out);
  return out;
}

std::string numbers_block(std::span<const float> numbers, int bytes) {
  std::string out;
  append_floats(numbers, bytes, out);
  return out;
}

std::string thumbnail(const MapRows& map, std::span<const std::int64_t> queries,
                      const ThumbnailShape& shape) {
  std::vector<std::uint8_t> cells = causal_cells(queries, shape);
  std::vector<float> largest(cells.size());
  for_each_entry(map, shape, [&](std::size_t cell, std::size_t i) {
    largest[cell] = std::max(largest[cell], map.weights[i]);
  });
  for (std::size_t c = 0; c < cells.size(); ++c) {
    if (largest[c] <= 0) continue;
    cells[c] = static_cast<std::uint8_t>(1 + std::lround(254 * logarithmic_part(largest[c])));
  }
  return as_bytes(cells);
}

std::string signed_thumbnail(const MapRows& map, std::span<const std::int64_t> queries,
                             const ThumbnailShape& shape) {
  return diverging_thumbnail(map, queries, shape, logarithmic_part);
}

std::string difference_thumbnail(const MapRows& map, const MapRows& base,
                                 std::span<const std::int64_t> queries, const ThumbnailShape& shape) {
  return diverging_thumbnail(difference(map, base), queries, shape,
                             [](float size) { return std::sqrt(std::min(size, 1.0f)); });
}

}  // namespace refocus
