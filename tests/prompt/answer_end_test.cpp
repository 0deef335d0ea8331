#include "prompt/answer_end.h"

#include "../tokenizer/tokenizer_support.h"
#include "support.h"

namespace refocus {
namespace {

using ::testing::ElementsAre;
using testing::Ids;
using ::testing::IsEmpty;

// Llama-2's kind: <s> is 1, </s> is 2, bytes as fallback.
class AnswerEnd : public ::testing::Test {
 protected:
  std::unique_ptr<Tokenizer> tokenizer = testing::load_json(testing::synthetic_tokenizer("llama-2"));

  Ids ids(const std::string& text) { return tokenizer->encode(text, {.parse_special = true}); }
  // What a stream gives, which must be what the whole gives.
  std::string answer(const AnswerEnds& ends, const Ids& tokens, const Ids& eos, const char* reason) {
    AnswerStream stream(*tokenizer, ends, eos);
    std::string streamed;
    std::size_t taken = 0;
    for (; taken < tokens.size() && !stream.ended(); ++taken) streamed += stream.push(tokens[taken]);
    streamed += stream.finish();
    EXPECT_EQ(stream.ended(), std::string(reason) != kFinishLength);
    const FinishedAnswer whole = finished_answer(*tokenizer, ends, std::span(tokens).first(taken), eos);
    EXPECT_EQ(whole.text, streamed);
    EXPECT_EQ(whole.finish_reason, reason);
    return streamed;
  }
};

TEST_F(AnswerEnd, SpecialTokensAreNamedByTheirText) {
  const AnswerEnds ends(*tokenizer, {"</s>", "stop", "</s>"});
  EXPECT_THAT(ends.tokens(), ElementsAre(2));
  EXPECT_THAT(AnswerEnds(*tokenizer, {"stop", "s>"}).tokens(), IsEmpty());
}

TEST_F(AnswerEnd, TheTokenEndsAnAnswerAndSoDoesItsText) {
  const AnswerEnds ends(*tokenizer, {"</s>"});
  Ids tokens = ids("Hello");
  tokens.push_back(2);
  EXPECT_EQ(answer(ends, tokens, {}, kFinishStop), "Hello");
  EXPECT_EQ(answer(ends, tokens, {2}, kFinishEos), "Hello") << "the model's own end";
  EXPECT_EQ(answer({}, tokens, {}, kFinishLength), "Hello") << "a special token has no text";
  const Ids text = tokenizer->encode("Hello</s> more");
  EXPECT_EQ(std::ranges::count(text, 2), 0);
  EXPECT_EQ(answer(ends, text, {2}, kFinishStop), "Hello");
  EXPECT_EQ(answer({}, text, {2}, kFinishLength), "Hello</s> more");
}

TEST_F(AnswerEnd, WhatATextMayBeginWithIsHeldBack) {
  const AnswerEnds ends(*tokenizer, {"\n\nQ", "aab"});
  EXPECT_EQ(ends.begun("x\n\n"), 2u);
  EXPECT_EQ(ends.begun("caa"), 2u);
  EXPECT_EQ(ends.begun("aab"), 0u);
  for (const char* text : {"one\n\nA", "aaab", "x\n", "a\n\nQ\n\nQ", "aa", "aacaab!", "\n\nQ"}) {
    const std::string whole = text;
    const std::size_t end = ends.find(whole);
    EXPECT_EQ(answer(ends, ids(whole), {}, end == std::string::npos ? kFinishLength : kFinishStop),
              whole.substr(0, end));
  }
}

TEST_F(AnswerEnd, RequestsAreToldWhenATextIsThere) {
  EXPECT_EQ(ends_after(*tokenizer, {}), nullptr);
  const auto ended = ends_after(*tokenizer, AnswerEnds(*tokenizer, {"lo"}));
  const Ids tokens = ids("Hello Hello");
  std::size_t at = 0;
  while (at < tokens.size() && !ended(tokens[at])) ++at;
  ASSERT_LT(at, tokens.size());
  EXPECT_EQ(
      finished_answer(*tokenizer, AnswerEnds(*tokenizer, {"lo"}), std::span(tokens).first(at + 1), {}).text,
      "Hel");
  EXPECT_EQ(tokenizer->decode(std::span(tokens).first(at)).find("lo"), std::string::npos) << "no sooner";
}

}  // namespace
}  // namespace refocus
