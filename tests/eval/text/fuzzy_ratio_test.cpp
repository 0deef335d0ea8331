#include "eval/text/fuzzy_ratio.h"

#include <rapidcheck.h>

#include <algorithm>
#include <vector>

#include "eval/text/code_points.h"
#include "support.h"

namespace refocus {
namespace {

// The textbook recurrence.
std::size_t plain_lcs(std::u32string_view a, std::u32string_view b) {
  std::vector<std::vector<std::size_t>> best(a.size() + 1, std::vector<std::size_t>(b.size() + 1, 0));
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      best[i][j] = a[i - 1] == b[j - 1] ? best[i - 1][j - 1] + 1 : std::max(best[i - 1][j], best[i][j - 1]);
    }
  }
  return best[a.size()][b.size()];
}

double plain_ratio(std::u32string_view a, std::u32string_view b) {
  if (a.empty() && b.empty()) return 100;
  return 200.0 * static_cast<double>(plain_lcs(a, b)) / static_cast<double>(a.size() + b.size());
}

// Every part of the longer text that is as long as the shorter, or shorter at an end.
double plain_partial_ratio(std::u32string_view a, std::u32string_view b) {
  if (a.size() > b.size()) std::swap(a, b);
  if (a.empty()) return b.empty() ? 100 : 0;
  double best = 0;
  const auto n = a.size();
  for (std::size_t at = 0; at + n <= b.size(); ++at) best = std::max(best, plain_ratio(a, b.substr(at, n)));
  for (std::size_t length = 1; length < n; ++length) {
    best = std::max({best, plain_ratio(a, b.substr(0, length)), plain_ratio(a, b.substr(b.size() - length))});
  }
  return best;
}

std::u32string random_text(int longest) {
  const auto text = *rc::gen::resize(longest, rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 4)));
  std::u32string out;
  for (const int c : text) out += static_cast<char32_t>(U'a' + static_cast<char32_t>(c) * 300);
  return out;
}

TEST(FuzzyRatio, AgreesWithTheTextbookOnRandomTexts) {
  // Beyond 64 and 128 characters the bit-parallel rows carry from word to word.
  EXPECT_TRUE(rc::check([] {
    const std::u32string a = random_text(150), b = random_text(150);
    RC_ASSERT(std::abs(ratio(a, b) - plain_ratio(a, b)) < 1e-9);
  }));
  EXPECT_TRUE(rc::check([] {
    const std::u32string a = random_text(30), b = random_text(60);
    double expected = plain_partial_ratio(a, b);
    if (a.size() == b.size()) expected = std::max(expected, plain_partial_ratio(b, a));
    RC_ASSERT(std::abs(partial_ratio(a, b) - expected) < 1e-9);
  }));
}

// The values are those that RapidFuzz documents and tests.
TEST(FuzzyRatio, AgreesWithRapidFuzz) {
  EXPECT_NEAR(ratio(U"this is a test", U"this is a test!"), 96.55171966552734, 1e-4);
  EXPECT_NEAR(partial_ratio(U"this is a test", U"this is a test!"), 100, 1e-9);
  EXPECT_NEAR(partial_ratio(U"physics 2 vid", U"study physics physics 2"), 81.81818, 1e-4);
  EXPECT_NEAR(partial_ratio(U"physics 2 vid", U"study physics physics 2 video"), 100, 1e-9);
  EXPECT_NEAR(partial_ratio(U"ax b", U"a b a c b"), 85.71428, 1e-4);
  std::u32string with_gap(65, U'a');
  with_gap[1] = 256;
  EXPECT_NEAR(partial_ratio(std::u32string(65, U'a'), with_gap), 99.22481, 1e-4);
  EXPECT_NEAR(token_sort_ratio(U"fuzzy wuzzy was a bear", U"wuzzy fuzzy was a bear"), 100, 1e-9);
  EXPECT_NEAR(token_sort_ratio(U"fuzzy was a bear", U"fuzzy fuzzy was a bear"), 84.21052, 1e-4);
  EXPECT_NEAR(token_set_ratio(U"fuzzy was a bear", U"fuzzy fuzzy was a bear"), 100, 1e-9);
  EXPECT_NEAR(weighted_ratio(U"this is a test", U"this is a new test!!!"), 85.5, 1e-9);
  EXPECT_NEAR(weighted_ratio(U"new york mets", U"the wonderful new york mets"), 90, 1e-9);
  EXPECT_NEAR(weighted_ratio(U"new york mets vs atlanta braves", U"atlanta braves vs new york mets"), 95,
              1e-9);
  EXPECT_NEAR(weighted_ratio(U"South Korea", U"North Korea"), 81.81818, 1e-4);
  EXPECT_NEAR(weighted_ratio(U"new york jets", U"New York Jets"), 76.92307692307692, 1e-9);
  EXPECT_NEAR(weighted_ratio(U"new york jets", U"New York Giants"), 64.28571428571428, 1e-9);
}

TEST(FuzzyRatio, EmptyTexts) {
  EXPECT_EQ(ratio(U"", U""), 100);
  EXPECT_EQ(partial_ratio(U"", U""), 100);
  EXPECT_EQ(partial_ratio(U"", U"a"), 0);
  EXPECT_EQ(token_set_ratio(U"  ", U"  "), 0);
  EXPECT_EQ(partial_token_ratio(U"", U""), 100);
  EXPECT_EQ(weighted_ratio(U"", U"abc"), 0);
}

TEST(Utf8Text, ReadsInvalidBytesAsReplacementCharacters) {
  const auto chars = decode_utf8("a\xC3\xA9\xFF\xE2\x82z");
  std::u32string codes;
  for (const CodePoint& c : chars) codes += c.code;
  EXPECT_EQ(codes, U"a\u00E9\uFFFD\uFFFD\uFFFDz");
  EXPECT_EQ(chars[1].begin, 1u);
  EXPECT_EQ(chars[1].end, 3u);
  EXPECT_EQ(first_invalid_utf8("a\xC3\xA9\xFF"), 3u);
}

}  // namespace
}  // namespace refocus
