#include <fstream>
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

}  // namespace
}  // namespace refocus
