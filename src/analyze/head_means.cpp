#include "analyze/head_means.h"

#include <algorithm>

#include "base/error.h"
#include "model/kv_cache.h"

namespace refocus {

HeadMeans::HeadMeans(Transformer& model)
    : model_(model),
      layers_(model.config().num_hidden_layers),
      width_(model.config().num_attention_heads * model.config().head_dim),
      call_rows_(std::min<std::int64_t>(64, model.max_rows())),
      contexts_(static_cast<std::size_t>(layers_)),
      hooks_(static_cast<std::size_t>(layers_)),
      outputs_(static_cast<std::size_t>(layers_ * call_rows_ * width_)),
      sums_(static_cast<std::size_t>(layers_ * width_)) {
  for (std::size_t l = 0; l < hooks_.size(); ++l) {
    contexts_[l] = {this, static_cast<std::int64_t>(l)};
    hooks_[l].context = &contexts_[l];
    hooks_[l].output = keep;
  }
}

void HeadMeans::keep(void* context, const AttentionRow& at, std::span<float> out) {
  const Layer& layer = *static_cast<const Layer*>(context);
  HeadMeans& self = *layer.owner;
  std::ranges::copy(out, self.outputs_.data() + (layer.layer * self.call_rows_ + at.row) * self.width_ +
                             at.head * std::ssize(out));
}

void HeadMeans::sum_call(std::int64_t rows) {
  model_.pool().parallel_for(layers_, [&](std::int64_t layer, int) {
    double* sums = sums_.data() + layer * width_;
    const float* row = outputs_.data() + layer * call_rows_ * width_;
    for (std::int64_t r = 0; r < rows; ++r, row += width_) {
      for (std::int64_t i = 0; i < width_; ++i) sums[i] += double{row[i]};
    }
  });
  rows_ += rows;
}

void HeadMeans::add(std::span<const std::int32_t> tokens) {
  const std::int64_t count = std::ssize(tokens);
  KvPool pool = kv_pool_of(model_, kv_bytes(model_.config(), count, model_.kv_type(), call_rows_));
  KvSequence sequence(pool);
  REFOCUS_CHECK(sequence.reserve(count, call_rows_));
  for (std::int64_t first = 0; first < count; first += call_rows_) {
    const std::int64_t rows = std::min(call_rows_, count - first);
    const auto now = tokens.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(rows));
    // The last row's logits are computed to see that they are finite.
    const LogitRows logits = first + rows == count ? LogitRows::kLast : LogitRows::kNone;
    const SequenceInput input{&sequence, now, count, hooks_.data(), logits};
    model_.forward({&input, 1});
    sum_call(rows);
  }
}

std::vector<float> HeadMeans::means() const {
  REFOCUS_CHECK(rows_ > 0);
  std::vector<float> out;
  for (const double sum : sums_) out.push_back(static_cast<float>(sum / static_cast<double>(rows_)));
  return out;
}

}  // namespace refocus
