// Lists of numbers and ranges on the command line: "0,4-7".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace refocus::cli {

// The numbers, ascending, each once. UsageError for what is not such a list, and for a number that is not
// below `count`; `things` says what they are, such as "layers".
std::vector<std::int64_t> parse_number_list(std::string_view option, const std::string& text,
                                            std::int64_t count, std::string_view things);

// All numbers below `count`.
std::vector<std::int64_t> all_numbers(std::int64_t count);

}  // namespace refocus::cli
