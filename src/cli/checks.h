// Checks of option values, as CLI11 validators that say what was expected in one line. CLI11's own Range lets
// NaN and, for unsigned types, negative numbers pass.
#pragma once

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"

namespace refocus::cli {

namespace internal {

template <class Number>
bool parse_whole(const std::string& text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace internal

// A decimal integer in [least, most].
template <class Integer>
CLI::Validator whole_number(Integer least, Integer most) {
  return {[least, most](std::string& text) -> std::string {
            Integer value{};
            if (internal::parse_whole(text, value) && value >= least && value <= most) return "";
            return fmt::format("expected a whole number from {} to {}, got '{}'", least, most,
                               printable(text));
          },
          ""};
}

// A finite number in [least, most].
inline CLI::Validator number(double least, double most) {
  return {[least, most](std::string& text) -> std::string {
            double value = 0;
            if (internal::parse_whole(text, value) && value >= least && value <= most) return "";
            return fmt::format("expected a number from {} to {}, got '{}'", least, most, printable(text));
          },
          ""};
}

// One of these words, which help and completion show in the place of the value (cli/option_text.h).
CLI::Validator one_of(std::vector<std::string> words);

// Anything but an empty text.
inline CLI::Validator not_empty() {
  return {[](std::string& text) -> std::string {
            return text.empty() ? "expected a name, got an empty text" : "";
          },
          ""};
}

// The name of a file of HTML, so that nothing is written under a name that says something else.
inline CLI::Validator html_name() {
  return {[](std::string& text) -> std::string {
            if (text.ends_with(".html") || text.ends_with(".htm")) return "";
            return fmt::format(
                "expected a name that ends in .html, got '{}'; a browser prints the page as PDF, and "
                "`refocus figure` draws pictures as PDF",
                printable(text));
          },
          ""};
}

}  // namespace refocus::cli
