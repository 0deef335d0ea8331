#include "analyze/kept/kept_rows.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace refocus {
namespace {

// Weights of a row sum to 1, so that no more than this many exceed the threshold.
std::int64_t most_of_mask(const KeepSettings& settings) {
  if (settings.mean_heads) return 0;
  if (settings.threshold * static_cast<double>(settings.keys) <= 1) return settings.keys;
  return std::min(settings.keys, static_cast<std::int64_t>(1 / settings.threshold));
}

}  // namespace

std::int64_t most_bytes(const KeepSettings& settings) {
  const std::int64_t of_map = settings.kept() * 8 + 4;
  const std::int64_t of_row = settings.maps() * (settings.before ? 2 : 1) * of_map +
                              std::ssize(settings.heads) * most_of_mask(settings) * 4;
  return std::ssize(settings.queries) * of_row + settings.maps() * settings.keys * 4;
}

KeptRows::KeptRows(KeepSettings settings)
    : settings_(std::move(settings)), entries_(settings_.kept()), kept_(settings_.queries.size()) {}

std::int64_t KeptRows::bytes() const {
  std::size_t out = received_.size() * sizeof(float);
  for (const auto& row : kept_) {
    if (!row) continue;
    out += (row->keys.size() + row->weights.size() + row->rests.size()) * sizeof(float);
    for (const auto& mask : row->masks) out += mask.size() * sizeof(std::int32_t);
  }
  return static_cast<std::int64_t>(out);
}

TopRow KeptRows::place(std::int64_t query, std::size_t map, std::uint64_t* scratch) {
  Row& row = *kept_[static_cast<std::size_t>(query)];
  const std::size_t at = map * static_cast<std::size_t>(entries_);
  return {row.keys.data() + at, row.weights.data() + at, scratch};
}

KeptRow KeptRows::row(bool before, std::int64_t layer, std::int64_t head, std::int64_t query) const {
  REFOCUS_CHECK(query < rows_ && (!before || settings_.before));
  const Row& row = *kept_[static_cast<std::size_t>(query)];
  const std::size_t map = map_of(before, layer, head), at = map * static_cast<std::size_t>(entries_);
  const auto k = static_cast<std::size_t>(settings_.kept());
  return {std::span(row.keys).subspan(at, k), std::span(row.weights).subspan(at, k), row.rests[map]};
}

std::span<const std::int32_t> KeptRows::mask(std::int64_t query, std::int64_t head) const {
  REFOCUS_CHECK(query < rows_);
  const auto& masks = kept_[static_cast<std::size_t>(query)]->masks;
  if (masks.empty()) return {};
  return masks[static_cast<std::size_t>(head)];
}

std::span<const float> KeptRows::received(std::int64_t layer, std::int64_t head) const {
  const auto keys = static_cast<std::size_t>(settings_.keys);
  return std::span(received_).subspan(map_of(false, layer, head) * keys, keys);
}

}  // namespace refocus
