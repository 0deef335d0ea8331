// What jinja2 makes of some eight hundred templates (tests/golden/template), and the origins of all of them.
#include <algorithm>
#include <optional>

#include "base/text_file.h"
#include "base/utf8.h"
#include "template_support.h"

namespace refocus::jinja {
namespace {

using Json = nlohmann::ordered_json;

Settings settings_named(const std::string& name) {
  if (name == "task") return Settings::of_task_templates();
  return name == "chat" ? Settings::of_chat_templates() : Settings();
}

std::tm golden_date() {
  std::tm date{};
  date.tm_year = 126;
  date.tm_mday = 2;
  date.tm_hour = 3;
  date.tm_min = 4;
  date.tm_sec = 5;
  date.tm_wday = 5;
  date.tm_yday = 1;
  return date;
}

std::optional<std::vector<jinja::Run>> runs_or_nothing(const std::string& source, const std::string& settings,
                                                       const Context& context, std::string& error) {
  try {
    const std::tm date = golden_date();
    return Template::parse(source, "t", settings_named(settings)).render(context, &date);
  } catch (const InputError& e) {
    error = e.what();
    return std::nullopt;
  }
}

Json goldens() {
  return parse_ordered_json(read_text_file(refocus::testing::golden("template/templates.json")),
                            {"templates.json"});
}

Context context_from(const Json& json, OriginId origin) {
  Context context;
  for (const auto& [name, value] : json.items()) context.emplace_back(name, from_json(value, origin));
  return context;
}

// Letters and digits of other scripts for those of ASCII, in texts and not in keys.
std::string in_other_script(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c >= 'a' && c <= 'z') {
      append_utf8(U'\u0430' + static_cast<char32_t>(c - 'a'), out);
    } else if (c >= 'A' && c <= 'Z') {
      append_utf8(U'\u0410' + static_cast<char32_t>(c - 'A'), out);
    } else if (c >= '0' && c <= '9') {
      append_utf8(U'\u0660' + static_cast<char32_t>(c - '0'), out);
    } else {
      out += c;
    }
  }
  return out;
}

Json with_other_script(const Json& json) {
  if (json.is_string()) return in_other_script(json.get<std::string>());
  if (!json.is_structured()) return json;
  Json out = json;
  for (auto& part : out) part = with_other_script(part);
  return out;
}

bool is_ascii_text(const std::string& text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

TEST(TemplateGoldens, TextsAreThoseOfJinja2) {
  const Json golden = goldens();
  const Context context = context_from(golden["context"], 1);
  ASSERT_GT(golden["cases"].size(), 500u);
  int refused = 0;
  for (const Json& one : golden["cases"]) {
    std::string error;
    const auto runs = runs_or_nothing(one[1].get<std::string>(), one[0].get<std::string>(), context, error);
    refused += one[2].is_null() ? 1 : 0;
    if (one[2].is_null()) {
      EXPECT_FALSE(runs) << one[1] << "\nexpected an error, got " << Json(runs ? text_of(*runs) : "");
      EXPECT_TRUE(runs || error.starts_with("[t:")) << error;
    } else {
      ASSERT_TRUE(one[2].is_string());
      EXPECT_TRUE(runs && text_of(*runs) == one[2].get<std::string>())
          << one[1] << "\nexpected " << one[2] << "\ngot      "
          << (runs ? Json(text_of(*runs)) : Json(error));
    }
  }
  EXPECT_GT(refused, 100);
}

TEST(TemplateGoldens, CharactersOfDataAreNeverTheTemplates) {
  const Json golden = goldens();
  const Context context = context_from(with_other_script(golden["context"]), 7);
  int checked = 0;
  for (const Json& one : golden["cases"]) {
    const std::string source = one[1].get<std::string>();
    if (!is_ascii_text(source) || source.find("\\u") != std::string::npos ||
        source.find("\\x") != std::string::npos)
      continue;
    std::string error;
    const auto runs = runs_or_nothing(source, one[0].get<std::string>(), context, error);
    if (!runs) continue;
    for (const jinja::Run& run : *runs) {
      if (run.origin == kTemplateOrigin) {
        EXPECT_TRUE(is_ascii_text(run.text)) << one[1] << "\nhas of data: " << run.text;
      } else {
        EXPECT_EQ(run.origin, 7u);
        ++checked;
      }
    }
  }
  EXPECT_GT(checked, 500);
}

TEST(TemplateGoldens, WithoutDataAllIsTheTemplates) {
  const Json golden = goldens();
  const Context context = context_from(golden["context"], kTemplateOrigin);
  for (const Json& one : golden["cases"]) {
    std::string error;
    const auto runs = runs_or_nothing(one[1].get<std::string>(), one[0].get<std::string>(), context, error);
    if (!runs) continue;
    for (const jinja::Run& run : *runs) EXPECT_EQ(run.origin, kTemplateOrigin) << one[1];
  }
}

TEST(TemplateGoldens, RunsAreWholeCharactersAndNeighboursDiffer) {
  const Json golden = goldens();
  const Context context = context_from(golden["context"], 3);
  for (const Json& one : golden["cases"]) {
    std::string error;
    const auto runs = runs_or_nothing(one[1].get<std::string>(), one[0].get<std::string>(), context, error);
    if (!runs) continue;
    for (std::size_t i = 0; i < runs->size(); ++i) {
      const jinja::Run& run = (*runs)[i];
      EXPECT_TRUE(!run.text.empty() && is_valid_utf8(run.text)) << one[1];
      if (i == 0) continue;
      EXPECT_TRUE(run.origin != (*runs)[i - 1].origin || run.generation != (*runs)[i - 1].generation)
          << one[1];
    }
  }
}

}  // namespace
}  // namespace refocus::jinja
