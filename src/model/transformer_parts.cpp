// The forward pass of a rank of several (model/partition.h).
#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "model/partition.h"
#include "model/transformer.h"

namespace refocus {

namespace {

// Rows that may be under way between stages before all ranks agree: they wait in memory where the next stage
// is slower.
constexpr std::int64_t kMostRowsUnderWay = 8192;

// Of a part on its way from stage to stage; then its rows, [rows, hidden_size], and for each sequence what
// its intervention saved, with the size before it.
struct PartHeader {
  std::uint64_t fingerprint;
  std::int64_t rows;
};

template <class T>
void put(std::vector<std::byte>& out, const T* values, std::int64_t count) {
  const std::size_t at = out.size(), bytes = static_cast<std::size_t>(count) * sizeof(T);
  out.resize(at + bytes);
  if (bytes > 0) std::memcpy(out.data() + at, values, bytes);
}

bool needs_saving(const SequenceInput& in) { return in.hooks != nullptr && in.hooks->save_rows != nullptr; }

}  // namespace

void Transformer::remember_failure(const InputError& error) {
  if (failure_.empty()) failure_ = error.what();
}

// Puts together the columns that the ranks of a stage made, each its own of x, [rows, stride].
void Transformer::gather_columns(float* x, std::int64_t rows, std::int64_t stride, std::int64_t columns,
                                 std::int64_t unit) {
  if (share_.places == 1) return;
  std::vector<ShareRange> parts;
  for (std::int64_t place = 0; place < share_.places; ++place) {
    const ShareRange part = share_.part_of(columns, unit, place);
    parts.push_back({part.first * std::int64_t{sizeof *x}, part.count * std::int64_t{sizeof *x}});
  }
  partition_->gather_columns(reinterpret_cast<std::byte*>(x), rows, stride * std::int64_t{sizeof *x}, parts);
}

// Before a survey ends that sums over heads: what the other ranks of the stage saw of theirs.
void Transformer::gather_survey_sums(const AttentionSequence& sequence) {
  if (share_.places == 1) return;
  const HeadSums sums = sequence.hooks.survey_sums(sequence.hooks.context);
  if (sums.values == nullptr) return;
  const std::int64_t head_bytes = sums.each * std::int64_t{sizeof *sums.values};
  const std::int64_t group = config_.num_attention_heads / config_.num_key_value_heads;
  std::vector<ShareRange> parts;
  for (std::int64_t place = 0; place < share_.places; ++place) {
    const ShareRange heads = share_.part_of(sums.heads, group, place);
    parts.push_back({heads.first * head_bytes, heads.count * head_bytes});
  }
  partition_->gather_columns(reinterpret_cast<std::byte*>(sums.values), sums.rows, sums.heads * head_bytes,
                             parts);
}

// A product whose outputs the ranks of a stage share, and need all: each makes its own columns of y.
void Transformer::run_outputs(const float* x, std::int64_t rows, std::int64_t inputs, Product product,
                              const std::function<void(std::int64_t r)>& make_row) {
  if (share_.places == 1) return products_.run(x, rows, inputs, {&product, 1}, make_row);
  float* y = product.y;
  const std::int64_t columns = product.linear->all_outputs;
  product.y += share_.part_of(columns, kPanelOutputs).first;
  if (product.linear->outputs > 0) products_.run(x, rows, inputs, {&product, 1}, make_row);
  gather_columns(y, rows, product.y_stride, columns, kPanelOutputs);
}

std::vector<std::byte> Transformer::saved_part(std::span<const SequenceInput> part) const {
  std::vector<std::byte> out;
  const PartHeader header{fingerprint_, std::ssize(rows_)};
  put(out, &header, 1);
  for (std::int64_t r = 0; r < header.rows; ++r) {
    put(out, x_.data() + r * padded(config_.hidden_size), config_.hidden_size);
  }
  for (const SequenceInput& in : part) {
    if (!needs_saving(in)) continue;
    std::vector<std::byte> its;
    in.hooks->save_rows(in.hooks->context, std::ssize(in.tokens), its);
    const std::uint64_t size = its.size();
    put(out, &size, 1);
    put(out, its.data(), std::ssize(its));
  }
  return out;
}

// Points the part's residuals into what the stage before has sent, which must live on.
void Transformer::load_part(std::span<const std::byte> saved, std::vector<SequenceInput>& part) {
  std::int64_t rows = 0;
  for (const SequenceInput& in : part) rows += std::ssize(in.tokens);
  PartHeader header{};
  if (saved.size() < sizeof header) ModelPartition::refuse_other_calls();
  std::memcpy(&header, saved.data(), sizeof header);
  if (header.fingerprint != fingerprint_ || header.rows != rows) ModelPartition::refuse_other_calls();
  saved = saved.subspan(sizeof header);
  const auto take = [&](std::size_t bytes) {
    if (saved.size() < bytes) ModelPartition::refuse_other_calls();
    const std::span<const std::byte> out = saved.first(bytes);
    saved = saved.subspan(bytes);
    return out;
  };
  for (SequenceInput& in : part) {
    const std::int64_t numbers = std::ssize(in.tokens) * config_.hidden_size;
    in.residuals =
        reinterpret_cast<const float*>(take(static_cast<std::size_t>(numbers) * sizeof(float)).data());
  }
  for (const SequenceInput& in : part) {
    if (!needs_saving(in)) continue;
    std::uint64_t size = 0;
    std::memcpy(&size, take(sizeof size).data(), sizeof size);
    in.hooks->load_rows(in.hooks->context, std::ssize(in.tokens), take(size));
  }
}

// What this rank computes of a part of a call. What goes wrong is remembered, and told at the end: others
// count on all parts.
void Transformer::run_part(std::vector<SequenceInput>& part, std::int64_t& wanted) {
  if (!partition_->is_first()) {
    received_ = partition_->receive();
    load_part(received_, part);
  }
  try {
    start(part, share_.first_layer);
    run_layers(part, share_.first_layer, share_.end_layer);
  } catch (const InputError& error) {
    remember_failure(error);
  }
  extend_caches(part);
  if (!partition_->is_last()) return partition_->send_on(saved_part(part));
  const std::int64_t stride = padded(config_.hidden_size), rows = norm_wanted_rows(part);
  std::copy_n(normed_.data(), rows * stride,
              wanted_rows_.data() + std::exchange(wanted, wanted + rows) * stride);
}

std::span<const float> Transformer::forward_in_parts(std::span<const SequenceInput> sequences) {
  std::int64_t wanted = 0, rows = 0;
  for (const SequenceInput& in : sequences) {
    REFOCUS_CHECK(in.tap == nullptr && in.residuals == nullptr);
    const auto observes = [](const AttentionHooks& hooks) { return hooks.observe != nullptr; };
    REFOCUS_CHECK(in.hooks == nullptr ||
                  std::none_of(in.hooks, in.hooks + config_.num_hidden_layers, observes));
    const auto count = std::ssize(in.tokens);
    wanted += in.wanted_rows();
    rows += count;
  }
  REFOCUS_CHECK(rows >= 1 && rows <= max_rows_);
  fingerprint_ = call_fingerprint(fingerprint_, sequences);
  const std::int64_t numbers = wanted * padded(config_.hidden_size);
  reserve(wanted_rows_, numbers);
  std::int64_t done = 0;
  for (std::vector<SequenceInput>& part :
       cut_call(sequences, config_.num_hidden_layers, partition_->stages())) {
    run_part(part, done);
  }
  sent_rows_ += rows;
  if (wanted == 0 && sent_rows_ < kMostRowsUnderWay) return {};
  sent_rows_ = 0;
  const std::string failure = std::exchange(failure_, std::string());
  partition_->agree(fingerprint_, failure, told_to_stop_);
  if (wanted == 0) return {};
  // Every stage has the output matrix: rows are a hundredth of their logits, and nobody else has work now.
  if (partition_->stages() > 1) {
    partition_->broadcast_rows({wanted_rows_.data(), static_cast<std::size_t>(numbers)});
  }
  grow(wanted, 1);
  std::copy_n(wanted_rows_.data(), numbers, normed_.data());
  return logits_of_normed(wanted, sequences);
}

}  // namespace refocus
