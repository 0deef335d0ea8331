#include "train/lora_products.h"

#include <algorithm>

namespace refocus {

namespace {

void scale(float* values, std::int64_t size, float by) {
  for (std::int64_t i = 0; i < size; ++i) values[i] *= by;
}

}  // namespace

LoraProducts::LoraProducts(const LoraLayout& layout, ThreadPool& pool) : layout_(layout), pool_(pool) {}

void LoraProducts::fold(std::int64_t layer, LinearGroup group, const float* weights, float* w) {
  const LoraGroup& g = layout_.group(layer, group);
  const std::int64_t rank = layout_.rank();
  const float* a = weights + g.a;
  for (const LoraGroup::Member& m : g.members) {
    const std::int64_t size = m.outputs * rank;
    reserve(scaled_b_, size);
    std::copy_n(weights + m.b, size, scaled_b_.data());
    scale(scaled_b_.data(), size, layout_.scale());
    gemm(pool_, {m.outputs, g.inputs, rank}, {scaled_b_.data(), rank, 1}, {a, g.inputs, 1},
         {w + m.first_output * g.inputs, g.inputs, true}, scratch_);
    a += rank * g.inputs;
  }
}

void LoraProducts::backward(const Place& place, const float* weights, const Gradient& gradient) {
  const LoraGroup& g = layout_.group(place.layer, place.group);
  if (g.members.empty()) return;
  const std::int64_t rows = place.rows, rank = layout_.rank(),
                     width = rank * static_cast<std::int64_t>(g.members.size());
  reserve(narrow_, rows * width);
  reserve(d_narrow_, rows * width);
  reserve(da_, g.inputs * width);
  float *t = narrow_.data(), *dt = d_narrow_.data();
  gemm(pool_, {rows, width, g.inputs}, {gradient.x, g.inputs, 1}, {weights + g.a, 1, g.inputs},
       {t, width, false}, scratch_);
  scale(t, rows * width, layout_.scale());
  for (const LoraGroup::Member& m : g.members) {
    const float* dy = gradient.dy + m.first_output;
    gemm(pool_, {m.outputs, rank, rows}, {dy, 1, g.outputs}, {t, width, 1},
         {gradient.gradients + m.b, rank, true}, scratch_);
    gemm(pool_, {rows, rank, m.outputs}, {dy, g.outputs, 1}, {weights + m.b, rank, 1}, {dt, width, false},
         scratch_);
    t += rank;
    dt += rank;
  }
  dt = d_narrow_.data();
  scale(dt, rows * width, layout_.scale());
  // Transposed, so that it is dt that is packed, and not the much larger x.
  gemm(pool_, {g.inputs, width, rows}, {gradient.x, 1, g.inputs}, {dt, width, 1}, {da_.data(), width, false},
       scratch_);
  float* da = gradient.gradients + g.a;
  for (std::int64_t r = 0; r < width; ++r) {
    for (std::int64_t i = 0; i < g.inputs; ++i)
      da[r * g.inputs + i] += da_[static_cast<std::size_t>(i * width + r)];
  }
}

}  // namespace refocus
