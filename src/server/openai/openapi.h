// The description of the API for programs: OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0), compiled in.
//
// A test compares it with the fields that requests are read for, their limits, and what answers have.
#pragma once

#include <string_view>

namespace refocus::openai {

// The JSON text of src/server/openai/openapi.json.
std::string_view openapi_text();

}  // namespace refocus::openai
