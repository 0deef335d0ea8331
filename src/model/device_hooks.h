// Hooks on attention weights (kernels/attention.h) for a model on a device: a device cannot call them, so
// scores come to the processor, some rows at a time, and what the hooks made of the weights goes back.
//
// Softmax is float32 with a sum in double, of each row by itself, so that a row's result depends on nothing
// else.
#pragma once

#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "device/device_memory.h"
#include "model/device_call.h"

namespace refocus {

class DeviceHooks {
 public:
  // Both must outlive it.
  DeviceHooks(Device& device, ThreadPool& pool) : device_(device), pool_(pool) {}

  // The passes before the one that counts, of sequences whose hooks look at all rows first; see
  // AttentionHooks::surveys.
  void survey(const DeviceAttention& attention, const DeviceRows& rows,
              std::span<const SequenceInput> sequences, std::int64_t layer);

  // Attention of one sequence's rows through hooks on weights, into attention.out.
  void attend(const DeviceAttention& attention, const DeviceRows::Sequence& rows,
              const AttentionHooks& hooks);
  // Shows the observer what the device has done, as computed here; attention.out stays as it is.
  void show(const DeviceAttention& attention, const DeviceRows::Sequence& rows, const AttentionHooks& hooks);
  // Hooks on what heads put out.
  void change_outputs(const DeviceAttention& attention, const DeviceRows::Sequence& rows,
                      const AttentionHooks& hooks);

 private:
  enum class Pass { kLooks, kCounts };
  void go_through(const DeviceAttention& attention, const DeviceRows::Sequence& rows,
                  const AttentionHooks& hooks, Pass pass);
  void weigh(const DeviceAttention& attention, std::int64_t first, std::int64_t count, std::int64_t stride);

  Device& device_;
  ThreadPool& pool_;
  DeviceMemory scores_, inverse_sums_;
  AlignedBuffer<float> weights_;  // [rows of a round, heads, stride]
  AlignedBuffer<float> before_;   // [threads, stride]: a row as softmax left it
  std::vector<float> inverses_;   // [rows of a round, heads]
  std::vector<float> sinks_;      // [heads]
  std::vector<float> outputs_;    // [rows, out_stride]
};

}  // namespace refocus
