// Capturing attention weights: an observer beside a sequence's intervention that hands each chosen row,
// before and after the intervention changed it, to sinks.
//
// It sees what the attention kernel computes anyway, in prefill and in decode alike, and changes no bit of
// it. Memory is a row of weights for each thread, and layer 0's chosen rows of the current call. Layer 0 is
// looked at whether it was chosen or not: the mask M and the comparison with layer 0 come from it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "kernels/attention.h"

namespace refocus {

// Which rows: numbers, ascending.
struct CaptureSelection {
  std::vector<std::int64_t> layers, heads, queries;  // queries: positions in the sequence
};

// One row of weights. Rows of weights are padded (kernels/weight_row.h).
struct CapturedRow {
  std::int64_t layer = 0;  // of the model
  // Places in the selection; layer_place is -1 where layer 0 was not chosen.
  std::int64_t layer_place = 0, head_place = 0, query_place = 0;
  std::int64_t position = 0;           // of the query: there are position + 1 keys
  std::int64_t row = 0;                // among the rows of this call
  int thread = 0;                      // of the pool, for scratch memory
  bool rewritten = false;              // whether an intervention asked for a change
  bool negative = false;               // whether that made a weight of `after` negative
  const float* before = nullptr;       // after softmax alone: sums to 1
  const float* after = nullptr;        // what multiplies the values; `before` itself unless rewritten
  const float* layer0 = nullptr;       // `after` of layer 0, same head and query
  std::span<const std::int32_t> mask;  // M: keys whose weight in layer 0 exceeds the threshold, ascending,
                                       // not the query's own
};

class CaptureSink {
 public:
  virtual ~CaptureSink() = default;
  // Called from several threads, once for each row, layer 0 first. What the row points to lives as long as
  // the call does.
  virtual void take(const CapturedRow& row) = 0;
};

struct CaptureSize {
  std::int64_t layers = 0, heads = 0;  // of the model
  // Chosen rows of a call, at most; keys of the sequence. A call may have more rows that are not chosen.
  std::int64_t max_rows = 0, max_keys = 0;
  int threads = 1;
};

class Capture {
 public:
  // `intervention`: its hooks, [layers], or null for none; they and the sinks must outlive this object.
  // Positions of the selection are below max_keys.
  Capture(const AttentionHooks* intervention, const CaptureSize& size, const CaptureSelection& selection,
          float threshold, std::vector<CaptureSink*> sinks);
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  // Takes the hooks of an intervention that was aimed anew.
  void watch(const AttentionHooks* intervention);

  // [layers], for SequenceInput::hooks.
  const AttentionHooks* hooks() const { return hooks_.data(); }

  // M of a row of the last call, by places in the selection.
  std::span<const std::int32_t> mask(std::int64_t query_place, std::int64_t head_place) const {
    return masks_[slot(query_place, head_place)];
  }

 private:
  struct Layer {
    Capture* owner;
    std::int64_t layer, place;
  };

  // Chosen rows of one call have places one after the other.
  std::size_t slot(std::int64_t query_place, std::int64_t head_place) const {
    return static_cast<std::size_t>(query_place % max_rows_ * heads_ + head_place);
  }
  static void observe(void* observer, const SoftmaxRow& before, const SoftmaxRow& after);
  void capture(const Layer& layer, const SoftmaxRow& row, const SoftmaxRow& edited);
  void fetch_next_layer0(std::int64_t query_place, const float* layer0, std::int64_t keys) const;
  void find_mask(const float* weights, std::int64_t position, std::vector<std::int32_t>& mask) const;

  float threshold_;
  std::int64_t heads_, max_rows_, stride_;  // heads: chosen ones
  std::vector<std::int64_t> head_places_;   // by head, -1 where not chosen
  std::vector<std::int64_t> query_places_;  // by position
  std::vector<CaptureSink*> sinks_;
  std::vector<Layer> layers_;
  std::vector<AttentionHooks> hooks_;
  std::vector<std::vector<std::int32_t>> masks_;  // [max_rows, heads], by slot()
  AlignedBuffer<float> layer0_;                   // [max_rows, heads, stride], by slot()
  AlignedBuffer<float> scratch_;                  // [threads, 2, stride]: before, after
};

}  // namespace refocus
