// The codebooks of ggml's IQ types, unpacked on first use.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/dtype.h"

namespace refocus {

// The entries one after the other: 8 elements each for the IQ1 and IQ2 types, 4 for the IQ3 types. Elements
// are magnitudes, without sign, but for the IQ1 types, where they are -1, 0 and 1.
const std::int8_t* iq_grid(DType type);

}  // namespace refocus
