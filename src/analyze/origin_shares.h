// How much of a row's weight goes to the question, the system message, each worked example: shares by the
// origin of keys and of queries, in each layer and head (docs/attention.md). Of one text, or pooled over
// many.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "intervene/capture.h"
#include "prompt/origins.h"

namespace refocus {

// Rows are grouped by the query: all of them, the prompts' last tokens, and the groups in their order.
inline constexpr std::size_t kAllRows = 0, kLastRow = 1, kFirstGroupRow = 2;

// A share is sum |a(i,j)| over the group's keys over sum |a(i,j)| over all, of a row i of weights a.
struct OriginShareTable {
  std::vector<std::string> groups;
  std::vector<std::int64_t> keys;     // [groups], those that a kept query sees
  std::vector<std::int64_t> queries;  // [rows], those that were kept
  std::vector<double> even;           // [rows, groups]: the mean share if all keys got the same; NaN
  std::vector<double> shares;  // [rows, groups, layers, heads]: the mean share; NaN where there is none

  std::size_t rows() const { return kFirstGroupRow + groups.size(); }
  std::string row_name(std::size_t row) const;  // "all", "last", "role:user", ...
  // [layers, heads].
  std::span<const double> share(std::size_t row, std::size_t group) const;
  double even_share(std::size_t row, std::size_t group) const { return even[row * groups.size() + group]; }
};

class OriginShares : public CaptureSink {
 public:
  // `layers`, `heads`: how many were chosen. `texts`: the runs of every text that will come. Calls of at most
  // max_rows rows.
  OriginShares(std::int64_t layers, std::int64_t heads, std::int64_t max_rows,
               std::span<const std::vector<OriginRun>* const> texts);

  // How many groups `texts` have together.
  static std::int64_t count_groups(std::span<const std::vector<OriginRun>* const> texts);

  // A text follows: the origins of its tokens, the queries that are kept, and the prompt's last token.
  void begin_text(const std::vector<OriginRun>& runs, std::span<const std::int64_t> queries,
                  std::int64_t last);
  void take(const CapturedRow& row) override;
  // The call over these positions is done: adds its rows up, in their order.
  void end_call(ThreadPool& pool, std::int64_t first_position, std::int64_t rows);

  OriginShareTable table() const;

 private:
  struct Run {
    std::int64_t begin, end;
    std::vector<std::size_t> groups;
  };

  std::vector<std::size_t> rows_of(std::int64_t position) const;
  std::size_t row_count() const { return kFirstGroupRow + groups_.size(); }

  std::int64_t layers_, heads_, max_rows_;
  std::map<OriginGroup, std::size_t> groups_;
  std::vector<double> values_;  // [layers, heads, max_rows, groups], of the current call; NaN: a row of zeros
  std::vector<double> sums_;    // [layers, heads, rows, groups], over all texts
  std::vector<std::int64_t> zero_rows_;  // [layers, heads, rows]
  std::vector<std::int64_t> queries_, keys_;
  std::vector<double> even_;  // [rows, groups], sums
  // Of the text.
  std::vector<Run> runs_;
  std::vector<std::size_t> run_of_;  // by position
  std::vector<bool> kept_;
  std::int64_t last_ = -1;
};

}  // namespace refocus
