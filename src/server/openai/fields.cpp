#include "server/openai/fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/json_reader.h"
#include "base/nearest_word.h"
#include "server/openai/api_error.h"

namespace refocus::openai {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kMostFields = 256;  // of an object
constexpr std::size_t kMostUnknown = 32, kLongestUnknown = 64;

bool changes_nothing(const ordered_json& value, std::string_view neutral) {
  const ordered_json values = parse_ordered_json(neutral, {"neutral values"});
  return std::ranges::find(values, value) != values.end();
}

}  // namespace

void refuse_value(const std::string& path, std::string_view expected, const ordered_json& value) {
  const bool shown = value.is_number() || value.is_string() || value.is_boolean();
  throw bad_request(path, "expected {} as '{}', got {}; correct the request", expected, printable(path, 160),
                    shown ? printable(json_text(value), 40) : std::string(json_kind(value)));
}

std::optional<std::int64_t> whole_number(const ordered_json& value) {
  if (value.is_number_unsigned()) {
    const std::uint64_t number = value.get<std::uint64_t>();
    if (number > std::uint64_t{INT64_MAX}) return std::nullopt;
    return static_cast<std::int64_t>(number);
  }
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (!value.is_number_float()) return std::nullopt;
  const double real = value.get<double>();
  constexpr double kExact = 9007199254740992.0;  // 2^53: beyond it a double is no certain whole number
  if (!(std::abs(real) <= kExact) || real != std::floor(real)) return std::nullopt;
  return static_cast<std::int64_t>(real);
}

std::vector<std::int32_t> whole_numbers(const ordered_json& value, const std::string& path, std::int32_t low,
                                        std::int32_t high) {
  if (!value.is_array()) refuse_value(path, "a list of whole numbers", value);
  std::vector<std::int32_t> out;
  out.reserve(value.size());
  for (std::size_t i = 0; i < value.size(); ++i) {
    const std::optional<std::int64_t> number = whole_number(value[i]);
    if (!number || *number < low || *number > high) {
      refuse_value(fmt::format("{}[{}]", path, i), fmt::format("a whole number from {} to {}", low, high),
                   value[i]);
    }
    out.push_back(static_cast<std::int32_t>(*number));
  }
  return out;
}

Fields::Fields(const ordered_json& json, FieldsOf object, std::string prefix)
    : json_(json), rules_(fields_of(object)), prefix_(std::move(prefix)) {
  const std::string own = prefix_.substr(0, prefix_.empty() ? 0 : prefix_.size() - 1);
  if (!json.is_object()) refuse_value(own, "an object", json);
  if (json.size() > kMostFields) {
    throw bad_request(own, "expected at most {} fields, got {}; correct the request", kMostFields,
                      json.size());
  }
}

const ordered_json* Fields::find(std::string_view name) const {
  REFOCUS_CHECK(std::ranges::find(rules_, name, &FieldRule::name) != rules_.end());
  const auto found = json_.find(name);
  return found == json_.end() || found->is_null() ? nullptr : &*found;
}

bool Fields::flag(std::string_view name, bool absent) const {
  const ordered_json* value = find(name);
  if (value == nullptr) return absent;
  if (!value->is_boolean()) refuse_value(path(name), "true or false", *value);
  return value->get<bool>();
}

double Fields::number(std::string_view name, double low, double high, double absent) const {
  const ordered_json* value = find(name);
  if (value == nullptr) return absent;
  const double number = value->is_number() ? value->get<double>() : std::nan("");
  if (!(number >= low && number <= high)) {
    refuse_value(path(name), fmt::format("a number from {} to {}", low, high), *value);
  }
  return number;
}

std::optional<std::int64_t> Fields::whole(std::string_view name, std::int64_t low, std::int64_t high) const {
  const ordered_json* value = find(name);
  if (value == nullptr) return std::nullopt;
  const std::optional<std::int64_t> number = whole_number(*value);
  if (!number || *number < low || *number > high) {
    refuse_value(path(name), fmt::format("a whole number from {} to {}", low, high), *value);
  }
  return number;
}

std::optional<std::string> Fields::text(std::string_view name, std::size_t most_bytes) const {
  const ordered_json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) refuse_value(path(name), "a text", *value);
  std::string out = value->get<std::string>();
  if (out.size() > most_bytes) {
    throw bad_request(path(name), "expected a text of at most {} bytes as '{}', got {}; shorten it",
                      most_bytes, path(name), out.size());
  }
  return out;
}

void Fields::refuse_unsupported() const {
  for (const FieldRule& rule : rules_) {
    if (rule.neutral.empty()) continue;
    const ordered_json* value = find(rule.name);
    if (value == nullptr || changes_nothing(*value, rule.neutral)) continue;
    const std::string allowed(rule.neutral.substr(1, rule.neutral.size() - 2));
    throw unsupported(
        path(rule.name),
        fmt::format("expected {} as '{}', which is not implemented, got {}; leave it out",
                    allowed.empty() ? "null" : allowed, path(rule.name), printable(json_text(*value), 40)));
  }
}

std::vector<std::string> Fields::unknown() const {
  std::vector<std::string> out;
  for (const auto& [name, value] : json_.items()) {
    if (out.size() == kMostUnknown) break;
    if (std::ranges::find(rules_, name, &FieldRule::name) != rules_.end()) continue;
    out.push_back(prefix_ + printable(name, kLongestUnknown));
  }
  return out;
}

void Fields::refuse_unknown() const {
  std::vector<std::string_view> known;
  for (const FieldRule& rule : rules_) known.push_back(rule.name);
  for (const auto& [name, value] : json_.items()) {
    if (std::ranges::find(known, name) != known.end()) continue;
    const std::string near = did_you_mean(name, known);
    throw bad_request(prefix_ + printable(name, kLongestUnknown), "expected one of {} in '{}', got '{}'{}",
                      fmt::join(known, ", "), prefix_.substr(0, prefix_.size() - 1),
                      printable(name, kLongestUnknown), near.empty() ? "; correct the request" : near);
  }
}

}  // namespace refocus::openai
