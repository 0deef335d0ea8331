#include <fstream>
#include <nlohmann/json.hpp>

#include "eval/extraction.h"
#include "support.h"

namespace refocus {
namespace {

TEST(ExtractionPublished, DecidesTheReferenceCasesAsThePublishedCodeDoes) {
  REFOCUS_NEEDS_SHARED("reference/extraction_cases.jsonl");
  std::ifstream in(testing::shared("reference/extraction_cases.jsonl"));
  int cases = 0;
  for (std::string line; std::getline(in, line); ++cases) {
    const auto json = nlohmann::json::parse(line);
    const std::vector<std::string> choices = json["choices"];
    const std::string response = json["response"], answer = json["answer"];
    const Extraction found = extract(ExtractionRules::kPublished, choices, response);
    EXPECT_EQ(std::string(1, found.letter.value_or('-')), answer) << found.rule << ": " << line;
    const Extraction anchored = extract(ExtractionRules::kAnchored, choices, response);
    if (anchored.letter != found.letter)
      std::cout << anchored.letter.value_or('-') << " " << anchored.rule << " vs " << answer << ": "
                << response << "\n";
  }
  EXPECT_EQ(cases, 80);
}

}  // namespace
}  // namespace refocus
