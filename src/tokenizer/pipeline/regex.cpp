#define PCRE2_CODE_UNIT_WIDTH 8
#include "tokenizer/pipeline/regex.h"

#include <pcre2.h>

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"
#include "tokenizer/pipeline/regex_dialect.h"

namespace refocus {
namespace {

// A thread's working memory for matching, made once.
struct Scratch {
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack* stack = pcre2_jit_stack_create(32 * 1024, 16 * 1024 * 1024, nullptr);

  Scratch() {
    REFOCUS_CHECK(data != nullptr && context != nullptr);
    if (stack != nullptr) pcre2_jit_stack_assign(context, nullptr, stack);
    pcre2_set_heap_limit(context, 256 * 1024);  // KiB, for the interpreter
  }
  ~Scratch() {
    pcre2_jit_stack_free(stack);
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
};

Scratch& scratch() {
  thread_local Scratch of_this_thread;
  return of_this_thread;
}

std::string message_of(int code) {
  PCRE2_UCHAR buffer[256] = {};
  pcre2_get_error_message(code, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

}  // namespace

Regex::Regex(std::string where, std::string_view pattern) : where_(std::move(where)) {
  const std::string translated = pcre2_pattern(where_, pattern);
  pcre2_compile_context* context = pcre2_compile_context_create(nullptr);
  REFOCUS_CHECK(context != nullptr);
  pcre2_set_newline(context, PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE offset = 0;
  // In Oniguruma ^ and $ always match at line breaks.
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                                   PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error,
                                   &offset, context);
  pcre2_compile_context_free(context);
  if (code == nullptr) {
    throw input_error(
        where_,
        "expected a regular expression, got '{}' ({} at byte {}); the file is damaged or not supported",
        printable(pattern, 200), message_of(error), offset);
  }
  code_.reset(code, [](void* p) { pcre2_code_free(static_cast<pcre2_code*>(p)); });
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // without it, matching is only slower
}

std::vector<std::pair<std::size_t, std::size_t>> Regex::find_all(std::string_view text) const {
  std::vector<std::pair<std::size_t, std::size_t>> matches;
  const auto* code = static_cast<const pcre2_code*>(code_.get());
  Scratch& s = scratch();
  // One character may take a few steps, and a run of white space is walked twice.
  pcre2_set_match_limit(s.context, static_cast<std::uint32_t>(
                                       std::min<std::size_t>(10'000'000 + 16 * text.size(), 2'000'000'000)));
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  std::size_t at = 0;
  while (at <= text.size()) {
    // The caller vouches for the UTF-8: checking the rest of the text at every match would be quadratic.
    int rc = pcre2_match(code, subject, text.size(), at, PCRE2_NO_UTF_CHECK, s.data, s.context);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) {
      rc = pcre2_match(code, subject, text.size(), at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, s.data, s.context);
    }
    if (rc == PCRE2_ERROR_NOMATCH) break;
    if (rc < 0) {
      throw input_error(where_,
                        "expected a regular expression that matches quickly, got '{}' on a text of {} bytes; "
                        "the file's pattern is not usable",
                        message_of(rc), text.size());
    }
    const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(s.data);
    const std::size_t begin = offsets[0], end = std::max(offsets[0], offsets[1]);
    matches.emplace_back(begin, end);
    at = end;
    if (end == begin) {  // an empty match: go on behind the next character
      if (at >= text.size()) break;
      at += static_cast<std::size_t>(utf8_step(text.substr(at)).length);
    }
  }
  return matches;
}

}  // namespace refocus
