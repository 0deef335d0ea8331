// Rotary position embedding (Su et al. 2021) in Hugging Face's layout: pairs are (d, d + head_dim / 2).
#pragma once

#include <cstdint>

namespace refocus {

// Rotates x [heads, head_dim] in place; cosines and sines are of this row's position, [head_dim / 2]. With
// `rotary` only the first so many elements of each head are turned, in pairs (d, d + rotary / 2), and there
// are rotary / 2 angles.
void rope(float* x, std::int64_t heads, std::int64_t head_dim, const float* cosines, const float* sines,
          std::int64_t rotary = 0);

// Turns dL/d(rotated x) back into dL/dx, in place: the rotation by the negative angles.
void rope_backward(float* dx, std::int64_t heads, std::int64_t head_dim, const float* cosines,
                   const float* sines, std::int64_t rotary = 0);

namespace reference {
void rope(float* x, std::int64_t heads, std::int64_t head_dim, const float* cosines, const float* sines,
          std::int64_t rotary = 0);
}

}  // namespace refocus
