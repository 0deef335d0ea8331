#include "schema_checker.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "base/json_reader.h"

namespace refocus::openai::testing {
namespace {

using nlohmann::ordered_json;

bool is_of_type(const ordered_json& value, const std::string& type) {
  if (type == "integer") {
    return value.is_number_integer() ||
           (value.is_number() && std::floor(value.get<double>()) == value.get<double>());
  }
  if (type == "number") return value.is_number();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "array") return value.is_array();
  if (type == "object") return value.is_object();
  return type == "null" && value.is_null();
}

bool is_of_types(const ordered_json& value, const ordered_json& types) {
  if (types.is_string()) return is_of_type(value, types.get<std::string>());
  return std::ranges::any_of(
      types, [&](const ordered_json& type) { return is_of_type(value, type.get<std::string>()); });
}

std::string unknown_keyword(const ordered_json& schema) {
  constexpr std::string_view kKnown[] = {"type",
                                         "enum",
                                         "const",
                                         "anyOf",
                                         "properties",
                                         "required",
                                         "additionalProperties",
                                         "maxProperties",
                                         "items",
                                         "minItems",
                                         "maxItems",
                                         "minLength",
                                         "maxLength",
                                         "minimum",
                                         "maximum",
                                         "description",
                                         "default",
                                         "pattern"};
  for (const auto& [name, value] : schema.items()) {
    if (std::ranges::find(kKnown, name) == std::end(kKnown)) return name;
  }
  return "";
}

}  // namespace

const ordered_json& SchemaChecker::named(const std::string& name) const {
  return document_.at("components").at("schemas").at(name);
}

const ordered_json& SchemaChecker::resolved(const ordered_json& schema) const {
  const auto reference = schema.find("$ref");
  if (reference == schema.end()) return schema;
  const std::string path = reference->get<std::string>();
  return named(path.substr(path.rfind('/') + 1));
}

std::string SchemaChecker::fault_of_object(const ordered_json& schema, const ordered_json& value,
                                           const std::string& path) const {
  const ordered_json none = ordered_json::object();
  const ordered_json& properties = schema.contains("properties") ? schema["properties"] : none;
  if (schema.contains("required")) {
    for (const auto& name : schema["required"]) {
      if (!value.contains(name.get<std::string>()))
        return fmt::format("{} lacks {}", path, name.get<std::string>());
    }
  }
  if (schema.contains("maxProperties") && value.size() > schema["maxProperties"])
    return path + " has too many";
  for (const auto& [name, member] : value.items()) {
    const std::string own = path + "." + name;
    std::string found;
    if (properties.contains(name)) {
      found = fault(properties[name], member, own);
    } else if (schema.contains("additionalProperties")) {
      const ordered_json& others = schema["additionalProperties"];
      if (others == false) return own + " is not described";
      found = fault(others, member, own);
    }
    if (!found.empty()) return found;
  }
  return "";
}

std::string SchemaChecker::fault_of_list(const ordered_json& schema, const ordered_json& value,
                                         const std::string& path) const {
  if (schema.contains("minItems") && value.size() < schema["minItems"]) return path + " has too few";
  if (schema.contains("maxItems") && value.size() > schema["maxItems"]) return path + " has too many";
  for (std::size_t i = 0; schema.contains("items") && i < value.size(); ++i) {
    const std::string found = fault(schema["items"], value[i], fmt::format("{}[{}]", path, i));
    if (!found.empty()) return found;
  }
  return "";
}

std::string SchemaChecker::fault(const ordered_json& given, const ordered_json& value,
                                 const std::string& path) const {
  const ordered_json& schema = resolved(given);
  if (const std::string unknown = unknown_keyword(schema); !unknown.empty())
    return path + ": keyword " + unknown;
  const std::string shown = json_text(value).substr(0, 60);
  if (schema.contains("type") && !is_of_types(value, schema["type"]))
    return path + " is of another type: " + shown;
  if (schema.contains("const") && value != schema["const"]) return path + " is another value: " + shown;
  if (schema.contains("enum") && std::ranges::find(schema["enum"], value) == schema["enum"].end()) {
    return path + " is not in the list: " + shown;
  }
  if (schema.contains("anyOf")) {
    std::string all;
    const bool one = std::ranges::any_of(schema["anyOf"], [&](const ordered_json& choice) {
      const std::string found = fault(choice, value, path);
      all += (all.empty() ? "" : ", and ") + found;
      return found.empty();
    });
    if (!one) return "none of: " + all;
  }
  if (value.is_number()) {
    if (schema.contains("minimum") && value < schema["minimum"]) return path + " is too small: " + shown;
    if (schema.contains("maximum") && value > schema["maximum"]) return path + " is too large: " + shown;
  }
  if (value.is_string()) {
    const std::size_t size = value.get_ref<const std::string&>().size();
    if (schema.contains("minLength") && size < schema["minLength"]) return path + " is too short";
    if (schema.contains("maxLength") && size > schema["maxLength"]) return path + " is too long";
  }
  if (value.is_object()) return fault_of_object(schema, value, path);
  if (value.is_array()) return fault_of_list(schema, value, path);
  return "";
}

}  // namespace refocus::openai::testing
