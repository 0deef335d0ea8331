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
  // Not 0: a query or key matrix whose rows still lie as in GGUF files, in heads of so many rows. Row r is
  // then stored as row paired_row(r, paired_head_dim); copy_as_f32 and pack() put them in order.
  std::int64_t paired_head_dim = 0;
  std::int64_t paired_rotary = 0;  // of a head's rows, from its first, that are so; 0: all

  std::int64_t elements() const {
    std::int64_t n = 1;
    for (std::int64_t d : shape) n *= d;
    return n;
  }
  // A tensor of a block type has rows (innermost dimension) of whole blocks.
  std::size_t bytes() const { return bytes_of(dtype, elements()); }
};

// GGUF's llama files keep the two elements that RoPE turns together in adjacent rows of a head, Hugging
// Face's keep them half a head apart. Where Hugging Face's row is stored, and what is stored in a row.
// With `rotary` only the first so many rows of a head are turned, and the others stay.
constexpr std::int64_t paired_row(std::int64_t row, std::int64_t head_dim, std::int64_t rotary = 0) {
  const std::int64_t within = row % head_dim, turned = rotary > 0 ? rotary : head_dim, half = turned / 2;
  return within < turned ? row - within + within % half * 2 + within / half : row;
}
// Where row r of a view or matrix is stored; see TensorView::paired_head_dim.
constexpr std::int64_t stored_row(std::int64_t row, std::int64_t paired_head_dim, std::int64_t rotary = 0) {
  return paired_head_dim > 0 ? paired_row(row, paired_head_dim, rotary) : row;
}
constexpr std::int64_t unpaired_row(std::int64_t stored, std::int64_t head_dim, std::int64_t rotary = 0) {
  const std::int64_t within = stored % head_dim, turned = rotary > 0 ? rotary : head_dim, half = turned / 2;
  return within < turned ? stored - within + within % 2 * half + within / 2 : stored;
}

// "[4096, 11008]", for messages.
std::string shape_text(const std::vector<std::int64_t>& shape);

// Writes all elements, of any type, as float32, row by row, to out[0 .. view.elements()).
void copy_as_f32(const TensorView& view, float* out);

// All elements as float32, row by row.
std::vector<float> to_f32(const TensorView& view);

}  // namespace refocus
