// One --sweep: its method, key and values. Internal to src/intervene.
#pragma once

#include <string_view>

#include "intervene/grammar/sweep.h"

namespace refocus {

inline constexpr std::string_view kSweepOption = "--sweep";

// UsageError for what is not of the grammar.
SweepAxis parse_sweep_axis(std::string_view text);

}  // namespace refocus
