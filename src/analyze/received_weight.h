// How much weight each key receives, corrected for the number and length of the rows that see it, and which
// keys stand out; formulas in docs/attention.md.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "prompt/token_class.h"

namespace refocus {

// Keys at positions from one of these to before the next are pooled.
inline constexpr std::array<std::int64_t, 7> kPositionBuckets = {0, 1, 4, 16, 64, 256, 1024};
std::size_t position_bucket(std::int64_t position);

inline constexpr double kOutlierScore = 3.5;

// What the kept queries of one text could give to its keys.
class QueryCounts {
 public:
  // `queries`: kept positions, ascending; `keys`: of the text.
  QueryCounts(std::span<const std::int64_t> queries, std::int64_t keys);

  std::int64_t keys() const { return static_cast<std::int64_t>(seen_.size()); }
  std::int64_t seen(std::int64_t key) const { return seen_[static_cast<std::size_t>(key)]; }    // |K(j)|
  std::int64_t later(std::int64_t key) const { return later_[static_cast<std::size_t>(key)]; }  // |K'(j)|
  double even(std::int64_t key) const {
    return even_[static_cast<std::size_t>(key)];
  }  // sum over K' of 1 / (i+1)
  // Whether enough queries come after the key for it to be compared with others.
  bool comparable(std::int64_t key) const { return later(key) >= least_; }

 private:
  std::vector<std::int64_t> seen_, later_;
  std::vector<double> even_;
  std::int64_t least_;
};

struct OutlierKey {
  std::int64_t key = 0;
  double received = 0, ratio = 0, z = 0;
};

// Of one head: `sums` over K(j) and `later_sums` over K'(j) of the weights that key j receives, [keys].
std::vector<OutlierKey> find_outliers(const QueryCounts& counts, std::span<const double> sums,
                                      std::span<const double> later_sums);

}  // namespace refocus
