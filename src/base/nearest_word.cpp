#include "base/nearest_word.h"

#include <algorithm>
#include <vector>

namespace refocus {

namespace {

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// Optimal string alignment: three rows of the table are enough.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), now(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        now[j] = std::min(now[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, now);
  }
  return last[b.size()];
}

}  // namespace

std::string nearest_word(std::string_view word, std::span<const std::string_view> known) {
  constexpr std::size_t kLongest = 64;  // a longer text is no mistyped word
  if (word.empty() || word.size() > kLongest) return "";
  const std::string typed = lower_case(word);
  std::string best;
  std::size_t fewest = kLongest;
  for (const std::string_view name : known) {
    const std::size_t edits = distance(typed, lower_case(name));
    if (edits < fewest && 3 * edits <= std::min(typed.size(), name.size())) {
      fewest = edits;
      best = name;
    }
  }
  if (!best.empty() || typed.size() < 3) return best;
  const auto begins = [&](std::string_view name) { return lower_case(name).starts_with(typed); };
  if (std::ranges::count_if(known, begins) != 1) return "";
  return std::string(*std::ranges::find_if(known, begins));
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> known) {
  const std::string nearest = nearest_word(word, known);
  return nearest.empty() ? "" : "; did you mean " + nearest + "?";
}

}  // namespace refocus
