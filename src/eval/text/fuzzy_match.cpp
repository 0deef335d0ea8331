#include "eval/text/fuzzy_match.h"

#include "base/error.h"
#include "eval/text/code_points.h"
#include "eval/text/fuzzy_ratio.h"

namespace refocus {

std::u32string default_process(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (const char32_t c : text) out += is_alphanumeric_in_unicode_13(c) ? lower_case(c) : U' ';
  out.erase(out.find_last_not_of(U' ') + 1);
  out.erase(0, out.find_first_not_of(U' '));
  return out;
}

std::u32string full_process(std::u32string_view text) {
  std::u32string kept;
  kept.reserve(text.size());
  for (const char32_t c : text) {
    if (c < 0x80 || c > 0xFF) kept += c;
  }
  return default_process(kept);
}

std::size_t most_similar(std::u32string_view query, std::span<const std::u32string> choices) {
  REFOCUS_CHECK(!choices.empty());
  // thefuzz prepares the query by default_process and then once more as it does a choice: what
  // default_process makes of U+0080 to U+00FF in it (a blank of U+00A0), or turns into one of these, differs
  // from a choice.
  const std::u32string wanted = full_process(default_process(query));
  const WeightedRatio similarity(wanted);
  std::size_t best = 0;
  double best_score = 0.0;
  for (std::size_t i = 0; i < choices.size() && best_score < 100.0; ++i) {
    const double score = similarity.to(full_process(choices[i]), best_score);
    if (score > best_score) {
      best = i;
      best_score = score;
    }
  }
  return best;
}

}  // namespace refocus
