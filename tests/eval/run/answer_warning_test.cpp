#include "eval/run/answer_warning.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace refocus {
namespace {

using ::testing::HasSubstr;

Tally tally(std::int64_t answered, std::int64_t unparsed, std::int64_t truncated, std::int64_t empty) {
  Tally out;
  out.items = out.answered = answered;
  out.unparsed = unparsed;
  out.truncated = truncated;
  out.empty = empty;
  return out;
}

TEST(AnswerWarning, SpeaksAboveAFifth) {
  EXPECT_EQ(answer_warning("a", tally(100, 20, 0, 20), {}), std::nullopt);
  EXPECT_THAT(*answer_warning("a", tally(100, 21, 0, 21), {}), HasSubstr("a: 21% of 100 answers are empty"));
  EXPECT_EQ(answer_warning("a", tally(0, 0, 0, 0), {}), std::nullopt);
  Tally scored = tally(10, 0, 0, 10);
  scored.scored = 10;
  EXPECT_EQ(answer_warning("a", scored, {}), std::nullopt);
}

TEST(AnswerWarning, NamesTheLikelyCause) {
  EXPECT_THAT(*answer_warning("a", tally(10, 9, 9, 0), {true, 64}), HasSubstr("leave --no-chat out"));
  EXPECT_THAT(*answer_warning("a", tally(10, 9, 9, 0), {false, 64}), HasSubstr("cut off at 64 tokens"));
  EXPECT_THAT(*answer_warning("a", tally(10, 9, 0, 9), {false, 64}), HasSubstr("most are empty"));
  EXPECT_THAT(*answer_warning("a", tally(10, 9, 1, 1), {false, 64}), HasSubstr("may not follow"));
  // Read from answers that were cut off.
  Tally read = tally(10, 1, 9, 0);
  read.read_unfinished = 8;
  EXPECT_THAT(*answer_warning("a", read, {false, 64}), HasSubstr("90% of 10"));
}

}  // namespace
}  // namespace refocus
