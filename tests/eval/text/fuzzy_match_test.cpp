#include "eval/text/fuzzy_match.h"

#include <string>
#include <vector>

#include "support.h"

namespace refocus {
namespace {

TEST(FuzzyMatch, PreparesATextAsThefuzzDoes) {
  EXPECT_EQ(default_process(U"  Hello, W\u00D6RLD!\u00A0 "), U"hello  w\u00F6rld");
  EXPECT_EQ(default_process(U"\u00B5 \u0130\u03A3 a_b"), U"\u00B5 i\u03C3 a b");
  EXPECT_EQ(default_process(U"... "), U"");
  EXPECT_EQ(full_process(U"na\u00EFve\u00A0caf\u00E9 \u0178"), U"navecaf \u00FF");
  EXPECT_EQ(full_process(U"\u00E9\u00FF"), U"");
  // New in Unicode 14, which RapidFuzz does not know.
  EXPECT_EQ(default_process(U"a\u0870b"), U"a b");
}

TEST(FuzzyMatch, PreparesTheQueryTwice) {
  // The blank of the query has become one before characters up to U+00FF are deleted; the choice's is
  // deleted.
  const std::vector<std::u32string> choices = {U"one\u00A0two", U"one two"};
  EXPECT_EQ(most_similar(U"one\u00A0two", choices), 1u);
  // Y with diaeresis is U+00FF in lower case: deleted of the query, kept of the choice.
  const std::vector<std::u32string> others = {U"\u0178b", U"b"};
  EXPECT_EQ(most_similar(U"\u0178b", others), 1u);
}

TEST(FuzzyMatch, TakesTheFirstOfEqualChoices) {
  const std::vector<std::u32string> choices = {U"ab", U"ba", U"Ab!", U"ab"};
  EXPECT_EQ(most_similar(U"AB", choices), 0u);
  EXPECT_EQ(most_similar(U"?!", choices), 0u);
  EXPECT_EQ(most_similar(U"zz", choices), 0u);
  const std::vector<std::u32string> empty_first = {U"", U"?", U"b"};
  EXPECT_EQ(most_similar(U"b", empty_first), 2u);
}

}  // namespace
}  // namespace refocus
