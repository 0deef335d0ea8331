#include "analyze/attention_statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "base/prefetch.h"
#include "kernels/matmul.h"
#include "kernels/weight_row.h"

namespace refocus {

namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

std::size_t cells_of(std::int64_t layers, std::int64_t heads, std::int64_t each) {
  return static_cast<std::size_t>(layers * heads * each);
}

// Held for a microsecond or two; rows of one head rarely meet.
class SpinLock {
 public:
  explicit SpinLock(std::atomic_flag& flag) : flag_(flag) {
    while (flag_.test_and_set(std::memory_order_acquire)) {
    }
  }
  ~SpinLock() { flag_.clear(std::memory_order_release); }

 private:
  std::atomic_flag& flag_;
};

}  // namespace

std::string_view class_row_name(std::size_t class_row) {
  return class_row == kAllClasses ? "all" : token_class_name(static_cast<TokenClass>(class_row));
}

AttentionStatistics::AttentionStatistics(std::int64_t layers, std::int64_t heads, std::int64_t max_rows,
                                         std::int64_t max_keys, const RowSettings& settings)
    : layers_(layers),
      heads_(heads),
      max_rows_(max_rows),
      stride_(padded(max_keys)),
      settings_(settings),
      unit_(exact_unit(settings.largest_factor, max_keys)),
      cells_(cells_of(layers, heads, 1)),
      rows_(cells_of(layers, heads, max_rows)),
      layer0_(cells_of(1, heads, max_rows)),
      sums_(cells_of(layers, heads, stride_)),
      own_(cells_of(layers, heads, stride_)),
      below_(static_cast<std::size_t>(heads)),
      locks_(std::make_unique<std::atomic_flag[]>(static_cast<std::size_t>(heads))),
      classes_(static_cast<std::size_t>(stride_)) {}

void AttentionStatistics::begin_text(std::span<const TokenClass> classes,
                                     std::span<const std::int64_t> queries) {
  REFOCUS_CHECK(static_cast<std::int64_t>(classes.size()) <= stride_);
  std::fill_n(sums_.data(), sums_.size(), 0.0);
  std::fill_n(own_.data(), own_.size(), 0.0);
  for (AlignedBuffer<double>& below : below_) std::fill_n(below.data(), below.size(), 0.0);
  std::fill_n(classes_.data(), classes_.size(), 0);
  for (std::size_t i = 0; i < classes.size(); ++i) classes_[i] = static_cast<std::int32_t>(classes[i]);
  key_classes_ = prepare_classes(classes_.data(), std::ssize(classes));
  kept_.assign(classes.size(), false);
  for (const std::int64_t position : queries) kept_[static_cast<std::size_t>(position)] = true;
  counts_.emplace(queries, static_cast<std::int64_t>(classes.size()));
  ++texts_;
  for (std::size_t j = 0; j < classes.size(); ++j) {
    const auto key = static_cast<std::int64_t>(j);
    for (const std::size_t c : {static_cast<std::size_t>(classes[j]), kAllClasses}) {
      query_counts_[c] += kept_[j];
      key_counts_[c] += counts_->seen(key) > 0;
      even_[c][position_bucket(key)] += counts_->even(key);
    }
  }
}

void AttentionStatistics::take(const CapturedRow& row) {
  Layer0Row& layer0 = layer0_[static_cast<std::size_t>(row.head_place * max_rows_ + row.row)];
  thread_local SignedRow parts;
  if (row.negative) parts.split(row.after, row.position + 1);
  const std::int64_t at = row.layer_place * heads_ + row.head_place;
  RowValues* const kept =
      row.layer_place < 0 ? nullptr : &rows_[static_cast<std::size_t>(at * max_rows_ + row.row)];
  if (kept != nullptr) fetch_to_write(kept, sizeof(RowValues));
  const RowValues values = measure_row(row, settings_, key_classes_, parts, layer0);
  if (kept == nullptr) return;
  *kept = values;
  own_[static_cast<std::size_t>(at * stride_ + row.position)] = double{row.after[row.position]};
  const SpinLock lock(locks_[static_cast<std::size_t>(row.head_place)]);
  add_exactly(row.after, row.position + 1, sums_.data() + at * stride_, unit_);
  if (row.negative) add_negative(row, parts);
}

// Under the head's lock.
void AttentionStatistics::add_negative(const CapturedRow& row, const SignedRow& parts) {
  AlignedBuffer<double>& below = below_[static_cast<std::size_t>(row.head_place)];
  if (below.size() == 0) below = AlignedBuffer<double>(static_cast<std::size_t>(layers_ * stride_));
  add_exactly(parts.below.data(), row.position + 1, below.data() + row.layer_place * stride_, unit_);
}

double AttentionStatistics::below(std::int64_t index, std::size_t key) const {
  const AlignedBuffer<double>& of_head = below_[static_cast<std::size_t>(index % heads_)];
  return of_head.size() == 0 ? 0 : of_head[static_cast<std::size_t>(index / heads_ * stride_) + key];
}

void AttentionStatistics::end_call(ThreadPool& pool, std::int64_t first_position, std::int64_t rows) {
  pool.parallel_for(layers_ * heads_, [&](std::int64_t index, int) {
    Cell& to = cells_[static_cast<std::size_t>(index)];
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto position = static_cast<std::size_t>(first_position + r);
      if (!kept_[position]) continue;
      const RowValues& values = rows_[static_cast<std::size_t>(index * max_rows_ + r)];
      const bool zeros = std::isnan(values[kEntropy]);
      for (const std::size_t c : {static_cast<std::size_t>(classes_[position]), kAllClasses}) {
        to.zero_rows[c] += zeros;
        to.negative_rows[c] += values[kMassNegative] > 0;
        for (std::size_t s = 0; s < kRowStatistics; ++s) {
          if (!zeros || !is_of_shares(s)) to.rows[c][s] += values[s];
        }
      }
    }
  });
}

