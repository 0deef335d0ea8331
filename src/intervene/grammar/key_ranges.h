// Sets of keys as ranges: what a part of an intervention acts on in one sequence.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace refocus {

struct KeyRanges {
  static constexpr std::int64_t kForever = std::numeric_limits<std::int64_t>::max();

  // [begin, end), ascending and apart; the last may end at kForever: with all keys that are yet to come.
  std::vector<std::pair<std::int64_t, std::int64_t>> ranges;

  bool empty() const { return ranges.empty(); }
  bool contains(std::int64_t key) const {
    const auto after = std::upper_bound(ranges.begin(), ranges.end(), key,
                                        [](std::int64_t k, const auto& range) { return k < range.first; });
    return after != ranges.begin() && key < std::prev(after)->second;
  }

  // Adds [begin, end), which lies at or after the end of the last range.
  void append(std::int64_t begin, std::int64_t end) {
    if (begin >= end) return;
    if (!ranges.empty() && ranges.back().second == begin) {
      ranges.back().second = end;
    } else {
      ranges.emplace_back(begin, end);
    }
  }

  // The keys below `end` that are not in it.
  KeyRanges complement(std::int64_t end) const {
    KeyRanges out;
    std::int64_t next = 0;
    for (const auto& [first, last] : ranges) {
      out.append(next, std::min(first, end));
      next = std::max(next, last);
    }
    out.append(next, end);
    return out;
  }

  // Calls body(begin, end) for what of it lies in [first, stop).
  template <class Body>
  void within(std::int64_t first, std::int64_t stop, const Body& body) const {
    for (const auto& [begin, end] : ranges) {
      if (begin >= stop) return;
      if (end > first) body(std::max(begin, first), std::min(end, stop));
    }
  }
};

}  // namespace refocus
