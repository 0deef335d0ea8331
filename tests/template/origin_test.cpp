// Where each byte of the output is from.
#include "template_support.h"

namespace refocus::jinja {
namespace {

using testing::runs_of;

// Runs as text: what is the template's as it is, data of origin 1 as [..], of origin 2 as {..}.
std::string marked(const std::vector<jinja::Run>& runs) {
  std::string out;
  for (const jinja::Run& run : runs) {
    out += run.origin == 0 ? run.text : run.origin == 1 ? "[" + run.text + "]" : "(" + run.text + ")";
  }
  return out;
}

std::string origins(const std::string& source,
                    const std::string& context = R"({"x": "ab", "n": 12, "l": ["p", 3], "d": {"k": "v"}})") {
  return marked(runs_of(source, context));
}

TEST(TemplateOrigin, TextAndPrintedValues) {
  EXPECT_EQ(origins("a{{ x }}b"), "a[ab]b");
  EXPECT_EQ(origins("{{ n }}{{ n + 1 }}{{ 1 + 1 }}{{ n / 8 }}"), "[1213]2[1.5]");
  EXPECT_EQ(origins("{{ l }}"), "[['p', 3]]");
  EXPECT_EQ(origins("{{ ['t', x] }}"), "['t', ['ab']]");
  EXPECT_EQ(origins("{{ {'a': n} }}"), "{'a': [12]}");
  EXPECT_EQ(origins("{{ none }}{{ x == 'ab' }}"), "NoneTrue");
}

TEST(TemplateOrigin, Operators) {
  EXPECT_EQ(origins("{{ 'a' + x + 'b' }}|{{ 'a' ~ n ~ 'b' }}"), "a[ab]b|a[12]b");
  EXPECT_EQ(origins("{{ x * 2 }}{{ '-' * n }}"), "[abab]------------");
  EXPECT_EQ(origins("{{ ('<' + x + '>')[1:3] }}{{ ('<' + x + '>')[::-1] }}{{ ('<' + x)[0] }}"),
            "[ab]>[ba]<<");
  EXPECT_EQ(origins("{{ '<%s|%d|%r>' % (x, n, x) }}"), "<[ab]|[12]|['ab']>");
  EXPECT_EQ(origins("{{ '%5s|%-4s|' % (x, x) }}"), "[   ab]|[ab  ]|");
  EXPECT_EQ(origins("{{ x % () }}"), "[ab]");
}

TEST(TemplateOrigin, MethodsAndFilters) {
  EXPECT_EQ(origins("{{ x.upper() }}{{ x | title }}{{ ('t' ~ x).upper() }}"), "[ABAb]T[AB]");
  EXPECT_EQ(origins("{{ 'a-b' | replace('-', x) }}{{ x | replace('a', '<t>') }}"), "a[ab]b<t>[b]");
  EXPECT_EQ(origins("{{ ('a ' ~ x ~ ' b').split() | join('+') }}"), "a+[ab]+b");
  EXPECT_EQ(origins("{{ l | join(', ') }}{{ x.join(['1', '2']) }}"), "[p], [3]1[ab]2");
  EXPECT_EQ(origins("{{ x | length }}{{ l | length }}{{ 'abc' | length }}"), "[22]3");
  EXPECT_EQ(origins("{{ '7' | int }}{{ n | string }}{{ x.find('b') }}"), "7[121]");
  EXPECT_EQ(origins("{{ '<{}|{:>4}>'.format(x, n) }}"), "<[ab]|[  12]>");
  EXPECT_EQ(origins("{{ x.center(6, '*') }}{{ x | center(6) }}"), "**[ab]**[  ab  ]");
  EXPECT_EQ(origins("{{ ('a\n' ~ x) | indent(1) }}"), "a[\n ab]");
  EXPECT_EQ(origins("{{ '<' | e }}{{ ('<' ~ x) | e }}"), "&lt;&lt;[ab]");
  EXPECT_EQ(origins("{{ (x * 9) | truncate(5) }}"), "[ab...]");
  EXPECT_EQ(origins("{{ x | list | last }}{{ x | reverse }}{{ d | items | list }}"), "[bba[('k', 'v')]]");
}

TEST(TemplateOrigin, Json) {
  EXPECT_EQ(origins("{{ d | tojson }}"), R"([{"k": "v"}])");
  EXPECT_EQ(origins("{{ {'t': x} | tojson }}"), R"({"t": ["ab"]})");
  EXPECT_EQ(origins("{{ [n, 1] | tojson }}"),
            "["
            "[12]"
            ", 1]");
  EXPECT_EQ(origins("{{ l | tojson(indent=1) }}"), "[[\n \"p\",\n 3\n]]");
  EXPECT_EQ(origins("{{ ('t' ~ x) | tojson }}"), "[\"]t[ab\"]");
}

TEST(TemplateOrigin, ThroughStatements) {
  EXPECT_EQ(origins("{% for i in l %}{{ loop.index }}{{ i }};{% endfor %}"), "1[p];2[3];");
  EXPECT_EQ(origins("{% set y %}t{{ x }}{% endset %}{{ y }}"), "t[ab]");
  EXPECT_EQ(origins("{% macro f(a) %}<{{ a }}>{% endmacro %}{{ f(x) }}{{ f('t') | upper }}"), "<[ab]><T>");
  EXPECT_EQ(origins("{% filter upper %}t{{ x }}{% endfilter %}"), "T[AB]");
  EXPECT_EQ(origins("{% for k, v in d.items() %}{{ k }}={{ v }}{% endfor %}"), "[k]=[v]");
  EXPECT_EQ(origins("{% set ns = namespace(a='') %}{% for i in l %}{% set ns.a = ns.a ~ i ~ '.' %}{% endfor "
                    "%}{{ ns.a }}"),
            "[p].[3].");
}

TEST(TemplateOrigin, EachPartOfTheDataMayHaveItsOwn) {
  const auto json = parse_ordered_json(R"({"a": "x", "b/c": ["y", "z"]})", {"test"});
  const OriginOf origin = [](const std::string& pointer) -> OriginId {
    return pointer == "/a" ? 1 : pointer == "/b~1c/1" ? 2 : 0;
  };
  const Context context = {{"d", from_json(json, origin)}};
  const auto runs =
      Template::parse("{{ d.a }}{{ d['b/c'][0] }}{{ d['b/c'] | join }}{{ d.a ~ d['b/c'][1] }}", "t", {})
          .render(context);
  EXPECT_EQ(marked(runs), "[x]yy(z)[x](z)");
}

TEST(TemplateOrigin, OfSeveralTheFirst) {
  const Context context = {
      {"a", Text("x", 1)}, {"b", Value::integer(2, Source{2})}, {"c", Value::integer(3, Source{1})}};
  EXPECT_EQ(marked(Template::parse("{{ b + c }}{{ c + b }}{{ 1 + b }}", "t", {}).render(context)),
            "(5)[5](3)");
  EXPECT_EQ(marked(Template::parse("{{ ('<' ~ b ~ a) | tojson }}", "t", {}).render(context)),
            "(\")\\u003c(2)[x](\")");
}

TEST(TemplateOrigin, GenerationBlocks) {
  const auto runs = runs_of("a{% generation %}b{{ x }}{% endgeneration %}c", R"({"x": "y"})");
  EXPECT_EQ(runs,
            (std::vector<jinja::Run>{{"a", 0, false}, {"b", 0, true}, {"y", 1, true}, {"c", 0, false}}));
  const auto through =
      runs_of("{% macro m() %}{% generation %}q{% endgeneration %}{% endmacro %}{{ m() | upper }}.");
  EXPECT_EQ(through, (std::vector<jinja::Run>{{"Q", 0, true}, {".", 0, false}}));
}

}  // namespace
}  // namespace refocus::jinja
