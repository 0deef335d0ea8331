#include "eval/text/common_subsequence.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <span>
#include <string>

#include "base/error.h"

namespace refocus {

namespace {

using Text = std::u32string_view;

// The characters of a pattern by number, from 1; 0 is any other.
struct Alphabet {
  std::vector<std::uint32_t> numbers;
  std::uint32_t size = 1;

  explicit Alphabet(Text pattern)
      : numbers(pattern.empty() ? 0 : std::size_t{std::ranges::max(pattern)} + 1) {
    for (const char32_t c : pattern) {
      if (numbers[c] == 0) numbers[c] = size++;
    }
  }
  std::uint32_t operator()(char32_t c) const { return c < numbers.size() ? numbers[c] : 0; }
};

// The grid of two texts, a row for each character of the pattern and a column for each of a longer text's
// part. Strands enter it from the left and the top, and cross where characters differ, but no two of them
// twice: Tiskin, "Semi-local string comparison: algorithmic techniques and applications" (2007). A strand
// that enters from the top of a part of the columns and leaves at the bottom of that part is a character of
// it that is missing from the LCS. Id is wide enough for the rows and the columns together.
template <class Id>
class Strands {
 public:
  Strands(const Alphabet& alphabet, Text pattern) : number_(alphabet), rows_(pattern.size()) {
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      rows_[i] = static_cast<Id>(alphabet(pattern[rows_.size() - 1 - i]));
    }
  }

  // For each column the column whose strand leaves it at the bottom; negative where that strand came in from
  // the left.
  const std::vector<Id>& origins(Text text) {
    const std::size_t m = rows_.size(), n = text.size();
    columns_.resize(n);
    std::ranges::transform(text, columns_.begin(), [&](char32_t c) { return static_cast<Id>(number_(c)); });
    // Numbered from the lower left corner up, then from the upper left one to the right.
    across_.resize(m);
    down_.resize(n);
    for (std::size_t i = 0; i < m; ++i)
      across_[i] = static_cast<Id>(static_cast<int>(i) - static_cast<int>(m));
    for (std::size_t j = 0; j < n; ++j) down_[j] = static_cast<Id>(j);
    for (std::size_t diagonal = 0; diagonal + 1 < m + n; ++diagonal) {
      const std::size_t row = diagonal + 1 < m ? m - 1 - diagonal : 0;  // counted from the last row
      const std::size_t column = diagonal + 1 < m ? 0 : diagonal + 1 - m;
      cross(across_.data() + row, down_.data() + column, rows_.data() + row, columns_.data() + column,
            std::min(m - row, n - column));
    }
    return down_;
  }

 private:
  // The cells of a diagonal do not touch, so that this loop runs on several at once.
  static void cross(Id* __restrict across, Id* __restrict down, const Id* __restrict row,
                    const Id* __restrict column, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const Id low = std::min(across[i], down[i]), high = std::max(across[i], down[i]);
      const bool same = row[i] == column[i];
      const Id h = same ? down[i] : low, v = same ? across[i] : high;
      across[i] = h;
      down[i] = v;
    }
  }

  const Alphabet& number_;
  std::vector<Id> rows_, columns_, across_, down_;
};

// The most that any of the parts of `text` of `size` characters keeps, given the origins of its columns.
template <class Id>
std::size_t best_window(std::span<const Id> origins, std::size_t size) {
  std::vector<std::size_t> exits(origins.size(), origins.size());  // where a column's strand leaves, if below
  for (std::size_t j = 0; j < origins.size(); ++j) {
    if (origins[j] >= 0) exits[static_cast<std::size_t>(origins[j])] = j;
  }
  auto missing =
      static_cast<std::size_t>(std::ranges::count_if(origins.first(size), [](Id o) { return o >= 0; }));
  std::size_t best = size - missing;
  for (std::size_t at = 0; at + size < origins.size(); ++at) {
    missing -= exits[at] < at + size;
    missing += origins[at + size] > static_cast<Id>(at);
    best = std::max(best, size - missing);
  }
  return best;
}

template <class Id>
PartialCommon common_by_strands(Text shorter, Text longer) {
  const std::size_t m = shorter.size();
  const Alphabet alphabet(shorter);
  Strands<Id> strands(alphabet, shorter);
  PartialCommon out;
  out.with_start.resize(m + 1);
  out.with_end.resize(m + 1);
  if (m == 0) return out;
  const std::vector<Id>* origins = &strands.origins(longer.substr(0, m));
  for (std::size_t i = 0; i < m; ++i) out.with_start[i + 1] = out.with_start[i] + ((*origins)[i] < 0);
  origins = &strands.origins(longer.substr(longer.size() - m));
  std::vector<bool> leaves_below(m, false);
  for (const Id o : *origins) {
    if (o >= 0) leaves_below[static_cast<std::size_t>(o)] = true;
  }
  for (std::size_t i = 0; i < m; ++i) out.with_end[i + 1] = out.with_end[i] + !leaves_below[m - 1 - i];
  // Windows that begin before the last one, as many at once as strands can be numbered.
  const auto most = static_cast<std::size_t>(std::numeric_limits<Id>::max());
  for (std::size_t begin = 0; begin + m < longer.size(); begin += most - m) {
    const Text part = longer.substr(begin, std::min(most, longer.size() - 1 - begin));
    out.best_window = std::max(out.best_window, best_window<Id>(strands.origins(part), m));
  }
  return out;
}

}  // namespace

// Hyyrö, "Bit-parallel LCS-length computation revisited" (2004): 64 characters of `a` a step. One block of
// them passes over all of `b` before the next does, so that only the carries between two blocks are kept.
std::size_t common_subsequence(Text a, Text b) {
  if (a.size() > b.size()) std::swap(a, b);
  const Alphabet alphabet(a);
  std::vector<std::uint32_t> text;
  text.reserve(b.size());
  for (const char32_t c : b) {
    if (const std::uint32_t number = alphabet(c); number != 0) text.push_back(number);
  }
  std::vector<std::uint8_t> carries(text.size(), 0);
  std::vector<std::uint64_t> positions(alphabet.size, 0);
  std::size_t length = 0;
  for (std::size_t begin = 0; begin < a.size(); begin += 64) {
    const Text block = a.substr(begin, 64);
    for (std::size_t i = 0; i < block.size(); ++i) positions[alphabet(block[i])] |= std::uint64_t{1} << i;
    std::uint64_t state = ~std::uint64_t{0};
    for (std::size_t j = 0; j < text.size(); ++j) {
      const std::uint64_t hits = state & positions[text[j]];
      std::uint64_t sum = 0;
      const bool first = __builtin_add_overflow(state, hits, &sum);
      const bool second = __builtin_add_overflow(sum, std::uint64_t{carries[j]}, &sum);
      carries[j] = first || second;
      state = sum | (state - hits);
    }
    const std::uint64_t used = ~std::uint64_t{0} >> (64 - block.size());
    length += static_cast<std::size_t>(std::popcount(~state & used));
    for (const char32_t c : block) positions[alphabet(c)] = 0;
  }
  return length;
}

PartialCommon partial_common(Text shorter, Text longer) {
  REFOCUS_CHECK(shorter.size() <= longer.size());
  // Narrow strands go twice as many at once, but must be begun anew more often the longer the pattern is.
  if (shorter.size() <= 8192) return common_by_strands<std::int16_t>(shorter, longer);
  if (shorter.size() <= (std::size_t{1} << 30)) return common_by_strands<std::int32_t>(shorter, longer);
  throw input_error("extraction", "expected at most 2^30 characters of an option, got {}; shorten it",
                    shorter.size());
}

}  // namespace refocus
