// Numbers of a search as people read them.
#pragma once

#include <optional>
#include <string>

#include "heads/head_search.h"
#include "heads/head_set.h"
#include "stats/interval.h"

namespace refocus {

std::string change_text(double fraction);  // "+41.2": points of 100
std::string change_interval_text(const std::optional<Interval>& interval);
std::string short_p_text(double p);  // "0.0312", "<0.0001"
std::string head_names(const HeadSet& heads);
// " of the same layers" behind what random sets are, or nothing.
const char* of_same_layers(const HeadSearchSettings& settings);

inline constexpr std::size_t kTriedShown = 10;  // tried heads of a table

}  // namespace refocus
