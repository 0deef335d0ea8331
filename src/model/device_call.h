// What a device must know of one forward call beside weights and activations: rows, positions, where keys and
// values lie, angles, re-balancing. Listed here, and uploaded at once.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "device/device_memory.h"
#include "model/transformer.h"

namespace refocus {

// Arrays of numbers one after the other, filled here and then copied to the device in one transfer.
class DeviceArena {
 public:
  void clear() { bytes_.clear(); }
  // Where a copy of the values begins; aligned to 16 bytes.
  template <class T>
  std::size_t put(std::span<const T> values) {
    const std::size_t begin = (bytes_.size() + 15) / 16 * 16;
    bytes_.resize(begin + values.size_bytes());
    if (!values.empty()) std::memcpy(bytes_.data() + begin, values.data(), values.size_bytes());
    return begin;
  }
  void upload(Device& device);
  template <class T>
  const T* at(std::size_t begin) const {
    return reinterpret_cast<const T*>(memory_.data() + begin);
  }

 private:
  std::vector<std::byte> bytes_;
  DeviceMemory memory_;
};

// Rows of a call, in the order of its sequences, and how attention goes through them. Indices of rows are
// those of this list.
struct DeviceRows {
  struct Sequence {
    std::int64_t first_row = 0, rows = 0, position = 0;  // position: of the first row
    std::int64_t left_out = 0;                           // rows of the call before it, of the sequence
  };
  std::vector<Sequence> sequences;
  std::int64_t count = 0, tile_count = 0, single_count = 0;
  std::vector<std::int32_t> of_call;  // their places among the call's rows
  std::size_t positions = 0, sequence_of = 0, tiles = 0, singles = 0, ids = 0;  // in the arena
};

class DeviceCall {
 public:
  DeviceCall(const ModelConfig& config, Device& device) : config_(config), device_(device) {}

  // Reserves the sequences' cache and lists everything. `angles(position, rope_length, local, cosines,
  // sines)` gives a row's angles, [rotary / 2] each. `from_layer` is the call's first.
  template <class Angles>
  void list(std::span<const SequenceInput> sequences, std::int64_t from_layer, const Angles& angles);

  const DeviceRows& all() const { return all_; }
  // Of the last layer: those that somebody wants to see; see Transformer::forward.
  const DeviceRows& kept() const { return kept_; }
  std::int64_t longest() const { return longest_; }
  std::int64_t wanted() const { return wanted_count_; }  // rows of logits
  bool wants_all_kept() const { return wanted_count_ == kept_.count; }

  const std::int32_t* tokens() const { return arena_.at<std::int32_t>(tokens_); }
  const std::int32_t* wanted_rows() const { return arena_.at<std::int32_t>(wanted_); }  // of kept()
  const float* cosines(bool local) const { return arena_.at<float>(cosines_[local ? 1 : 0]); }
  const float* sines(bool local) const { return arena_.at<float>(sines_[local ? 1 : 0]); }
  std::byte* const* row_blocks(std::size_t group) const { return arena_.at<std::byte*>(row_blocks_[group]); }
  template <class T>
  const T* at(std::size_t begin) const {
    return arena_.at<T>(begin);
  }

  // Whether weights of sequence s must go through its hooks in a layer: the device cannot do what they do.
  bool edits_here(const SequenceInput& in, std::size_t s, std::int64_t layer) const {
    if (in.hooks == nullptr || on_device_[s]) return false;
    return in.hooks[layer].changes_weights();
  }
  // Whether somebody looks at weights of the layer, or, where hooks know in one layer what they saw in
  // another (M), of any layer.
  bool shows(const SequenceInput& in, std::size_t s, std::int64_t layer) const {
    return watched_[s] && (in.hooks[layer].observe != nullptr || in.hooks[layer].edit != nullptr);
  }
  // Whether any sequence re-balances on the device.
  bool rebalances() const { return rebalances_; }

  // Everything about attention in a layer but buffers and shape.
  void describe(const DeviceRows& rows, const KvLayout::Place& place, std::int64_t layer,
                DeviceAttention& out) const;

 private:
  void list_rows(std::span<const SequenceInput> sequences);
  void list_kept(std::span<const SequenceInput> sequences);
  void list_blocks(std::span<const SequenceInput> sequences);
  void list_rebalance(std::span<const SequenceInput> sequences, std::int64_t from_layer);
  void put_rows(DeviceRows& rows);

  const ModelConfig& config_;
  Device& device_;
  DeviceArena arena_;
  DeviceRows all_, kept_;
  std::vector<std::int32_t> token_ids_;
  std::vector<bool> on_device_, watched_;
  std::vector<bool> last_layer_needs_all_;
  bool rebalances_ = false;
  std::int64_t longest_ = 0, wanted_count_ = 0, blocks_stride_ = 0;
  std::size_t tokens_ = 0, wanted_ = 0, row_acts_ = 0, thresholds_ = 0;
  std::size_t cosines_[2] = {}, sines_[2] = {};
  std::array<std::size_t, KvLayout::kMostGroups> blocks_{}, row_blocks_{};
  std::vector<std::size_t> rebalance_;  // [layers]
  std::vector<float> scratch_;
};

template <class Angles>
void DeviceCall::list(std::span<const SequenceInput> sequences, std::int64_t from_layer,
                      const Angles& angles) {
  arena_.clear();
  list_rows(sequences);
  list_rebalance(sequences, from_layer);
  list_kept(sequences);
  list_blocks(sequences);
  const std::int64_t half = config_.rotary() / 2;
  const auto floats = static_cast<std::size_t>(2 * all_.count * half);
  for (int local = 0; local < (config_.local_rope ? 2 : 1); ++local) {
    scratch_.resize(floats);
    float* cosines = scratch_.data();
    float* sines = cosines + all_.count * half;
    for (std::size_t s = 0; s < sequences.size(); ++s) {
      const DeviceRows::Sequence& its = all_.sequences[s];
      for (std::int64_t r = its.first_row; r < its.first_row + its.rows; ++r) {
        angles(its.position + r - its.first_row, sequences[s].rope_length, local == 1, cosines + r * half,
               sines + r * half);
      }
    }
    cosines_[local] = arena_.put<float>(std::span(scratch_).first(floats / 2));
    sines_[local] = arena_.put<float>(std::span(scratch_).last(floats / 2));
  }
  arena_.upload(device_);
}

}  // namespace refocus