// Of one layer and head: what its keys received.
void AttentionStatistics::end_text_of(std::int64_t index) {
  Cell& to = cells_[static_cast<std::size_t>(index)];
  const auto keys = static_cast<std::size_t>(counts_->keys());
  const std::span<const double> sums(sums_.data() + index * stride_, keys);
  std::vector<double> later(keys);
  for (std::size_t j = 0; j < keys; ++j) {
    const auto key = static_cast<std::int64_t>(j);
    // Of sizes: what is above 0, and what is below it once more.
    const double size = sums[j] + 2 * below(index, j);
    later[j] = std::max(0.0, size - std::abs(own_[static_cast<std::size_t>(index * stride_) + j]));
    if (counts_->later(key) == 0) later[j] = 0;  // exactly, whatever was rounded
    if (counts_->seen(key) == 0) continue;
    for (const std::size_t c : {static_cast<std::size_t>(classes_[j]), kAllClasses}) {
      to.keys.received[c] += sums[j] / static_cast<double>(counts_->seen(key));
      to.keys.later[c][position_bucket(key)] += later[j];
    }
  }
  to.outliers = find_outliers(*counts_, sums, later);
  for (const OutlierKey& outlier : to.outliers) {
    ++to.keys.outliers[static_cast<std::size_t>(classes_[static_cast<std::size_t>(outlier.key)])];
    ++to.keys.outliers[kAllClasses];
  }
}

void AttentionStatistics::end_text(ThreadPool& pool) {
  pool.parallel_for(layers_ * heads_, [&](std::int64_t index, int) { end_text_of(index); });
  outliers_.clear();
  for (std::int64_t l = 0; l < layers_; ++l) {
    for (std::int64_t h = 0; h < heads_; ++h) {
      for (const OutlierKey& key : cell(l, h).outliers) outliers_.push_back({l, h, key});
    }
  }
}

std::vector<float> AttentionStatistics::received() const {
  std::vector<float> out;
  for (std::int64_t index = 0; index < layers_ * heads_; ++index) {
    for (std::int64_t key = 0; key < counts_->keys(); ++key) {
      const double sum = sums_[static_cast<std::size_t>(index * stride_ + key)];
      const std::int64_t seen = counts_->seen(key);
      out.push_back(seen == 0 ? 0.0f : static_cast<float>(sum / static_cast<double>(seen)));
    }
  }
  return out;
}

StatisticGrid& AttentionStatistics::add_grid(std::vector<StatisticGrid>& out, std::string name) const {
  StatisticGrid& grid = out.emplace_back();
  grid.name = std::move(name);
  for (auto& values : grid.values) values.assign(cells_.size(), kNothing);
  return grid;
}

std::vector<std::int64_t> AttentionStatistics::negative_rows() const {
  std::vector<std::int64_t> out;
  for (const Cell& cell : cells_) out.push_back(cell.negative_rows[kAllClasses]);
  return out;
}

std::vector<std::int64_t> AttentionStatistics::zero_rows() const {
  std::vector<std::int64_t> out;
  for (const Cell& cell : cells_) out.push_back(cell.zero_rows[kAllClasses]);
  return out;
}

void AttentionStatistics::add_query_grids(std::vector<StatisticGrid>& out) const {
  const bool any_negative =
      std::ranges::any_of(cells_, [](const Cell& cell) { return cell.negative_rows[kAllClasses] > 0; });
  for (std::size_t s = 0; s < kRowStatistics; ++s) {
    if (s == kMassNegative && !any_negative) continue;
    StatisticGrid& grid = add_grid(out, std::string(row_statistic_name(s)));
    for (std::size_t c = 0; c < kClassRows; ++c) {
      for (std::size_t i = 0; i < cells_.size(); ++i) {
        const std::int64_t rows = query_counts_[c] - (is_of_shares(s) ? cells_[i].zero_rows[c] : 0);
        if (rows > 0) grid.values[c][i] = cells_[i].rows[c][s] / static_cast<double>(rows);
      }
    }
  }
}

void AttentionStatistics::add_key_grids(std::vector<StatisticGrid>& out) const {
  const auto fill = [&](std::string name, const auto& value_of) {
    StatisticGrid& grid = add_grid(out, std::move(name));
    for (std::size_t c = 0; c < kClassRows; ++c) {
      if (key_counts_[c] == 0) continue;
      for (std::size_t i = 0; i < cells_.size(); ++i) grid.values[c][i] = value_of(cells_[i].keys, c);
    }
  };
  const auto ratio = [](double later, double even) { return even > 0 ? later / even : kNothing; };
  const auto total = [](const auto& buckets) { return std::accumulate(buckets.begin(), buckets.end(), 0.0); };
  fill("received", [&](const KeySums& keys, std::size_t c) {
    return keys.received[c] / static_cast<double>(key_counts_[c]);
  });
  fill("received_ratio",
       [&](const KeySums& keys, std::size_t c) { return ratio(total(keys.later[c]), total(even_[c])); });
  for (std::size_t b = 0; b < kPositionBuckets.size(); ++b) {
    fill(fmt::format("received_ratio_at_{}", kPositionBuckets[b]),
         [&](const KeySums& keys, std::size_t c) { return ratio(keys.later[c][b], even_[c][b]); });
  }
  fill("outlier_keys",
       [&](const KeySums& keys, std::size_t c) { return keys.outliers[c] / static_cast<double>(texts_); });
}

std::vector<StatisticGrid> AttentionStatistics::grids() const {
  std::vector<StatisticGrid> out;
  add_query_grids(out);
  add_key_grids(out);
  return out;
}

}  // namespace refocus
