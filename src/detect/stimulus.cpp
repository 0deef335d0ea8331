#include "detect/stimulus.h"

#include <algorithm>

#include "base/error.h"
#include "base/random.h"

namespace refocus {

namespace {

bool is_ordinary(const Tokenizer& tokenizer, std::int32_t id) {
  if (!tokenizer.contains(id) || tokenizer.kind(id) != TokenKind::kNormal) return false;
  const std::string& piece = tokenizer.piece(id);
  return !tokenizer.token_bytes(id).empty() && !piece.starts_with("<unused") &&
         !piece.starts_with("[unused") && !is_placeholder(piece, id);
}

}  // namespace

std::vector<std::vector<std::int32_t>> repeated_sequences(const Tokenizer& tokenizer, std::int64_t vocabulary,
                                                          const StimulusSettings& settings) {
  std::vector<std::int32_t> pool;
  for (std::int32_t id = 0; id < std::min<std::int64_t>(vocabulary, tokenizer.vocab_size()); ++id) {
    if (is_ordinary(tokenizer, id)) pool.push_back(id);
  }
  if (std::ssize(pool) < settings.length) {
    throw input_error("--stimulus-length",
                      "expected at most {}, as many ordinary tokens as the vocabulary has, got {}",
                      pool.size(), settings.length);
  }
  std::vector<std::vector<std::int32_t>> out;
  for (std::int64_t s = 0; s < settings.sequences; ++s) {
    const auto order = shuffled(pool.size(), settings.seed, static_cast<std::uint64_t>(s));
    std::vector<std::int32_t>& sequence = out.emplace_back(tokenizer.prompt_prefix());
    for (int time = 0; time < 2; ++time) {
      for (std::int64_t i = 0; i < settings.length; ++i) {
        sequence.push_back(pool[order[static_cast<std::size_t>(i)]]);
      }
    }
  }
  return out;
}

}  // namespace refocus
