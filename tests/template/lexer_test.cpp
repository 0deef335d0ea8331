#include "template/parse/lexer.h"

#include <cmath>

#include "template_support.h"

namespace refocus::jinja {
namespace {

using testing::error_in;
using ::testing::HasSubstr;

std::vector<std::string> kinds_of(const std::string& source) {
  std::vector<std::string> out;
  for (const Token& token : tokens_of(source, "t", {})) out.push_back(described(token));
  return out;
}

TEST(TemplateLexer, Tokens) {
  EXPECT_EQ(kinds_of("a{{ b.c|d('e') }}"),
            (std::vector<std::string>{"text", "'{{'", "'b'", "'.'", "'c'", "'|'", "'d'", "'('", "a string",
                                      "')'", "'}}'", "the end of the template"}));
  EXPECT_EQ(kinds_of("{{ {'a':{}}}}"),
            (std::vector<std::string>{"'{{'", "'{'", "a string", "':'", "'{'", "'}'", "'}'", "'}}'",
                                      "the end of the template"}));
  EXPECT_EQ(kinds_of("{%- x -%} y").size(), 5u);
}

TEST(TemplateLexer, Places) {
  const auto tokens = tokens_of("\u00e9\n  {{ ab }}", "t", {});
  EXPECT_EQ(tokens[1].place.line, 2);
  EXPECT_EQ(tokens[1].place.column, 3);
  EXPECT_EQ(tokens[2].place.column, 6);
}

TEST(TemplateLexer, Numbers) {
  const auto number = [](const std::string& text) { return tokens_of("{{" + text + "}}", "t", {})[1]; };
  EXPECT_EQ(number("1_000").number.whole(), 1000);
  EXPECT_EQ(number("0xff").number.whole(), 255);
  EXPECT_EQ(number("0b1_1").number.whole(), 3);
  EXPECT_EQ(number("0o17").number.whole(), 15);
  EXPECT_EQ(number("1.5e3").number.real(), 1500);
  EXPECT_EQ(number("1e-3").number.real(), 0.001);
  EXPECT_EQ(number("1e999").number.real(), HUGE_VAL);
  EXPECT_TRUE(number("1.x").is(TokenKind::kInteger));
}

TEST(TemplateLexer, Refusals) {
  EXPECT_THAT(error_in("{# x"), HasSubstr("[t:1:1] expected #} behind {#"));
  EXPECT_THAT(error_in("{% raw %}x"), HasSubstr("expected {% endraw %}"));
  EXPECT_THAT(error_in("{{ 'x }}"), HasSubstr("[t:1:4] expected an expression, got '''"));
  EXPECT_THAT(error_in("{{ '\\xg' }}"), HasSubstr("hexadecimal digits behind '\\x'"));
  EXPECT_THAT(error_in("{{ '\\N{DASH}' }}"), HasSubstr("names of characters"));
  EXPECT_THAT(error_in("{{ (] }}"), HasSubstr("expected ')', got ']'"));
  EXPECT_THAT(error_in("{{ 99999999999999999999 }}"), HasSubstr("whole number of 64 bits"));
}

}  // namespace
}  // namespace refocus::jinja
