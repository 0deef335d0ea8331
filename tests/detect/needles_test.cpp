// Needles: their files, where they are hidden, and when a reply has found one.
#include "detect/needles.h"

#include <cmath>

#include "base/text_file.h"
#include "detect/retrieval.h"
#include "tokenizer/tokenizer_support.h"

namespace refocus {
namespace {

using ::testing::HasSubstr;

const Needle kNeedle = {"The key is under the mat.", "Where is the key?", "under the mat"};

TEST(Needles, AreHiddenWhereASentenceEnds) {
  const auto tokenizer = testing::load_json(testing::synthetic_tokenizer("llama-2"));
  const Haystack haystack(*tokenizer, "One one. Two two! Three 3.5 three?\nFour");
  const auto text_at = [&](double depth) {
    const Prompt prompt = haystack.prompt(kNeedle, 10000, depth, "Q: {question} A:");
    return text_of(prompt);
  };
  const auto text = [&](std::int64_t tokens, double depth) {
    return text_of(haystack.prompt(kNeedle, tokens, depth, "Q: {question} A:"));
  };
  EXPECT_TRUE(
      text_at(0).starts_with("The key is under the mat. One one. Two two! Three 3.5 three?\nFour One one. "));
  EXPECT_TRUE(text_at(1).ends_with("The key is under the mat. Q: Where is the key? A:"));
  EXPECT_EQ(text(0, 0.5), "The key is under the mat. Q: Where is the key? A:");
  const std::int64_t one = std::ssize(tokenizer->encode("One one. ")),
                     two = std::ssize(tokenizer->encode("Two two! "));
  EXPECT_EQ(text(one + two, 0), "The key is under the mat. One one. Two two! Q: Where is the key? A:");
  EXPECT_EQ(text(one + two, 0.99), "One one. The key is under the mat. Two two! Q: Where is the key? A:");
  EXPECT_EQ(text(one + two - 1, 1), "One one. The key is under the mat. Q: Where is the key? A:");
}

TEST(Needles, SayWhichPartIsLookedFor) {
  const auto tokenizer = testing::load_json(testing::synthetic_tokenizer("llama-2"));
  const Haystack haystack(*tokenizer, "One one. Two two.");
  std::string found;
  for (const PromptPiece& piece : haystack.prompt(kNeedle, 40, 0.5, kNeedleQuestion)) {
    if (piece.origin.field == kNeedleField) found += piece.text;
  }
  EXPECT_EQ(found, "under the mat");
  EXPECT_THAT(testing::error_of([&] { Haystack(*tokenizer, " \n "); }), HasSubstr("[haystack]"));
}

TEST(Needles, AreReadByThePublishedNamesToo) {
  const testing::TempDir dir;
  const std::string path = (dir / "n.jsonl").string();
  testing::write(path, R"({"needle": "a b c", "question": "q", "answer": "b c"})"
                       "\n\n"
                       R"({"needle": "a b c", "question": "q", "real_needle": "a"})"
                       "\n"
                       R"({"needle": "a b c", "question": "q"})"
                       "\n");
  const std::vector<Needle> needles = read_needles(path);
  ASSERT_EQ(needles.size(), 3u);
  EXPECT_EQ(needles[0].answer, "b c");
  EXPECT_EQ(needles[1].answer, "a");
  EXPECT_EQ(needles[2].answer, "a b c");
}

TEST(Needles, RefuseWhatIsNone) {
  const testing::TempDir dir;
  const std::string path = (dir / "n.jsonl").string();
  for (const auto& [text, what] :
       {std::pair{R"({"needle": "a", "question": "q", "answer": "b"})", "stand in the needle"},
        {R"({"needle": "a", "question": "q", "answer": ""})", "of words"},
        {R"({"needle": "..", "question": "q"})", "of words"},
        {R"({"needle": "a"})", "question"},
        {R"({"needle": 1, "question": "q"})", "a text as 'needle'"},
        {"[]", "object"},
        {"", "at least one needle"}}) {
    testing::write(path, text);
    EXPECT_THAT(testing::error_of([&] { read_needles(path); }), HasSubstr(what)) << text;
  }
}

TEST(Needles, OfTheProjectHoldTheirAnswers) {
  for (const Needle& one : default_needles()) {
    EXPECT_NE(one.needle.find(one.answer), std::string::npos);
    EXPECT_EQ(default_haystack().find(one.answer), std::string::npos);
  }
  EXPECT_EQ(default_haystack(), default_haystack());
}

TEST(Rouge1, IsTheShareOfWordsThatAreThere) {
  EXPECT_DOUBLE_EQ(rouge1_recall("Under the mat, under it!", "UNDER the old mat"), 3.0 / 5);
  EXPECT_DOUBLE_EQ(rouge1_recall("a a a b", "a b a"), 3.0 / 4);
  EXPECT_DOUBLE_EQ(rouge1_recall("a b", ""), 0);
  EXPECT_DOUBLE_EQ(rouge1_recall("", "a"), 0);
  EXPECT_DOUBLE_EQ(rouge1_recall("Zürich 2024", "in zürich, 2024."), 1);
  EXPECT_DOUBLE_EQ(rouge1_recall("walks", "walk"), 0);  // no stemming
}

TEST(Retrieval, IsAMeanOfTheRepliesThatCount) {
  const RetrievalReply good{"", 0.51, {1.25, 0}}, better{"", 1, {0.25, 0.5}}, half{"", 0.5, {9, 9}};
  const RetrievalReply replies[] = {good, half, better};
  EXPECT_EQ(mean_retrieval(replies, 2), (std::vector<double>{0.75, 0.25}));
  EXPECT_TRUE(std::isnan(mean_retrieval({&half, 1}, 2).front()));
}

}  // namespace
}  // namespace refocus
