// A value in a parsed JSON file that says where it stands when it is not what its reader expects:
// "[FILE] expected a text as 'config.prompt', got a number; repeat the eval command".
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json_reader.h"

namespace refocus {

// Json: nlohmann::json or nlohmann::ordered_json. A node points to a value that must outlive it.
template <class Json>
class JsonNode {
 public:
  JsonNode(const Json& value, JsonSource source)
      : value_(&value), source_(std::make_shared<const JsonSource>(std::move(source))) {}

  // The member `key`. InputError where this is no object, or has none.
  JsonNode at(std::string_view key) const {
    const Json* member = member_of(key);
    const JsonNode out(member, source_, path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key));
    if (member == nullptr) {
      throw input_error(source_->where, "expected '{}', got none; {}", printable(out.path_, 160),
                        source_->remedy);
    }
    return out;
  }
  // The member `key`, or nothing where it is absent or null. InputError where this is no object.
  std::optional<JsonNode> find(std::string_view key) const {
    const Json* member = member_of(key);
    if (member == nullptr || member->is_null()) return std::nullopt;
    return at(key);
  }
  // The items of a list. InputError where this is none.
  std::vector<JsonNode> items() const {
    if (!value_->is_array()) fail("a list");
    std::vector<JsonNode> out;
    for (std::size_t i = 0; i < value_->size(); ++i) {
      out.push_back(JsonNode(&(*value_)[i], source_, fmt::format("{}[{}]", path_, i)));
    }
    return out;
  }

  // The value, where it is of that kind; InputError otherwise. whole(): from 0 to 2^63 - 1.
  const std::string& text() const {
    if (!value_->is_string()) fail("a text");
    return value_->template get_ref<const std::string&>();
  }
  double number() const {
    if (!value_->is_number()) fail("a number");
    return value_->template get<double>();
  }
  std::int64_t whole() const {
    const bool large =
        value_->is_number_unsigned() && value_->template get<std::uint64_t>() > std::uint64_t{INT64_MAX};
    if (!value_->is_number_integer() || large || value_->template get<std::int64_t>() < 0) {
      fail("a whole number from 0");
    }
    return value_->template get<std::int64_t>();
  }
  bool flag() const {
    if (!value_->is_boolean()) fail("true or false");
    return value_->template get<bool>();
  }
  const Json& object() const {
    if (!value_->is_object()) fail("an object");
    return *value_;
  }
  const Json& json() const { return *value_; }

  [[noreturn]] void fail(std::string_view expected) const {
    const bool shown = value_->is_number() || value_->is_string();
    throw input_error(source_->where, "expected {}{}, got {}{}; {}", expected,
                      path_.empty() ? "" : fmt::format(" as '{}'", printable(path_, 160)), json_kind(*value_),
                      shown ? " " + printable(json_text(*value_), 40) : "", source_->remedy);
  }

 private:
  JsonNode(const Json* value, std::shared_ptr<const JsonSource> source, std::string path)
      : value_(value), source_(std::move(source)), path_(std::move(path)) {}

  const Json* member_of(std::string_view key) const {
    const Json& whole = object();
    const auto found = whole.find(key);
    return found == whole.end() ? nullptr : &*found;
  }

  const Json* value_;
  std::shared_ptr<const JsonSource> source_;
  std::string path_;  // "config.prompt", "tasks[0]"; empty: the whole
};

}  // namespace refocus
