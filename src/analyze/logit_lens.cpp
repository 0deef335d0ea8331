#include "analyze/logit_lens.h"

#include <algorithm>
#include <cmath>

namespace refocus {

namespace {

std::vector<LensToken> likeliest(std::span<const float> logits) {
  std::vector<std::int32_t> ids(logits.size());
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(i);
  const auto count = static_cast<std::ptrdiff_t>(std::min(kLensTokens, ids.size()));
  const auto logit = [&](std::int32_t id) { return logits[static_cast<std::size_t>(id)]; };
  std::partial_sort(ids.begin(), ids.begin() + count, ids.end(), [&](std::int32_t a, std::int32_t b) {
    return logit(a) != logit(b) ? logit(a) > logit(b) : a < b;
  });
  const double largest = logit(ids[0]);
  double sum = 0;
  for (const float x : logits) sum += std::exp(double{x} - largest);
  std::vector<LensToken> out;
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    const std::int32_t id = ids[static_cast<std::size_t>(i)];
    out.push_back({id, std::exp(double{logit(id)} - largest) / sum});
  }
  return out;
}

}  // namespace

LogitLens::LogitLens(const ModelConfig& config, std::vector<std::int64_t> positions)
    : layers_(config.num_hidden_layers),
      hidden_(config.hidden_size),
      positions_(std::move(positions)),
      x_(positions_.size() * static_cast<std::size_t>(layers_ * hidden_)),
      tap_{this, after_layer} {}

const ResidualTap* LogitLens::begin_call(std::int64_t first_position, std::int64_t rows) {
  first_ = first_position;
  rows_ = rows;
  return &tap_;
}

void LogitLens::after_layer(void* context, std::int64_t layer, const float* x, std::int64_t stride) {
  LogitLens& self = *static_cast<LogitLens*>(context);
  for (std::size_t p = 0; p < self.positions_.size(); ++p) {
    const std::int64_t row = self.positions_[p] - self.first_;
    if (row < 0 || row >= self.rows_) continue;
    const std::int64_t to = (static_cast<std::int64_t>(p) * self.layers_ + layer) * self.hidden_;
    std::copy_n(x + row * stride, self.hidden_, self.x_.data() + to);
  }
}

std::vector<LensPosition> LogitLens::predictions(Transformer& model) const {
  std::vector<LensPosition> out(positions_.size());
  for (std::size_t p = 0; p < out.size(); ++p) {
    out[p].position = positions_[p];
    // A few rows at a time, so that the logits stay small.
    const std::int64_t step = std::min<std::int64_t>(16, model.max_rows());
    for (std::int64_t layer = 0; layer < layers_; layer += step) {
      const std::int64_t rows = std::min(step, layers_ - layer);
      const std::span<const float> logits =
          model.logits_of(x_.data() + (static_cast<std::int64_t>(p) * layers_ + layer) * hidden_, rows);
      const auto vocab = static_cast<std::size_t>(model.config().vocab_size);
      for (std::int64_t r = 0; r < rows; ++r) {
        out[p].layers.push_back(likeliest(logits.subspan(static_cast<std::size_t>(r) * vocab, vocab)));
      }
    }
  }
  return out;
}

}  // namespace refocus
