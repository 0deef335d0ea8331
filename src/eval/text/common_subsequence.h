// The length of the longest common subsequence (LCS) of two texts, and of a text and the parts of another.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace refocus {

// Time: the product of both lengths over 64.
std::size_t common_subsequence(std::u32string_view a, std::u32string_view b);

// The LCS of a whole text with the parts of a longer one.
struct PartialCommon {
  std::size_t best_window = 0;  // the longest with a part as long as the shorter text, but the last one
  std::vector<std::size_t> with_start;  // [i]: with the first i characters, 0 <= i <= length of the shorter
  std::vector<std::size_t> with_end;    // [i]: with the last i characters
};

// shorter.size() <= longer.size(). Time: the product of both lengths, several characters a step. More than
// 2^30 characters of the shorter text are an InputError.
PartialCommon partial_common(std::u32string_view shorter, std::u32string_view longer);

}  // namespace refocus
