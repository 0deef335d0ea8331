#include "eval/text/pattern.h"

#include "base/error.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace refocus {

namespace {

// \C would match a part of a character, and leave matches in the middle of one.
std::uint32_t options_for(Pattern::Text text) {
  return text == Pattern::Text::kUtf8 ? PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C : 0;
}

}  // namespace

Pattern::Pattern(const std::string& regex, Text text, bool ignore_case, bool extended) {
  std::uint32_t options = options_for(text);
  if (ignore_case) options |= PCRE2_CASELESS;
  if (extended) options |= PCRE2_EXTENDED;
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(regex.data()), regex.size(), options, &error,
                                   &offset, nullptr);
  REFOCUS_CHECK(code != nullptr);
  code_ = std::shared_ptr<void>(code, [](void* p) { pcre2_code_free(static_cast<pcre2_code*>(p)); });
  // Where the platform has no JIT the interpreter gives the same matches.
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
  std::uint32_t captures = 0;
  pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &captures);
  groups_ = captures + 1;
}

std::optional<std::string> Pattern::error(const std::string& regex, Text text) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(regex.data()), regex.size(),
                                   options_for(text), &error, &offset, nullptr);
  pcre2_code_free(code);
  if (code != nullptr) return std::nullopt;
  std::array<PCRE2_UCHAR, 200> message = {};
  pcre2_get_error_message(error, message.data(), message.size());
  return fmt::format("{} at byte {}", reinterpret_cast<const char*>(message.data()), offset);
}

std::optional<Match> Pattern::search(std::string_view text, std::size_t from) const {
  return run(text, from, 0);
}

std::optional<Match> Pattern::match_at(std::string_view text, std::size_t at) const {
  return run(text, at, PCRE2_ANCHORED);
}

std::optional<Match> Pattern::run(std::string_view text, std::size_t from, unsigned options) const {
  if (from > text.size()) return std::nullopt;
  const auto* code = static_cast<const pcre2_code*>(code_.get());
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data(
      pcre2_match_data_create_from_pattern(code, nullptr), pcre2_match_data_free);
  if (!data) throw std::bad_alloc();
  const auto match = [&](unsigned extra) {
    return pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                       options | extra | PCRE2_NO_UTF_CHECK, data.get(), nullptr);
  };
  int result = match(0);
  if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = match(PCRE2_NO_JIT);
  if (result == PCRE2_ERROR_NOMATCH) return std::nullopt;
  if (result < 0) {
    throw input_error("extraction",
                      "a response of {} bytes needs more matching steps than allowed (PCRE2 "
                      "error {}); shorten it",
                      text.size(), result);
  }
  const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(data.get());
  Match groups(groups_);
  for (std::size_t i = 0; i < groups_; ++i) {
    if (offsets[2 * i] != PCRE2_UNSET) groups[i] = Span{offsets[2 * i], offsets[2 * i + 1]};
  }
  return groups;
}

std::string with_letters(std::string regex, char last) {
  const char small = static_cast<char>(last - 'A' + 'a');
  const std::array<std::pair<const char*, std::string>, 3> marks = {{{"{L}", fmt::format("[A-{}]", last)},
                                                                     {"{l}", fmt::format("[a-{}]", small)},
                                                                     {"{N}", fmt::format("[^A-{}]", last)}}};
  for (const auto& [mark, letters] : marks) {
    for (std::size_t at = regex.find(mark); at != std::string::npos; at = regex.find(mark)) {
      regex.replace(at, 3, letters);
    }
  }
  return regex;
}

}  // namespace refocus
