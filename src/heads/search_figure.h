// A picture of a search for heads, from its directory.
#pragma once

#include <filesystem>

#include "figure/style.h"

namespace refocus {

inline constexpr const char *kHeadResultsFile = "results.json", *kBestHeadsFile = "heads.json";

// What results.json says of single heads, with those of heads.json, the best set, framed. InputError where a
// file is missing or something else.
figure::Picture search_figure(const std::filesystem::path& directory, const figure::Style& style);

}  // namespace refocus
