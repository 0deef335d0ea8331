// The one exception type for errors of input (files, flags, requests), and the check for broken invariants.
//
// An input error's text is `[where] expected X, got Y; what to do`, on one line of UTF-8 whatever was quoted
// in it: controls and bytes that are no UTF-8 are shown escaped. The program prints it and exits with status
// 1, or 2 where the command line itself is wrong (UsageError). No input may reach REFOCUS_CHECK.
#pragma once

#include <fmt/core.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace refocus {

class InputError : public std::runtime_error {
 public:
  InputError(std::string_view where, std::string_view message);
};

// A wrong flag or flag value: exit status 2.
class UsageError : public InputError {
 public:
  using InputError::InputError;
};

// Makes an InputError with a formatted message: throw input_error("safetensors a.bin", "expected {}", 3).
template <class... Args>
InputError input_error(std::string_view where, fmt::format_string<Args...> format, Args&&... args) {
  return InputError(where, fmt::format(format, std::forward<Args>(args)...));
}

template <class... Args>
UsageError usage_error(std::string_view where, fmt::format_string<Args...> format, Args&&... args) {
  return UsageError(where, fmt::format(format, std::forward<Args>(args)...));
}

// Text from outside, fit for a one-line message: controls and what is no UTF-8 escaped, cut at `limit` bytes.
std::string printable(std::string_view text, std::size_t limit = 80);

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace refocus

// Aborts where an invariant of the program itself is broken.
#define REFOCUS_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::refocus::check_failed(#condition, __FILE__, __LINE__))
