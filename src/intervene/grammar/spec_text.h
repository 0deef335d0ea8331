// Pieces of the grammar of --intervene that its readers share: numbers, quotes, separators, errors with a
// column. Internal to src/intervene.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "intervene/grammar/selector.h"

namespace refocus {

// "expected ..., got ... (column 12)".
template <class... Args>
UsageError spec_error(const SpecPlace& place, fmt::format_string<Args...> format, Args&&... args) {
  return usage_error(place.option, "{} (column {})", fmt::format(format, std::forward<Args>(args)...),
                     place.column);
}

inline constexpr std::int64_t kLargestSpecNumber = 1'000'000'000;  // of a layer, head or position

// "a, b or c"; at least one.
std::string alternatives(const std::vector<std::string_view>& words);

// A whole number of digits alone, or nothing; need_...: an error that says what it is a number of.
std::optional<std::int64_t> spec_number(std::string_view text);
std::int64_t need_spec_number(std::string_view text, std::string_view what, const SpecPlace& place);
// Of a draw: a whole number from 0 to kLargestSpecNumber.
std::uint64_t need_spec_seed(std::string_view text, const SpecPlace& place);

// The parts between the separators, which are not looked for within quotes.
void for_parts(std::string_view text, char separator, const SpecPlace& place,
               const std::function<void(std::string_view part, const SpecPlace& place)>& body);

// Where the first of `stops` stands outside quotes at or after `from`; text.size() where none does.
std::size_t find_unquoted(std::string_view text, std::string_view stops, std::size_t from = 0);

// In double quotes, with what needs it escaped; and back, or the text as it stands where it has none.
std::string quoted_text(std::string_view text);
std::string unquoted_text(std::string_view text, std::string_view what, const SpecPlace& place);

}  // namespace refocus
