// SwiGLU's elementwise part (Shazeer 2020): gate = gate / (1 + exp(-gate)) * up.
#pragma once

#include <cstdint>

namespace refocus {

// gate, up: [size]; writes over gate.
void swiglu(float* gate, const float* up, std::int64_t size);

namespace reference {
void swiglu(float* gate, const float* up, std::int64_t size);
}

}  // namespace refocus
