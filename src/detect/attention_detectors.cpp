#include "detect/attention_detectors.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "kernels/matmul.h"

namespace refocus {

namespace {

constexpr double kNoScore = std::numeric_limits<double>::quiet_NaN();

}  // namespace

AttentionDetectors::AttentionDetectors(const Transformer& model, std::int64_t call_rows,
                                       std::int64_t max_keys, const DetectorSettings& settings)
    : layers_(model.config().num_hidden_layers),
      heads_(model.config().num_attention_heads),
      call_rows_(call_rows),
      stride_(padded(max_keys)),
      settings_(settings),
      contexts_(static_cast<std::size_t>(layers_)),
      cells_(static_cast<std::size_t>(layers_ * heads_)),
      rows_(static_cast<std::size_t>(layers_ * heads_ * call_rows)),
      received_(static_cast<std::size_t>(layers_ * heads_ * stride_)),
      scratch_(static_cast<std::size_t>(model.pool().size() * stride_)),
      locks_(std::make_unique<std::mutex[]>(static_cast<std::size_t>(layers_ * heads_))),
      key_classes_(static_cast<std::size_t>(stride_)) {
  for (std::size_t l = 0; l < contexts_.size(); ++l) contexts_[l] = {this, static_cast<std::int64_t>(l)};
}

void AttentionDetectors::watch_with(std::span<AttentionHooks> hooks) {
  REFOCUS_CHECK(hooks.size() == contexts_.size());
  for (std::size_t l = 0; l < hooks.size(); ++l) {
    hooks[l].observe = observe;
    hooks[l].observer = &contexts_[l];
  }
}

void AttentionDetectors::begin_text(std::span<const std::int32_t> tokens, std::int64_t prompt_tokens) {
  keys_ = std::ssize(tokens);
  prompt_tokens_ = prompt_tokens;
  REFOCUS_CHECK(keys_ <= stride_ && prompt_tokens >= 1 && prompt_tokens <= keys_);
  std::ranges::fill(key_classes_, 0);
  std::fill(key_classes_.begin() + prompt_tokens, key_classes_.begin() + keys_, 1);
  classes_ = prepare_classes(key_classes_.data(), keys_);
  std::fill_n(received_.data(), received_.size(), 0.0);
  earlier_.assign(static_cast<std::size_t>(keys_), {});
  if (!settings_.patterns) return;
  std::map<std::int32_t, std::vector<std::int32_t>> places;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    std::vector<std::int32_t>& its = places[tokens[i]];
    earlier_[i] = its;
    its.push_back(static_cast<std::int32_t>(i));
  }
}

void AttentionDetectors::observe(void* observer, const SoftmaxRow&, const SoftmaxRow& after) {
  const Layer& layer = *static_cast<const Layer*>(observer);
  layer.owner->take(layer.layer, after.at, after.weights, after.sum);
}

void AttentionDetectors::measure_patterns(const float* p, std::int64_t position, RowValues& out) const {
  if (position >= 1) out.score[kPreviousToken] = double{p[position - 1]};
  const std::vector<std::int32_t>& earlier = earlier_[static_cast<std::size_t>(position)];
  if (earlier.empty()) return;
  double same = 0, next = 0;
  for (const std::int32_t j : earlier) {
    same += double{p[j]};
    next += double{p[j + 1]};  // an earlier place is before the position, so that the one after it is seen
  }
  out.score[kDuplicateToken] = same;
  out.score[kInduction] = next;
}

void AttentionDetectors::take(std::int64_t layer, const AttentionRow& at, std::span<const float> weights,
                              float sum) {
  const std::int64_t cell = layer * heads_ + at.head, keys = std::ssize(weights);
  float* const p = scratch_.data() + at.thread * stride_;
  normalise_weights(weights.data(), sum, keys, p);
  RowValues& out = rows_[static_cast<std::size_t>(cell * call_rows_ + at.row)];
  out.score.fill(kNoScore);
  if (settings_.patterns) measure_patterns(p, at.position, out);
  const RowSums sums = sum_weights(p, keys, classes_);
  out.sum = sums.sum;
  if (at.position >= settings_.sink_keys) {
    double sink = 0;
    for (std::int64_t j = 0; j < settings_.sink_keys; ++j) sink += double{p[j]};
    out.score[kSinkMass] = sink;
  }
  // -sum (p / s) ln(p / s) = ln s - sum p ln p / s; a row that is all its learned sink's has none.
  if (at.position >= 1 && sums.sum > 0) {
    out.score[kRowEntropy] = std::max(0.0, std::log(sums.sum) - sums.w_log_w / sums.sum);
  }
  if (at.position >= prompt_tokens_) {
    const double looked_back = sums.of_class[0] / static_cast<double>(prompt_tokens_);
    const double own = sums.of_class[1] / static_cast<double>(at.position + 1 - prompt_tokens_);
    if (looked_back + own > 0) out.score[kLookback] = looked_back / (looked_back + own);
    return;
  }
  const std::lock_guard lock(locks_[static_cast<std::size_t>(cell)]);
  add_exactly(p, keys, received_.data() + cell * stride_);
}

void AttentionDetectors::end_call(ThreadPool& pool, std::int64_t, std::int64_t rows) {
  pool.parallel_for(layers_ * heads_, [&](std::int64_t index, int) {
    Cell& to = cells_[static_cast<std::size_t>(index)];
    for (std::int64_t r = 0; r < rows; ++r) {
      const RowValues& row = rows_[static_cast<std::size_t>(index * call_rows_ + r)];
      to.weight += row.sum;
      for (std::size_t s = 0; s < kRowScores; ++s) {
        if (std::isnan(row.score[s])) continue;
        to.sums[s] += row.score[s];
        ++to.rows[s];
      }
    }
  });
}

void AttentionDetectors::end_text() {
  ++texts_;
  long_texts_ += prompt_tokens_ > kLeastRows;
  for (std::size_t index = 0; index < cells_.size(); ++index) {
    const double* sums = received_.data() + static_cast<std::int64_t>(index) * stride_;
    double total = 0, most = 0;
    for (std::int64_t j = 0; j < prompt_tokens_; ++j) {
      const double mean = sums[j] / static_cast<double>(prompt_tokens_ - j);
      total += mean;
      if (j >= 1 && prompt_tokens_ - j >= kLeastRows) most = std::max(most, mean);
    }
    cells_[index].received_mean += total / static_cast<double>(prompt_tokens_);
    cells_[index].received_max += most;
  }
}

std::vector<double> AttentionDetectors::scores(AttentionScore score) const {
  const auto ratio = [](double sum, auto count) {
    return count > 0 ? sum / static_cast<double>(count) : kNoScore;
  };
  std::vector<double> out;
  for (const Cell& cell : cells_) {
    if (score < kRowScores) {
      out.push_back(ratio(cell.sums[score], cell.rows[score]));
    } else if (score == kReceivedMean) {
      out.push_back(ratio(cell.received_mean, texts_));
    } else if (score == kReceivedMax) {
      out.push_back(ratio(cell.received_max, long_texts_));
    } else {
      const std::size_t pattern = score - kPreviousTokenMul + kPreviousToken;
      out.push_back(cell.rows[pattern] > 0 ? ratio(cell.sums[pattern], cell.weight) : kNoScore);
    }
  }
  return out;
}

}  // namespace refocus
