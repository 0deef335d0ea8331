#include "eval/task/reasoning.h"

#include <gtest/gtest.h>

namespace refocus {
namespace {

void expect_parts(std::string_view prompt, std::string_view text, bool thinks, std::string_view reasoning,
                  std::string_view answer) {
  const ThoughtAndAnswer got = split_reasoning(prompt, text);
  EXPECT_EQ(got.thinks, thinks) << text;
  EXPECT_EQ(got.reasoning, reasoning) << text;
  EXPECT_EQ(got.answer, answer) << text;
}

TEST(Reasoning, IsSplitFromTheAnswer) {
  expect_parts("Q", "The answer is B.", false, "", "The answer is B.");
  expect_parts("Q", " <think>\nA or B?\n</think>\n\nB. ", true, "A or B?", "B.");
  expect_parts("Q", "<think></think>B", true, "", "B");
  // The prompt has begun it.
  expect_parts("Q <think>\n", "A or B?</think> B", true, "A or B?", "B");
  expect_parts("Q", "A or B?</think> B", true, "A or B?", "B");
}

TEST(Reasoning, WithoutItsEndThereIsNoAnswer) {
  expect_parts("Q", "<think> It may be A, so", true, "It may be A, so", "");
  expect_parts("Q <think>", "It may be A, so", true, "It may be A, so", "");
}

TEST(Reasoning, AMarkWithinATextIsText) {
  expect_parts("Q", "Write <think> at the beginning.", false, "", "Write <think> at the beginning.");
  expect_parts("Q", "<think>say </think> twice</think>B", true, "say </think> twice", "B");
}

}  // namespace
}  // namespace refocus
