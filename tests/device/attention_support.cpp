#include "attention_support.h"

#include "base/aligned_buffer.h"
#include "tensor/half.h"

namespace refocus::testing {

namespace {

// The plain kernel's cache of one sequence, and its hooks.
struct PlainSequence {
  const AttentionProblem& problem;
  const AttentionRun& run;
  const Rebalancing* rebalancing;
  std::int64_t first_row;
  PlainAttention& result;
  std::vector<AlignedBuffer<std::byte>> storage = {};
  std::vector<const std::byte*> blocks = {};

  void fill_blocks() {
    const AttentionShape& shape = problem.shape;
    const AttentionProblem::Text& text = problem.texts[run.sequence];
    const std::size_t head_bytes = kv_block_elements(shape.head_dim) * size_of(problem.type);
    for (std::int64_t j = 0; j < run.first + run.rows; ++j) {
      if (j % kKeyBlock == 0) storage.emplace_back(shape.kv_heads * head_bytes);
      for (std::int64_t g = 0; g < shape.kv_heads; ++g) {
        const std::int64_t at = (j * shape.kv_heads + g) * shape.head_dim;
        store_key_and_value(problem.type, storage.back().data() + g * head_bytes, shape.head_dim,
                            j % kKeyBlock, &text.k[at], &text.v[at]);
      }
    }
    for (const auto& block : storage) blocks.push_back(block.data());
  }
  AttentionHooks hooks() {
    AttentionHooks hooks;
    hooks.context = hooks.observer = this;
    if (rebalancing != nullptr && !rebalancing->sequences.empty()) {
      hooks.edit = [](void* context, EditableRow& row) {
        return static_cast<PlainSequence*>(context)->edit(row);
      };
    }
    hooks.observe = [](void* observer, const SoftmaxRow& before, const SoftmaxRow& after) {
      static_cast<PlainSequence*>(observer)->observe(before, after);
    };
    return hooks;
  }
  bool edit(EditableRow& row) const {
    const DeviceRebalance& change = rebalancing->sequences[run.sequence];
    const std::int64_t r = first_row + row.at.row, head = row.at.head;
    if (change.excess == 0 || rebalancing->row_acts[r] == 0) return false;
    if ((change.heads[head / 32] >> (head % 32) & 1) == 0) return false;
    for (std::int64_t j = 0; j <= row.at.position; ++j) {
      if (change.all != 0 || rebalancing->has(r, head, problem.shape.heads, j))
        row.weights[j] *= 1 + change.excess;
    }
    return true;
  }
  void observe(const SoftmaxRow& before, const SoftmaxRow& after) const {
    const AttentionShape& shape = problem.shape;
    const AttentionProblem::Text& text = problem.texts[run.sequence];
    const std::int64_t at = (first_row + before.at.row) * shape.heads + before.at.head;
    const std::int64_t g = before.at.head / (shape.heads / shape.kv_heads);
    const float* q = &text.q[(before.at.position * shape.heads + before.at.head) * shape.head_dim];
    for (std::int64_t j = shape.first_key(before.at.position); j <= before.at.position; ++j) {
      const std::int64_t key = (j * shape.kv_heads + g) * shape.head_dim;
      double score = 0;
      for (std::int64_t d = 0; d < shape.head_dim; ++d) {
        score += std::abs(static_cast<double>(q[d]) * text.k[key + d]);
        result.size[at * shape.head_dim + d] +=
            std::abs(double{after.weights[j]} / after.sum * text.v[key + d]);
      }
      result.score_size[at] = std::max(result.score_size[at], score * std::abs(shape.scale));
      result.weights[at * result.stride + j] = before.weights[j] / before.sum;
    }
  }
};

}  // namespace

AttentionShape attention_shape(std::int64_t heads, std::int64_t kv_heads, std::int64_t head_dim) {
  return {heads, kv_heads, head_dim, 1 / std::sqrt(static_cast<float>(head_dim))};
}

std::int64_t rows_of(std::span<const AttentionRun> runs) {
  std::int64_t rows = 0;
  for (const AttentionRun& run : runs) rows += run.rows;
  return rows;
}

AttentionProblem::AttentionProblem(const AttentionShape& shape, DType type,
                                   std::span<const std::int64_t> keys, std::uint64_t seed, double q_scale)
    : shape(shape), type(type) {
  for (const std::int64_t count : keys) {
    const std::int64_t kv_width = shape.kv_heads * shape.head_dim;
    texts.push_back({count, random_normals(count * width(), ++seed, q_scale),
                     random_normals(count * kv_width, ++seed), random_normals(count * kv_width, ++seed)});
    if (type == DType::kF32) continue;
    for (float& k : texts.back().k) k = f16_to_f32(f32_to_f16(k));
    for (float& v : texts.back().v) v = f16_to_f32(f32_to_f16(v));
  }
}

void AttentionProblem::add_sinks(std::uint64_t seed) {
  sinks = random_normals(static_cast<std::size_t>(shape.heads), seed, 2);
  shape.sinks = sinks.data();
}

std::vector<float> AttentionProblem::run(Device& device, std::span<const AttentionRun> runs,
                                         DevicePrecision precision, Rebalancing* rebalancing) const {
  AttentionCall call(device, *this, runs);
  call.attention.precision = precision;
  if (rebalancing == nullptr) {
    device.attend(call.attention);
    return call.out();
  }
  std::vector<DeviceRebalance> sequences = rebalancing->sequences;
  sequences.resize(texts.size());
  std::vector<std::uint8_t> acts = rebalancing->row_acts;
  acts.resize(static_cast<std::size_t>(rows_of(runs)), 1);
  const OnDevice<DeviceRebalance> on_sequences(device, sequences);
  const OnDevice<std::uint8_t> on_acts(device, acts);
  const OnDevice<std::uint32_t> on_mask(device, rebalancing->mask);
  const OnDevice<float> on_thresholds(device, rebalancing->thresholds);
  call.attention.rebalance = on_sequences.data();
  call.attention.row_acts = on_acts.data();
  call.attention.mask = on_mask.data();
  call.attention.mask_words = rebalancing->mask_words;
  if (!rebalancing->thresholds.empty()) call.attention.thresholds = on_thresholds.data();
  device.attend(call.attention);
  rebalancing->mask = on_mask.download();
  return call.out();
}

PlainAttention AttentionProblem::plain(std::span<const AttentionRun> runs,
                                       const Rebalancing* rebalancing) const {
  PlainAttention result;
  const std::int64_t rows = rows_of(runs);
  for (const AttentionRun& run : runs) result.stride = std::max(result.stride, run.first + run.rows);
  result.out.resize(rows * width());
  result.size.resize(rows * width());
  result.score_size.resize(rows * shape.heads);
  result.weights.resize(rows * shape.heads * result.stride);
  std::int64_t first_row = 0;
  for (const AttentionRun& run : runs) {
    PlainSequence plain{*this, run, rebalancing, first_row, result};
    plain.fill_blocks();
    const AttentionSequence sequence{0, run.rows, run.first, plain.blocks.data(), 0, plain.hooks(), type};
    reference::attention(
        shape, {&sequence, 1},
        {&texts[run.sequence].q[run.first * width()], width(), &result.out[first_row * width()], width()});
    first_row += run.rows;
  }
  return result;
}

// kHalf: queries are rounded to F16, which shifts a score by up to 2^-11 of the sum of its terms, and a
// weight and the sum that it is divided by by as much, relatively; weights are rounded to F16, and those
// below its normal numbers, relative to the largest so far, by up to 2^-25.
void AttentionProblem::compare(const std::vector<float>& actual, const PlainAttention& expected,
                               DevicePrecision precision, double relative) const {
  ASSERT_EQ(actual.size(), expected.out.size());
  double squares = 0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    double tolerance = relative * expected.size[i];
    if (precision == DevicePrecision::kHalf) {
      const double score_error = kHalfRoundoff * expected.score_size[i / shape.head_dim];
      tolerance += (std::expm1(2 * score_error) + 2 * kHalfRoundoff) * expected.size[i] +
                   0x1p-23 * static_cast<double>(expected.stride);
    }
    const double off = static_cast<double>(actual[i]) - expected.out[i];
    ASSERT_LE(std::abs(off), tolerance + 1e-30)
        << name_of(precision) << " " << name_of(type) << " " << shape.heads << " heads of " << shape.head_dim
        << ", window " << shape.window << ": row " << i / width() << ", head " << i % width() / shape.head_dim
        << ", element " << i % shape.head_dim << ": " << actual[i] << " for " << expected.out[i];
    squares += std::pow(off / (expected.size[i] + 1e-30), 2);
  }
  // The bound holds for errors that all have one sign. They have not: what is usual is far below it.
  if (relative >= 1e-4) return;
  EXPECT_LE(std::sqrt(squares / static_cast<double>(actual.size())), 1e-3);
}

