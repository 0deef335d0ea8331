// A picture of one row of attention: what the weights of a layer, head and query were before each arm's
// intervention and after it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace refocus {

struct RowChoice {
  std::int64_t layer = 0, head = 0, query = 0;  // numbers of the model, position of the text
};

// Keys that an arm's intervention chose, to be marked: [arms][keys], or empty.
using ChosenKeys = std::vector<std::vector<bool>>;

// An SVG picture of a directory that `refocus attention --before` wrote of one text (docs/attention.md): a
// panel an arm, a pair of bars a key: the weight that softmax left, or, where `none` is another arm, the
// weight there; and the weight that the arm's intervention made of it. Keys that no map has kept are left
// out; of more than 48 the largest are shown. UsageError, by --picture, where the maps have not kept that
// row.
std::string row_figure(const std::filesystem::path& directory, const RowChoice& choice,
                       const ChosenKeys& chosen);

}  // namespace refocus
