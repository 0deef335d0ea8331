#include "template/characters.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "base/utf8.h"
#include "template/case_tables.h"

namespace refocus::jinja {
namespace {

utf8proc_category_t category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

template <std::size_t size>
bool in_ranges(const CharacterRange (&ranges)[size], char32_t c) {
  const auto* after =
      std::ranges::upper_bound(ranges, static_cast<std::uint32_t>(c), {}, &CharacterRange::first);
  return after != std::begin(ranges) && c <= std::prev(after)->last;
}

bool is_cased(char32_t c) { return is_lower(c) || is_upper(c) || is_title(c); }

// Unicode's Case_Ignorable: marks, modifiers, and punctuation within words.
bool is_case_ignorable(char32_t c) {
  static constexpr std::u32string_view kWithinWords =
      U"'.:\u00b7\u0387\u055f\u05f4\u2018\u2019\u2024\u2027\ufe13\ufe52\ufe55\uff07\uff0e\uff1a";
  switch (category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
      return true;
    default:
      return kWithinWords.find(c) != std::u32string_view::npos;
  }
}

struct Character {
  char32_t code;
  std::size_t byte;
};

std::vector<Character> decoded(std::string_view bytes) {
  std::vector<Character> out;
  for (std::size_t at = 0; at < bytes.size();) {
    const Utf8Step step = utf8_step(bytes.substr(at));
    out.push_back({step.code_point, at});
    at += static_cast<std::size_t>(step.length);
  }
  return out;
}

// A capital sigma that ends a word has a small form of its own (The Unicode Standard, 3.13, Final_Sigma).
bool is_final_sigma(const std::vector<Character>& text, std::size_t i) {
  std::size_t before = i, after = i + 1;
  while (before > 0 && is_case_ignorable(text[before - 1].code)) --before;
  while (after < text.size() && is_case_ignorable(text[after].code)) ++after;
  return before > 0 && is_cased(text[before - 1].code) &&
         (after == text.size() || !is_cased(text[after].code));
}

using Made = std::array<char32_t, 4>;  // ends with zeros

Made single(utf8proc_int32_t c) { return {static_cast<char32_t>(c)}; }

template <std::size_t size>
Made expanded(const CaseExpansion (&table)[size], char32_t c, utf8proc_int32_t otherwise) {
  const auto* found =
      std::ranges::lower_bound(table, static_cast<std::uint32_t>(c), {}, &CaseExpansion::from);
  if (found == std::end(table) || found->from != c) return single(otherwise);
  return {found->to[0], found->to[1], found->to[2]};
}

Made lowered(const std::vector<Character>& text, std::size_t i) {
  const char32_t c = text[i].code;
  if (c == 0x130) return {U'i', 0x307};  // the only one that becomes two
  if (c == 0x3A3 && is_final_sigma(text, i)) return {0x3C2};
  return single(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}

Made raised(char32_t c) {
  return expanded(kUpperExpansions, c, utf8proc_toupper(static_cast<utf8proc_int32_t>(c)));
}
Made titled(char32_t c) {
  return expanded(kTitleExpansions, c, utf8proc_totitle(static_cast<utf8proc_int32_t>(c)));
}

Made folded(char32_t c) {
  std::array<utf8proc_int32_t, 4> out{};
  int boundary = 0;
  utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), out.data(), 4, UTF8PROC_CASEFOLD, &boundary);
  Made made{};
  std::ranges::copy(out, made.begin());
  return made;
}

Made converted(const std::vector<Character>& text, std::size_t i, Case to) {
  const char32_t c = text[i].code;
  switch (to) {
    case Case::kLower:
      return lowered(text, i);
    case Case::kUpper:
      return raised(c);
    case Case::kTitle:
      return i > 0 && is_cased(text[i - 1].code) ? lowered(text, i) : titled(c);
    case Case::kCapitalize:
      return i > 0 ? lowered(text, i) : titled(c);
    case Case::kSwap:
      return is_upper(c) ? lowered(text, i) : is_lower(c) ? raised(c) : Made{c};
    case Case::kFold:
      return folded(c);
  }
  return {c};
}

}  // namespace

bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

bool is_letter(char32_t c) {
  const utf8proc_category_t of = category(c);
  return of >= UTF8PROC_CATEGORY_LU && of <= UTF8PROC_CATEGORY_LO;
}
bool is_decimal(char32_t c) { return category(c) == UTF8PROC_CATEGORY_ND; }
bool is_digit(char32_t c) { return is_decimal(c) || in_ranges(kOtherDigits, c); }
bool is_numeric(char32_t c) {
  const utf8proc_category_t of = category(c);
  return (of >= UTF8PROC_CATEGORY_ND && of <= UTF8PROC_CATEGORY_NO) || in_ranges(kOtherNumeric, c);
}
bool is_alphanumeric(char32_t c) { return is_letter(c) || is_numeric(c); }
bool is_lower(char32_t c) { return category(c) == UTF8PROC_CATEGORY_LL || in_ranges(kOtherLower, c); }
bool is_upper(char32_t c) { return category(c) == UTF8PROC_CATEGORY_LU || in_ranges(kOtherUpper, c); }
bool is_title(char32_t c) { return category(c) == UTF8PROC_CATEGORY_LT; }
bool is_printable(char32_t c) {
  const utf8proc_category_t of = category(c);
  return c == ' ' || (of != UTF8PROC_CATEGORY_CN && of < UTF8PROC_CATEGORY_ZS);
}

int digit_value(char32_t c) {
  // The ten digits of a script follow each other, and zero begins a block of ten characters of category Nd.
  int value = 0;
  while (value < 9 && is_decimal(c - static_cast<char32_t>(value) - 1)) ++value;
  if (value < 9) return value;
  // A run of several scripts' digits: each set begins where the code is a multiple of ten from the run's
  // start.
  char32_t start = c;
  while (is_decimal(start - 1)) --start;
  return static_cast<int>((c - start) % 10);
}

Text in_case(const Text& text, Case to, std::size_t limit) {
  const std::vector<Character> characters = decoded(text.bytes());
  TextBuilder out(limit);
  for (std::size_t i = 0; i < characters.size(); ++i) {
    std::string bytes;
    for (const char32_t c : converted(characters, i, to)) {
      if (c != 0 || (bytes.empty() && characters[i].code == 0)) append_utf8(c, bytes);
    }
    out.add(bytes, text.source_at(characters[i].byte));
  }
  return out.take(text.markup());
}

std::pair<std::size_t, std::size_t> stripped(std::string_view bytes, const std::string_view* chars, bool left,
                                             bool right) {
  std::u32string set;
  if (chars != nullptr) {
    for (const Character& c : decoded(*chars)) set += c.code;
    std::ranges::sort(set);
  }
  const auto goes = [&](char32_t c) {
    return chars == nullptr ? is_space(c) : std::ranges::binary_search(set, c);
  };
  std::size_t begin = 0, end = bytes.size();
  while (left && begin < end) {
    const Utf8Step step = utf8_step(bytes.substr(begin));
    if (!goes(step.code_point)) break;
    begin += static_cast<std::size_t>(step.length);
  }
  while (right && end > begin) {
    const std::size_t last = last_code_point(bytes.substr(0, end));
    if (!goes(utf8_step(bytes.substr(last)).code_point)) break;
    end = last;
  }
  return {begin, end};
}

}  // namespace refocus::jinja