void AttentionProblem::check(Device& device, std::span<const AttentionRun> runs,
                             std::span<const DevicePrecision> precisions, double relative) const {
  const PlainAttention expected = plain(runs);
  for (const DevicePrecision precision : precisions) {
    compare(run(device, runs, precision), expected, precision, relative);
  }
}

void AttentionProblem::check_change(Device& device, std::span<const AttentionRun> runs,
                                    DevicePrecision precision, Rebalancing& rebalancing) const {
  const std::vector<float> actual = run(device, runs, precision, &rebalancing);
  compare(actual, plain(runs, &rebalancing), precision, 2e-5);
}

AttentionCall::AttentionCall(Device& device, const AttentionProblem& problem,
                             std::span<const AttentionRun> runs)
    : device_(device),
      q_(rows_of(runs), problem.width(), problem.width() + problem.q_gap, 1),
      out_(rows_of(runs), problem.width(), problem.width() + problem.out_gap, 1) {
  const AttentionShape& shape = problem.shape;
  layer_bytes_ = shape.kv_heads * bytes_of(problem.type, kv_head_elements(shape.head_dim));
  std::int64_t row = 0;
  for (const AttentionRun& run : runs) {
    const float* q = &problem.texts[run.sequence].q[run.first * problem.width()];
    for (std::int64_t i = 0; i < run.rows; ++i, q += problem.width()) {
      std::copy_n(q, problem.width(), q_.row(row++));
    }
    const std::int64_t blocks = (run.first + run.rows + kDeviceKeyBlock - 1) / kDeviceKeyBlock;
    block_count_ += blocks;
    blocks_stride_ = std::max(blocks_stride_, blocks + 1);
    attention.longest = std::max(attention.longest, run.first + run.rows);
  }
  std::ranges::fill(out_.values, kNotANumber);
  on_q_ = std::make_unique<OnDevice<float>>(device, q_.values);
  on_out_ = std::make_unique<OnDevice<float>>(device, out_.values);
  sinks_ = std::make_unique<OnDevice<float>>(device, problem.sinks);
  cache_ = std::make_unique<OnDevice<std::byte>>(device, cache_bytes(problem, runs));
  blocks_ = std::make_unique<OnDevice<const std::byte*>>(device, block_pointers(problem, runs));
  attention.heads = shape.heads;
  attention.kv_heads = shape.kv_heads;
  attention.head_dim = shape.head_dim;
  attention.scale = shape.scale;
  attention.softcap = shape.softcap;
  attention.window = shape.window;
  attention.sinks = shape.sinks != nullptr ? sinks_->data() : nullptr;
  attention.q = on_q_->data();
  attention.out = on_out_->data();
  attention.q_stride = q_.stride;
  attention.out_stride = out_.stride;
  attention.rows = row;
  attention.blocks = blocks_->data();
  attention.blocks_stride = blocks_stride_;
  attention.offset = layer_bytes_;
  attention.type = problem.type;
  describe_rows(runs);
}

