// What sequences of tokens begin with in common.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace refocus {

// How many tokens both begin with.
std::int64_t common_prefix(std::span<const std::int32_t> a, std::span<const std::int32_t> b);

// How many tokens all options begin with that are computed once: none of them is an option's last. At least
// one option, each of at least one token.
std::int64_t option_stem(std::span<const std::vector<std::int32_t>> options);

}  // namespace refocus
