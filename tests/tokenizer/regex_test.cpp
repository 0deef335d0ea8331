#include "tokenizer/pipeline/regex.h"

#include "tokenizer/pipeline/regex_dialect.h"
#include "tokenizer_support.h"

namespace refocus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> matches(std::string_view pattern, const std::string& text) {
  std::vector<std::string> out;
  for (const auto& [begin, end] : Regex("test", pattern).find_all(text))
    out.push_back(text.substr(begin, end - begin));
  return out;
}

TEST(RegexDialect, SpellsOutWhatPcre2ReadsDifferently) {
  EXPECT_EQ(pcre2_pattern("t", R"(\s[^\s\p{L}]\d)"), R"(\p{White_Space}[^\p{White_Space}\p{L}]\p{Nd})");
  EXPECT_EQ(pcre2_pattern("t", R"([\w]\W\v\u4e00)"),
            R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}][^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]\x{0B}\x{4e00})");
  EXPECT_EQ(pcre2_pattern("t", R"(\p{Han}\P{Script=Latin}\p{^Lu}\.\[)"),
            R"(\p{sc:Han}\P{sc:Latin}\p{^Lu}\.\[)");
}

TEST(RegexDialect, RefusesWhatItCannotCarryOver) {
  for (const char* pattern :
       {R"(\b)", R"(\h)", R"(\R)", R"(\1)", R"([a&&b])", R"([[a]b])", R"([[:alpha:]])", R"(a{,3})",
        R"(a{1,3}+)", R"([\W])", R"(\p)", R"(\pL)", R"(\u12)", "\\", "[]a]"}) {
    EXPECT_THAT(testing::error_of([&] { pcre2_pattern("file", pattern); }),
                HasSubstr("[file] expected a regular expression without"))
        << pattern;
  }
}

TEST(Regex, FindsAllMatches) {
  EXPECT_THAT(matches("a+", "aabaaab"), ElementsAre("aa", "aaa"));
  EXPECT_THAT(matches("a*", "aé"), ElementsAre("a", "", ""));  // the empty ones stand before é and at the end
  EXPECT_THAT(matches("^x$", "x\nx\ny"), ElementsAre("x", "x"));
  EXPECT_THAT(matches(R"(\s)", "a\u180eb\u0085c\u3000"), ElementsAre("\u0085", "\u3000"));
  EXPECT_THAT(matches(R"(\w+)", "e\u0301x\u203fy-z"), ElementsAre("e\u0301x\u203fy", "z"));
  EXPECT_THAT(matches("(?i:'s)", "'S '\u017f"), ElementsAre("'S", "'\u017f"));
  EXPECT_THAT(matches("x", ""), ElementsAre());
}

TEST(Regex, SaysWhatIsWrongWithAPattern) {
  EXPECT_THAT(
      testing::error_of([] { Regex("tokenizer.json", "(a"); }),
      HasSubstr("[tokenizer.json] expected a regular expression, got '(a' (missing closing parenthesis"));
}

TEST(Regex, GivesUpOnAPatternThatTakesForever) {
  const Regex regex("tokenizer.json", "(a+)+$x|(a|aa)+y");
  EXPECT_THAT(testing::error_of([&] { regex.find_all(std::string(5000, 'a')); }),
              HasSubstr("expected a regular expression that matches quickly"));
}

TEST(Regex, GroupsOfAMillionNeedNoStack) {
  const std::string text(1'000'000, 'a');
  EXPECT_EQ(Regex("t", "(?:a|b)+").find_all(text).size(), 1U);
}

}  // namespace
}  // namespace refocus