std::vector<float> AttentionCall::out() {
  const Rows rows = out_.read(*on_out_);
  std::vector<float> out;
  for (std::int64_t r = 0; r < rows.rows; ++r) out.insert(out.end(), rows.row(r), rows.row(r) + rows.size);
  return out;
}

// Blocks lie in the order opposite to that in which sequences need them.
std::vector<std::byte> AttentionCall::cache_bytes(const AttentionProblem& problem,
                                                  std::span<const AttentionRun> runs) {
  const AttentionShape& shape = problem.shape;
  std::vector<std::byte> bytes(block_count_ * 2 * layer_bytes_, std::byte{0xFF});
  const auto put = [&](std::int64_t element, std::byte* layer, const float* from) {
    for (std::int64_t d = 0; d < shape.head_dim; ++d) {
      const std::uint16_t half = f32_to_f16(from[d]);
      const bool is_half = problem.type == DType::kF16;
      const std::size_t size = size_of(problem.type);
      std::memcpy(layer + (element + d) * size, is_half ? static_cast<const void*>(&half) : &from[d], size);
    }
  };
  std::int64_t block = block_count_;
  for (const AttentionRun& run : runs) {
    const AttentionProblem::Text& text = problem.texts[run.sequence];
    for (std::int64_t j = 0; j < run.first + run.rows; ++j) {
      if (j % kDeviceKeyBlock == 0) --block;
      std::byte* layer = bytes.data() + block * 2 * layer_bytes_ + layer_bytes_;
      for (std::int64_t g = 0; g < shape.kv_heads; ++g) {
        const std::int64_t from = (j * shape.kv_heads + g) * shape.head_dim;
        const std::int64_t key = g * kv_head_elements(shape.head_dim) + j % kDeviceKeyBlock * shape.head_dim;
        put(key, layer, &text.k[from]);
        put(key + kDeviceKeyBlock * shape.head_dim, layer, &text.v[from]);
      }
    }
  }
  return bytes;
}

