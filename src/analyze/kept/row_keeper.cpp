#include "analyze/kept/row_keeper.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "kernels/matmul.h"
#include "kernels/weight_row.h"

namespace refocus {
namespace {

constexpr std::int64_t kFloat = sizeof(float);

std::size_t size_of_all(std::int64_t a, std::int64_t b, std::int64_t c = 1) {
  return static_cast<std::size_t>(a * b * c);
}

// Of one kept row of a call: layer 0's weights, and all heads' where their mean is taken.
std::int64_t slot_bytes(const KeepSettings& settings) {
  const std::int64_t rows = 1 + (settings.mean_heads ? (settings.before ? 2 : 1) : 0);
  return rows * std::ssize(settings.heads) * padded(settings.keys) * kFloat;
}

// Kept rows of a call, at most.
std::int64_t slots_for(const KeepSettings& settings, std::int64_t max_rows, std::int64_t whole_prompt) {
  const std::int64_t fits = std::max<std::int64_t>(1, kKeeperBytes / slot_bytes(settings));
  const auto& queries = settings.queries;
  const std::int64_t in_prompt = std::ranges::lower_bound(queries, whole_prompt) - queries.begin();
  return std::max(std::min({fits, max_rows, std::ssize(queries)}), in_prompt);
}

}  // namespace

KeeperModel keeper_model(const Transformer& model) {
  const ModelConfig& config = model.config();
  return {config.num_hidden_layers, config.num_attention_heads, model.max_rows(), model.pool().size()};
}

std::int64_t keeper_bytes(const KeepSettings& settings, const KeeperModel& model, std::int64_t whole_prompt) {
  const std::int64_t slots = slots_for(settings, model.max_rows, whole_prompt);
  return slots * slot_bytes(settings) +
         (settings.maps() * 2 + model.threads * 3) * padded(settings.keys) * kFloat;
}

RowKeeper::RowKeeper(KeepSettings settings, const KeeperModel& model, std::int64_t whole_prompt)
    : rows_(std::make_unique<KeptRows>(std::move(settings))),
      slots_(slots_for(rows_->settings_, model.max_rows, whole_prompt)),
      max_rows_(std::min(slots_, model.max_rows)),
      stride_(padded(rows_->settings_.keys)),
      unit_(exact_unit(rows_->settings_.largest_factor, rows_->settings_.keys)),
      capture_(nullptr, {model.layers, model.heads, slots_, rows_->settings_.keys, model.threads},
               {rows_->settings_.layers, rows_->settings_.heads, rows_->settings_.queries},
               static_cast<float>(rows_->settings_.threshold), {this}),
      scratch_(static_cast<std::size_t>(model.threads) * largest_scratch(rows_->settings_.kept())),
      sums_(size_of_all(rows_->settings_.maps(), stride_)),
      locks_(std::make_unique<std::mutex[]>(static_cast<std::size_t>(rows_->settings_.head_places()))) {
  const KeepSettings& what = rows_->settings_;
  REFOCUS_CHECK(!what.queries.empty() && !what.layers.empty() && !what.heads.empty());
  rows_->negative_rows_.resize(static_cast<std::size_t>(what.maps()));
  if (!what.mean_heads) return;
  of_heads_ =
      AlignedBuffer<float>(size_of_all(slots_ * (what.before ? 2 : 1), std::ssize(what.heads), stride_));
  means_ = AlignedBuffer<float>(size_of_all(model.threads, stride_));
  come_ = std::make_unique<std::atomic<std::int64_t>[]>(static_cast<std::size_t>(slots_));
}

const AttentionHooks* RowKeeper::begin_call(const AttentionHooks* hooks, std::int64_t first,
                                            std::int64_t rows) {
  const KeepSettings& what = rows_->settings_;
  const auto place_of = [&](std::int64_t position) {
    return std::ranges::lower_bound(what.queries, position) - what.queries.begin();
  };
  const std::int64_t from = place_of(first), to = place_of(first + rows);
  REFOCUS_CHECK(to - from <= slots_);
  first_new_ = std::max(rows_->rows_, from);
  if (first_new_ >= to) return hooks;  // none, or they came before memory was short
  const std::size_t maps = static_cast<std::size_t>(what.maps() * (what.before ? 2 : 1));
  const std::size_t entries = maps * static_cast<std::size_t>(what.kept());
  for (std::int64_t place = first_new_; place < to; ++place) {
    auto row = std::make_unique<KeptRows::Row>();
    row->keys.resize(entries);
    row->weights.resize(entries);
    row->rests.resize(maps);
    if (!what.mean_heads) row->masks.resize(what.heads.size());
    rows_->kept_[static_cast<std::size_t>(place)] = std::move(row);
  }
  rows_->rows_ = to;
  capture_.watch(hooks);
  return capture_.hooks();
}

void RowKeeper::keep(const CapturedRow& row, bool before, std::int64_t head, const float* weights) {
  const std::int64_t k = rows_->settings_.kept();
  const std::size_t map = rows_->map_of(before, row.layer_place, head);
  std::uint64_t* const scratch = scratch_.data() + static_cast<std::size_t>(row.thread) * largest_scratch(k);
  const std::int64_t count = row.position + 1;
  const bool negative = row.negative && !before;
  rows_->kept_[static_cast<std::size_t>(row.query_place)]->rests[map] =
      keep_largest(weights, count, k, negative, rows_->place(row.query_place, map, scratch));
}

void RowKeeper::add_received(const CapturedRow& row, std::int64_t head, const float* weights) {
  const auto map = static_cast<std::int64_t>(rows_->map_of(false, row.layer_place, head));
  const std::lock_guard lock(locks_[static_cast<std::size_t>(head)]);
  add_exactly(weights, row.position + 1, sums_.data() + map * stride_, unit_);
  if (row.negative) ++rows_->negative_rows_[static_cast<std::size_t>(map)];
}

void RowKeeper::take(const CapturedRow& row) {
  if (row.query_place < first_new_) return;
  const KeepSettings& what = rows_->settings_;
  if (row.layer == 0 && !what.mean_heads) {
    rows_->kept_[static_cast<std::size_t>(row.query_place)]
        ->masks[static_cast<std::size_t>(row.head_place)]
        .assign(row.mask.begin(), row.mask.end());
  }
  if (row.layer_place < 0) return;
  if (what.mean_heads) return take_of_mean(row);
  keep(row, false, row.head_place, row.after);
  if (what.before) keep(row, true, row.head_place, row.before);
  add_received(row, row.head_place, row.after);
}

// Who brings the last head of a row takes the mean, in the heads' order.
void RowKeeper::take_of_mean(const CapturedRow& row) {
  const KeepSettings& what = rows_->settings_;
  const std::int64_t heads = std::ssize(what.heads), keys = row.position + 1, sets = what.before ? 2 : 1;
  float* const all = of_heads_.data() + static_cast<std::int64_t>(slot(row)) * sets * heads * stride_;
  std::copy_n(row.after, keys, all + row.head_place * stride_);
  if (what.before) std::copy_n(row.before, keys, all + (heads + row.head_place) * stride_);
  std::atomic<std::int64_t>& come = come_[slot(row)];
  if (come.fetch_add(1, std::memory_order_acq_rel) + 1 < heads) return;
  come.store(0, std::memory_order_relaxed);
  float* const mean = means_.data() + row.thread * stride_;
  CapturedRow of_mean = row;
  for (std::int64_t set = 0; set < sets; ++set) {
    for (std::int64_t key = 0; key < keys; ++key) {
      double sum = 0;
      for (std::int64_t head = 0; head < heads; ++head)
        sum += double{all[(set * heads + head) * stride_ + key]};
      mean[key] = static_cast<float>(sum / static_cast<double>(heads));
    }
    std::fill(mean + keys, mean + padded(keys), 0.0f);
    of_mean.negative = set == 0 && any_negative(mean, keys);
    keep(of_mean, set == 1, 0, mean);
    if (set == 0) add_received(of_mean, 0, mean);
  }
}

std::unique_ptr<KeptRows> RowKeeper::finish(std::int64_t tokens) {
  KeepSettings& what = rows_->settings_;
  const auto computed = std::ranges::lower_bound(what.queries, tokens - 1) - what.queries.begin();
  rows_->rows_ = std::min<std::int64_t>(rows_->rows_, computed);
  rows_->kept_.resize(static_cast<std::size_t>(rows_->rows_));
  what.queries.resize(static_cast<std::size_t>(rows_->rows_));
  std::vector<std::int64_t> seen(static_cast<std::size_t>(tokens));  // by how many kept rows each key is
  for (const std::int64_t query : what.queries) ++seen[static_cast<std::size_t>(query)];
  for (std::size_t key = seen.size() - 1; key > 0; --key) seen[key - 1] += seen[key];
  rows_->received_.reserve(size_of_all(what.maps(), tokens));
  for (std::int64_t map = 0; map < what.maps(); ++map) {
    for (std::int64_t key = 0; key < tokens; ++key) {
      const auto rows = static_cast<double>(seen[static_cast<std::size_t>(key)]);
      const double sum = sums_[size_of_all(map, stride_) + static_cast<std::size_t>(key)];
      rows_->received_.push_back(rows > 0 ? static_cast<float>(sum / rows) : 0.0f);
    }
  }
  what.keys = tokens;
  return std::move(rows_);
}

}  // namespace refocus
