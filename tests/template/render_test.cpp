// Settings, dates, errors and their places.
#include "template_support.h"

namespace refocus::jinja {
namespace {

using testing::error_in;
using ::testing::HasSubstr;
using testing::rendered;

TEST(TemplateRender, SettingsOfTasksKeepTheLastNewlineAndRefuseTheUndefined) {
  EXPECT_EQ(rendered("a\n", "{}", Settings::of_task_templates()), "a\n");
  EXPECT_EQ(rendered("a\n"), "a");
  EXPECT_EQ(rendered("{{ nope }}"), "");
  EXPECT_EQ(error_in("{{ nope }}", "{}", Settings::of_task_templates()),
            "[t:1:4] expected a value, got an undefined one: 'nope' is undefined; correct the template or "
            "what it is given");
  EXPECT_EQ(rendered("{{ 'a1' | regex_replace('[0-9]', 'N') }}", "{}", Settings::of_task_templates()), "aN");
  EXPECT_THAT(error_in("{{ 'a1' | regex_replace('[0-9]', 'N') }}"),
              HasSubstr("expected the name of a filter, got 'regex_replace'"));
}

TEST(TemplateRender, TheDateIsTheCallers) {
  std::tm date{};
  date.tm_year = 124;
  date.tm_mon = 6;
  date.tm_mday = 26;
  const Template parsed =
      Template::parse("{{ strftime_now('%d %b %Y') }}", "t", Settings::of_chat_templates());
  EXPECT_EQ(text_of(parsed.render({}, &date)), "26 Jul 2024");
  EXPECT_THAT(refocus::testing::error_of([&] { parsed.render({}); }), HasSubstr("no date is given"));
}

TEST(TemplateRender, ErrorsSayWhere) {
  EXPECT_EQ(
      error_in("a\n  {{ 1 +\n 'x' }}"),
      "[t:2:8] expected values that '+' is for, got int and str; correct the template or what it is given");
  EXPECT_EQ(error_in("\u00e9{{ ) }}"),
            "[t:1:5] expected no ')' without its beginning, got one; correct the template");
  EXPECT_EQ(error_in("{% if x %}"),
            "[t:1:11] expected {% elif %} or {% else %} or {% endif %}, got the end of the template; correct "
            "the template");
  EXPECT_EQ(error_in("{% for x in [1] %}{{ x | nope }}{% endfor %}"),
            "[t:1:26] expected the name of a filter, got 'nope'; correct the template");
  EXPECT_THAT(error_in("{% include 'x' %}"), HasSubstr("'{% include %}', which is not read"));
  EXPECT_THAT(error_in("{{ 9223372036854775807 + 1 }}"), HasSubstr("expected a whole number of 64 bits"));
}

TEST(TemplateRender, WhatATemplateRefusesIsItsOwnWord) {
  EXPECT_EQ(error_in("{{ raise_exception('roles must alternate: ' ~ x) }}", R"({"x": "a\nb"})"),
            "[t:1:19] the template refuses what it is given: 'roles must alternate: a\\x0ab'; correct the "
            "template or what it is given");
}

TEST(TemplateRender, ALaterNameOfTheContextCounts) {
  const Context context = {{"x", Text("a")}, {"x", Text("b")}};
  EXPECT_EQ(text_of(Template::parse("{{ x }}", "t", {}).render(context)), "b");
  EXPECT_EQ(text_of(Template::parse("{{ range }}", "t", {}).render({{"range", Text("own")}})), "own");
}

TEST(TemplateRender, TheSameEachTime) {
  const Template parsed = Template::parse(
      "{% set ns = namespace(n=0) %}{% for i in l %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}", "t",
      {});
  const Context context = testing::context_of(R"({"l": [1, 2]})");
  EXPECT_EQ(text_of(parsed.render(context)), "3");
  EXPECT_EQ(parsed.render(context), parsed.render(context));
}

TEST(TemplateRender, NoBytesThatAreNoText) {
  EXPECT_THAT(error_in("a\xff"), HasSubstr("expected a template in UTF-8"));
  nlohmann::ordered_json broken = "a\xff";
  EXPECT_EQ(text_of(Template::parse("{{ x }}", "t", {}).render({{"x", from_json(broken, 1)}})),
            "a\xEF\xBF\xBD");
}

}  // namespace
}  // namespace refocus::jinja
