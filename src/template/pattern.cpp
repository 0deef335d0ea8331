#define PCRE2_CODE_UNIT_WIDTH 8
#include "template/pattern.h"

#include <pcre2.h>

#include "base/utf8.h"
#include "template/failure.h"

namespace refocus::jinja {
namespace {

pcre2_code* code_of(const std::shared_ptr<void>& code) { return static_cast<pcre2_code*>(code.get()); }

std::string message_of(int error) {
  PCRE2_UCHAR buffer[256];
  const int length = pcre2_get_error_message(error, buffer, sizeof buffer);
  return length > 0 ? std::string(reinterpret_cast<const char*>(buffer), static_cast<std::size_t>(length))
                    : "an error";
}

Match match_of(const pcre2_match_data* data, int groups) {
  const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(const_cast<pcre2_match_data*>(data));
  Match match;
  for (int i = 0; i < groups; ++i) match.groups.emplace_back(ends[2 * i], ends[2 * i + 1]);
  return match;
}

}  // namespace

Pattern::Pattern(std::string_view what, std::string_view pattern) {
  int error = 0;
  PCRE2_SIZE at = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                   PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &at, nullptr);
  if (code == nullptr) {
    fail("expected a regular expression in '{}', got '{}' ({} at {})", what, printable(pattern, 40),
         message_of(error), at);
  }
  code_ = std::shared_ptr<void>(code, [](void* one) { pcre2_code_free(static_cast<pcre2_code*>(one)); });
}

int Pattern::groups() const {
  std::uint32_t count = 0;
  pcre2_pattern_info(code_of(code_), PCRE2_INFO_CAPTURECOUNT, &count);
  return static_cast<int>(count) + 1;
}

int Pattern::group(const std::string& name) const {
  return pcre2_substring_number_from_name(code_of(code_), reinterpret_cast<PCRE2_SPTR>(name.c_str()));
}

std::vector<Match> Pattern::find_all(std::string_view text, std::size_t most) const {
  const std::unique_ptr<pcre2_match_data, void (*)(pcre2_match_data*)> data(
      pcre2_match_data_create_from_pattern(code_of(code_), nullptr), pcre2_match_data_free);
  const std::unique_ptr<pcre2_match_context, void (*)(pcre2_match_context*)> context(
      pcre2_match_context_create(nullptr), pcre2_match_context_free);
  pcre2_set_match_limit(context.get(), 1'000'000);
  pcre2_set_heap_limit(context.get(), 20'000);
  std::vector<Match> out;
  const int count = groups();
  std::size_t at = 0, last_end = Match::kNone;
  while (at <= text.size() && (most == 0 || out.size() < most)) {
    // Where the last match ended, another one may be empty only if that one was not.
    const bool not_empty =
        at == last_end && !out.empty() && out.back().groups[0].first == out.back().groups[0].second;
    const std::uint32_t options = PCRE2_NO_UTF_CHECK | (not_empty ? PCRE2_NOTEMPTY_ATSTART : 0);
    const int result = pcre2_match(code_of(code_), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at,
                                   options, data.get(), context.get());
    if (result == PCRE2_ERROR_NOMATCH) break;
    if (result < 0)
      fail("expected a regular expression that is fast on its text, got {}", message_of(result));
    out.push_back(match_of(data.get(), count));
    at = last_end = out.back().groups[0].second;
    if (out.back().groups[0].first > at) break;  // \K in a lookahead
  }
  return out;
}

}  // namespace refocus::jinja
