// The index of the largest element, the first one among equals; -1 where an element is NaN or infinite.
#pragma once

#include <cstdint>

namespace refocus {

std::int64_t argmax(const float* x, std::int64_t size);

// Whether every element is a finite number.
bool all_finite(const float* x, std::int64_t size);

namespace reference {
std::int64_t argmax(const float* x, std::int64_t size);
}

}  // namespace refocus
