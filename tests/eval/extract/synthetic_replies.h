// Replies as chat models write them, made from an item: every option is quoted and judged, then one is
// chosen.
#pragma once

#include <random>
#include <string>

#include "eval/task/item.h"

namespace refocus::testing {

// How the options are discussed, and how the choice is stated; every style quotes all option texts first.
inline constexpr int kDiscussions = 6;
inline constexpr int kConclusions = 22;

// A reply that chooses option `target`. Styles: [0, kDiscussions) and [0, kConclusions).
std::string synthetic_reply(const Item& item, char target, int discussion, int conclusion,
                            std::mt19937& random);

}  // namespace refocus::testing
