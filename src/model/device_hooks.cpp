#include "model/device_hooks.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/matmul.h"

namespace refocus {

namespace {

constexpr std::int64_t kRoundBytes = std::int64_t{64} << 20;  // of scores that come at a time

struct Row {
  AttentionRow at;
  std::span<float> weights;  // [position + 1]: scores at first
  std::int64_t first_key = 0;
  const float* sink = nullptr;  // of the head, or null
};

struct Normaliser {
  float sum = 0, sink = 0;
};

// exp(score - the largest), and their sum, as kernels/attention.h has it.
Normaliser softmax(const Row& row) {
  constexpr float kNone = -std::numeric_limits<float>::infinity();
  std::fill_n(row.weights.begin(), row.first_key, kNone);
  float largest = row.sink != nullptr ? *row.sink : kNone;
  bool numbers = true;
  for (const float score : row.weights) {
    largest = std::max(largest, score);
    numbers = numbers && score == score;
  }
  if (numbers && largest == kNone) {
    std::ranges::fill(row.weights, 0.0f);
    return {};
  }
  double sum = 0;
  for (float& weight : row.weights) {
    weight = std::exp(weight - largest);
    sum += double{weight};
  }
  const float sink = row.sink != nullptr ? std::exp(*row.sink - largest) : 0.0f;
  return {static_cast<float>(sum + double{sink}), sink};
}

}  // namespace

void DeviceHooks::survey(const DeviceAttention& attention, const DeviceRows& rows,
                         std::span<const SequenceInput> sequences, std::int64_t layer) {
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    if (sequences[s].hooks == nullptr) continue;
    AttentionHooks hooks = sequences[s].hooks[layer];
    const DeviceRows::Sequence& its = rows.sequences[s];
    const int surveys = hooks.surveys;
    hooks.observe = nullptr;
    for (int pass = 0; pass < surveys; ++pass) {
      if (hooks.begin_pass(hooks.context, pass, its.position, its.rows)) {
        go_through(attention, its, hooks, Pass::kLooks);
      }
    }
    if (surveys > 0) hooks.begin_pass(hooks.context, surveys, its.position, its.rows);
  }
}

void DeviceHooks::attend(const DeviceAttention& attention, const DeviceRows::Sequence& rows,
                         const AttentionHooks& hooks) {
  go_through(attention, rows, hooks, Pass::kCounts);
}

void DeviceHooks::show(const DeviceAttention& attention, const DeviceRows::Sequence& rows,
                       const AttentionHooks& hooks) {
  go_through(attention, rows, hooks, Pass::kLooks);
}

void DeviceHooks::go_through(const DeviceAttention& attention, const DeviceRows::Sequence& rows,
                             const AttentionHooks& hooks, Pass pass) {
  const std::int64_t heads = attention.heads, stride = padded(rows.position + rows.rows);
  const std::int64_t row_bytes = heads * stride * static_cast<std::int64_t>(sizeof(float));
  const std::int64_t round = std::clamp<std::int64_t>(kRoundBytes / row_bytes, 1, rows.rows);
  const auto floats = static_cast<std::size_t>(round * heads * stride);
  scores_.grow(device_, floats * sizeof(float));
  if (weights_.size() < floats) weights_ = AlignedBuffer<float>(floats);
  const auto thread_floats = static_cast<std::size_t>(pool_.size() * stride);
  if (before_.size() < thread_floats) before_ = AlignedBuffer<float>(thread_floats);
  inverses_.resize(static_cast<std::size_t>(round * heads));
  if (attention.sinks != nullptr) {
    sinks_.resize(static_cast<std::size_t>(heads));
    device_.download(sinks_.data(), attention.sinks, sinks_.size() * sizeof(float));
  }
  AttentionShape shape;
  shape.window = attention.window;
  for (std::int64_t done = 0; done < rows.rows; done += round) {
    const std::int64_t count = std::min(round, rows.rows - done);
    device_.scores(attention, rows.first_row + done, count, scores_.as<float>(), stride);
    device_.download(weights_.data(), scores_.data(),
                     static_cast<std::size_t>(count * heads * stride) * sizeof(float));
    pool_.parallel_for(count * heads, [&](std::int64_t task, int thread) {
      const std::int64_t position = rows.position + done + task / heads, head = task % heads;
      float* all = weights_.data() + task * stride;
      std::fill(all + position + 1, all + stride, 0.0f);
      Row row{{rows.left_out + done + task / heads, position, head, thread},
              {all, static_cast<std::size_t>(position + 1)},
              shape.first_key(position),
              attention.sinks != nullptr ? &sinks_[static_cast<std::size_t>(head)] : nullptr};
      if (hooks.bias != nullptr) hooks.bias(hooks.context, row.at, 0, row.weights);
      if (hooks.bias_rows != nullptr) {
        std::fill_n(all, row.first_key, -std::numeric_limits<float>::infinity());
        hooks.bias_rows(hooks.context, {row.at, 1, all, stride, &shape});
      }
      const Normaliser normaliser = softmax(row);
      EditableRow editable{row.at, row.weights, normaliser.sum, normaliser.sink, row.first_key};
      float* before = before_.data() + thread * stride;
      if (hooks.observe != nullptr) std::copy_n(all, stride, before);
      bool changed = hooks.edit != nullptr && hooks.edit(hooks.context, editable);
      if (hooks.edit_rows != nullptr) {
        hooks.edit_rows(hooks.context, {row.at, 1, all, stride, &shape, &editable.sum, &editable.sink});
      }
      if (hooks.observe != nullptr) {
        const SoftmaxRow was{row.at, {before, row.weights.size()}, normaliser.sum};
        const SoftmaxRow now{row.at, editable.weights, editable.sum};
        if (hooks.edit_rows != nullptr) changed = !(now == was);
        hooks.observe(hooks.observer, was, changed ? now : was);
      }
      inverses_[static_cast<std::size_t>(task)] = editable.sum == 0 ? 0 : 1 / editable.sum;
    });
    if (pass == Pass::kCounts) weigh(attention, rows.first_row + done, count, stride);
  }
}

void DeviceHooks::weigh(const DeviceAttention& attention, std::int64_t first, std::int64_t count,
                        std::int64_t stride) {
  const auto rows = static_cast<std::size_t>(count * attention.heads);
  inverse_sums_.grow(device_, inverses_.size() * sizeof(float));
  device_.upload(scores_.data(), weights_.data(), rows * static_cast<std::size_t>(stride) * sizeof(float));
  device_.upload(inverse_sums_.data(), inverses_.data(), rows * sizeof(float));
  device_.weigh(attention, first, count, scores_.as<float>(), stride, inverse_sums_.as<float>());
}

void DeviceHooks::change_outputs(const DeviceAttention& attention, const DeviceRows::Sequence& rows,
                                 const AttentionHooks& hooks) {
  outputs_.resize(static_cast<std::size_t>(rows.rows * attention.out_stride));
  float* on_device = attention.out + rows.first_row * attention.out_stride;
  device_.download(outputs_.data(), on_device, outputs_.size() * sizeof(float));
  pool_.parallel_for(rows.rows * attention.heads, [&](std::int64_t task, int thread) {
    const std::int64_t r = task / attention.heads, head = task % attention.heads;
    float* out = outputs_.data() + r * attention.out_stride + head * attention.head_dim;
    hooks.output(hooks.context, {rows.left_out + r, rows.position + r, head, thread},
                 {out, static_cast<std::size_t>(attention.head_dim)});
  });
  device_.upload(on_device, outputs_.data(), outputs_.size() * sizeof(float));
}

}  // namespace refocus
