#include "kernels/swiglu.h"
#include "kernels/activation.h"

namespace refocus::reference {

void swiglu(float* gate, const float* up, std::int64_t size) { silu(gate, up, size); }

}  // namespace refocus::reference
