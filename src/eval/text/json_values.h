// Values of report files that may not be there.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/json_node.h"
#include "stats/interval.h"

namespace refocus {

// The value, or null where there is none.
template <class T>
nlohmann::ordered_json or_null(const std::optional<T>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json();
}

// A letter as a text, or null.
inline nlohmann::ordered_json or_null(const std::optional<char>& letter) {
  return letter ? nlohmann::ordered_json(std::string(1, *letter)) : nlohmann::ordered_json();
}

// [low, high], or null.
inline nlohmann::ordered_json or_null(const std::optional<Interval>& interval) {
  return interval ? nlohmann::ordered_json({interval->low, interval->high}) : nlohmann::ordered_json();
}

// The number at a key, or nothing where there is none or null. InputError where it is something else.
template <class Json>
std::optional<double> number_at(const JsonNode<Json>& value, std::string_view key) {
  const auto member = value.find(key);
  return member ? std::optional<double>(member->number()) : std::nullopt;
}

}  // namespace refocus
