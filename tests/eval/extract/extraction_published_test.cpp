#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/text_file.h"
#include "eval/extract/extraction.h"
#include "support.h"

namespace refocus {
namespace {

// Lines of `choices`, `response`, `answer` and, where it is known, `rule`.
int expect_cases(const std::filesystem::path& file) {
  std::istringstream in(read_text_file(file));
  int cases = 0;
  for (std::string line; std::getline(in, line); ++cases) {
    const auto json = nlohmann::json::parse(line);
    const std::vector<std::string> choices = json["choices"];
    const Extraction found =
        extract(ExtractionRules::kPublished, choices, json["response"].get<std::string>());
    EXPECT_EQ(std::string(1, found.letter.value_or('-')), json["answer"].get<std::string>())
        << found.rule << ": " << line;
    EXPECT_EQ(found.rule, json.value("rule", found.rule)) << line;
  }
  return cases;
}

TEST(ExtractionPublished, DecidesTheReferenceCasesAsThePublishedCodeDoes) {
  REFOCUS_NEEDS_SHARED("reference/extraction_cases.jsonl");
  EXPECT_EQ(expect_cases(testing::shared("reference/extraction_cases.jsonl")), 80);
}

TEST(ExtractionPublished, FindsTheMostSimilarOptionAsThePublishedCodeDoes) {
  REFOCUS_NEEDS_SHARED("reference/fuzzy_cases.jsonl");
  EXPECT_EQ(expect_cases(testing::shared("reference/fuzzy_cases.jsonl")), 150);
}

// Texts with characters that Python's re, thefuzz and RapidFuzz treat each in their own way.
TEST(ExtractionPublished, DecidesNastyCasesAsPythonReAndThefuzzDo) {
  EXPECT_GE(expect_cases(testing::golden("extraction/published_cases.jsonl")), 240);
}

struct Case {
  std::vector<std::string> choices;
  std::string response;
  char letter;
  std::string rule, span_text;
};

void expect(const Case& c) {
  const Extraction found = extract(ExtractionRules::kPublished, c.choices, c.response);
  EXPECT_EQ(found.letter, c.letter) << c.response;
  EXPECT_EQ(found.rule, c.rule) << c.response;
  EXPECT_EQ(c.response.substr(static_cast<std::size_t>(found.span_begin),
                              static_cast<std::size_t>(found.span_end - found.span_begin)),
            c.span_text)
      << c.response;
}

const std::vector<std::string> kCities = {"London", "Paris.", "Berlin", "New York"};

TEST(ExtractionPublished, NamesTheRuleAndTheSpanInTheOriginal) {
  expect({kCities, "The answer is C", 'C', "answer", "C"});
  expect({kCities, "I think B is correct, not the rest", 'B', "verdict", "B"});
  expect({kCities, "D, of course", 'D', "opening", "D"});
  expect({kCities, "maybe (C) or so", 'C', "first_letter", "C"});
  expect({kCities, "une ville: lodnon", 'A', "most_similar", "une ville: lodnon"});
  // Option texts in any case, with multi-byte characters before them.
  expect({kCities, "\xC3\xA9t\xC3\xA9: new york\xE2\x80\xA6 or the answer is pARIS", 'B', "answer", "pARIS"});
  // Option "a" rewrites the whole response: a weakness kept on purpose.
  expect({{"x", "a", "y", "z"}, "sure that C is it", 'C', "first_letter", "C"});
  expect({{"x", "a", "y", "z"}, "a b C", 'B', "first_letter", "a"});
}

TEST(ExtractionPublished, RulesReachAsFarAsTheirPatternsSayAndNoFurther) {
  const auto far = [](int characters) { return std::string(static_cast<std::size_t>(characters), '-'); };
  expect({kCities, "choose" + far(20) + "B", 'B', "answer", "B"});
  expect({kCities, "choose" + far(21) + "B", 'B', "first_letter", "B"});
  expect({kCities, "B" + far(10) + "correct", 'B', "verdict", "B"});
  expect({kCities, "B" + far(11) + "correct", 'B', "first_letter", "B"});
}

TEST(ExtractionPublished, ReplacesTheLongestTextFirstAndOneAfterTheOther) {
  expect({{"price", "price of ice", "x1", "x2"},
          "it is the price of ice.",
          'B',
          "first_letter",
          "price of ice"});
  // "zeta" becomes A, which is option B's text, so it becomes B; the span is still the whole "zeta".
  expect({{"zeta", "A", "x1", "x2"}, "it is zeta.", 'B', "first_letter", "zeta"});
}

TEST(ExtractionPublished, KnowsOnlyTheLettersOfTheTask) {
  expect({{"one", "two"}, "D. The answer is B", 'B', "answer", "B"});
  expect({{"one", "two", "three"}, "answer: D or C", 'C', "answer", "C"});
}

TEST(ExtractionPublished, WordBoundariesKnowUnicode) {
  // As in Python's re: a letter next to a CJK character is inside a word, so rule 1 does not see it.
  expect({kCities,
          "answer: \xE9\x80\x89"
          "B",
          'B', "first_letter", "B"});
}

TEST(ExtractionPublished, ReplacesWhatPythonTakesForEqualIgnoringCase) {
  // The long s, the Kelvin sign, both sigmas, the micro sign and mu, the I with and without its dot.
  expect({{"ma\xC5\xBF\x73", "x1", "x2", "x3"}, "it is MASS", 'A', "first_letter", "MASS"});
  expect({{"10 \xE2\x84\xAA", "x1", "x2", "x3"}, "so 10 k", 'A', "first_letter", "10 k"});
  expect({{"\xCF\x83\xCF\x82", "x1", "x2", "x3"},
          "so \xCE\xA3\xCF\x83",
          'A',
          "first_letter",
          "\xCE\xA3\xCF\x83"});
  expect({{"5 \xC2\xB5m", "x1", "x2", "x3"}, "so 5 \xCE\xBCM", 'A', "first_letter", "5 \xCE\xBCM"});
  expect({{"q\xC4\xB0q", "x1", "x2", "x3"}, "so q\xC4\xB1q", 'A', "first_letter", "q\xC4\xB1q"});
  // No match: the sharp s is one letter and not two.
  expect({{"ma\xC3\x9Fq", "x1", "x2", "x3"}, "so massq", 'A', "most_similar", "so massq"});
}

TEST(ExtractionPublished, AnEmptyTextOccursEverywhere) {
  expect({{"x1", "...", "x2", "x3"}, ".- ", 'B', "opening", ""});
  expect({{"x1", "", "x2", "x3"}, "abc", 'A', "most_similar", "abc"});
}

class Filter : public ::testing::Test {
 protected:
  static std::string run(const std::string& lines, ExtractionRules rules = ExtractionRules::kAnchored) {
    std::istringstream in(lines);
    std::ostringstream out;
    extract_lines(in, out, "siqa", rules, "in.jsonl");
    return out.str();
  }
};

TEST_F(Filter, WritesALineForEachLine) {
  const std::string lines = R"({"choices":["x","y","z"],"response":"Response: C","answer":"A"})"
                            "\n"
                            R"({"response":"hm","choices":["x","y","z"]})"
                            "\n\n";
  EXPECT_EQ(run(lines),
            "{\"answer\":\"C\",\"rule\":\"header\",\"span\":[10,11]}\n"
            "{\"answer\":null,\"rule\":\"\",\"span\":[0,0]}\n");
  EXPECT_THAT(run(lines, ExtractionRules::kPublished), ::testing::HasSubstr("\"rule\":\"most_similar\""));
}

TEST_F(Filter, AByteOrderMarkStandsAtTheStartOnly) {
  const std::string mark = "\xEF\xBB\xBF", line = R"({"choices":["x","y","z"],"response":"Response: C"})";
  EXPECT_EQ(run(mark + line), run(line));
  EXPECT_THAT(testing::error_of([&] { run(line + "\n" + mark + line); }),
              ::testing::HasSubstr(
                  "[in.jsonl:2] expected JSON with a value at column 1, got a byte order mark (U+FEFF)"));
}

TEST_F(Filter, NamesTheLineThatIsWrong) {
  const std::string good = R"({"choices":["x","y","z"],"response":"C"})"
                           "\n";
  const auto error = [&](const std::string& line) {
    return testing::error_of([&] { run(good + line + "\n" + good); });
  };
  EXPECT_THAT(error("{"),
              ::testing::StartsWith("[in.jsonl:2] expected JSON with a key in quotes or '}' at column 2"));
  EXPECT_THAT(error(""), ::testing::StartsWith("[in.jsonl:2] expected a JSON object, got a blank line"));
  EXPECT_THAT(error("{\"choices\":[\"x\",\"y\",\"z\"],\"response\":\"\xFF\"}"),
              ::testing::HasSubstr("expected UTF-8, got other bytes at column 38"));
  EXPECT_THAT(error(R"({"choices":["x","y","z"]})"),
              ::testing::HasSubstr("expected a text 'response', got none"));
  EXPECT_THAT(error(R"({"choices":"x","response":""})"),
              ::testing::HasSubstr("expected a list 'choices', got string"));
  EXPECT_THAT(error(R"({"choices":[1,2,3],"response":""})"),
              ::testing::HasSubstr("expected texts in 'choices', got number"));
  EXPECT_THAT(error(R"({"choices":["x","y"],"response":""})"),
              ::testing::HasSubstr("expected 3 choices, got 2; is this the right --task?"));
}

TEST(Extraction, RefusesMoreOptionsThanLetters) {
  const std::vector<std::string> none, many(27, "x");
  for (const auto rules : {ExtractionRules::kAnchored, ExtractionRules::kPublished}) {
    EXPECT_THAT(testing::error_of([&] { extract(rules, none, ""); }), ::testing::HasSubstr("got 0"));
    EXPECT_THAT(testing::error_of([&] { extract(rules, many, ""); }), ::testing::HasSubstr("got 27"));
  }
}

}  // namespace
}  // namespace refocus
