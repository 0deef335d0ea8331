// A tensor's bytes where they lie (usually in a mapped file): element type and shape, row-major, no strides.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tensor/dtype.h"

namespace refocus {

struct TensorView {
  const std::byte* data = nullptr;  // not necessarily aligned to the element
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;  // outermost first, as in Hugging Face files: a linear layer is [out, in]

  std::int64_t elements() const {
    std::int64_t n = 1;
    for (std::int64_t d : shape) n *= d;
    return n;
  }
  // A tensor of a block type has rows (innermost dimension) of whole blocks.
  std::size_t bytes() const { return bytes_of(dtype, elements()); }
};

// "[4096, 11008]", for messages.
std::string shape_text(const std::vector<std::int64_t>& shape);

// Writes all elements, of any type, as float32, in storage order, to out[0 .. view.elements()).
void copy_as_f32(const TensorView& view, float* out);

// All elements as float32, in storage order.
std::vector<float> to_f32(const TensorView& view);

}  // namespace refocus
