#include "eval/run/residual_rows.h"

#include <algorithm>

#include "base/error.h"

namespace refocus {

std::vector<ResidualBlock> ResidualPrefixes::blocks(std::span<const std::int32_t> prefix,
                                                    std::int64_t hidden) {
  REFOCUS_CHECK(prefix.size() % kKeyBlock == 0);
  std::vector<ResidualBlock> out;
  for (std::size_t end = kKeyBlock; end <= prefix.size(); end += kKeyBlock) {
    ResidualBlock& block = blocks_[{prefix.begin(), prefix.begin() + static_cast<std::ptrdiff_t>(end)}];
    if (!block) {
      block = std::make_shared<ResidualBlockRows>();
      block->rows.resize(static_cast<std::size_t>(kKeyBlock * hidden));
    }
    out.push_back(block);
  }
  return out;
}

void ResidualPrefixes::forget_unused() {
  std::erase_if(blocks_, [](const auto& its) { return its.second.use_count() == 1; });
}

ResidualRows::ResidualRows(std::int64_t hidden, std::vector<ResidualBlock> prefix, std::int64_t context,
                           std::span<const std::int64_t> options)
    : hidden_(hidden),
      context_(context),
      prefix_rows_(std::ssize(prefix) * kKeyBlock),
      prefix_(std::move(prefix)),
      rest_(static_cast<std::size_t>((context - prefix_rows_) * hidden)) {
  for (const std::int64_t rows : options) options_.emplace_back(static_cast<std::size_t>(rows * hidden));
}

float* ResidualRows::row(std::int64_t position, std::size_t option) {
  if (position < prefix_rows_) {
    return prefix_[static_cast<std::size_t>(position / kKeyBlock)]->rows.data() +
           position % kKeyBlock * hidden_;
  }
  if (position < context_) return rest_.data() + (position - prefix_rows_) * hidden_;
  return options_[option == kEveryOption ? 0 : option].data() + (position - context_) * hidden_;
}

void ResidualRows::read(std::int64_t position, std::size_t option, std::int64_t rows, float* out) {
  for (std::int64_t r = 0; r < rows; ++r) std::copy_n(row(position + r, option), hidden_, out + r * hidden_);
}

void ResidualRows::write(std::int64_t position, std::size_t option, std::int64_t rows, const float* x,
                         std::int64_t stride) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t p = position + r;
    const std::size_t first = option == kEveryOption ? 0 : option;
    const std::size_t end = option == kEveryOption && p >= context_ ? options_.size() : first + 1;
    for (std::size_t o = first; o < end; ++o) std::copy_n(x + r * stride, hidden_, row(p, o));
    if (p >= prefix_rows_) continue;
    std::int64_t& filled = prefix_[static_cast<std::size_t>(p / kKeyBlock)]->filled;
    if (filled == p % kKeyBlock) ++filled;
  }
}

std::int64_t ResidualRows::filled_prefix_blocks() const {
  const auto full = [](const ResidualBlock& block) { return block->filled == kKeyBlock; };
  return std::ranges::find_if_not(prefix_, full) - prefix_.begin();
}

void ResidualCall::record_rows(void* context, std::int64_t layer, const float* x, std::int64_t stride) {
  const Recording& to = *static_cast<const Recording*>(context);
  for (const RecordedRows& record : to.records) {
    if (record.layer == layer + 1) record.rows->write(to.position, to.option, to.count, x, stride);
  }
}

void ResidualCall::add(SequenceInput input, std::size_t option, ResidualRows* start,
                       std::span<const RecordedRows> records) {
  const std::int64_t position = input.cache->length(), rows = std::ssize(input.tokens);
  if (first_layer_ > 0) {
    REFOCUS_CHECK(start != nullptr);
    std::vector<float>& x = saved_.emplace_back(static_cast<std::size_t>(rows * hidden_));
    start->read(position, option, rows, x.data());
    input.residuals = x.data();
  }
  if (!records.empty()) {
    Recording& to = recordings_.emplace_back(Recording{records, position, rows, option});
    // The last layer's rows are before no layer.
    input.tap = &taps_.emplace_back(ResidualTap{&to, record_rows, nullptr, true});
  }
  inputs_.push_back(input);
}

}  // namespace refocus
