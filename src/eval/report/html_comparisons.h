// The part of a report on pairs of arms: a table of all of them, largest differences first, then each pair by
// subject.
#pragma once

#include <string>

#include "eval/report/html_tables.h"

namespace refocus {

std::string html_comparisons(const ReportView& view);  // "" for one arm

// The identifier of a pair's section: "pair-0-1".
std::string pair_id(std::size_t task, std::size_t pair);

// "12 comparisons without a discordant pair"
std::string unchanged_text(std::size_t pairs);

}  // namespace refocus
