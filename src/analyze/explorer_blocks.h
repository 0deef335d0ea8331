// How maps are stored in the explorer's page; web/src/attention/data.js reads it. Numbers are stored as
// planes, all first bytes, then all second ones and so on, which compresses better.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "analyze/attention_maps.h"

namespace refocus {

struct BlockFormat {
  int weight_bytes = 4;      // 4: float32, 2: float16
  int key_bytes = 2;         // of keys and of the number of entries of a row, 2 or 4
  std::int64_t entries = 0;  // the most of a row
  bool whole_rows = false;   // every row has all its keys: neither keys nor their number are stored
};

// Unless whole_rows: the number of entries of each row, and each entry's key, less the key before it in the
// row; then each entry's weight, then each row's rest.
std::string rows_block(const MapRows& rows, const BlockFormat& format);
// The number of keys of each row, and the keys, less the one before in the row.
std::string mask_block(const MapRows& mask, const BlockFormat& format);
std::string numbers_block(std::span<const float> numbers, int bytes);

// Small pictures of a map: [rows, columns] bytes. A cell has the largest weight w of the queries and keys
// that fall into it: 0 where no key is at or before its query, otherwise 1 + 254 (4 + log10 w) / 4 from w =
// 0.0001 on.
struct ThumbnailShape {
  std::int64_t rows = 0, columns = 0, keys = 0;
};
inline constexpr std::int64_t kThumbnail = 48;
std::string thumbnail(const MapRows& map, std::span<const std::int64_t> queries, const ThumbnailShape& shape);
// The same where weights may be negative: 0 as above, otherwise 128 + 127 sign(w) (4 + log10 |w|) / 4 of the
// largest |w|, 128 below 0.0001.
std::string signed_thumbnail(const MapRows& map, std::span<const std::int64_t> queries,
                             const ThumbnailShape& shape);
// Of `map` less `base`, of the same queries: 0 as above, otherwise 128 + 127 sign(d) sqrt |d| of the largest
// |d|.
std::string difference_thumbnail(const MapRows& map, const MapRows& base,
                                 std::span<const std::int64_t> queries, const ThumbnailShape& shape);

}  // namespace refocus
