// Whether a value is what a schema of an OpenAPI document says: the part of JSON Schema 2020-12 that
// src/server/openai/openapi.json uses.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace refocus::openai::testing {

class SchemaChecker {
 public:
  // `document` must outlive this.
  explicit SchemaChecker(const nlohmann::ordered_json& document) : document_(document) {}

  // The schema of components/schemas.
  const nlohmann::ordered_json& named(const std::string& name) const;
  // The first thing that is wrong, with where it is; empty where nothing is. A keyword that is not known here
  // is wrong too.
  std::string fault(const nlohmann::ordered_json& schema, const nlohmann::ordered_json& value,
                    const std::string& path = "$") const;

 private:
  std::string fault_of_object(const nlohmann::ordered_json& schema, const nlohmann::ordered_json& value,
                              const std::string& path) const;
  std::string fault_of_list(const nlohmann::ordered_json& schema, const nlohmann::ordered_json& value,
                            const std::string& path) const;
  const nlohmann::ordered_json& resolved(const nlohmann::ordered_json& schema) const;

  const nlohmann::ordered_json& document_;
};

}  // namespace refocus::openai::testing
