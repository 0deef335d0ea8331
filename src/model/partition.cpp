#include "model/partition.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "architecture/tensor_names.h"
#include "base/error.h"
#include "base/stopped.h"
#include "kernels/instruction_set.h"

namespace refocus {

namespace {

constexpr int kRowsTag = 1, kNoTag = 2;  // nothing is sent with the second one
// A part of a call has that many rows at least, so that weights are read for some rows each time, and a call
// at most so many parts a stage.
constexpr std::int64_t kLeastRows = 16, kPartsAStage = 2;

std::string machine_name() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return name;
}

// The layer that a tensor belongs to, or -1.
std::int64_t layer_of(std::string_view name, std::string_view pattern) {
  const std::string_view prefix = pattern.substr(0, pattern.find("{}"));
  std::int64_t layer = -1;
  if (name.starts_with(prefix)) {
    std::from_chars(name.data() + prefix.size(), name.data() + name.size(), layer);
  }
  return layer;
}

// Whether the weight bytes of stages of at most `most` bytes will do.
bool fits(std::span<const std::int64_t> bytes, std::int64_t stages, std::int64_t most,
          std::vector<std::int64_t>& bounds) {
  const auto layers = std::ssize(bytes);
  bounds.assign(static_cast<std::size_t>(stages + 1), 0);
  bounds.back() = layers;
  std::int64_t end = layers;
  for (std::int64_t stage = stages; stage-- > 0;) {
    std::int64_t begin = end - 1, sum = bytes[static_cast<std::size_t>(begin)];
    if (sum > most) return false;
    while (begin > stage && sum + bytes[static_cast<std::size_t>(begin - 1)] <= most) {
      sum += bytes[static_cast<std::size_t>(--begin)];
    }
    bounds[static_cast<std::size_t>(stage)] = end = begin;
  }
  return end == 0;
}

}  // namespace

ModelPartition::ModelPartition(std::unique_ptr<Communicator> group, std::int64_t pipeline,
                               std::int64_t tensor)
    : group_(std::move(group)), pipeline_(pipeline), tensor_(tensor) {
  REFOCUS_CHECK(pipeline >= 1 && tensor >= 1);
  if (group_->size() != pipeline * tensor) {
    throw usage_error("--pipeline, --tensor",
                      "expected as many processes as stages times ranks, {} x {} = {}, got {}; start with "
                      "mpirun -n {}",
                      pipeline, tensor, pipeline * tensor, group_->size(), pipeline * tensor);
  }
  const std::vector<std::string> sets = gather_texts(*group_, instruction_set());
  for (std::size_t rank = 1; rank < sets.size(); ++rank) {
    if (sets[rank] == sets.front()) continue;
    throw input_error(
        "ranks",
        "expected one instruction set on all machines, for the same bits, got {} (rank 0) and {} "
        "(rank {}); set REFOCUS_SIMD to the lesser one on all",
        sets.front(), sets[rank], rank);
  }
  const std::vector<std::string> machines = gather_texts(*group_, machine_name());
  ranks_here_ = std::ranges::count(machines, machine_name());
  stage_ = group_->split(static_cast<int>(stage()));
}

std::vector<std::int64_t> stage_bounds(std::span<const std::int64_t> bytes, std::int64_t stages) {
  REFOCUS_CHECK(stages >= 1 && stages <= std::ssize(bytes));
  std::int64_t most = 0;
  for (const std::int64_t one : bytes) most += one;
  std::vector<std::int64_t> bounds;
  std::int64_t low = 0;  // too little; `most` is enough
  while (low + 1 < most) {
    const std::int64_t middle = low + (most - low) / 2;
    (fits(bytes, stages, middle, bounds) ? most : low) = middle;
  }
  REFOCUS_CHECK(fits(bytes, stages, most, bounds));
  return bounds;
}

