// The plain twin of simd/attention.cpp: a whole row of scores, softmax, weighted sum, in double.
#include "kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels/matmul.h"
#include "tensor/block_formats.h"
#include "tensor/half.h"

namespace refocus::reference {

namespace {

struct KvHead {
  const AttentionSequence& sequence;
  std::int64_t head_dim, head;

  double key(std::int64_t j, std::int64_t d) const {
    return element(j, d * kKeyBlock + j % kKeyBlock, d / kKvScaleBlock);
  }
  double value(std::int64_t j, std::int64_t d) const {
    return element(j, head_dim * kKeyBlock + (j % kKeyBlock) * padded(head_dim) + d,
                   kv_scale_blocks(head_dim) + d / kKvScaleBlock);
  }
  // Element `index` of the head's block; of Q8_0, times a scale of its position's.
  double element(std::int64_t j, std::int64_t index, std::int64_t scale_block) const {
    const std::byte* block = sequence.blocks[j / kKeyBlock] + sequence.block_offset +
                             head * kv_block_bytes(sequence.type, head_dim);
    float out;
    if (sequence.type != DType::kQ8_0) {
      dequantize_row(sequence.type, block + static_cast<std::size_t>(index) * size_of(sequence.type), &out,
                     1);
      return out;
    }
    const auto q = static_cast<std::int8_t>(block[index]);
    std::memcpy(&out, block + kv_block_elements(head_dim) + 4 * (scale_block * kKeyBlock + j % kKeyBlock), 4);
    return static_cast<float>(q) * out;
  }
};

// As a product takes it.
double operand(const AttentionShape& shape, double value) {
  return shape.bf16 ? static_cast<double>(bf16_to_f32(f32_to_bf16(static_cast<float>(value)))) : value;
}

void one_row(const AttentionShape& shape, const AttentionHooks& hooks, const KvHead& kv,
             const AttentionRow& at, const float* q, float* out) {
  const auto keys = static_cast<std::size_t>(at.position + 1);
  std::vector<float> scores(keys);
  for (std::size_t j = 0; j < keys; ++j) {
    double dot = 0;
    for (std::int64_t d = 0; d < shape.head_dim; ++d) {
      dot += operand(shape, q[d]) * operand(shape, kv.key(static_cast<std::int64_t>(j), d));
    }
    scores[j] = static_cast<float>(dot * shape.scale);
  }
  if (shape.softcap > 0) {
    for (float& s : scores) s = static_cast<float>(shape.softcap * std::tanh(double{s} / shape.softcap));
  }
  if (hooks.bias != nullptr) hooks.bias(hooks.context, at, 0, scores);
  for (std::int64_t j = 0; j < shape.first_key(at.position); ++j) {
    scores[static_cast<std::size_t>(j)] = -std::numeric_limits<float>::infinity();
  }
  if (hooks.bias_rows != nullptr) {
    hooks.bias_rows(hooks.context, {at, 1, scores.data(), padded(at.position + 1), &shape});
  }
  float max = *std::max_element(scores.begin(), scores.end());
  if (shape.sinks != nullptr) max = std::max(max, shape.sinks[at.head]);
  std::vector<double> weights(keys);
  double sum = 0, sink = 0;
  const bool numbers = std::none_of(scores.begin(), scores.end(), [](float s) { return s != s; });
  if (!numbers || max != -std::numeric_limits<float>::infinity()) {
    for (std::size_t j = 0; j < keys; ++j) sum += weights[j] = std::exp(double{scores[j]} - max);
    if (shape.sinks != nullptr) sum += sink = std::exp(double{shape.sinks[at.head]} - max);
  }
  const std::vector<float> unscaled(weights.begin(), weights.end());
  const SoftmaxRow row{at, unscaled, static_cast<float>(sum)};
  bool changed = false;
  std::vector<float> edited(static_cast<std::size_t>(padded(at.position + 1)));
  std::copy(unscaled.begin(), unscaled.end(), edited.begin());
  EditableRow editable{at, std::span(edited).first(keys), row.sum, static_cast<float>(sink),
                       shape.first_key(at.position)};
  if (hooks.edit != nullptr && hooks.edit(hooks.context, editable)) {
    changed = true;
    for (std::size_t j = 0; j < keys; ++j) weights[j] = edited[j];
    sum = editable.sum;
  }
  if (hooks.edit_rows != nullptr) {
    hooks.edit_rows(hooks.context,
                    {at, 1, edited.data(), padded(at.position + 1), &shape, &editable.sum, &editable.sink});
    changed = editable.sum != row.sum || !std::equal(unscaled.begin(), unscaled.end(), edited.begin());
    for (std::size_t j = 0; changed && j < keys; ++j) weights[j] = edited[j];
    if (changed) sum = editable.sum;
  }
  const SoftmaxRow after{at, editable.weights, editable.sum};
  if (hooks.observe != nullptr) hooks.observe(hooks.observer, row, changed ? after : row);
  for (double& w : weights) w = sum == 0 ? 0 : operand(shape, w) / sum;
  for (std::int64_t d = 0; d < shape.head_dim; ++d) {
    double total = 0;
    for (std::size_t j = 0; j < keys; ++j) {
      total += weights[j] * operand(shape, kv.value(static_cast<std::int64_t>(j), d));
    }
    out[d] = static_cast<float>(total);
  }
  if (hooks.output != nullptr) {
    hooks.output(hooks.context, at, {out, static_cast<std::size_t>(shape.head_dim)});
  }
}

}  // namespace

void attention(const AttentionShape& shape, std::span<const AttentionSequence> sequences,
               const AttentionBuffers& buffers) {
  const std::int64_t group = shape.heads / shape.kv_heads;
  for (const AttentionSequence& s : sequences) {
    for (std::int64_t row = 0; row < s.rows; ++row) {
      for (std::int64_t head = 0; head < shape.heads; ++head) {
        const KvHead kv{s, shape.head_dim, head / group};
        one_row(shape, s.hooks, kv, {s.left_out + row, s.position + row, shape.first_head + head, 0},
                buffers.q + (s.first_row + row) * buffers.q_stride + head * shape.head_dim,
                buffers.out + (s.first_row + row) * buffers.out_stride + head * shape.head_dim);
      }
    }
  }
}

}  // namespace refocus::reference
