#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "eval/extract/extraction.h"
#include "support.h"

namespace refocus {
namespace {

// tests/golden/extraction/anchored_cases.jsonl: choices, response, the answer (null where none is stated)
// and, where it matters, the text that the span must cover.
TEST(ExtractionAnchored, DecidesTheHardCases) {
  std::ifstream in(testing::golden("extraction") / "anchored_cases.jsonl");
  int cases = 0;
  for (std::string line; std::getline(in, line); ++cases) {
    const auto json = nlohmann::json::parse(line);
    const std::vector<std::string> choices = json["choices"];
    const std::string response = json["response"];
    const Extraction found = extract(ExtractionRules::kAnchored, choices, response);
    const std::string got = found.letter ? std::string(1, *found.letter) : "null";
    EXPECT_EQ(got, json["answer"].is_null() ? "null" : json["answer"].get<std::string>())
        << "by '" << found.rule << "' in: " << line;
    EXPECT_EQ(found.rule.empty(), !found.letter);
    ASSERT_TRUE(0 <= found.span_begin && found.span_begin <= found.span_end);
    ASSERT_LE(found.span_end, static_cast<std::int64_t>(response.size()));
    if (json.contains("span_text")) {
      EXPECT_EQ(response.substr(static_cast<std::size_t>(found.span_begin),
                                static_cast<std::size_t>(found.span_end - found.span_begin)),
                json["span_text"].get<std::string>())
          << line;
    }
  }
  EXPECT_GE(cases, 100);
}

// tests/golden/extraction/anchored_replies.jsonl: replies of every kind that must not be read wrongly, each
// with its choices and the one right answer, or `answers` where either will do (a letter or none).
TEST(ExtractionAnchored, GivesNoWrongLetterToRepliesOfAnyKind) {
  std::ifstream in(testing::golden("extraction") / "anchored_replies.jsonl");
  std::map<std::string, int> kinds;
  for (std::string line; std::getline(in, line);) {
    const auto json = nlohmann::json::parse(line);
    ++kinds[json["kind"].get<std::string>()];
    const std::vector<std::string> choices = json["choices"];
    const std::string response = json["response"];
    const Extraction found = extract(ExtractionRules::kAnchored, choices, response);
    const nlohmann::json got =
        found.letter ? nlohmann::json(std::string(1, *found.letter)) : nlohmann::json();
    const nlohmann::json right =
        json.contains("answers") ? json["answers"] : nlohmann::json::array({json["answer"]});
    EXPECT_TRUE(std::ranges::find(right, got) != right.end())
        << got << " by '" << found.rule << "' in: " << line;
    ASSERT_LE(found.span_end, static_cast<std::int64_t>(response.size()));
  }
  EXPECT_GE(kinds.size(), 20u);
  for (const auto& [kind, count] : kinds) EXPECT_GE(count, 5) << kind;
}

// Of a cut-off response, which rules say that nothing was stated outright.
TEST(ExtractionAnchored, NamesWeakRules) {
  const std::vector<std::string> choices = {"London", "Paris", "Berlin", "Madrid"};
  const auto rule = [&](std::string_view response) {
    return extract(ExtractionRules::kAnchored, choices, response).rule;
  };
  EXPECT_EQ(rule("The Seine flows through Paris, so B is correct in that it"), "");
  EXPECT_EQ(rule("London is in England, and B is correct because the oth"), "verdict");
  EXPECT_TRUE(is_weak_rule("verdict"));
  EXPECT_EQ(rule("A. London: no.\nB. Paris: yes.\nC. Berlin: n"), "option_verdict");
  EXPECT_TRUE(is_weak_rule("option_verdict"));
  EXPECT_EQ(rule("<think>Is it A? No. So the answer is B. Let me see what el"), "unfinished_thought");
  EXPECT_TRUE(is_weak_rule("unfinished_thought"));
  EXPECT_EQ(rule("<think>Is it A? No.</think>The answer is B. This"), "answer_is");
  for (const char* strong :
       {"header", "header_text", "answer_is", "i_choose", "conclusion", "correction", ""})
    EXPECT_FALSE(is_weak_rule(strong)) << strong;
  EXPECT_TRUE(is_weak_rule("most_similar"));
  EXPECT_TRUE(is_weak_rule("first_letter"));
}

// The letter's own text begins the other option's, which is what the answer gives.
TEST(ExtractionAnchored, ALetterAgainstATextThatBeginsWithItsOwnIsNoAnswer) {
  const std::vector<std::string> choices = {"plug them into your device.",
                                            "plug them into your device and then put them on."};
  const auto letter = [&](const std::string& response) {
    return extract(ExtractionRules::kAnchored, choices, response).letter;
  };
  for (const char* before : {"", "Answer: ", "The answer is "}) {
    const std::string lead = before;
    EXPECT_FALSE(letter(lead + "A. plug them into your device and then put them on.")) << lead;
    EXPECT_EQ(letter(lead + "A. plug them into your device."), 'A') << lead;
    EXPECT_EQ(letter(lead + "B. plug them into your device and then put them on."), 'B') << lead;
  }
  EXPECT_EQ(letter("A. plug them into your device, since that is enough"), 'A')
      << "no other option's whole text";
}

}  // namespace
}  // namespace refocus
