#include "analyze/received_weight.h"

#include <algorithm>
#include <cmath>

namespace refocus {

namespace {

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

}  // namespace

std::size_t position_bucket(std::int64_t position) {
  std::size_t bucket = 0;
  while (bucket + 1 < kPositionBuckets.size() && position >= kPositionBuckets[bucket + 1]) ++bucket;
  return bucket;
}

QueryCounts::QueryCounts(std::span<const std::int64_t> queries, std::int64_t keys)
    : seen_(static_cast<std::size_t>(keys)),
      later_(static_cast<std::size_t>(keys)),
      even_(static_cast<std::size_t>(keys)),
      least_(std::max<std::int64_t>(8, (static_cast<std::int64_t>(queries.size()) + 7) / 8)) {
  std::int64_t count = 0;
  double even = 0;
  std::size_t left = queries.size();
  for (std::int64_t key = keys - 1; key >= 0; --key) {
    const auto at = static_cast<std::size_t>(key);
    later_[at] = count;
    even_[at] = even;
    if (left > 0 && queries[left - 1] == key) {
      --left;
      ++count;
      even += 1 / static_cast<double>(key + 1);
    }
    seen_[at] = count;
  }
}

std::vector<OutlierKey> find_outliers(const QueryCounts& counts, std::span<const double> sums,
                                      std::span<const double> later_sums) {
  const auto ratio = [&](std::int64_t key) {
    return later_sums[static_cast<std::size_t>(key)] / counts.even(key);
  };
  const auto level = [&](std::int64_t key) { return std::log(std::max(ratio(key), 1e-6)); };
  std::vector<double> levels;
  std::int64_t end = 0;  // later keys are seen by fewer queries, so the comparable ones come first
  for (; end < counts.keys() && counts.comparable(end); ++end) levels.push_back(level(end));
  if (levels.empty()) return {};
  const double middle = median(levels);
  for (double& x : levels) x = std::abs(x - middle);
  const double deviation = 1.4826 * median(levels);
  std::vector<OutlierKey> out;
  if (deviation == 0) return out;
  for (std::int64_t key = 0; key < end; ++key) {
    const double z = (level(key) - middle) / deviation;
    if (z <= kOutlierScore) continue;
    out.push_back(
        {key, sums[static_cast<std::size_t>(key)] / static_cast<double>(counts.seen(key)), ratio(key), z});
  }
  return out;
}

}  // namespace refocus
