// Attention over made-up caches, and hooks that change all that hooks can, for its tests.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "kernels/attention.h"
#include "kernels/matmul.h"
#include "kernels/targets.h"

namespace refocus::testing {

// A cache filled with random keys and values; what lies beyond `keys` is NaN, which no result may see.
struct AttentionProblem {
  AttentionShape shape;
  std::int64_t keys;
  DType type;
  std::vector<AlignedBuffer<std::byte>> storage;
  std::vector<const std::byte*> blocks;
  std::vector<float> q;

  AttentionProblem(std::int64_t heads, std::int64_t kv_heads, std::int64_t head_dim, std::int64_t keys,
                   unsigned seed, DType type = DType::kF32)
      : shape{heads, kv_heads, head_dim, 1 / std::sqrt(static_cast<float>(head_dim))},
        keys(keys),
        type(type) {
    const auto head_bytes = static_cast<std::size_t>(kv_block_bytes(type, head_dim));
    const std::vector<float> nothing(static_cast<std::size_t>(head_dim), std::nanf(""));
    std::vector<float> values = random_floats(static_cast<std::size_t>(keys * kv_heads * head_dim * 2), seed);
    const float* next = values.data();
    for (std::int64_t first = 0; first < keys; first += kKeyBlock) {
      AlignedBuffer<std::byte> block(static_cast<std::size_t>(kv_heads) * head_bytes);
      for (std::int64_t j = 0; j < kKeyBlock; ++j) {
        for (std::int64_t g = 0; g < kv_heads; ++g) {
          std::byte* head = block.data() + static_cast<std::size_t>(g) * head_bytes;
          if (first + j >= keys) {
            store_key_and_value(type, head, head_dim, j, nothing.data(), nothing.data());
            continue;
          }
          store_key_and_value(type, head, head_dim, j, next, next + head_dim);
          next += 2 * head_dim;
        }
      }
      storage.push_back(std::move(block));
    }
    for (const auto& block : storage) blocks.push_back(block.data());
    q = random_floats(static_cast<std::size_t>(keys * heads * head_dim), seed + 1, 2);
  }

  std::int64_t width() const { return shape.heads * shape.head_dim; }

  // Rows [first, last) of the attention output.
  std::vector<float> run(std::int64_t first, std::int64_t last, AttentionHooks hooks, ThreadPool* pool,
                         std::int64_t left_out = 0) const {
    std::vector<float> out(static_cast<std::size_t>((last - first) * width()));
    const AttentionSequence sequence{0, last - first, first, blocks.data(), 0, hooks, type, left_out};
    AttentionBuffers buffers{q.data() + first * width(),
                             width(),
                             out.data(),
                             width(),
                             nullptr,
                             attention_scratch_floats(keys, shape.head_dim)};
    if (pool == nullptr) {
      reference::attention(shape, {&sequence, 1}, buffers);
    } else {
      AlignedBuffer<float> scratch(static_cast<std::size_t>(buffers.scratch_stride * pool->size()));
      buffers.scratch = scratch.data();
      attention(*pool, shape, {&sequence, 1}, buffers);
    }
    return out;
  }
};

// Biases every third key, after softmax changes two keys and scales the row, and turns round what every other
// head puts out.
struct Meddler {
  std::vector<std::int32_t> keys = {0, 2};
  std::vector<float> coefficients = {0.5f, -0.25f};
  AttentionHooks hooks() {
    AttentionHooks h;
    h.context = this;
    h.bias = [](void*, const AttentionRow& at, std::int64_t first_key, std::span<float> scores) {
      for (std::size_t j = 0; j < scores.size(); ++j) {
        if ((first_key + static_cast<std::int64_t>(j) + at.head) % 3 == 0) scores[j] += 1.5f;
      }
    };
    h.edit = [](void* context, EditableRow& row) {
      const auto* self = static_cast<Meddler*>(context);
      const std::size_t count = std::min<std::size_t>(2, row.weights.size() / 2);
      for (std::size_t t = 0; t < count; ++t) {
        row.weights[static_cast<std::size_t>(self->keys[t])] *= 1 + self->coefficients[t];
      }
      row.sum /= 0.75f;
      return true;
    };
    h.output = [](void*, const AttentionRow& at, std::span<float> out) {
      if (at.head % 2 == 1) std::ranges::reverse(out);
    };
    return h;
  }
};

}  // namespace refocus::testing
