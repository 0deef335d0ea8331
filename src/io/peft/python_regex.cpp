#include "io/peft/python_regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>

#include "base/error.h"
#include "io/peft/python_regex_dialect.h"

namespace refocus {

namespace {

// Names of modules are some fifty characters long: an honest expression needs a few thousand steps.
constexpr std::uint32_t kMostSteps = 1'000'000;

std::string message_of(int code) {
  std::array<PCRE2_UCHAR, 256> buffer = {};
  pcre2_get_error_message(code, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

pcre2_code* code_of(const std::shared_ptr<void>& code) { return static_cast<pcre2_code*>(code.get()); }

}  // namespace

struct PythonRegex::Found {
  std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data;
  bool matched = false;
};

PythonRegex::PythonRegex(std::string where, std::string_view what, std::string_view pattern,
                         std::string_view shown)
    : where_(std::move(where)), what_(what), shown_(printable(shown, 120)) {
  std::string fault;
  try {
    const std::string translated = pcre2_from_python(pattern);
    int error = 0;
    PCRE2_SIZE offset = 0;
    pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                                     PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr);
    if (code != nullptr) {
      code_.reset(code, [](void* p) { pcre2_code_free(static_cast<pcre2_code*>(p)); });
      return;
    }
    fault = message_of(error);
  } catch (const PythonRegexError& e) {
    fault = fmt::format("{} is not supported", printable(e.what()));
  }
  throw input_error(where_,
                    "expected a regular expression of Python's re module in {}, got '{}' ({}); write out the "
                    "names",
                    what_, shown_, fault);
}

PythonRegex::Found PythonRegex::run(std::string_view text, unsigned options) const {
  Found out{{pcre2_match_data_create_from_pattern(code_of(code_), nullptr), pcre2_match_data_free}};
  const std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)> context(
      pcre2_match_context_create(nullptr), pcre2_match_context_free);
  if (!out.data || !context) throw std::bad_alloc();
  pcre2_set_match_limit(context.get(), kMostSteps);
  const int result = pcre2_match(code_of(code_), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0,
                                 PCRE2_ANCHORED | options, out.data.get(), context.get());
  if (result < 0 && result != PCRE2_ERROR_NOMATCH) {
    throw input_error(where_,
                      "expected a regular expression in {} that matches in few steps, got '{}' ({}); write "
                      "out the names",
                      what_, shown_, message_of(result));
  }
  out.matched = result >= 0;
  return out;
}

bool PythonRegex::match(std::string_view text) const { return run(text, 0).matched; }

bool PythonRegex::full_match(std::string_view text) const { return run(text, PCRE2_ENDANCHORED).matched; }

std::optional<std::string> PythonRegex::match_group(std::string_view text, const char* group) const {
  const Found found = run(text, 0);
  const int number = pcre2_substring_number_from_name(code_of(code_), reinterpret_cast<PCRE2_SPTR>(group));
  if (!found.matched || number < 0) return std::nullopt;
  const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(found.data.get());
  const auto at = static_cast<std::size_t>(2 * number);
  if (offsets[at] == PCRE2_UNSET) return std::nullopt;
  return std::string(text.substr(offsets[at], offsets[at + 1] - offsets[at]));
}

}  // namespace refocus
