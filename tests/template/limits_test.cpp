// Templates that would take too much are refused.
#include "template_support.h"

namespace refocus::jinja {
namespace {

using testing::error_in;
using ::testing::HasSubstr;
using testing::rendered;

std::string many(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

TEST(TemplateLimits, Text) {
  EXPECT_THAT(error_in("{{ 'a' * 1000000000 }}"), HasSubstr("expected text of at most"));
  EXPECT_THAT(error_in("{{ ('a' * 1000000).replace('', 'x' * 100) }}"), HasSubstr("expected"));
  EXPECT_THAT(error_in("{{ '%1000000d' % 1 }}"), HasSubstr("expected widths up to"));
  EXPECT_THAT(error_in("{{ 'a'.ljust(10000000000) }}"), HasSubstr("expected text of at most"));
  EXPECT_THAT(error_in("{{ [1] | tojson(indent=1000000000) }}"), HasSubstr("expected text of at most"));
}

TEST(TemplateLimits, Lists) {
  EXPECT_THAT(error_in("{{ ([1] * 100000000) | length }}"), HasSubstr("expected lists of at most"));
  EXPECT_THAT(error_in("{{ ('ab' * 1000000) | list | length }}"), HasSubstr("expected lists of at most"));
  EXPECT_THAT(error_in("{{ range(1000000) }}"), HasSubstr("expected ranges of at most 100000 items"));
  EXPECT_THAT(error_in("{{ range(-9223372036854775807, 9223372036854775807) }}"),
              HasSubstr("expected ranges of at most"));
}

TEST(TemplateLimits, Steps) {
  EXPECT_THAT(error_in("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"),
              HasSubstr("expected at most 20000000 steps"));
}

TEST(TemplateLimits, Depth) {
  EXPECT_THAT(error_in("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), HasSubstr("levels of calls"));
  EXPECT_THAT(error_in("{{ " + many("(", 5000)), HasSubstr("levels of nesting"));
  EXPECT_THAT(error_in("{{ " + many("(", 500) + "1" + many(")", 500) + " }}"),
              HasSubstr("levels of nesting"));
  EXPECT_THAT(error_in("{{ " + many("[", 500) + many("]", 500) + " }}"), HasSubstr("levels of nesting"));
  EXPECT_THAT(error_in("{{ " + many("- ", 500) + "1 }}"), HasSubstr("levels of nesting"));
  EXPECT_THAT(error_in("{{ " + many("not ", 500) + "1 }}"), HasSubstr("levels of nesting"));
  EXPECT_THAT(error_in(many("{% if 1 %}", 500) + many("{% endif %}", 500)), HasSubstr("levels of nesting"));
  EXPECT_THAT(error_in("{{ 1" + many(" + 1", 1000) + " }}"), HasSubstr("expressions of at most"));
  EXPECT_THAT(error_in("{{ x" + many(".a", 1000) + " }}"), HasSubstr("expressions of at most"));
  EXPECT_EQ(rendered("{{ 1" + many(" + 1", 300) + " }}"), "301");
  EXPECT_EQ(rendered("{{ " + many("(", 70) + "1" + many(")", 70) + " }}"), "1");
}

TEST(TemplateLimits, ValuesWithinValues) {
  EXPECT_THAT(
      error_in("{% set n = namespace(x=[]) %}{% for i in range(1000) %}{% set n.x = [n.x] %}{% endfor %}"),
      HasSubstr("values of at most 200 levels"));
  EXPECT_THAT(error_in("{% set n = namespace(x=[1]) %}{% for i in range(1000) %}{% set n.x = n.x | "
                       "map('string') %}{% endfor %}"),
              HasSubstr("values of at most 200 levels"));
  EXPECT_THAT(error_in("{% set n = namespace() %}{% set n.x = n %}{{ n }}"), HasSubstr("levels of calls"));
}

TEST(TemplateLimits, ExpressionsThatTakeTooLong) {
  EXPECT_THAT(
      error_in("{{ ('a' * 40) | regex_replace('(a+)+[bc]', '') }}", "{}", Settings::of_task_templates()),
      HasSubstr("expected a regular expression that is fast"));
}

TEST(TemplateLimits, FunctionsThatHoldThemselvesAreFreed) {
  // Leak checkers look for what stays behind, also where an error ends it.
  EXPECT_EQ(rendered("{% set n = namespace() %}{% macro f() %}{{ n.a }}{% endmacro %}{% set n.f = f %}{% set "
                     "n.n = n %}x"),
            "x");
  EXPECT_EQ(
      rendered(
          "{% macro f() %}{% macro g() %}{{ g is defined }}{% endmacro %}{{ g() }}{% endmacro %}{{ f() }}"),
      "True");
  error_in("{% macro f() %}{% macro g() %}{{ g }}{% endmacro %}{{ g() }}{% endmacro %}{{ f() }}");
  EXPECT_EQ(rendered("{% for i in [1, 2] %}{{ loop.changed(loop) }}{% endfor %}"), "TrueFalse");
}

}  // namespace
}  // namespace refocus::jinja
