// Pictures of a directory of `refocus attention` (docs/attention.md): the weights of one head, and a
// statistic of all heads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "figure/style.h"

namespace refocus {

struct MapChoice {
  std::string arm;                    // its name; empty: the first
  std::int64_t layer = 0, head = 0;   // numbers of the model
  std::int64_t first = 0, last = -1;  // queries and keys that are shown; -1: to the end
};

// Queries down, keys across. UsageError, by --head, --arm or --tokens, for what has not been kept; InputError
// where the directory is of a task, which has no maps, or damaged.
figure::Picture map_figure(const std::filesystem::path& directory, const MapChoice& choice,
                           const figure::Style& style);

// A statistic of each head: the mean over all rows that were kept. UsageError, by --arm or --value, for what
// there is not.
figure::Picture statistic_figure(const std::filesystem::path& directory, const std::string& arm,
                                 const std::string& statistic, const figure::Style& style);

}  // namespace refocus
