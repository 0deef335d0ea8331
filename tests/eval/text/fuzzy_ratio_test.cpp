#include "eval/text/fuzzy_ratio.h"

#include <rapidcheck.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "base/text_file.h"
#include "eval/text/code_points.h"
#include "eval/text/common_subsequence.h"
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
    RC_ASSERT(common_subsequence(a, b) == plain_lcs(a, b));
    RC_ASSERT(std::abs(ratio(a, b) - plain_ratio(a, b)) < 1e-9);
  }));
  EXPECT_TRUE(rc::check([] {
    const std::u32string a = random_text(30), b = random_text(60);
    double expected = plain_partial_ratio(a, b);
    if (a.size() == b.size()) expected = std::max(expected, plain_partial_ratio(b, a));
    RC_ASSERT(std::abs(partial_ratio(a, b) - expected) < 1e-9);
  }));
}

// Windows of a text that is longer than narrow strands can be numbered, and a pattern too long for these.
TEST(FuzzyRatio, FindsAPartAnywhereInALongText) {
  std::u32string text(70'000, U'x');
  for (std::size_t i = 0; i < text.size(); i += 3) text[i] = static_cast<char32_t>(U'a' + i % 7);
  const std::u32string part = U"needle in the haystack";
  for (const std::size_t at : {0u, 32'700u, 32'744u, 32'745u, 32'766u, 65'500u, 69'978u}) {
    std::u32string with = text;
    with.replace(at, part.size(), part);
    EXPECT_EQ(partial_ratio(part, with), 100) << at;
    with.erase(at + 5, 1);
    EXPECT_LT(partial_ratio(part, with), 100) << at;
    EXPECT_GE(partial_ratio(part, with), 95.4) << at;  // 21 of 22 characters, in a window of 22
  }
  const std::u32string wide = text.substr(20'000, 9'000);
  EXPECT_EQ(partial_ratio(wide, text.substr(0, 40'000)), 100);
  EXPECT_LT(partial_ratio(wide, text.substr(0, 28'999)), 100);
}

// The same doubles to the last bit, over and under a cutoff.
TEST(FuzzyRatio, GivesRapidFuzzsDoubles) {
  std::istringstream in(read_text_file(testing::golden("extraction/fuzzy_scores.jsonl")));
  int lines = 0;
  for (std::string line; std::getline(in, line); ++lines) {
    const auto json = nlohmann::json::parse(line);
    const std::u32string a = code_points(json["a"].get<std::string>());
    const std::u32string b = code_points(json["b"].get<std::string>());
    const auto expect = [&](const nlohmann::json& scores, double cutoff) {
      const SortedTokens tokens_a(a), tokens_b(b);
      const std::array<double, 5> found = {
          ratio(a, b, cutoff), partial_ratio(a, b, cutoff), token_ratio(tokens_a, tokens_b, cutoff),
          partial_token_ratio(tokens_a, tokens_b, cutoff), weighted_ratio(a, b, cutoff)};
      for (std::size_t i = 0; i < found.size(); ++i) {
        EXPECT_EQ(found[i], std::strtod(scores[i].get<std::string>().c_str(), nullptr))
            << "score " << i << " at " << cutoff << ": " << line;
      }
    };
    expect(json["scores"], 0);
    expect(json["above"], json["cutoff"].get<double>());
  }
  EXPECT_GE(lines, 90);
}

// One similarity in two ways of writing it: the last bit is another.
TEST(FuzzyRatio, WritesSetsAsRapidFuzzDoes) {
  EXPECT_EQ(ratio(U"abcdefg", U"abcdeh"), 76.92307692307692);
  EXPECT_EQ(weighted_ratio(U"this is a test", U"this is a new test!!!"), 85.5);
  EXPECT_EQ(weighted_ratio(U"new york mets vs atlanta braves", U"atlanta braves vs new york mets"), 95.0);
}

TEST(FuzzyRatio, EmptyTexts) {
  EXPECT_EQ(ratio(U"", U""), 100);
  EXPECT_EQ(partial_ratio(U"", U""), 100);
  EXPECT_EQ(partial_ratio(U"", U"a"), 0);
  EXPECT_EQ(token_ratio(SortedTokens(U"  "), SortedTokens(U"  ")), 100);
  EXPECT_EQ(partial_token_ratio(SortedTokens(U""), SortedTokens(U"")), 100);
  EXPECT_EQ(weighted_ratio(U"", U"abc"), 0);
}

}  // namespace
}  // namespace refocus
