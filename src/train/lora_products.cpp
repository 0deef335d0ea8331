#include "train/lora_products.h"

namespace refocus {

namespace {

void reserve(AlignedBuffer<float>& buffer, std::int64_t size) {
  if (buffer.size() < static_cast<std::size_t>(size)) {
    buffer = AlignedBuffer<float>(static_cast<std::size_t>(size));
  }
}

}  // namespace

LoraProducts::LoraProducts(const LoraLayout& layout, ThreadPool& pool)
    : layout_(layout), pool_(pool), kept_(static_cast<std::size_t>(layout.layers()) * kLinearGroups) {}

void LoraProducts::scale(float* values, std::int64_t rows, std::int64_t width) {
  const float by = layout_.scale();
  for (std::int64_t i = 0; i < rows * width; ++i) values[i] *= by;
}

void LoraProducts::forward(const Place& place, const float* weights, const float* x, float* y) {
  const LoraGroup& g = layout_.group(place.layer, place.group);
  if (g.members.empty()) return;
  const std::int64_t rows = place.rows, rank = layout_.rank(),
                     width = rank * static_cast<std::int64_t>(g.members.size());
  AlignedBuffer<float>& kept =
      kept_[static_cast<std::size_t>(place.layer) * kLinearGroups + static_cast<std::size_t>(place.group)];
  reserve(kept, rows * width);
  float* t = kept.data();
  gemm(pool_, {rows, width, g.inputs}, {x, g.inputs, 1}, {weights + g.a, 1, g.inputs}, {t, width, false},
       scratch_);
  scale(t, rows, width);
  for (const LoraGroup::Member& m : g.members) {
    gemm(pool_, {rows, m.outputs, rank}, {t, width, 1}, {weights + m.b, 1, rank},
         {y + m.first_output, g.outputs, true}, scratch_);
    t += rank;
  }
}

void LoraProducts::backward(const Place& place, const float* weights, const Gradient& gradient) {
  const LoraGroup& g = layout_.group(place.layer, place.group);
  if (g.members.empty()) return;
  const std::int64_t rows = place.rows, rank = layout_.rank(),
                     width = rank * static_cast<std::int64_t>(g.members.size());
  const float* t =
      kept_[static_cast<std::size_t>(place.layer) * kLinearGroups + static_cast<std::size_t>(place.group)]
          .data();
  reserve(d_narrow_, rows * width);
  float* dt = d_narrow_.data();
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
  scale(dt, rows, width);
  gemm(pool_, {width, g.inputs, rows}, {dt, 1, width}, {gradient.x, g.inputs, 1},
       {gradient.gradients + g.a, g.inputs, true}, scratch_);
  if (gradient.dx == nullptr) return;
  gemm(pool_, {rows, g.inputs, width}, {dt, width, 1}, {weights + g.a, g.inputs, 1},
       {gradient.dx, g.inputs, true}, scratch_);
}

}  // namespace refocus