WeightShare ModelPartition::share_of(const ModelConfig& config, const WeightMap& weights) const {
  const std::int64_t layers = config.num_hidden_layers;
  if (pipeline_ > layers) {
    throw usage_error("--pipeline", "expected at most {} stages, as many as the model has layers, got {}",
                      layers, pipeline_);
  }
  if (tensor_ > config.num_key_value_heads) {
    throw usage_error("--tensor",
                      "expected at most {} ranks, as many as the model has key/value heads, got {}; use "
                      "--pipeline for more",
                      config.num_key_value_heads, tensor_);
  }
  if (tensor_ > 1 && config.qk_norm == QkNorm::kFull) {
    throw usage_error("--tensor",
                      "expected a model whose norms of queries and keys are a head's own, got {}, where they "
                      "are over all heads; use --pipeline",
                      config.model_type);
  }
  std::vector<std::int64_t> bytes(static_cast<std::size_t>(layers), 1);
  for (const auto& [name, entry] : weights.entries()) {
    const std::int64_t layer = layer_of(name, config.names.layer);
    const auto size = static_cast<std::int64_t>(entry.view.bytes());
    if (layer >= 0 && layer < layers) bytes[static_cast<std::size_t>(layer)] += size;
  }
  const std::vector<std::int64_t> bounds = stage_bounds(bytes, pipeline_);
  WeightShare out;
  out.first_layer = bounds[static_cast<std::size_t>(stage())];
  out.end_layer = bounds[static_cast<std::size_t>(stage() + 1)];
  out.embeddings = is_first();
  out.place = place();
  out.places = tensor_;
  return out;
}

std::int64_t ModelPartition::least(std::int64_t own) const {
  std::vector<std::int64_t> all(static_cast<std::size_t>(group_->size()));
  const std::vector<std::size_t> sizes(all.size(), sizeof own);
  group_->gather_all(reinterpret_cast<const std::byte*>(&own), sizes,
                     reinterpret_cast<std::byte*>(all.data()));
  return *std::ranges::min_element(all);
}

void ModelPartition::expect_same(std::uint64_t number, const char* what) const {
  std::vector<std::uint64_t> all(static_cast<std::size_t>(group_->size()));
  const std::vector<std::size_t> sizes(all.size(), sizeof number);
  group_->gather_all(reinterpret_cast<const std::byte*>(&number), sizes,
                     reinterpret_cast<std::byte*>(all.data()));
  const auto other = std::ranges::find_if(all, [&](std::uint64_t one) { return one != all.front(); });
  if (other == all.end()) return;
  throw input_error("ranks",
                    "expected the same {} on all ranks, got another one on rank {}; give all the same files",
                    what, other - all.begin());
}

void ModelPartition::gather_columns(std::byte* x, std::int64_t rows, std::int64_t stride,
                                    std::span<const ShareRange> parts) {
  if (tensor_ == 1) return;
  const ShareRange own = parts[static_cast<std::size_t>(place())];
  own_columns_.resize(static_cast<std::size_t>(rows * own.count));
  std::vector<std::size_t> sizes;
  std::size_t all = 0;
  for (const ShareRange& part : parts) {
    sizes.push_back(static_cast<std::size_t>(rows * part.count));
    all += sizes.back();
  }
  all_columns_.resize(all);
  for (std::int64_t r = 0; r < rows; ++r) {
    std::copy_n(x + r * stride + own.first, own.count, own_columns_.data() + r * own.count);
  }
  stage_->gather_all(own_columns_.data(), sizes, all_columns_.data());
  const std::byte* from = all_columns_.data();
  for (std::size_t p = 0; p < parts.size(); from += sizes[p++]) {
    if (static_cast<std::int64_t>(p) == place()) continue;
    for (std::int64_t r = 0; r < rows; ++r) {
      std::copy_n(from + r * parts[p].count, parts[p].count, x + r * stride + parts[p].first);
    }
  }
}

void ModelPartition::send_on(std::span<const std::byte> bytes) {
  group_->send(static_cast<int>(group_->rank() + tensor_), kRowsTag, bytes);
}

std::vector<std::byte> ModelPartition::receive() {
  return group_->receive(static_cast<int>(group_->rank() - tensor_), kRowsTag).bytes;
}

void ModelPartition::keep_sending() {
  if (pipeline_ == 1 || is_last()) return;
  REFOCUS_CHECK(!group_->try_receive(Communicator::kAnyRank, kNoTag));
}

void ModelPartition::refuse_other_calls() {
  throw InputError("ranks",
                   "expected all processes of the model to compute the same, got different calls; start all "
                   "with the same command, files and program");
}

