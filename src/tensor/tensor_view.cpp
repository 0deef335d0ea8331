#include "tensor/tensor_view.h"

#include <fmt/ranges.h>

#include "tensor/block_formats.h"

namespace refocus {

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

void copy_as_f32(const TensorView& view, float* out) {
  dequantize_row(view.dtype, view.data, out, view.elements());
}

std::vector<float> to_f32(const TensorView& view) {
  std::vector<float> out(static_cast<std::size_t>(view.elements()));
  copy_as_f32(view, out.data());
  return out;
}

}  // namespace refocus
