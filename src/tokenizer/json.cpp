#include "tokenizer/json.h"

#include "base/error.h"
#include "base/file_kind.h"
#include "base/json_reader.h"
#include "base/text_file.h"

namespace refocus {
namespace {

constexpr std::string_view kRemedy = "download it again";

template <class T>
T checked(const std::string& where, std::string_view what, std::string_view type, JsonValue value) {
  T result{};
  if (value.get(result) != simdjson::SUCCESS) {
    throw input_error(where, "expected {} as {}, got {}; the file is damaged or not supported", type,
                      printable(what), printable(simdjson::minify(value), 60));
  }
  return result;
}

template <class T>
std::optional<T> member(const std::string& where, JsonObject object, std::string_view key,
                        std::string_view type) {
  const std::optional<JsonValue> value = json_value(object, key);
  if (!value) return std::nullopt;
  return checked<T>(where, fmt::format("\"{}\"", key), type, *value);
}

}  // namespace

JsonFile::JsonFile(const std::filesystem::path& path) {
  const std::string where = path.string();
  if (!std::filesystem::is_regular_file(path)) {
    throw input_error(where, "expected a file, got none; check the model directory");
  }
  refuse_other_format(path, "JSON", FileFormat::kJson);
  const std::string text = read_text_file(path);
  check_json(text, {where, kRemedy});
  parse(where, text);
}

JsonFile::JsonFile(const std::string& where, const std::string& text) { parse(where, text); }

void JsonFile::parse(const std::string& where, std::string_view text) {
  JsonValue value;
  // What is left to refuse are numbers of more than 64 bits.
  if (const auto error = parser_.parse(text.data(), text.size()).get(value)) {
    throw input_error(where, "expected whole numbers of at most 64 bits, got a larger one; {}", kRemedy);
  }
  root_ = as_object(where, "the whole", value);
}

std::optional<JsonValue> json_value(JsonObject object, std::string_view key) {
  JsonValue value;
  if (object.at_key(key).get(value) != simdjson::SUCCESS || value.is_null()) return std::nullopt;
  return value;
}

std::optional<std::string_view> json_string(const std::string& where, JsonObject object,
                                            std::string_view key) {
  return member<std::string_view>(where, object, key, "a string");
}
std::optional<bool> json_bool(const std::string& where, JsonObject object, std::string_view key) {
  return member<bool>(where, object, key, "true or false");
}
std::optional<std::int64_t> json_integer(const std::string& where, JsonObject object, std::string_view key) {
  return member<std::int64_t>(where, object, key, "an integer");
}
std::optional<JsonObject> json_object(const std::string& where, JsonObject object, std::string_view key) {
  return member<JsonObject>(where, object, key, "an object");
}
std::optional<JsonArray> json_array(const std::string& where, JsonObject object, std::string_view key) {
  return member<JsonArray>(where, object, key, "an array");
}

JsonObject as_object(const std::string& where, std::string_view what, JsonValue value) {
  return checked<JsonObject>(where, what, "an object", value);
}
JsonArray as_array(const std::string& where, std::string_view what, JsonValue value) {
  return checked<JsonArray>(where, what, "an array", value);
}
std::string_view as_string(const std::string& where, std::string_view what, JsonValue value) {
  return checked<std::string_view>(where, what, "a string", value);
}
std::int64_t as_integer(const std::string& where, std::string_view what, JsonValue value) {
  return checked<std::int64_t>(where, what, "an integer", value);
}

std::string json_short_string(const std::string& where, JsonObject object, std::string_view key) {
  constexpr std::size_t kMax = 64;
  const std::string_view text = required(where, key, json_string(where, object, key));
  if (text.size() > kMax) {
    throw input_error(where, "expected at most {} bytes as \"{}\", got {}; the file is damaged", kMax, key,
                      text.size());
  }
  return std::string(text);
}

std::string_view json_type(const std::string& where, JsonObject component) {
  return required(where, "type", json_string(where, component, "type"));
}

void missing_member(const std::string& where, std::string_view key) {
  throw input_error(where, "expected \"{}\", got none; the file is damaged or not supported", key);
}

}  // namespace refocus
