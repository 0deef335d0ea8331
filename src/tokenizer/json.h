// Reading a tokenizer.json: simdjson (the file may have ten megabytes) with the project's errors, those of
// base/json_reader.h among them.
//
// Not for the small files beside it: they hold integers of more than 64 bits, which simdjson refuses. A JSON
// null counts as absent throughout, as in Hugging Face's files.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace refocus {

using JsonValue = simdjson::dom::element;
using JsonObject = simdjson::dom::object;
using JsonArray = simdjson::dom::array;

// A parsed file. Values point into it.
class JsonFile {
 public:
  // InputError where the file cannot be read, is no JSON as base/json_reader.h wants it, or is no object.
  explicit JsonFile(const std::filesystem::path& path);
  // Of a text that was written here, and so is an object as base/json_reader.h wants it; `where` names what
  // it was made from.
  JsonFile(const std::string& where, const std::string& text);
  JsonObject root() const { return root_; }

 private:
  void parse(const std::string& where, std::string_view text);

  simdjson::dom::parser parser_;
  JsonObject root_;
};

// An object's member, or nothing where it is absent or null. InputError (naming `where` and the key) where it
// has another type.
std::optional<JsonValue> json_value(JsonObject object, std::string_view key);
std::optional<std::string_view> json_string(const std::string& where, JsonObject object,
                                            std::string_view key);
std::optional<bool> json_bool(const std::string& where, JsonObject object, std::string_view key);
std::optional<std::int64_t> json_integer(const std::string& where, JsonObject object, std::string_view key);
std::optional<JsonObject> json_object(const std::string& where, JsonObject object, std::string_view key);
std::optional<JsonArray> json_array(const std::string& where, JsonObject object, std::string_view key);

// The value as that type; InputError saying what `what` should have been.
JsonObject as_object(const std::string& where, std::string_view what, JsonValue value);
JsonArray as_array(const std::string& where, std::string_view what, JsonValue value);
std::string_view as_string(const std::string& where, std::string_view what, JsonValue value);
std::int64_t as_integer(const std::string& where, std::string_view what, JsonValue value);

// The member that must be there; `value` is what json_...() above returned.
template <class T>
T required(const std::string& where, std::string_view key, std::optional<T> value);

// The member that must be there, a string of at most 64 bytes: what is put into texts again and again.
std::string json_short_string(const std::string& where, JsonObject object, std::string_view key);

// The text of a component's "type".
std::string_view json_type(const std::string& where, JsonObject component);

[[noreturn]] void missing_member(const std::string& where, std::string_view key);

template <class T>
T required(const std::string& where, std::string_view key, std::optional<T> value) {
  if (!value) missing_member(where, key);
  return *value;
}

}  // namespace refocus
