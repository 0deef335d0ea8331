#include "tensor/tensor_view.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "tensor/block_formats.h"

namespace refocus {

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

void copy_as_f32(const TensorView& view, float* out) {
  if (view.paired_head_dim == 0) {
    dequantize_row(view.dtype, view.data, out, view.elements());
    return;
  }
  const std::int64_t rows = view.shape.at(0), columns = view.elements() / std::max<std::int64_t>(1, rows);
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto stored = static_cast<std::size_t>(stored_row(row, view.paired_head_dim, view.paired_rotary));
    dequantize_row(view.dtype, view.data + stored * bytes_of(view.dtype, columns), out + row * columns,
                   columns);
  }
}

std::vector<float> to_f32(const TensorView& view) {
  std::vector<float> out(static_cast<std::size_t>(view.elements()));
  copy_as_f32(view, out.data());
  return out;
}

}  // namespace refocus
