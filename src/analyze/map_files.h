// An arm's folder: maps of attention weights, whole or each row's largest, and layer 0's mask, written while
// they are captured; formats in docs/attention.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "intervene/capture.h"
#include "io/npy_slabs.h"

namespace refocus {

struct MapSettings {
  bool dense = false;
  std::int64_t top_k = 32;  // otherwise; at most the number of keys
  bool before = false;      // also the weights before the intervention
};

struct MapSize {
  std::int64_t layers = 0, heads = 0, queries = 0, keys = 0;
  std::int64_t max_rows = 0;  // of a call
  int threads = 1;
};

class MapFiles : public CaptureSink {
 public:
  // The folder must exist.
  MapFiles(const std::filesystem::path& folder, const MapSettings& settings, const MapSize& size);
  ~MapFiles() override;

  // A call follows whose first kept query has this place.
  void begin_call(std::int64_t first_place);
  void take(const CapturedRow& row) override;
  // Writes what the call's kept rows left; `count`: how many they are.
  void end_call(ThreadPool& pool, const Capture& capture, std::int64_t count);
  // `received`: [layers, heads, keys].
  void finish(std::span<const float> received);

  // Names of the files without their ending, in the order of docs/attention.md.
  std::vector<std::string> names() const;

 private:
  class Map;  // one set of weights

  MapSize size_;
  std::filesystem::path folder_;
  std::unique_ptr<Map> after_, before_;
  std::vector<std::int64_t> mask_offsets_ = {0};
  NpySlabs mask_indices_;
  std::vector<std::int32_t> call_masks_;
  std::int64_t first_place_ = 0;
};

}  // namespace refocus
