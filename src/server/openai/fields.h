// The fields of a request: which ones there are, and reading them with errors that name them.
//
// Every field of the API is in one of these lists, which the readers, the description (openapi.json) and its
// test go by. A field is read, or it would change the answer and only such values are accepted as change
// nothing ("presence_penalty": 0), or it is not known: then it is ignored, and the answer names it.
#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace refocus::openai {

struct FieldRule {
  std::string_view name;
  // Empty: the field is read. Otherwise a JSON list of the values that change nothing.
  std::string_view neutral = {};
};

enum class FieldsOf { kCompletion, kChat, kTokenize, kDetokenize, kStreamOptions, kRefocus, kAttention };
std::span<const FieldRule> fields_of(FieldsOf object);

// An object of a request. null is the same as an absent field everywhere. All errors are ApiErrors with
// status 400 whose param is the field.
class Fields {
 public:
  // `prefix`: "refocus." for the fields within one. `json` must outlive this. ApiError where it is no object
  // or has more than 256 fields.
  Fields(const nlohmann::ordered_json& json, FieldsOf object, std::string prefix = "");

  // The value of a field in the list; null where it is absent or JSON's null.
  const nlohmann::ordered_json* find(std::string_view name) const;
  bool has(std::string_view name) const { return find(name) != nullptr; }
  std::string path(std::string_view name) const { return prefix_ + std::string(name); }

  // The value where there is one, otherwise `absent`.
  bool flag(std::string_view name, bool absent) const;
  double number(std::string_view name, double low, double high, double absent) const;
  std::optional<std::int64_t> whole(std::string_view name, std::int64_t low, std::int64_t high) const;
  std::optional<std::string> text(std::string_view name, std::size_t most_bytes) const;

  // ApiError for a field whose value would change the answer and that nothing acts on.
  void refuse_unsupported() const;
  // The fields that no list has, at most 32 names of at most 64 bytes.
  std::vector<std::string> unknown() const;
  // ApiError for the first of them, naming the nearest known one.
  void refuse_unknown() const;

 private:
  const nlohmann::ordered_json& json_;
  std::span<const FieldRule> rules_;
  std::string prefix_;
};

// The whole number of a JSON value: one written as such, or as 16.0. Nothing where it is another or does not
// fit.
std::optional<std::int64_t> whole_number(const nlohmann::ordered_json& value);

// The items of the list that is the value of `path`: whole numbers from `low` to `high`. ApiError otherwise.
std::vector<std::int32_t> whole_numbers(const nlohmann::ordered_json& value, const std::string& path,
                                        std::int32_t low, std::int32_t high);

// Throws the ApiError "expected X as 'PATH', got Y; correct the request".
[[noreturn]] void refuse_value(const std::string& path, std::string_view expected,
                               const nlohmann::ordered_json& value);

}  // namespace refocus::openai
