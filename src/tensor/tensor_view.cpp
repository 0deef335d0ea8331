#include "tensor/tensor_view.h"

#include <fmt/ranges.h>

#include <cstring>

#include "tensor/half.h"

namespace refocus {

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

void copy_as_f32(const TensorView& view, float* out) {
  const auto count = static_cast<std::size_t>(view.elements());
  if (view.dtype == DType::kF32) {
    if (count > 0) std::memcpy(out, view.data, view.bytes());
    return;
  }
  for (std::size_t i = 0; i < count; ++i) {
    std::uint16_t bits;
    std::memcpy(&bits, view.data + 2 * i, 2);
    out[i] = view.dtype == DType::kF16 ? f16_to_f32(bits) : bf16_to_f32(bits);
  }
}

std::vector<float> to_f32(const TensorView& view) {
  std::vector<float> out(static_cast<std::size_t>(view.elements()));
  copy_as_f32(view, out.data());
  return out;
}

}  // namespace refocus
