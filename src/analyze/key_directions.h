// The directions in which keys of a text move where a question before it asks for them: what `seka` of
// --intervene amplifies (arXiv 2603.01281).
//
// Of each layer and key/value head, with rows of H, H+ and H- the keys before rotation of an answer's tokens
// in a context alone, after the question that it answers, and after another one:
//
//   U+ from the singular vectors of H^T H+ / n = U+ S+ V+^T, U- likewise of H^T H- / n
//   P+ = U+[:, :k] U+[:, :k]^T and P- = I - U-[:, :k] U-[:, :k]^T, with the least k whose singular values
//   reach
//        the share `top_share` of their sum
//
// Heads with a shift ||H+ - H-|| / n (Frobenius) below `least_shift` have P+ = P- = 0.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/attention.h"
#include "model/transformer.h"

namespace refocus {

// A text and the positions of the answer's tokens in it, ascending.
struct AnswerText {
  std::vector<std::int32_t> tokens;
  std::vector<std::int64_t> answer;
};

struct Directions {
  std::vector<float> positive, negative;  // [layers, kv_heads, head_dim, head_dim]
  std::vector<double> shifts;             // [layers, kv_heads]
  std::int64_t chosen = 0;                // heads with a shift that is large enough
};

class KeyDirections {
 public:
  explicit KeyDirections(Transformer& model);
  KeyDirections(const KeyDirections&) = delete;
  KeyDirections& operator=(const KeyDirections&) = delete;

  // The three texts, whose answers have as many tokens, at least one.
  void add(const AnswerText& alone, const AnswerText& asked, const AnswerText& other);
  std::int64_t tokens() const { return tokens_; }
  // Of the tokens so far, of which there must be one. top_share in (0, 1].
  Directions directions(double top_share, double least_shift) const;

 private:
  struct Layer {
    KeyDirections* owner;
    std::int64_t layer;
  };
  struct Sums {
    std::vector<double> with_asked, with_other;  // [head_dim, head_dim]: of H^T H+ and H^T H-
    double squared_shift = 0;
  };
  static void keep(void* context, std::int64_t position, std::span<float> keys);
  // The answer's keys: [layers, tokens of the answer, kv_heads, head_dim].
  std::vector<float> keys_of(const AnswerText& text);

  Transformer& model_;
  std::int64_t layers_, kv_heads_, head_dim_, tokens_ = 0;
  std::vector<Layer> contexts_;
  std::vector<AttentionHooks> hooks_;
  const AnswerText* text_ = nullptr;  // that is just computed, and its keys
  std::vector<float>* keys_ = nullptr;
  std::vector<Sums> sums_;  // [layers, kv_heads]
};

}  // namespace refocus
