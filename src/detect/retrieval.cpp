#include "detect/retrieval.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "detect/needles.h"
#include "kernels/argmax.h"

namespace refocus {

namespace {

// The key with the largest weight of one row, of every head.
class LargestKeys {
 public:
  explicit LargestKeys(const ModelConfig& config)
      : heads_(config.num_attention_heads),
        contexts_(static_cast<std::size_t>(config.num_hidden_layers)),
        hooks_(contexts_.size()),
        keys_(contexts_.size() * static_cast<std::size_t>(heads_)) {
    for (std::size_t l = 0; l < contexts_.size(); ++l) {
      contexts_[l] = {this, static_cast<std::int64_t>(l)};
      hooks_[l].observe = observe;
      hooks_[l].observer = &contexts_[l];
    }
  }
  LargestKeys(const LargestKeys&) = delete;
  LargestKeys& operator=(const LargestKeys&) = delete;

  // The row that is looked at; returns the hooks, [layers].
  const AttentionHooks* at(std::int64_t position) {
    position_ = position;
    return hooks_.data();
  }
  const std::vector<std::int64_t>& keys() const { return keys_; }  // [layers, heads]

 private:
  struct Layer {
    LargestKeys* owner;
    std::int64_t layer;
  };
  static void observe(void* observer, const SoftmaxRow&, const SoftmaxRow& after) {
    const Layer& layer = *static_cast<const Layer*>(observer);
    LargestKeys& self = *layer.owner;
    if (after.at.position != self.position_) return;
    self.keys_[static_cast<std::size_t>(layer.layer * self.heads_ + after.at.head)] =
        argmax(after.weights.data(), std::ssize(after.weights));
  }

  std::int64_t heads_, position_ = -1;
  std::vector<Layer> contexts_;
  std::vector<AttentionHooks> hooks_;
  std::vector<std::int64_t> keys_;
};

}  // namespace

RetrievalReply measure_retrieval(Transformer& model, const Tokenizer& tokenizer, const NeedlePrompt& prompt,
                                 const RetrievalSettings& settings) {
  REFOCUS_CHECK(prompt.begin < prompt.end && prompt.end <= std::ssize(prompt.tokens));
  LargestKeys largest(model.config());
  RetrievalReply out;
  out.scores.resize(largest.keys().size());
  constexpr std::int64_t kCallRows = 256;
  const std::int64_t length = std::ssize(prompt.tokens);
  WatchedText text(model, length + settings.max_new_tokens, kCallRows);
  std::vector<std::int32_t> generated, next = prompt.tokens;
  const double share = 1 / static_cast<double>(prompt.end - prompt.begin);
  while (std::ssize(generated) < settings.max_new_tokens) {
    const std::int64_t whole = length + std::ssize(generated);
    const Watch watch{largest.at(whole - 1), nullptr, nullptr, nullptr};
    const std::span<const float> logits = text.add(next, whole, watch);
    const auto token = static_cast<std::int32_t>(argmax(logits.data(), std::ssize(logits)));
    for (std::size_t h = 0; h < out.scores.size(); ++h) {
      const std::int64_t key = largest.keys()[h];
      if (key < prompt.begin || key >= prompt.end) continue;
      if (prompt.tokens[static_cast<std::size_t>(key)] == token) out.scores[h] += share;
    }
    if (std::ranges::find(settings.stop_tokens, token) != settings.stop_tokens.end()) break;
    generated.push_back(token);
    if (tokenizer.contains(token) && tokenizer.token_bytes(token).find('\n') != std::string::npos) break;
    next = {token};
  }
  out.text = tokenizer.decode(generated);
  out.recall = rouge1_recall(prompt.answer, out.text);
  return out;
}

std::vector<double> mean_retrieval(std::span<const RetrievalReply> replies, std::size_t heads) {
  std::vector<double> out(heads);
  std::int64_t count = 0;
  for (const RetrievalReply& reply : replies) {
    if (!reply.counts()) continue;
    ++count;
    for (std::size_t h = 0; h < heads; ++h) out[h] += reply.scores[h];
  }
  for (double& one : out) {
    one = count > 0 ? one / static_cast<double>(count) : std::numeric_limits<double>::quiet_NaN();
  }
  return out;
}

}  // namespace refocus
