// Attention statistics by layer, head and class of token, gathered from captured rows: of one text, or pooled
// over many with the memory of the longest.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analyze/received_weight.h"
#include "analyze/row_statistics.h"
#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "intervene/capture.h"

namespace refocus {

// A token's class, or all of them.
inline constexpr std::size_t kAllClasses = kTokenClasses, kClassRows = kTokenClasses + 1;
std::string_view class_row_name(std::size_t class_row);  // "special", ..., "all"
using ClassCounts = std::array<std::int64_t, kClassRows>;

// One statistic: for each class [layers, heads], NaN where there is nothing to take a mean of: no row or key
// of the class, or only rows of zeros, which have no shares.
struct StatisticGrid {
  std::string name;
  std::array<std::vector<double>, kClassRows> values;
};

struct LayerHeadOutlier {
  std::int64_t layer_place = 0, head_place = 0;
  OutlierKey key;
};

class AttentionStatistics : public CaptureSink {
 public:
  // `layers`, `heads`: how many were chosen. Texts of at most max_keys tokens, calls of at most max_rows
  // rows.
  AttentionStatistics(std::int64_t layers, std::int64_t heads, std::int64_t max_rows, std::int64_t max_keys,
                      const RowSettings& settings);

  // A text follows: the classes of all its tokens, and the positions of the queries that are kept.
  void begin_text(std::span<const TokenClass> classes, std::span<const std::int64_t> queries);
  void take(const CapturedRow& row) override;
  // The call over these positions is done: adds its rows up, in their order.
  void end_call(ThreadPool& pool, std::int64_t first_position, std::int64_t rows);
  void end_text(ThreadPool& pool);

  // Of all texts so far, those of queries first, then those of keys. mass_negative is among them only where a
  // weight was negative.
  std::vector<StatisticGrid> grids() const;
  // Rows with negative weights, and rows of zeros: [layers, heads].
  std::vector<std::int64_t> negative_rows() const;
  std::vector<std::int64_t> zero_rows() const;
  const ClassCounts& queries() const { return query_counts_; }  // rows that were kept
  const ClassCounts& keys() const { return key_counts_; }       // keys that a kept query sees

  // Of the last text.
  const std::vector<LayerHeadOutlier>& outliers() const { return outliers_; }
  std::vector<float> received() const;  // [layers, heads, keys]

 private:
  // Of one layer and head, over all texts.
  struct KeySums {
    std::array<double, kClassRows> received = {}, outliers = {};
    std::array<std::array<double, kPositionBuckets.size()>, kClassRows> later = {};
  };
  struct Cell {
    std::array<RowValues, kClassRows> rows = {};  // sums
    ClassCounts negative_rows = {}, zero_rows = {};
    KeySums keys;
    std::vector<OutlierKey> outliers;  // of the last text
  };

  Cell& cell(std::int64_t layer, std::int64_t head) {
    return cells_[static_cast<std::size_t>(layer * heads_ + head)];
  }
  void add_negative(const CapturedRow& row, const SignedRow& parts);
  double below(std::int64_t index, std::size_t key) const;
  void end_text_of(std::int64_t index);
  void add_query_grids(std::vector<StatisticGrid>& out) const;
  void add_key_grids(std::vector<StatisticGrid>& out) const;
  StatisticGrid& add_grid(std::vector<StatisticGrid>& out, std::string name) const;

  std::int64_t layers_, heads_, max_rows_, stride_;
  RowSettings settings_;
  double unit_;                    // of exact sums, see add_exactly
  std::vector<Cell> cells_;        // [layers, heads]
  std::vector<RowValues> rows_;    // [layers, heads, max_rows], of the current call
  std::vector<Layer0Row> layer0_;  // [heads, max_rows]
  AlignedBuffer<double> sums_;     // [layers, heads, stride]: of the weights that each key receives
  AlignedBuffer<double> own_;      // [layers, heads, stride]: of these its own
  // [heads]: [layers, stride] of the sizes of the negative weights among sums_; empty where there were none.
  std::vector<AlignedBuffer<double>> below_;
  std::unique_ptr<std::atomic_flag[]> locks_;  // [heads], on sums_ of the layer at work, and on below_
  AlignedBuffer<std::int32_t> classes_;        // [stride], of the text's tokens
  KeyClasses key_classes_;                     // the same, prepared
  std::vector<bool> kept_;                     // by position
  std::optional<QueryCounts> counts_;
  ClassCounts query_counts_ = {}, key_counts_ = {};
  std::array<std::array<double, kPositionBuckets.size()>, kClassRows> even_ = {};  // over all texts
  std::int64_t texts_ = 0;
  std::vector<LayerHeadOutlier> outliers_;
};

}  // namespace refocus
