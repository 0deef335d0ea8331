#include "analyze/map_files.h"

#include <algorithm>
#include <optional>

#include "analyze/kept/top_row.h"
#include "base/prefetch.h"
#include "kernels/weight_row.h"

namespace refocus {

namespace fs = std::filesystem;

class MapFiles::Map {
 public:
  Map(const fs::path& folder, const std::string& suffix, const MapSettings& settings, const MapSize& size)
      : size_(size), k_(settings.dense ? 0 : std::min(settings.top_k, size.keys)) {
    const auto open = [&](const char* name, NpyType type, std::int64_t last) {
      names_.push_back(name + suffix);
      std::vector<std::int64_t> shape = {size.layers, size.heads, size.queries};
      if (last > 0) shape.push_back(last);
      return std::make_unique<NpySlabs>(folder / (names_.back() + ".npy"), type, std::move(shape));
    };
    if (settings.dense) {
      dense_ = open("attention", NpyType::kF32, size.keys);
      return;
    }
    indices_ = open("top_indices", NpyType::kI32, k_);
    weights_ = open("top_weights", NpyType::kF32, k_);
    rest_ = open("rest", NpyType::kF32, 0);
    const std::int64_t rows = size.layers * size.heads * size.max_rows;
    top_indices_.resize(static_cast<std::size_t>(rows * k_));
    top_weights_.resize(static_cast<std::size_t>(rows * k_));
    row_rests_.resize(static_cast<std::size_t>(rows));
    scratch_.resize(static_cast<std::size_t>(size.threads) * largest_scratch(k_));
  }

  const std::vector<std::string>& names() const { return names_; }

  // `slot`: the row's place among the kept ones of this call.
  void take(const CapturedRow& row, const float* weights, std::int64_t slot) {
    const std::int64_t keys = row.position + 1, map = row.layer_place * size_.heads + row.head_place;
    if (dense_) {
      dense_->write((map * size_.queries + row.query_place) * size_.keys,
                    std::span(weights, static_cast<std::size_t>(keys)));
      return;
    }
    const std::int64_t at = map * size_.max_rows + slot;
    std::uint64_t* const scratch =
        scratch_.data() + static_cast<std::size_t>(row.thread) * largest_scratch(k_);
    fetch_to_write(top_indices_.data() + at * k_, static_cast<std::size_t>(k_) * sizeof(std::int32_t));
    fetch_to_write(top_weights_.data() + at * k_, static_cast<std::size_t>(k_) * sizeof(float));
    row_rests_[static_cast<std::size_t>(at)] =
        keep_largest(weights, keys, k_, row.negative && weights == row.after,
                     {top_indices_.data() + at * k_, top_weights_.data() + at * k_, scratch});
  }

  // Each task is of another file than the one before, since writes into one file wait for each other.
  void end_call(ThreadPool& pool, std::int64_t first_place, std::int64_t count) {
    if (dense_ || count == 0) return;
    const auto elements = static_cast<std::size_t>(count * k_);
    pool.parallel_for(3 * size_.layers * size_.heads, [&](std::int64_t task, int) {
      const std::int64_t from = task / 3 * size_.max_rows, to = task / 3 * size_.queries + first_place;
      if (task % 3 == 0) {
        indices_->write(to * k_, std::span<const std::int32_t>(top_indices_.data() + from * k_, elements));
      } else if (task % 3 == 1) {
        weights_->write(to * k_, std::span<const float>(top_weights_.data() + from * k_, elements));
      } else {
        rest_->write(to, std::span<const float>(row_rests_.data() + from, static_cast<std::size_t>(count)));
      }
    });
  }

  void finish() {
    for (NpySlabs* file : {dense_.get(), indices_.get(), weights_.get(), rest_.get()}) {
      if (file != nullptr) file->finish();
    }
  }

 private:
  MapSize size_;
  std::int64_t k_;
  std::vector<std::string> names_;
  std::unique_ptr<NpySlabs> dense_, indices_, weights_, rest_;
  std::vector<std::int32_t> top_indices_;  // [layers, heads, max_rows, k] of the current call
  std::vector<float> top_weights_;         // the same
  std::vector<float> row_rests_;           // [layers, heads, max_rows]
  std::vector<std::uint64_t> scratch_;     // [threads, largest_scratch(k)]
};

MapFiles::MapFiles(const fs::path& folder, const MapSettings& settings, const MapSize& size)
    : size_(size),
      folder_(folder),
      after_(std::make_unique<Map>(folder, "", settings, size)),
      mask_indices_(folder / "mask_indices.npy", NpyType::kI32, {NpySlabs::kAsWritten}) {
  if (settings.before) before_ = std::make_unique<Map>(folder, "_before", settings, size);
  mask_offsets_.reserve(static_cast<std::size_t>(size.queries * size.heads + 1));
}

MapFiles::~MapFiles() = default;

std::vector<std::string> MapFiles::names() const {
  std::vector<std::string> out = after_->names();
  if (before_) out.insert(out.end(), before_->names().begin(), before_->names().end());
  for (const char* name : {"mask_offsets", "mask_indices", "received"}) out.emplace_back(name);
  return out;
}

void MapFiles::begin_call(std::int64_t first_place) { first_place_ = first_place; }

void MapFiles::take(const CapturedRow& row) {
  if (row.layer_place < 0) return;
  after_->take(row, row.after, row.query_place - first_place_);
  if (before_) before_->take(row, row.before, row.query_place - first_place_);
}

void MapFiles::end_call(ThreadPool& pool, const Capture& capture, std::int64_t count) {
  after_->end_call(pool, first_place_, count);
  if (before_) before_->end_call(pool, first_place_, count);
  const std::int64_t first = mask_offsets_.back();
  call_masks_.clear();
  for (std::int64_t place = first_place_; place < first_place_ + count; ++place) {
    for (std::int64_t head = 0; head < size_.heads; ++head) {
      const std::span<const std::int32_t> mask = capture.mask(place, head);
      call_masks_.insert(call_masks_.end(), mask.begin(), mask.end());
      mask_offsets_.push_back(mask_offsets_.back() + std::ssize(mask));
    }
  }
  mask_indices_.write(first, call_masks_);
}

void MapFiles::finish(std::span<const float> received) {
  after_->finish();
  if (before_) before_->finish();
  mask_indices_.finish();
  NpySlabs offsets(folder_ / "mask_offsets.npy", NpyType::kI64, {std::ssize(mask_offsets_)});
  offsets.write(0, mask_offsets_);
  offsets.finish();
  NpySlabs mean(folder_ / "received.npy", NpyType::kF32, {size_.layers, size_.heads, size_.keys});
  mean.write(0, received);
  mean.finish();
}

}  // namespace refocus
