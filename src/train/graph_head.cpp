// The last norm, the output matrix and the loss; see train/graph.h.
#include <algorithm>

#include "kernels/activation.h"
#include "kernels/cross_entropy.h"
#include "kernels/rms_norm.h"
#include "train/graph.h"

namespace refocus {

namespace {

// Rows whose logits are computed together: at most 16 MiB of them, a number that the vocabulary fixes.
std::int64_t head_rows(std::int64_t vocab) {
  return std::clamp<std::int64_t>((std::int64_t{1} << 22) / vocab, 64, 1024);
}

}  // namespace

// The loss of a row, from what the output matrix gave; with `gradient`, that becomes dL/d of it.
double TrainingGraph::row_loss(float* logits, std::int32_t target, float scale, bool gradient, int thread) {
  const std::int64_t vocab = config_.vocab_size;
  const float times = config_.logit_multiplier, cap = config_.final_softcap;
  const auto multiply = [&] {
    for (std::int64_t i = 0; times != 1 && i < vocab; ++i) logits[i] *= times;
  };
  multiply();
  float* capped = cap > 0 ? capped_.data() + thread * vocab : nullptr;
  if (capped != nullptr) {
    softcap(logits, cap, vocab);
    std::copy_n(logits, vocab, capped);
  }
  const double loss = cross_entropy(logits, vocab, target, scale, gradient ? logits : nullptr);
  if (!gradient) return loss;
  if (capped != nullptr) softcap_backward(capped, cap, logits, vocab);
  multiply();
  return loss;
}

// Of the counted rows, chunk by chunk; with gradients, dx_ is dL/dx afterwards.
double TrainingGraph::head(const float* weights, const TrainingBatch& batch, const float* x, float scale,
                           float* gradients) {
  counted_.clear();
  for (std::int64_t r = 0; r < batch.rows(); ++r) {
    if (batch.targets[static_cast<std::size_t>(r)] >= 0) counted_.push_back(static_cast<std::int32_t>(r));
  }
  const auto count = static_cast<std::int64_t>(counted_.size());
  const std::int64_t vocab = config_.vocab_size,
                     chunk = std::min(head_rows(vocab), std::max<std::int64_t>(count, 1));
  if (gradients != nullptr) std::fill_n(dx_.data(), batch.rows() * hidden_, 0.0f);
  reserve(logits_, chunk * vocab);
  if (config_.final_softcap > 0) reserve(capped_, pool_.size() * vocab);
  losses_.assign(static_cast<std::size_t>(count), 0);
  const bool all = trains_all();
  const std::int64_t place = static_cast<std::int64_t>(kNormPlaces) * std::max(hidden_, config_.head_dim);
  const float* norm_weight =
      all ? used_norm(weights + layout_->norm(), hidden_, raised_.data() + place) : base_->norm();
  const float* matrix = all ? weights + layout_->lm_head() : base_->lm_head();
  float* normed = d_normed_.data();  // of a chunk's rows, and then dL/d of it
  for (std::int64_t first = 0; first < count; first += chunk) {
    const std::int64_t rows = std::min(chunk, count - first);
    const auto of_chunk = std::span(counted_).subspan(static_cast<std::size_t>(first));
    pool_.parallel_for(rows, [&](std::int64_t r, int) {
      const std::int64_t row = of_chunk[static_cast<std::size_t>(r)];
      rms_norm(x + row * hidden_, norm_weight, hidden_, config_.norm_eps, normed + r * hidden_);
    });
    const Sizes sizes{rows, hidden_, vocab};
    product(sizes, normed, matrix, logits_.data());
    pool_.parallel_for(rows, [&](std::int64_t r, int thread) {
      const auto row = static_cast<std::size_t>(of_chunk[static_cast<std::size_t>(r)]);
      losses_[static_cast<std::size_t>(first + r)] =
          row_loss(logits_.data() + r * vocab, batch.targets[row], scale, gradients != nullptr, thread);
    });
    if (gradients == nullptr) continue;
    if (all) product_dw(sizes, logits_.data(), normed, gradients + layout_->lm_head());
    product_dx(sizes, logits_.data(), matrix, normed);
    norm_backward({x, norm_weight, normed, dx_.data(), all ? gradients + layout_->norm() : nullptr, true},
                  of_chunk, rows);
  }
  double sum = 0;
  for (const double loss : losses_) sum += loss;
  return sum;
}

}  // namespace refocus
