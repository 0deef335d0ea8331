#include "eval/run/common_prefix.h"

#include <algorithm>

#include "base/error.h"

namespace refocus {

std::int64_t common_prefix(std::span<const std::int32_t> a, std::span<const std::int32_t> b) {
  return std::ranges::mismatch(a, b).in1 - a.begin();
}

std::int64_t option_stem(std::span<const std::vector<std::int32_t>> options) {
  REFOCUS_CHECK(!options.empty() && !options.front().empty());
  std::int64_t stem = std::ssize(options.front()) - 1;  // the last token of an option is not computed
  for (const std::vector<std::int32_t>& option : options.subspan(1)) {
    stem = std::min({stem, common_prefix(options.front(), option), std::ssize(option) - 1});
  }
  return stem;
}

}  // namespace refocus
