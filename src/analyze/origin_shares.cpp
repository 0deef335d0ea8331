#include "analyze/origin_shares.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "kernels/weight_row.h"

namespace refocus {

namespace {

constexpr double kNoShare = std::numeric_limits<double>::quiet_NaN();

// As in row_statistics.cpp: a smaller sum is a row of zeros.
constexpr double kLeastRowSum = std::numeric_limits<float>::min();

std::map<OriginGroup, std::size_t> groups_of_texts(std::span<const std::vector<OriginRun>* const> texts) {
  std::map<OriginGroup, std::size_t> out;
  for (const std::vector<OriginRun>* runs : texts) {
    for (const OriginRun& run : *runs) {
      for (const OriginGroup& group : run.groups) out.emplace(group, 0);
    }
  }
  std::size_t place = 0;
  for (auto& [group, at] : out) at = place++;
  return out;
}

}  // namespace

std::string OriginShareTable::row_name(std::size_t row) const {
  if (row == kAllRows) return "all";
  return row == kLastRow ? "last" : groups[row - kFirstGroupRow];
}

std::span<const double> OriginShareTable::share(std::size_t row, std::size_t group) const {
  const std::size_t cells = shares.size() / (rows() * groups.size());
  return std::span(shares).subspan((row * groups.size() + group) * cells, cells);
}

OriginShares::OriginShares(std::int64_t layers, std::int64_t heads, std::int64_t max_rows,
                           std::span<const std::vector<OriginRun>* const> texts)
    : layers_(layers), heads_(heads), max_rows_(max_rows), groups_(groups_of_texts(texts)) {
  const auto cells = static_cast<std::size_t>(layers * heads);
  values_.resize(cells * static_cast<std::size_t>(max_rows) * groups_.size());
  sums_.resize(cells * row_count() * groups_.size());
  zero_rows_.resize(cells * row_count());
  queries_.resize(row_count());
  keys_.resize(groups_.size());
  even_.resize(row_count() * groups_.size());
}

std::int64_t OriginShares::count_groups(std::span<const std::vector<OriginRun>* const> texts) {
  return std::ssize(groups_of_texts(texts));
}

void OriginShares::begin_text(const std::vector<OriginRun>& runs, std::span<const std::int64_t> queries,
                              std::int64_t last) {
  REFOCUS_CHECK(!runs.empty());
  const auto tokens = static_cast<std::size_t>(runs.back().end);
  last_ = last;
  runs_.clear();
  run_of_.assign(tokens, 0);
  kept_.assign(tokens, false);
  for (const std::int64_t query : queries) kept_[static_cast<std::size_t>(query)] = true;
  for (const OriginRun& run : runs) {
    for (std::int64_t i = run.begin; i < run.end; ++i) run_of_[static_cast<std::size_t>(i)] = runs_.size();
    Run& own = runs_.emplace_back(Run{run.begin, run.end, {}});
    for (const OriginGroup& group : run.groups) own.groups.push_back(groups_.at(group));
  }
  const std::int64_t seen = queries.empty() ? 0 : queries.back() + 1;
  std::vector<std::int64_t> before(groups_.size());  // keys of each group up to the query
  for (std::int64_t i = 0; i < seen; ++i) {
    for (const std::size_t group : runs_[run_of_[static_cast<std::size_t>(i)]].groups) {
      ++before[group];
      ++keys_[group];
    }
    if (!kept_[static_cast<std::size_t>(i)]) continue;
    for (const std::size_t row : rows_of(i)) {
      ++queries_[row];
      for (std::size_t group = 0; group < before.size(); ++group) {
        even_[row * before.size() + group] += static_cast<double>(before[group]) / static_cast<double>(i + 1);
      }
    }
  }
}

std::vector<std::size_t> OriginShares::rows_of(std::int64_t position) const {
  std::vector<std::size_t> out = {kAllRows};
  if (position == last_) out.push_back(kLastRow);
  for (const std::size_t group : runs_[run_of_[static_cast<std::size_t>(position)]].groups) {
    out.push_back(kFirstGroupRow + group);
  }
  return out;
}

void OriginShares::take(const CapturedRow& row) {
  if (row.layer_place < 0) return;
  const std::size_t groups = groups_.size();
  const auto place =
      static_cast<std::size_t>((row.layer_place * heads_ + row.head_place) * max_rows_ + row.row);
  const std::span<double> out = std::span(values_).subspan(place * groups, groups);
  std::ranges::fill(out, 0.0);
  double total = 0;
  for (const Run& run : runs_) {
    if (run.begin > row.position) break;
    const double sum = sum_of_sizes(row.after + run.begin, std::min(run.end, row.position + 1) - run.begin);
    total += sum;
    for (const std::size_t group : run.groups) out[group] += sum;
  }
  for (double& value : out) value = total >= kLeastRowSum ? value / total : kNoShare;
}

void OriginShares::end_call(ThreadPool& pool, std::int64_t first_position, std::int64_t rows) {
  const std::size_t groups = groups_.size();
  std::vector<std::vector<std::size_t>> rows_of_call(static_cast<std::size_t>(rows));  // none: not kept
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t position = first_position + r;
    if (kept_[static_cast<std::size_t>(position)])
      rows_of_call[static_cast<std::size_t>(r)] = rows_of(position);
  }
  pool.parallel_for(layers_ * heads_, [&](std::int64_t index, int) {
    const auto cell = static_cast<std::size_t>(index);
    for (std::size_t r = 0; r < rows_of_call.size(); ++r) {
      const auto place = (static_cast<std::size_t>(index * max_rows_) + r) * groups;
      for (const std::size_t row : rows_of_call[r]) {
        if (std::isnan(values_[place])) {
          ++zero_rows_[cell * row_count() + row];
          continue;
        }
        double* const to = &sums_[(cell * row_count() + row) * groups];
        for (std::size_t group = 0; group < groups; ++group) to[group] += values_[place + group];
      }
    }
  });
}

OriginShareTable OriginShares::table() const {
  OriginShareTable out;
  for (const auto& [group, place] : groups_) out.groups.push_back(group.name());
  out.keys = keys_;
  out.queries = queries_;
  const std::size_t groups = groups_.size();
  const auto cells = static_cast<std::size_t>(layers_ * heads_);
  for (std::size_t row = 0; row < row_count(); ++row) {
    for (std::size_t group = 0; group < groups; ++group) {
      const auto count = static_cast<double>(queries_[row]);
      out.even.push_back(count > 0 ? even_[row * groups + group] / count : kNoShare);
      for (std::size_t cell = 0; cell < cells; ++cell) {
        const std::size_t at = cell * row_count() + row;
        const std::int64_t of = queries_[row] - zero_rows_[at];
        out.shares.push_back(of > 0 ? sums_[at * groups + group] / static_cast<double>(of) : kNoShare);
      }
    }
  }
  return out;
}

}  // namespace refocus
