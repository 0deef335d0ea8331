// Pairs whose p-values are one family of tests.
#pragma once

#include <span>

#include "eval/score/comparison.h"

namespace refocus {

// Sets p_holm of those that have a p, corrected over all of them (stats/holm.h); the others have none.
void correct_family(std::span<PairedNumbers* const> family);

}  // namespace refocus
