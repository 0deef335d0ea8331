#include "eval/task/ending.h"

#include <gtest/gtest.h>

#include <string>

#include "eval/task/profile.h"

namespace refocus {
namespace {

Response ended(const std::string& prompt, const std::string& text, const char* finish) {
  Response response;
  response.prompt = prompt;
  response.text = text;
  response.finish_reason = finish;
  return response;
}

Extraction found_at(std::int64_t at) {
  Extraction found;
  found.letter = 'B';
  found.rule = "any";
  found.span_begin = at;
  found.span_end = at + 1;
  return found;
}

// The text with a bar where the statement begins.
std::string with_bar(std::string text) {
  if (const auto at = statement_begin(text)) text.insert(*at, "|");
  return text;
}

TEST(Ending, AStatementBeginsAfterTheLastHeader) {
  EXPECT_EQ(with_bar("so B. Response: C"), "so B. Response:| C");
  EXPECT_EQ(with_bar("Response: A\nno. Final Answer : B"), "Response: A\nno. Final Answer :| B");
  EXPECT_EQ(with_bar("**Response:** C"), "**Response:**| C");
  EXPECT_EQ(with_bar("**Response**: C"), "**Response**:| C");
  EXPECT_EQ(with_bar("'Response:' C"), "'Response:|' C");
  EXPECT_EQ(with_bar("x\n## RESPONSE\nC"), "x\n## RESPONSE|\nC");
  EXPECT_EQ(with_bar("\xE3\x80\x82Response\xEF\xBC\x9A"
                     "C"),
            "\xE3\x80\x82Response\xEF\xBC\x9A|C");
  EXPECT_EQ(with_bar("Response:"), "Response:|");
}

TEST(Ending, WordsAreNoHeaders) {
  for (const char* text : {"", "the response is C", "the right response\nis C", "responses: two",
                           "co-response", "an answer", "the answer is B.", "nonresponse: x"}) {
    EXPECT_FALSE(statement_begin(text)) << text;
  }
}

TEST(Ending, PromptsThatAskForAnAnalysisExpectAStatement) {
  for (const auto& [name, prompts] : default_profile().tasks) {
    EXPECT_TRUE(expects_statement(prompts.cot_instruction + "Question?\nA. x\n" + prompts.cot_suffix))
        << name;
    EXPECT_FALSE(expects_statement(prompts.direct_instruction + "Question?\nA. x\n" + prompts.direct_suffix))
        << name;
  }
  // The published ones: the instruction names the header 'Response:', direct prompts end with "Answer:".
  EXPECT_TRUE(
      expects_statement("proceed to the header 'Response:', where you answer.\n\nQ\nA. x\n\n Analysis:"));
  EXPECT_FALSE(expects_statement("Q\nA. x\n\n Answer:\n"));
  EXPECT_FALSE(expects_statement("Q\nLet's think step by step."));
  EXPECT_FALSE(expects_statement(""));
  EXPECT_FALSE(expects_statement("Question 0"));
}

constexpr const char* kAsked = "Q\nAnalysis:";

TEST(Ending, AnAnalysisWithoutAStatementIsUnfinishedHoweverItEnded) {
  for (const char* finish : {kFinishEos, kFinishStop, kFinishLength}) {
    EXPECT_TRUE(is_unfinished(ended(kAsked, "A is wrong. B may", finish), found_at(0))) << finish;
    EXPECT_TRUE(is_unfinished(ended(kAsked, "A is wrong.\nResponse:\n", finish), found_at(0))) << finish;
    EXPECT_FALSE(is_unfinished(ended(kAsked, "so B. Response: B", finish), found_at(16))) << finish;
  }
}

TEST(Ending, AStatementThatIsCutOffIsWholeWhereTheAnswerWasFoundInIt) {
  const std::string text = "so B. Response: B because of";
  EXPECT_FALSE(is_unfinished(ended(kAsked, text, kFinishLength), found_at(16)));
  EXPECT_TRUE(is_unfinished(ended(kAsked, text, kFinishLength), found_at(3)));
  EXPECT_FALSE(is_unfinished(ended(kAsked, text, kFinishEos), found_at(3)));
}

TEST(Ending, TheTasksOwnPatternSaysWhatAStatementIs) {
  Extraction found = found_at(3);
  found.rule = kPatternRule;
  EXPECT_FALSE(is_unfinished(ended(kAsked, "so 17", kFinishStop), found));
  EXPECT_FALSE(is_unfinished(ended(kAsked, "so 17", kFinishEos), found));
  EXPECT_TRUE(is_unfinished(ended(kAsked, "so 17. so 1", kFinishLength), found));
}

TEST(Ending, AnAnswerAtOnceIsUnfinishedWhereItWasCutOff) {
  EXPECT_FALSE(is_unfinished(ended("Q\nResponse:", "B", kFinishEos), found_at(0)));
  EXPECT_FALSE(is_unfinished(ended("Q\nResponse:", "B", kFinishStop), found_at(0)));
  EXPECT_TRUE(is_unfinished(ended("Q\nResponse:", "B, since", kFinishLength), found_at(0)));
}

}  // namespace
}  // namespace refocus
