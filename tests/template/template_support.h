// What tests of templates share.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/json_reader.h"
#include "support.h"
#include "template/json_value.h"
#include "template/template.h"

namespace refocus::jinja::testing {

// The members of a JSON object as a context, all from `origin`.
inline Context context_of(const std::string& json, OriginId origin = 1) {
  Context context;
  const auto object = parse_ordered_json_object(json, {"context"});
  for (const auto& [name, value] : object.items()) context.emplace_back(name, from_json(value, origin));
  return context;
}

inline std::vector<Run> runs_of(const std::string& source, const std::string& context = "{}",
                                const Settings& settings = Settings::of_chat_templates()) {
  return Template::parse(source, "t", settings).render(context_of(context));
}

inline std::string rendered(const std::string& source, const std::string& context = "{}",
                            const Settings& settings = Settings::of_chat_templates()) {
  return text_of(runs_of(source, context, settings));
}

inline std::string error_in(const std::string& source, const std::string& context = "{}",
                            const Settings& settings = Settings::of_chat_templates()) {
  return refocus::testing::error_of([&] { rendered(source, context, settings); });
}

}  // namespace refocus::jinja::testing
