// Renders templates of JSON lines, for comparing with other implementations: each line of standard input is
// {"template": text, "context": object, "settings": "chat" | "task" | "plain", "date": "YYYY-MM-DD
// HH:MM:SS"}, and each line of standard output {"runs": [[text, origin, generation], ...]} or {"error":
// text}. The context's texts have the origin 1.
#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "base/json_reader.h"
#include "template/json_value.h"
#include "template/template.h"

namespace refocus::jinja {
namespace {

Settings settings_of(const std::string& name) {
  if (name == "task") return Settings::of_task_templates();
  return name == "chat" ? Settings::of_chat_templates() : Settings();
}

std::tm date_of(const std::string& text) {
  std::tm date{};
  if (strptime(text.c_str(), "%Y-%m-%d %H:%M:%S", &date) == nullptr) {
    throw input_error("render_lines", "expected a date YYYY-MM-DD HH:MM:SS, got '{}'; correct the line",
                      printable(text));
  }
  return date;
}

nlohmann::ordered_json rendered(const nlohmann::ordered_json& line) {
  const Settings settings = settings_of(line.value("settings", "chat"));
  const Template parsed = Template::parse(line.at("template").get<std::string>(), "template", settings);
  Context context;
  for (const auto& [name, value] : line.at("context").items())
    context.emplace_back(name, from_json(value, 1));
  const std::tm date = date_of(line.value("date", "2026-01-02 03:04:05"));
  nlohmann::ordered_json runs = nlohmann::ordered_json::array();
  for (const Run& run : parsed.render(context, &date)) runs.push_back({run.text, run.origin, run.generation});
  return {{"runs", runs}};
}

}  // namespace
}  // namespace refocus::jinja

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    nlohmann::ordered_json out;
    try {
      out = refocus::jinja::rendered(refocus::parse_ordered_json_object(line, {"line"}));
    } catch (const refocus::InputError& e) {
      out = {{"error", e.what()}};
    }
    std::cout << refocus::json_text(out) << '\n' << std::flush;
  }
}
