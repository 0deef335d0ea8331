// Attention problems for devices, and what the plain kernel (kernels/reference/attention.cpp), which has
// another layout of the cache, makes of them.
#pragma once

#include <span>
#include <vector>

#include "device_support.h"
#include "kernels/attention.h"

namespace refocus::testing {

// Consecutive rows of one sequence in a call; every sequence at most once.
struct AttentionRun {
  std::int64_t sequence = 0, first = 0, rows = 0;  // first: position
};

// Re-balancing in a call.
struct Rebalancing {
  std::vector<DeviceRebalance> sequences;  // empty: none
  std::vector<std::uint8_t> row_acts;      // [rows]
  std::vector<float> thresholds;           // [sequences], or empty: M is not made
  std::int64_t mask_words = 0;
  std::vector<std::uint32_t> mask;  // [rows, heads, mask_words]; written where there are thresholds

  bool has(std::int64_t row, std::int64_t head, std::int64_t heads, std::int64_t key) const {
    return (mask[static_cast<std::size_t>((row * heads + head) * mask_words + key / 32)] >> (key % 32) & 1) !=
           0;
  }
};

// A result and what it is made of, rows in the order of the call.
struct PlainAttention {
  std::vector<float> out;          // [rows, heads * head_dim]
  std::vector<double> size;        // the same: sum_j |weight_j v_j|
  std::vector<double> score_size;  // [rows, heads]: the largest scale * sum_d |q_d k_d| of a key
  std::vector<float> weights;      // [rows, heads, stride], before re-balancing
  std::int64_t stride = 0;
};

struct AttentionProblem {
  struct Text {
    std::int64_t keys;
    std::vector<float> q, k, v;  // [keys, heads * head_dim], [keys, kv_heads * head_dim], of the cache's type
  };

  AttentionShape shape;  // its sinks are `sinks`
  std::vector<float> sinks;
  DType type;
  std::vector<Text> texts;
  std::int64_t q_gap = 0, out_gap = 0;  // strides minus sizes

  // Sequences of so many keys. Queries have the standard deviation q_scale, keys and values 1.
  AttentionProblem(const AttentionShape& shape, DType type, std::span<const std::int64_t> keys,
                   std::uint64_t seed, double q_scale = 2);
  AttentionProblem(const AttentionProblem&) = delete;
  AttentionProblem& operator=(const AttentionProblem&) = delete;

  void add_sinks(std::uint64_t seed);
  std::int64_t width() const { return shape.heads * shape.head_dim; }

  // [rows, heads * head_dim]
  std::vector<float> run(Device& device, std::span<const AttentionRun> runs, DevicePrecision precision,
                         Rebalancing* rebalancing = nullptr) const;
  PlainAttention plain(std::span<const AttentionRun> runs, const Rebalancing* rebalancing = nullptr) const;
  // run() against plain(), in all these precisions. kF32: within `relative` * sum |w v|.
  void check(Device& device, std::span<const AttentionRun> runs, std::span<const DevicePrecision> precisions,
             double relative = 2e-5) const;
  // The same with re-balancing.
  void check_change(Device& device, std::span<const AttentionRun> runs, DevicePrecision precision,
                    Rebalancing& rebalancing) const;

 private:
  void compare(const std::vector<float>& actual, const PlainAttention& expected, DevicePrecision precision,
               double relative) const;
};

AttentionShape attention_shape(std::int64_t heads, std::int64_t kv_heads, std::int64_t head_dim);

std::int64_t rows_of(std::span<const AttentionRun> runs);

// What a call of device.h needs, on the device. Unused slots of the cache are NaN, blocks before a window
// null, and a second layer lies before the one that is used.
class AttentionCall {
 public:
  AttentionCall(Device& device, const AttentionProblem& problem, std::span<const AttentionRun> runs);
  DeviceAttention attention;
  std::vector<float> out();  // fails the test where gaps were written

 private:
  using Pointers = std::vector<const std::byte*>;
  std::vector<std::byte> cache_bytes(const AttentionProblem& problem, std::span<const AttentionRun> runs);
  Pointers block_pointers(const AttentionProblem& problem, std::span<const AttentionRun> runs) const;
  void describe_rows(std::span<const AttentionRun> runs);

  Device& device_;
  std::int64_t layer_bytes_ = 0, block_count_ = 0, blocks_stride_ = 0;
  Rows q_, out_;
  std::unique_ptr<OnDevice<float>> on_q_, on_out_, sinks_;
  std::unique_ptr<OnDevice<std::byte>> cache_;
  std::unique_ptr<OnDevice<const std::byte*>> blocks_;
  std::unique_ptr<OnDevice<std::int32_t>> positions_, sequence_of_, singles_;
  std::unique_ptr<OnDevice<DeviceTile>> tiles_;
};

}  // namespace refocus::testing
