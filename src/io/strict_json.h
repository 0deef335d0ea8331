// JSON from files that nobody vouches for: no duplicate keys, bounded nesting, errors in one line.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

namespace refocus {

// Parses one JSON object. InputError, beginning with `[where] what`, where the text is no valid JSON, is no
// object, repeats a key within one object, or nests deeper than `max_depth` objects and arrays.
nlohmann::json parse_strict_json_object(std::string_view text, std::string_view where, std::string_view what,
                                        int max_depth);

// The same, with members in the order of the text.
nlohmann::ordered_json parse_strict_ordered_json_object(std::string_view text, std::string_view where,
                                                        std::string_view what, int max_depth);

}  // namespace refocus
