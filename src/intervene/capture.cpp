#include "intervene/capture.h"

#include <algorithm>

#include "base/error.h"
#include "base/prefetch.h"
#include "kernels/matmul.h"
#include "kernels/weight_row.h"

namespace refocus {

namespace {

// The place of each number below `count` in `chosen`, or -1.
std::vector<std::int64_t> places_of(const std::vector<std::int64_t>& chosen, std::int64_t count) {
  std::vector<std::int64_t> places(static_cast<std::size_t>(count), -1);
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    REFOCUS_CHECK(chosen[i] >= 0 && chosen[i] < count && (i == 0 || chosen[i] > chosen[i - 1]));
    places[static_cast<std::size_t>(chosen[i])] = static_cast<std::int64_t>(i);
  }
  return places;
}

}  // namespace

Capture::Capture(const AttentionHooks* intervention, const CaptureSize& size,
                 const CaptureSelection& selection, float threshold, std::vector<CaptureSink*> sinks)
    : threshold_(threshold),
      heads_(static_cast<std::int64_t>(selection.heads.size())),
      max_rows_(size.max_rows),
      stride_(padded(size.max_keys)),
      head_places_(places_of(selection.heads, size.heads)),
      query_places_(places_of(selection.queries, size.max_keys)),
      sinks_(std::move(sinks)),
      masks_(static_cast<std::size_t>(size.max_rows * heads_)),
      layer0_(static_cast<std::size_t>(size.max_rows * heads_ * stride_)),
      scratch_(static_cast<std::size_t>(size.threads * 2 * stride_)) {
  const std::vector<std::int64_t> layer_places = places_of(selection.layers, size.layers);
  layers_.resize(static_cast<std::size_t>(size.layers));
  hooks_.resize(static_cast<std::size_t>(size.layers));
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    layers_[l] = {this, static_cast<std::int64_t>(l), layer_places[l]};
  }
  watch(intervention);
}

void Capture::watch(const AttentionHooks* intervention) {
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    hooks_[l] = intervention != nullptr ? intervention[l] : AttentionHooks{};
    if (l != 0 && layers_[l].place < 0) continue;
    hooks_[l].observe = observe;
    hooks_[l].observer = &layers_[l];
  }
}

void Capture::observe(void* observer, const SoftmaxRow& before, const SoftmaxRow& after) {
  const Layer& layer = *static_cast<Layer*>(observer);
  layer.owner->capture(layer, before, after);
}

void Capture::find_mask(const float* weights, std::int64_t position, std::vector<std::int32_t>& mask) const {
  mask.clear();
  constexpr std::int64_t kRun = 16;  // few weights exceed the threshold: most are passed over in runs
  for (std::int64_t first = 0; first < position; first += kRun) {
    const std::int64_t stop = std::min(position, first + kRun);
    bool any = false;
    for (std::int64_t j = first; j < stop; ++j) any |= weights[j] > threshold_;
    if (!any) continue;
    for (std::int64_t j = first; j < stop; ++j) {
      if (weights[j] > threshold_) mask.push_back(static_cast<std::int32_t>(j));
    }
  }
}

// The head's next row comes soon: after the other heads that read the same keys.
void Capture::fetch_next_layer0(std::int64_t query_place, const float* layer0, std::int64_t keys) const {
  if ((query_place + 1) % max_rows_ == 0) return;
  constexpr std::int64_t kLine = 16;
  const float* const next = layer0 + heads_ * stride_;
  for (std::int64_t j = 0; j < keys; j += kLine) fetch_into_l2(next + j);
}

void Capture::capture(const Layer& layer, const SoftmaxRow& row, const SoftmaxRow& edited) {
  CapturedRow out;
  out.head_place = head_places_[static_cast<std::size_t>(row.at.head)];
  out.query_place = query_places_[static_cast<std::size_t>(row.at.position)];
  if (out.head_place < 0 || out.query_place < 0) return;
  const auto keys = static_cast<std::int64_t>(row.weights.size());
  out.layer = layer.layer;
  out.layer_place = layer.place;
  out.position = row.at.position;
  out.row = row.at.row;
  out.thread = row.at.thread;
  out.rewritten = &edited != &row;
  const std::size_t at = slot(out.query_place, out.head_place);
  float* const layer0 = layer0_.data() + static_cast<std::int64_t>(at) * stride_;
  float* const scratch = scratch_.data() + out.thread * 2 * stride_;
  float* const before = layer.layer == 0 && !out.rewritten ? layer0 : scratch;
  float* const after = !out.rewritten ? before : layer.layer == 0 ? layer0 : scratch + stride_;
  if (layer.layer != 0) fetch_next_layer0(out.query_place, layer0, keys);
  normalise_weights(row.weights.data(), row.sum, keys, before);
  if (out.rewritten) {
    normalise_weights(edited.weights.data(), edited.sum, keys, after);
    out.negative = any_negative(after, keys);
  }
  if (layer.layer == 0) find_mask(before, out.position, masks_[at]);
  out.before = before;
  out.after = after;
  out.layer0 = layer0;
  out.mask = masks_[at];
  for (CaptureSink* sink : sinks_) sink->take(out);
}

}  // namespace refocus
