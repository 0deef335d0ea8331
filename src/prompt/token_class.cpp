#include "prompt/token_class.h"

#include <utf8proc.h>

#include <string>

#include "base/utf8.h"
#include "prompt/function_words.h"

namespace refocus {

namespace {

enum class Kind { kBlank, kLetter, kDigit, kApostrophe, kOther };

struct Character {
  std::size_t begin, end;  // bytes
  char32_t code_point;
  Kind kind;
};

bool is_blank(char32_t c, utf8proc_category_t category) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x85 || category == UTF8PROC_CATEGORY_ZS ||
         category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

Kind kind_of(char32_t c) {
  if (c == '\'' || c == 0x2019) return Kind::kApostrophe;
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  if (is_blank(c, category)) return Kind::kBlank;
  if (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_ME) return Kind::kLetter;  // L and M
  if (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO) return Kind::kDigit;
  return Kind::kOther;
}

std::vector<Character> characters_of(std::string_view text) {
  std::vector<Character> out;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = utf8_step(text.substr(at));
    const bool valid = step.status == Utf8Status::kValid;
    const std::size_t end = at + static_cast<std::size_t>(std::max(1, step.length));
    out.push_back(
        {at, end, valid ? step.code_point : 0xFFFD, valid ? kind_of(step.code_point) : Kind::kOther});
    at = end;
  }
  return out;
}

bool is_word_kind(Kind kind) { return kind == Kind::kLetter || kind == Kind::kDigit; }

TokenClass class_of_word(std::span<const Character> word) {
  std::string lower;
  bool digits = true;
  for (const Character& c : word) {
    digits = digits && c.kind == Kind::kDigit;
    append_utf8(c.kind == Kind::kApostrophe
                    ? U'\''
                    : static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c.code_point))),
                lower);
  }
  if (digits) return TokenClass::kNumber;
  return is_function_word(lower) ? TokenClass::kFunctionWord : TokenClass::kContent;
}

// The class of each byte of a text without special tokens.
std::vector<TokenClass> classes_of_bytes(std::string_view text) {
  std::vector<TokenClass> out(text.size(), TokenClass::kPunctuation);
  const std::vector<Character> all = characters_of(text);
  const auto mark = [&](std::size_t from, std::size_t to, TokenClass c) {
    std::fill(out.begin() + static_cast<std::ptrdiff_t>(all[from].begin),
              out.begin() + static_cast<std::ptrdiff_t>(all[to - 1].end), c);
  };
  for (std::size_t i = 0; i < all.size();) {
    if (all[i].kind == Kind::kBlank) mark(i, i + 1, TokenClass::kWhiteSpace);
    if (!is_word_kind(all[i].kind)) {
      ++i;
      continue;
    }
    std::size_t end = i + 1;
    while (end < all.size()) {
      if (is_word_kind(all[end].kind)) {
        ++end;
      } else if (all[end].kind == Kind::kApostrophe && all[end - 1].kind == Kind::kLetter &&
                 end + 1 < all.size() && all[end + 1].kind == Kind::kLetter) {
        end += 2;
      } else {
        break;
      }
    }
    mark(i, end, class_of_word(std::span(all).subspan(i, end - i)));
    i = end;
  }
  return out;
}

// One stretch of tokens between special ones.
void classify_stretch(const Tokenizer& tokenizer, std::span<const std::int32_t> ids, TokenClass* out) {
  std::string text;
  std::vector<std::size_t> begins;
  for (const std::int32_t id : ids) {
    begins.push_back(text.size());
    text += tokenizer.token_bytes(id);
  }
  begins.push_back(text.size());
  const std::vector<TokenClass> classes = classes_of_bytes(text);
  for (std::size_t t = 0; t < ids.size(); ++t) {
    out[t] = TokenClass::kWhiteSpace;
    for (std::size_t i = begins[t]; i < begins[t + 1] && out[t] == TokenClass::kWhiteSpace; ++i) {
      out[t] = classes[i];
    }
  }
}

}  // namespace

std::string_view token_class_name(TokenClass token_class) {
  constexpr std::string_view kNames[kTokenClasses] = {
      "special", "punctuation", "white_space", "function_word", "number", "content", "unknown"};
  return kNames[static_cast<std::size_t>(token_class)];
}

std::vector<TokenClass> classify_tokens(const Tokenizer* tokenizer, std::span<const std::int32_t> ids) {
  std::vector<TokenClass> out(ids.size(), TokenClass::kUnknown);
  if (tokenizer == nullptr) return out;
  for (std::size_t i = 0; i < ids.size();) {
    const bool known = tokenizer->contains(ids[i]);
    if (!known || tokenizer->is_special(ids[i])) {
      out[i++] = known ? TokenClass::kSpecial : TokenClass::kUnknown;
      continue;
    }
    std::size_t end = i + 1;
    while (end < ids.size() && tokenizer->contains(ids[end]) && !tokenizer->is_special(ids[end])) ++end;
    classify_stretch(*tokenizer, ids.subspan(i, end - i), out.data() + i);
    i = end;
  }
  return out;
}

}  // namespace refocus
