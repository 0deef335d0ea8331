// A model that was opened, ready to compute, and the memory for its cache.
#pragma once

#include <cstdint>
#include <memory>

#include "base/thread_pool.h"
#include "model/partition.h"
#include "model/transformer.h"
#include "opened/open_model.h"

namespace refocus {

// Rows that a model computes at once at most, where its logits are not wanted; on a device more.
inline constexpr std::int64_t kRunningRows = 512, kDeviceRows = 2048;

// A model ready to compute.
struct RunningModel {
  // `partition`: as the settings ask for several processes; else null.
  explicit RunningModel(const OpenSettings& settings, std::int64_t max_rows = kRunningRows,
                        std::shared_ptr<ModelPartition> partition = nullptr);

  OpenSettings settings;  // it was opened with
  OpenModel files;
  ThreadPool pool;
  std::shared_ptr<Device> device;             // null: the processor
  std::shared_ptr<ModelPartition> partition;  // null: one process
  Transformer transformer;
};

// The most memory for keys and values: --kv-memory, or half of the free memory where the model computes. Of
// a model of several processes: of all of them together, by what each has; all must call it.
std::int64_t kv_limit(const OpenSettings& settings, const Transformer& model);

// Memory for the cache of so many sequences of `context` tokens: --kv-memory, or whole contexts as long as
// they fit into a good half of the free memory.
std::int64_t kv_budget(const OpenSettings& settings, const Transformer& model, std::int64_t sequences,
                       std::int64_t context);

}  // namespace refocus
