// Keeps rows of a sequence's attention while the scheduler generates it (generate/sequence_watch.h).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "analyze/kept/kept_rows.h"
#include "generate/sequence_watch.h"
#include "intervene/capture.h"
#include "model/transformer.h"

namespace refocus {

// The model that a sequence goes through.
struct KeeperModel {
  std::int64_t layers = 0, heads = 0;
  std::int64_t max_rows = 0;  // of a call
  int threads = 1;
};
KeeperModel keeper_model(const Transformer& model);

// Memory beside the rows themselves, for each call, that a keeper may take; more rows than fit go in several
// calls.
inline constexpr std::int64_t kKeeperBytes = std::int64_t{8} << 20;

// What a keeper takes beside the rows that it keeps. `whole_prompt`: tokens of a prompt that must go in one
// call, else 0.
std::int64_t keeper_bytes(const KeepSettings& settings, const KeeperModel& model, std::int64_t whole_prompt);

class RowKeeper final : public SequenceWatch, private CaptureSink {
 public:
  RowKeeper(KeepSettings settings, const KeeperModel& model, std::int64_t whole_prompt);

  std::int64_t first_row() const override { return rows_->settings_.queries.front(); }
  std::int64_t max_rows() const override { return max_rows_; }
  const AttentionHooks* begin_call(const AttentionHooks* hooks, std::int64_t first,
                                   std::int64_t rows) override;

  // What was kept of a sequence of so many tokens, of which all but the last was computed. Once.
  std::unique_ptr<KeptRows> finish(std::int64_t tokens);

 private:
  void take(const CapturedRow& row) override;
  void take_of_mean(const CapturedRow& row);
  void keep(const CapturedRow& row, bool before, std::int64_t head, const float* weights);
  void add_received(const CapturedRow& row, std::int64_t head, const float* weights);
  std::size_t slot(const CapturedRow& row) const {
    return static_cast<std::size_t>(row.query_place % slots_);
  }

  std::unique_ptr<KeptRows> rows_;
  std::int64_t slots_, max_rows_, stride_;
  double unit_;  // of exact sums (add_exactly)
  Capture capture_;
  std::int64_t first_new_ = 0;           // the first place whose row did not come before this call
  std::vector<std::uint64_t> scratch_;   // [threads, largest_scratch(k)]
  AlignedBuffer<double> sums_;           // [layers, heads, stride]: of the weights that each key receives
  std::unique_ptr<std::mutex[]> locks_;  // [heads], on sums_
  // For a mean over heads: the call's rows of the layer at work, [slots, before, heads, stride], how many of
  // their heads are there, [slots], and the means, [threads, stride].
  AlignedBuffer<float> of_heads_, means_;
  std::unique_ptr<std::atomic<std::int64_t>[]> come_;
};

}  // namespace refocus
