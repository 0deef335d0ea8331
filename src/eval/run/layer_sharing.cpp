#include "eval/run/layer_sharing.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "eval/run/asking.h"
#include "intervene/intervention_pool.h"

namespace refocus {

namespace {

// Of residual streams, at most, in use at a time: those of one tile, and of the next while that begins.
constexpr std::int64_t kTileBytes = std::int64_t{1} << 29;
// A tile's rows fill about so many calls of the model. With more of them an interruption would lose more.
constexpr std::int64_t kTileCalls = 2;

std::span<const std::int32_t> prefix_of(const Question& question) {
  const std::int64_t most = std::min(question.shared_prefix, std::ssize(question.tokens) - 1);
  return std::span(question.tokens).first(static_cast<std::size_t>(most / kKeyBlock * kKeyBlock));
}

// Rows that are saved for it alone: of the context after the prefix, and of the options but their last
// tokens.
std::int64_t own_rows(const Question& question) {
  std::int64_t out = std::ssize(question.tokens) - std::ssize(prefix_of(question));
  for (const auto& option : question.options) out += std::ssize(option) - 1;
  return out;
}

}  // namespace

LayerSharing::LayerSharing(const EvalModel& model, const EvalSettings& settings, const Plan& plan)
    : model_(model), settings_(settings), plan_(plan) {
  const Transformer& transformer = model.transformer;
  if (!is_scored(settings) || transformer.device() != nullptr || transformer.partition() != nullptr) return;
  const std::int64_t layers = transformer.config().num_hidden_layers;
  for (const PlannedArm& arm : plan.arms) {
    first_changed_.push_back(first_changed_layer(arm.intervention, shape_of(transformer)));
  }
  std::vector<std::int64_t> sorted = first_changed_;
  std::ranges::sort(sorted);
  if (!sorted.empty()) sorted.pop_back();  // that of the arm that is computed whole
  for (const std::int64_t first : sorted) {
    const std::int64_t start = std::min(first, layers - 1);
    if (start > 0 && (layers_.empty() || layers_.back() != start)) layers_.push_back(start);
  }
}

// Those of layers_ whose rows of the question fit into memory.
std::vector<std::int64_t> LayerSharing::layers_of(const Question& question) const {
  if (model_.transformer.keys_depend_on_length(question.length())) return {};
  const std::int64_t rows = std::ssize(prefix_of(question)) + own_rows(question);
  const std::int64_t bytes = rows * model_.transformer.config().hidden_size * std::int64_t{sizeof(float)};
  const std::int64_t most = std::min(std::ssize(layers_), kTileBytes / bytes);
  std::vector<std::int64_t> out;
  for (std::int64_t i = 0; i < most; ++i) {
    out.push_back(layers_[static_cast<std::size_t>(i * std::ssize(layers_) / most)]);
  }
  return out;
}

LayerSharing::Starts LayerSharing::starts(const Question& question, std::span<const std::size_t> arms) const {
  Starts out{0, std::vector<std::int64_t>(arms.size(), 0)};
  if (!is_on()) return out;
  const std::vector<std::int64_t> layers = layers_of(question);
  const auto later = [&](std::size_t a, std::size_t b) { return first_changed_[a] < first_changed_[b]; };
  out.base = static_cast<std::size_t>(std::ranges::max_element(arms, later) - arms.begin());
  for (std::size_t i = 0; i < arms.size(); ++i) {
    const auto beyond = std::ranges::upper_bound(layers, first_changed_[arms[i]]);
    if (i != out.base && beyond != layers.begin()) out.layers[i] = *(beyond - 1);
  }
  return out;
}

// As the first question has it.
LayerSharing::Starts LayerSharing::of_all_arms() const {
  std::vector<std::size_t> arms(plan_.arms.size());
  std::iota(arms.begin(), arms.end(), std::size_t{0});
  return starts(plan_.questions.front(), arms);
}

std::size_t LayerSharing::base() const { return of_all_arms().base; }

double LayerSharing::computed_share(std::size_t arm) const {
  const auto layers = static_cast<double>(model_.transformer.config().num_hidden_layers);
  return 1 - static_cast<double>(of_all_arms().layers[arm]) / layers;
}

std::int64_t LayerSharing::Tile::bytes_of(const Question& question) const {
  const std::span<const std::int32_t> prefix = prefix_of(question);
  const std::int64_t rows =
      own_rows(question) + (std::ranges::equal(prefix, prefix_) ? 0 : std::ssize(prefix));
  return rows * std::ssize(sharing_->layers_of(question)) *
         sharing_->model_.transformer.config().hidden_size * std::int64_t{sizeof(float)};
}

bool LayerSharing::Tile::has_room(const Question& question) const {
  if (questions_ == 0) return true;
  if (!sharing_->is_on() || questions_ >= sharing_->settings_.batch) return false;
  // Where processes answer together, none is to take much more than it would alone.
  if (sharing_->settings_.share != nullptr && jobs_ >= sharing_->settings_.batch) return false;
  return rows_ < kTileCalls * sharing_->model_.transformer.max_rows() &&
         bytes_ + bytes_of(question) <= kTileBytes;
}

void LayerSharing::Tile::add(const Question& question) {
  bytes_ += bytes_of(question);
  rows_ += std::ssize(question.tokens) - std::ssize(prefix_of(question)) + question.option_rows();
  prefix_ = prefix_of(question);
  ++questions_;
}

std::int64_t LayerSharing::saved_bytes() const {
  if (!is_on()) return 0;
  std::int64_t most = 0;
  Tile tile(*this);
  for (const Question& question : plan_.questions) {
    if (!tile.has_room(question)) tile = Tile(*this);
    tile.add(question);
    tile.add_jobs(std::ssize(plan_.arms));
    most = std::max(most, tile.bytes());
  }
  return 2 * most;
}

const Job* StartedJobs::take() {
  if (ahead_ != nullptr) return std::exchange(ahead_, nullptr);
  const Job* job = ended_ ? nullptr : next_();
  ended_ = job == nullptr;
  return job;
}

std::vector<StartedJobs::OfQuestion> StartedJobs::next_tile() {
  std::vector<OfQuestion> out;
  LayerSharing::Tile tile(sharing_);
  while (const Job* job = take()) {
    if (out.empty() || out.back().question != job->question) {
      if (!tile.has_room(*job->question)) {
        ahead_ = job;
        break;
      }
      tile.add(*job->question);
      out.push_back({job->question, {}});
    }
    tile.add_jobs(1);
    out.back().jobs.push_back({job, count_++});
  }
  return out;
}

std::shared_ptr<ResidualRows> StartedJobs::rows_of(const Question& question, std::int64_t layer) {
  std::vector<std::int64_t> options;
  for (const auto& option : question.options) options.push_back(std::ssize(option) - 1);
  return std::make_shared<ResidualRows>(hidden_, prefixes_[layer].blocks(prefix_of(question), hidden_),
                                        std::ssize(question.tokens), options);
}

void StartedJobs::share_layers(OfQuestion& its) {
  std::vector<std::size_t> arms;
  for (const StartedJob& one : its.jobs) {
    arms.push_back(static_cast<std::size_t>(one.job->arm - plan_.arms.data()));
  }
  const LayerSharing::Starts starts = sharing_.starts(*its.question, arms);
  std::vector<RecordedRows>& records = its.jobs[starts.base].records;
  for (std::size_t i = 0; i < its.jobs.size(); ++i) {
    const std::int64_t layer = starts.layers[i];
    if (layer == 0) continue;
    auto record = std::ranges::find(records, layer, &RecordedRows::layer);
    if (record == records.end()) {
      records.push_back({layer, rows_of(*its.question, layer)});
      record = records.end() - 1;
    }
    its.jobs[i].first_layer = layer;
    its.jobs[i].start = record->rows;
  }
}

std::optional<StartedJob> StartedJobs::next() {
  if (tile_.empty()) {
    for (OfQuestion& its : next_tile()) {
      share_layers(its);
      for (StartedJob& one : its.jobs) tile_.push_back(std::move(one));
    }
    // What the tile before began with, and this one does too, is still there.
    for (auto& [layer, prefixes] : prefixes_) prefixes.forget_unused();
    std::ranges::stable_sort(tile_, {}, &StartedJob::first_layer);
    std::ranges::reverse(tile_);
  }
  if (tile_.empty()) return std::nullopt;
  StartedJob out = std::move(tile_.back());
  tile_.pop_back();
  return out;
}

}  // namespace refocus
