#include "analyze/key_directions.h"

#include <algorithm>
#include <cmath>

#include "analyze/jacobi_svd.h"
#include "base/error.h"
#include "model/kv_cache.h"

namespace refocus {

namespace {

// The first k left singular vectors that reach `share` of the singular values' sum, as U U^T: [n, n]. Zeros
// of a matrix of zeros.
std::vector<double> projection(std::span<const double> matrix, std::int64_t n, double share) {
  const LeftSingular svd = left_singular(matrix, n);
  const auto size = static_cast<std::size_t>(n);
  double sum = 0, so_far = 0;
  for (const double value : svd.values) sum += value;
  std::vector<double> out(size * size, 0.0);
  for (std::size_t k = 0; k < size && svd.values[k] > 0; ++k) {
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t j = 0; j < size; ++j) {
        out[i * size + j] += svd.vectors[i * size + k] * svd.vectors[j * size + k];
      }
    }
    so_far += svd.values[k];
    if (so_far / sum >= share) break;
  }
  return out;
}

}  // namespace

KeyDirections::KeyDirections(Transformer& model)
    : model_(model),
      layers_(model.config().num_hidden_layers),
      kv_heads_(model.config().num_key_value_heads),
      head_dim_(model.config().head_dim),
      contexts_(static_cast<std::size_t>(layers_)),
      hooks_(static_cast<std::size_t>(layers_)) {
  for (std::size_t l = 0; l < hooks_.size(); ++l) {
    contexts_[l] = {this, static_cast<std::int64_t>(l)};
    hooks_[l].context = &contexts_[l];
    hooks_[l].keys = keep;
  }
  const auto square = static_cast<std::size_t>(head_dim_ * head_dim_);
  sums_.assign(static_cast<std::size_t>(layers_ * kv_heads_),
               {std::vector<double>(square), std::vector<double>(square), 0});
}

void KeyDirections::keep(void* context, std::int64_t position, std::span<float> keys) {
  const Layer& layer = *static_cast<const Layer*>(context);
  const std::vector<std::int64_t>& answer = layer.owner->text_->answer;
  const auto found = std::ranges::lower_bound(answer, position);
  if (found == answer.end() || *found != position) return;
  const std::int64_t place = layer.layer * std::ssize(answer) + (found - answer.begin());
  std::ranges::copy(keys, layer.owner->keys_->data() + place * std::ssize(keys));
}

std::vector<float> KeyDirections::keys_of(const AnswerText& text) {
  const std::int64_t count = std::ssize(text.tokens), most = model_.max_rows();
  std::vector<float> out(static_cast<std::size_t>(layers_ * std::ssize(text.answer) * kv_heads_ * head_dim_));
  text_ = &text;
  keys_ = &out;
  KvPool pool = kv_pool_of(model_, kv_bytes(model_.config(), count, model_.kv_type(), most));
  KvSequence sequence(pool);
  REFOCUS_CHECK(sequence.reserve(count, most));
  for (std::int64_t first = 0; first < count; first += most) {
    const std::int64_t rows = std::min(most, count - first);
    const auto now =
        std::span(text.tokens).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(rows));
    // The last row's logits are computed to see that they are finite.
    const LogitRows logits = first + rows == count ? LogitRows::kLast : LogitRows::kNone;
    const SequenceInput input{&sequence, now, count, hooks_.data(), logits};
    model_.forward({&input, 1});
  }
  return out;
}

void KeyDirections::add(const AnswerText& alone, const AnswerText& asked, const AnswerText& other) {
  const std::int64_t count = std::ssize(alone.answer);
  REFOCUS_CHECK(count > 0 && std::ssize(asked.answer) == count && std::ssize(other.answer) == count);
  const std::vector<float> plain = keys_of(alone), with_asked = keys_of(asked), with_other = keys_of(other);
  const std::int64_t dim = head_dim_;
  model_.pool().parallel_for(layers_ * kv_heads_, [&](std::int64_t index, int) {
    Sums& sums = sums_[static_cast<std::size_t>(index)];
    const std::int64_t layer = index / kv_heads_, head = index % kv_heads_;
    for (std::int64_t t = 0; t < count; ++t) {
      const std::int64_t at = ((layer * count + t) * kv_heads_ + head) * dim;
      const float *h = plain.data() + at, *a = with_asked.data() + at, *o = with_other.data() + at;
      for (std::int64_t i = 0; i < dim; ++i) {
        for (std::int64_t j = 0; j < dim; ++j) {
          sums.with_asked[static_cast<std::size_t>(i * dim + j)] += double{h[i]} * a[j];
          sums.with_other[static_cast<std::size_t>(i * dim + j)] += double{h[i]} * o[j];
        }
        sums.squared_shift += (double{a[i]} - o[i]) * (double{a[i]} - o[i]);
      }
    }
  });
  tokens_ += count;
}

Directions KeyDirections::directions(double top_share, double least_shift) const {
  REFOCUS_CHECK(tokens_ > 0);
  const auto square = static_cast<std::size_t>(head_dim_ * head_dim_), heads = sums_.size();
  Directions out{std::vector<float>(heads * square), std::vector<float>(heads * square),
                 std::vector<double>(heads)};
  for (std::size_t h = 0; h < heads; ++h) {
    out.shifts[h] = std::sqrt(sums_[h].squared_shift) / static_cast<double>(tokens_);
    out.chosen += out.shifts[h] >= least_shift;
  }
  // H^T H+ and H^T H+ / n have the same singular vectors.
  model_.pool().parallel_for(static_cast<std::int64_t>(heads), [&](std::int64_t index, int) {
    const auto h = static_cast<std::size_t>(index);
    if (out.shifts[h] < least_shift) return;
    const std::vector<double> positive = projection(sums_[h].with_asked, head_dim_, top_share);
    const std::vector<double> rest = projection(sums_[h].with_other, head_dim_, top_share);
    for (std::size_t i = 0; i < square; ++i) {
      const double one = i % static_cast<std::size_t>(head_dim_ + 1) == 0 ? 1 : 0;
      out.positive[h * square + i] = static_cast<float>(positive[i]);
      out.negative[h * square + i] = static_cast<float>(one - rest[i]);
    }
  });
  return out;
}

}  // namespace refocus
