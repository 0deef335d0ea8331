#include "tokenizer/pipeline/text_alignment.h"

#include <algorithm>
#include <cstdint>

#include "base/utf8.h"

namespace refocus {
namespace {

constexpr std::size_t kWindow = 64;    // characters that are looked through for the next place that agrees
constexpr std::size_t kAgreement = 2;  // characters that must agree there, or all that are left

// A text's characters, U+2581 as a space, and a byte that is part of none as a value of its own.
struct Symbols {
  std::vector<char32_t> values;
  std::vector<std::size_t> begins;  // byte of each, and the text's size at the end

  explicit Symbols(std::string_view text) {
    values.reserve(text.size());
    begins.reserve(text.size() + 1);
    for (std::size_t i = 0; i < text.size();) {
      const Utf8Step step = utf8_step(text.substr(i));
      const bool valid = step.status == Utf8Status::kValid;
      values.push_back(!valid                         ? 0x110000 + static_cast<unsigned char>(text[i])
                       : step.code_point == U'\u2581' ? U' '
                                                      : step.code_point);
      begins.push_back(i);
      i += valid ? static_cast<std::size_t>(step.length) : 1;
    }
    begins.push_back(text.size());
  }
  std::size_t size() const { return values.size(); }
  std::size_t bytes(std::size_t k) const { return begins[k + 1] - begins[k]; }
};

bool agree(const Symbols& a, std::size_t i, const Symbols& b, std::size_t j) {
  const std::size_t left_a = a.size() - i, left_b = b.size() - j;
  if (left_a == 0 || left_b == 0) return left_a == left_b;
  const std::size_t count = std::min({kAgreement, left_a, left_b});
  if (count < kAgreement && left_a != left_b) return false;
  return std::equal(a.values.begin() + static_cast<std::ptrdiff_t>(i),
                    a.values.begin() + static_cast<std::ptrdiff_t>(i + count),
                    b.values.begin() + static_cast<std::ptrdiff_t>(j));
}

// The nearest place after (i, j) where both agree; the window's end, or the texts', where there is none.
std::pair<std::size_t, std::size_t> next_agreement(const Symbols& a, std::size_t i, const Symbols& b,
                                                   std::size_t j) {
  for (std::size_t distance = 1; distance <= 2 * kWindow; ++distance) {
    for (std::size_t in_a = distance > kWindow ? distance - kWindow : 0; in_a <= std::min(distance, kWindow);
         ++in_a) {
      const std::size_t at_a = i + in_a, at_b = j + distance - in_a;
      if (at_a <= a.size() && at_b <= b.size() && agree(a, at_a, b, at_b)) return {at_a, at_b};
    }
  }
  return {std::min(i + kWindow, a.size()), std::min(j + kWindow, b.size())};
}

}  // namespace

std::vector<std::size_t> align_text(std::string_view text, std::string_view made) {
  std::vector<std::size_t> out(made.size() + 1, text.size());
  if (text == made) {
    for (std::size_t k = 0; k < out.size(); ++k) out[k] = k;
    return out;
  }
  const Symbols a(text), b(made);
  std::size_t i = 0, j = 0;
  const auto set = [&](std::size_t from, std::size_t to, std::size_t value) {
    std::fill(out.begin() + static_cast<std::ptrdiff_t>(b.begins[from]),
              out.begin() + static_cast<std::ptrdiff_t>(b.begins[to]), value);
  };
  // A space put before the text is told from the text's own by what follows.
  if (b.size() > 0 && b.values[0] == U' ' && agree(a, 0, b, 1) && !agree(a, 0, b, 0)) set(0, ++j, 0);
  while (j < b.size()) {
    if (i < a.size() && a.values[i] == b.values[j]) {
      set(j, j + 1, a.begins[i]);
      if (a.bytes(i) == b.bytes(j)) {
        for (std::size_t k = 1; k < a.bytes(i); ++k) out[b.begins[j] + k] = a.begins[i] + k;
      }
      ++i, ++j;
      continue;
    }
    const auto [next_i, next_j] = next_agreement(a, i, b, j);
    set(j, next_j, a.begins[i]);
    i = next_i;
    j = next_j;
  }
  out.front() = 0;
  out.back() = text.size();
  return out;
}

}  // namespace refocus