AttentionCall::Pointers AttentionCall::block_pointers(const AttentionProblem& problem,
                                                      std::span<const AttentionRun> runs) const {
  Pointers pointers(problem.texts.size() * blocks_stride_);
  std::int64_t block = block_count_;
  for (const AttentionRun& run : runs) {
    for (std::int64_t b = 0; b * kDeviceKeyBlock < run.first + run.rows; ++b) {
      --block;
      if ((b + 1) * kDeviceKeyBlock <= problem.shape.first_key(run.first)) continue;
      pointers[run.sequence * blocks_stride_ + b] = cache_->data() + block * 2 * layer_bytes_;
    }
  }
  return pointers;
}

void AttentionCall::describe_rows(std::span<const AttentionRun> runs) {
  std::vector<std::int32_t> positions, sequence_of, singles;
  std::vector<DeviceTile> tiles;
  for (const AttentionRun& run : runs) {
    const auto first_row = static_cast<std::int32_t>(positions.size());
    for (std::int64_t i = 0; i < run.rows; ++i) {
      positions.push_back(static_cast<std::int32_t>(run.first + i));
      sequence_of.push_back(static_cast<std::int32_t>(run.sequence));
    }
    if (run.rows == 1) singles.push_back(first_row);
    for (std::int64_t i = 0; i < run.rows && run.rows > 1; i += DeviceAttention::kTileRows) {
      tiles.push_back({static_cast<std::int32_t>(run.sequence), static_cast<std::int32_t>(first_row + i),
                       static_cast<std::int32_t>(std::min(DeviceAttention::kTileRows, run.rows - i)),
                       static_cast<std::int32_t>(run.first + i)});
    }
  }
  attention.tile_count = static_cast<std::int64_t>(tiles.size());
  attention.single_count = static_cast<std::int64_t>(singles.size());
  positions_ = std::make_unique<OnDevice<std::int32_t>>(device_, positions);
  sequence_of_ = std::make_unique<OnDevice<std::int32_t>>(device_, sequence_of);
  singles_ = std::make_unique<OnDevice<std::int32_t>>(device_, singles);
  tiles_ = std::make_unique<OnDevice<DeviceTile>>(device_, tiles);
  attention.positions = positions_->data();
  attention.sequence_of = sequence_of_->data();
  attention.singles = singles_->data();
  attention.tiles = tiles_->data();
}

}  // namespace refocus::testing
