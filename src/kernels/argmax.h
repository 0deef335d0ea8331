// The index of the largest element, the first one among equals; -1 where an element is NaN or infinite.
#pragma once

#include <cstdint>

namespace refocus {

std::int64_t argmax(const float* x, std::int64_t size);

// Whether every element is a finite number.
bool all_finite(const float* x, std::int64_t size);

// Whether every element is a number that stays finite when it is rounded to F16.
bool fits_half(const float* x, std::int64_t size);

// The least magnitude that F16 rounds to infinity.
inline constexpr float kHalfOverflow = 65520;

namespace reference {
std::int64_t argmax(const float* x, std::int64_t size);
}

}  // namespace refocus
