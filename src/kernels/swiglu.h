// SwiGLU's elementwise part (Shazeer 2020): gate = gate / (1 + exp(-gate)) * up.
#pragma once

#include <cstdint>

namespace refocus {

// gate, up: [size]; writes over gate.
void swiglu(float* gate, const float* up, std::int64_t size);

// From gate, up (as they were before swiglu) and dy = dL/d(result): gate becomes dL/dgate, up dL/dup. With
// s = 1 / (1 + exp(-gate)): dgate = dy up s (1 + gate (1 - s)), dup = dy gate s.
void swiglu_backward(float* gate, float* up, const float* dy, std::int64_t size);

namespace reference {
void swiglu(float* gate, const float* up, std::int64_t size);
}

}  // namespace refocus
