// Attention weights of one sequence in memory: of each chosen row the largest of every chosen layer and head.
// What `refocus attention` writes into files (docs/attention.md), for programs that ask while they run.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "analyze/kept/top_row.h"

namespace refocus {

// Which rows, and what of them.
struct KeepSettings {
  std::vector<std::int64_t> layers, heads;  // numbers, ascending
  std::vector<std::int64_t> queries;        // positions below keys, ascending; some may not come
  std::int64_t keys = 0;                    // most tokens of the sequence
  std::int64_t top_k = 32;                  // weights of a row; the others are in its rest
  bool mean_heads = false;    // of the mean over the chosen heads, in their order; no masks then
  bool before = false;        // the weights before the intervention too
  double threshold = 0.01;    // what makes M (CapturedRow::mask)
  double largest_factor = 1;  // of the intervention, for the sums of received weight

  // Of the arrays' axis of heads: 1 for their mean.
  std::int64_t head_places() const { return mean_heads ? 1 : static_cast<std::int64_t>(heads.size()); }
  std::int64_t maps() const { return static_cast<std::int64_t>(layers.size()) * head_places(); }
  std::int64_t kept() const { return top_k < keys ? top_k : keys; }
};

// Bytes that such rows take at most, where all of them come.
std::int64_t most_bytes(const KeepSettings& settings);

// One row of one layer and head.
struct KeptRow {
  std::span<const std::int32_t> keys;  // [kept()], as TopRow has them
  std::span<const float> weights;
  float rest = 0;
};

class KeptRows {
 public:
  explicit KeptRows(KeepSettings settings);

  const KeepSettings& settings() const { return settings_; }
  // Rows that came: the first so many of settings().queries.
  std::int64_t rows() const { return rows_; }
  std::int64_t bytes() const;  // what is held

  // By places in layers, heads (0 for their mean) and queries, the last below rows().
  KeptRow row(bool before, std::int64_t layer, std::int64_t head, std::int64_t query) const;
  // M's keys, ascending.
  std::span<const std::int32_t> mask(std::int64_t query, std::int64_t head) const;
  // Mean over the rows that see a key of the weight that it receives, [keys]; 0 where none does.
  std::span<const float> received(std::int64_t layer, std::int64_t head) const;
  // Rows with a weight below 0, [layers, heads].
  const std::vector<std::int64_t>& negative_rows() const { return negative_rows_; }

 private:
  friend class RowKeeper;
  // Of one query: [before, layers, heads] maps.
  struct Row {
    std::vector<std::int32_t> keys;                // [maps, entries]
    std::vector<float> weights;                    // [maps, entries]
    std::vector<float> rests;                      // [maps]
    std::vector<std::vector<std::int32_t>> masks;  // [heads]; none for a mean
  };

  std::size_t map_of(bool before, std::int64_t layer, std::int64_t head) const {
    return static_cast<std::size_t>((before ? settings_.maps() : 0) + layer * settings_.head_places() + head);
  }
  TopRow place(std::int64_t query, std::size_t map, std::uint64_t* scratch);

  KeepSettings settings_;
  std::int64_t entries_;                    // that each row has room for
  std::vector<std::unique_ptr<Row>> kept_;  // [queries]
  std::int64_t rows_ = 0;
  std::vector<float> received_;  // [layers, heads, keys]
  std::vector<std::int64_t> negative_rows_;
};

}  // namespace refocus
