#include "architecture/config_fields.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"

namespace refocus {

using nlohmann::json;

namespace {

std::string short_number(double value) { return fmt::format("{}", value); }

}  // namespace

ConfigFields::ConfigFields(const json& object, std::string where, ModelConfig& config, std::string inside)
    : object_(object), where_(std::move(where)), inside_(std::move(inside)), config_(config) {}

const json* ConfigFields::find(const char* key) const {
  const auto it = object_.find(key);
  return it == object_.end() || it->is_null() ? nullptr : &*it;
}

const json* ConfigFields::find(Keys keys, const char*& key) const {
  const json* found = nullptr;
  key = *keys.begin();
  for (const char* name : keys) {
    const json* value = find(name);
    if (value == nullptr) continue;
    if (found != nullptr && *found != *value) {
      refuse(name, fmt::format("{} as {} says", printable(json_text(*found), 40), path(key)),
             "correct one of the two");
    }
    if (found == nullptr) key = name;
    found = value;
  }
  return found;
}

bool ConfigFields::has(const char* key) const { return find(key) != nullptr; }

bool ConfigFields::states(const char* key) const { return object_.contains(key); }

bool ConfigFields::any(Keys keys) const {
  const char* key;
  return find(keys, key) != nullptr;
}

std::string ConfigFields::path(const char* key) const { return inside_.empty() ? key : inside_ + "." + key; }

std::string ConfigFields::shown(const char* key) const {
  const auto it = object_.find(key);
  return it == object_.end() ? "none" : printable(json_text(*it), 40);
}

void ConfigFields::refuse(const char* key, std::string_view expected, std::string_view remedy) const {
  throw input_error(where_, "expected {} for {}, got {}; {}", expected, path(key), shown(key), remedy);
}

void ConfigFields::fact(std::string name, std::string value, std::string source) const {
  for (ConfigFact& known : config_.facts) {  // read twice: once with a default, then where it stands
    if (known.name != name) continue;
    known = {std::move(name), std::move(value), std::move(source)};
    return;
  }
  config_.facts.push_back({std::move(name), std::move(value), std::move(source)});
}

void ConfigFields::read(const char* key, const std::string& value) const {
  fact(path(key), value, "the file");
}

void ConfigFields::assumed(Keys keys, const std::string& value) const {
  fact(path(*keys.begin()), value, "default of " + config_.model_type);
}

void ConfigFields::warn(std::string text) const {
  std::string line = fmt::format("[{}] {}", where_, text);
  for (const std::string& known : config_.warnings) {
    if (known == line) return;
  }
  config_.warnings.push_back(std::move(line));
}

std::int64_t ConfigFields::as_size(const char* key, const json* value) const {
  constexpr std::int64_t kMost = std::int64_t{1} << 31;
  if (value == nullptr || !value->is_number_integer() || *value < 1 || *value > kMost) {
    refuse(key, fmt::format("a whole number from 1 to {}", kMost));
  }
  const auto n = value->get<std::int64_t>();
  read(key, std::to_string(n));
  return n;
}

std::int64_t ConfigFields::size(Keys keys) const {
  const char* key;
  const json* value = find(keys, key);
  return as_size(key, value);
}

std::optional<std::int64_t> ConfigFields::optional_size(Keys keys) const {
  const char* key;
  const json* value = find(keys, key);
  if (value == nullptr) return std::nullopt;
  return as_size(key, value);
}

std::int64_t ConfigFields::size_or(Keys keys, std::int64_t fallback) const {
  if (const auto n = optional_size(keys)) return *n;
  assumed(keys, std::to_string(fallback));
  return fallback;
}

double ConfigFields::as_positive(const char* key, const json* value) const {
  if (value == nullptr || !value->is_number() || !(value->get<double>() > 0) ||
      !std::isfinite(value->get<double>())) {
    refuse(key, "a positive number");
  }
  const auto x = value->get<double>();
  read(key, short_number(x));
  return x;
}

double ConfigFields::positive(Keys keys) const {
  const char* key;
  const json* value = find(keys, key);
  return as_positive(key, value);
}

std::optional<double> ConfigFields::optional_positive(Keys keys) const {
  const char* key;
  const json* value = find(keys, key);
  if (value == nullptr) return std::nullopt;
  return as_positive(key, value);
}

double ConfigFields::positive_or(Keys keys, double fallback) const {
  if (const auto x = optional_positive(keys)) return *x;
  assumed(keys, short_number(fallback));
  return fallback;
}

bool ConfigFields::flag_or(Keys keys, bool fallback) const {
  const char* key;
  const json* value = find(keys, key);
  if (value == nullptr) {
    assumed(keys, fallback ? "true" : "false");
    return fallback;
  }
  if (!value->is_boolean()) refuse(key, "true or false");
  read(key, value->get<bool>() ? "true" : "false");
  return value->get<bool>();
}

std::string ConfigFields::text_or(Keys keys, std::string fallback) const {
  const char* key;
  const json* value = find(keys, key);
  if (value == nullptr) {
    assumed(keys, fallback);
    return fallback;
  }
  if (!value->is_string()) refuse(key, "a string");
  read(key, printable(value->get_ref<const std::string&>(), 40));
  return value->get<std::string>();
}

std::vector<double> ConfigFields::positive_list(const char* key) const {
  const json* value = find(key);
  std::vector<double> out;
  const auto refuse_list = [&] { refuse(key, "a list of positive numbers"); };
  if (value == nullptr || !value->is_array()) refuse_list();
  for (const json& item : *value) {
    if (!item.is_number() || !(item.get<double>() > 0) || !std::isfinite(item.get<double>())) refuse_list();
    out.push_back(item.get<double>());
  }
  read(key, fmt::format("{} numbers", out.size()));
  return out;
}

std::optional<std::vector<std::string>> ConfigFields::text_list(const char* key) const {
  const json* value = find(key);
  if (value == nullptr) return std::nullopt;
  std::vector<std::string> out;
  if (!value->is_array()) refuse(key, "a list of strings");
  for (const json& item : *value) {
    if (!item.is_string()) refuse(key, "a list of strings");
    out.push_back(item.get<std::string>());
  }
  return out;
}

std::optional<std::vector<std::int64_t>> ConfigFields::integer_list(const char* key) const {
  const json* value = find(key);
  if (value == nullptr) return std::nullopt;
  std::vector<std::int64_t> out;
  if (!value->is_array()) refuse(key, "a list of whole numbers");
  for (const json& item : *value) {
    if (item.is_boolean()) {
      out.push_back(item.get<bool>() ? 1 : 0);
      continue;
    }
    if (!item.is_number_integer() || item > json(INT32_MAX) || item < json(0))
      refuse(key, "a list of whole numbers");
    out.push_back(item.get<std::int64_t>());
  }
  return out;
}

ConfigFields ConfigFields::object(const char* key) const {
  const json* value = find(key);
  if (value == nullptr || !value->is_object()) refuse(key, "an object or null");
  return {*value, where_, config_, path(key)};
}

std::vector<std::string> ConfigFields::keys() const {
  std::vector<std::string> out;
  for (const auto& item : object_.items()) out.push_back(item.key());
  return out;
}

}  // namespace refocus