void ModelPartition::agree(std::uint64_t fingerprint, const std::string& failure, bool told_to_stop) {
  struct Said {
    std::uint64_t fingerprint, failed, stopped;
  };
  const Said own{fingerprint, failure.empty() ? 0u : 1u, told_to_stop ? 1u : 0u};
  std::vector<Said> all(static_cast<std::size_t>(group_->size()));
  const std::vector<std::size_t> sizes(all.size(), sizeof own);
  group_->gather_all(reinterpret_cast<const std::byte*>(&own), sizes,
                     reinterpret_cast<std::byte*>(all.data()));
  if (std::ranges::any_of(all, [&](const Said& said) { return said.fingerprint != fingerprint; })) {
    refuse_other_calls();
  }
  if (std::ranges::any_of(all, [](const Said& said) { return said.stopped != 0; })) throw Stopped();
  if (std::ranges::none_of(all, [](const Said& said) { return said.failed != 0; })) return;
  for (const std::string& text : gather_texts(*group_, failure)) {
    if (text.empty()) continue;
    const std::size_t end = text.find("] ");  // of "[where] message"
    REFOCUS_CHECK(text.front() == '[' && end != std::string::npos);
    throw InputError(text.substr(1, end - 1), text.substr(end + 2));
  }
}

void ModelPartition::broadcast_rows(std::span<float> rows) {
  const std::span<std::byte> bytes = std::as_writable_bytes(rows);
  for (std::size_t first = 0; first < bytes.size(); first += Communicator::kMostBytes) {
    group_->broadcast(static_cast<int>((pipeline_ - 1) * tensor_),
                      bytes.subspan(first, std::min(Communicator::kMostBytes, bytes.size() - first)));
  }
}

std::vector<std::vector<SequenceInput>> cut_call(std::span<const SequenceInput> sequences,
                                                 std::int64_t layers, std::int64_t stages) {
  std::int64_t rows = 0;
  for (const SequenceInput& in : sequences) rows += std::ssize(in.tokens);
  const std::int64_t parts =
      stages == 1 ? 1 : std::clamp<std::int64_t>(rows / kLeastRows, 1, kPartsAStage * stages);
  const std::int64_t most = (rows + parts - 1) / parts;
  std::vector<std::vector<SequenceInput>> out(1);
  std::int64_t room = most;
  for (const SequenceInput& in : sequences) {
    const bool whole = in.hooks != nullptr && std::any_of(in.hooks, in.hooks + layers, [](const auto& hooks) {
                         return hooks.surveys > 0;
                       });
    const auto size = std::ssize(in.tokens);
    for (std::int64_t done = 0; done < size;) {
      if (room == 0 || (whole && size > room && !out.back().empty())) {
        out.emplace_back();
        room = most;
      }
      const std::int64_t count = whole ? size : std::min(size - done, room);
      SequenceInput& part = out.back().emplace_back(in);
      part.tokens = in.tokens.subspan(static_cast<std::size_t>(done), static_cast<std::size_t>(count));
      done += count;
      if (in.logits == LogitRows::kLast) {
        part.last_rows = std::min(count, done - (size - in.wanted_rows()));
        if (part.last_rows <= 0) part.logits = LogitRows::kNone;
      }
      room = std::max<std::int64_t>(0, room - count);
    }
  }
  return out;
}

std::uint64_t call_fingerprint(std::uint64_t before, std::span<const SequenceInput> sequences) {
  std::uint64_t hash = before;
  const auto add = [&](std::int64_t number) {
    // The finalizer of SplitMix64 (Steele, Lea, Flood 2014).
    hash += static_cast<std::uint64_t>(number) + 0x9e3779b97f4a7c15;
    hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;
    hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
    hash ^= hash >> 31;
  };
  add(std::ssize(sequences));
  for (const SequenceInput& in : sequences) {
    add(in.cache->length());
    add(in.rope_length);
    add(in.wanted_rows());
    add(in.hooks != nullptr ? 1 : 0);
    add(std::ssize(in.tokens));
    for (const std::int32_t token : in.tokens) add(token);
  }
  return hash;
}

}  // namespace refocus
