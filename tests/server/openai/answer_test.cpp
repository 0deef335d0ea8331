#include "server/openai/answer.h"

#include <cmath>
#include <limits>

#include "answer_support.h"
#include "base/json_reader.h"
#include "prompt/answer_end.h"
#include "support.h"

namespace refocus::openai {
namespace {

using testing::scored;
using testing::unscored;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(OpenAiAnswer, ACompletionAsTheApiHasIt) {
  Answer answer{.head = testing::head(), .choices = {}, .usage = {3, 2, 1}, .refocus = {}};
  answer.refocus = {"rebalance:alpha=0.2", {"user"}, {}};
  answer.choices.push_back(
      {.index = 0, .text = "a\"b", .finish_reason = kFinishEos, .tokens = {}, .prompt_tokens = {}});
  answer.choices.push_back(
      {.index = 1, .text = "", .finish_reason = kFinishLength, .tokens = {}, .prompt_tokens = {}});
  EXPECT_EQ(completion_answer(answer),
            R"({"id":"cmpl-1","object":"text_completion","created":1700000000,"model":"small@reb",)"
            R"("system_fingerprint":"fp_1","choices":[)"
            R"({"index":0,"text":"a\"b","logprobs":null,"finish_reason":"stop"},)"
            R"({"index":1,"text":"","logprobs":null,"finish_reason":"length"}],)"
            R"("usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,)"
            R"("prompt_tokens_details":{"cached_tokens":1}},)"
            R"("refocus":{"intervention":"rebalance:alpha=0.2","ignored":["user"]}})");
}

TEST(OpenAiAnswer, AChatAsTheApiHasIt) {
  Answer answer{.head = testing::head(), .choices = {}, .usage = {}, .refocus = {}};
  answer.choices.push_back(
      {.index = 0,
       .text = "Hi\xC3",
       .finish_reason = kFinishStop,
       .tokens = {{scored({5, "Hi", -0.5, 1}, {{5, "Hi", -0.5, 1}, {7, "\xC3", -1.5, 2}})}},
       .prompt_tokens = {{unscored(1, "<s>"), scored({4, "x", -2, 3}, {{9, "y", -1, 1}})}}});
  EXPECT_EQ(chat_answer(answer),
            R"({"id":"cmpl-1","object":"chat.completion","created":1700000000,"model":"small@reb",)"
            R"("system_fingerprint":"fp_1","choices":[{"index":0,)"
            "\"message\":{\"role\":\"assistant\",\"content\":\"Hi\xEF\xBF\xBD\",\"refusal\":null},"
            R"("logprobs":{"content":[{"token":"Hi","logprob":-0.5,"bytes":[72,105],"top_logprobs":[)"
            R"({"token":"Hi","logprob":-0.5,"bytes":[72,105]},)"
            "{\"token\":\"\xEF\xBF\xBD\",\"logprob\":-1.5,\"bytes\":[195]}]}],\"refusal\":null},"
            R"("finish_reason":"stop"}],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0,)"
            R"("prompt_tokens_details":{"cached_tokens":0}},"refocus":{"intervention":null,"ignored":[]},)"
            R"("prompt_logprobs":[null,{"4":{"logprob":-2.0,"rank":3,"decoded_token":"x"},)"
            R"("9":{"logprob":-1.0,"rank":1,"decoded_token":"y"}}]})");
}

TEST(OpenAiAnswer, LogprobsOfACompletion) {
  const std::vector<ScoredToken> tokens = {unscored(1, "<s>"),
                                           scored({4, " a", -1.25, 2}, {{5, " b", -0.5, 1}}, 0),
                                           scored({6, "c", -0.25, 1}, {{6, "c", -0.25, 1}}, 2)};
  EXPECT_EQ(json_text(completion_logprobs(tokens)),
            R"({"tokens":["<s>"," a","c"],"token_logprobs":[null,-1.25,-0.25],)"
            R"("top_logprobs":[null,{" b":-0.5," a":-1.25},{"c":-0.25}],"text_offset":[0,0,2]})");
}

// Each half of a character is spelt as U+FFFD; what counts is that the largest value is still that of the
// best.
TEST(OpenAiAnswer, TokensThatAreSpeltAlikeKeepTheLargerLogprob) {
  const TokenScore better{200, "\xE2", -0.5, 1}, worse{201, "\x82", -1.5, 2};
  for (const bool better_first : {true, false}) {
    const std::vector<TokenScore> top =
        better_first ? std::vector{better, worse} : std::vector{worse, better};
    for (const TokenScore& token : {better, worse}) {
      const std::vector<ScoredToken> tokens = {scored(token, top)};
      EXPECT_EQ(json_text(completion_logprobs(tokens)["top_logprobs"]), "[{\"\xEF\xBF\xBD\":-0.5}]");
      EXPECT_EQ(completion_logprobs(tokens)["token_logprobs"][0], token.logprob);
    }
  }
  // By number they are two, the token itself first.
  const std::vector<ScoredToken> tokens = {scored(worse, {better, worse})};
  EXPECT_EQ(json_text(prompt_logprobs(tokens)),
            "[{\"201\":{\"logprob\":-1.5,\"rank\":2,\"decoded_token\":\"\xEF\xBF\xBD\"},"
            "\"200\":{\"logprob\":-0.5,\"rank\":1,\"decoded_token\":\"\xEF\xBF\xBD\"}}]");
}

TEST(OpenAiAnswer, WhatJsonLacksBecomesTheLowest) {
  const std::vector<ScoredToken> tokens = {scored(
      {4, "a", -kInfinity, 0}, {{5, "b", std::nan(""), 0}, {6, "c", kInfinity, 0}, {7, "d", -20000, 0}})};
  EXPECT_EQ(json_text(completion_logprobs(tokens)),
            R"({"tokens":["a"],"token_logprobs":[-9999.0],)"
            R"("top_logprobs":[{"b":-9999.0,"c":-9999.0,"d":-20000.0,"a":-9999.0}],"text_offset":[0]})");
  EXPECT_EQ(json_text(chat_logprobs(tokens)).find("null,\"bytes"), std::string::npos);
  EXPECT_EQ(json_text(prompt_logprobs(tokens)),
            R"([{"4":{"logprob":-9999.0,"rank":null,"decoded_token":"a"},"5":{"logprob":-9999.0,"rank":null,)"
            R"("decoded_token":"b"},"6":{"logprob":-9999.0,"rank":null,"decoded_token":"c"},)"
            R"("7":{"logprob":-20000.0,"rank":null,"decoded_token":"d"}}])");
}

TEST(OpenAiAnswer, AttentionIsAReceiptForEachChoice) {
  RefocusFacts facts;
  facts.attention.push_back({.index = 0, .id = "ab12", .bytes = 640, .rows = 5, .values = {}});
  EXPECT_EQ(json_text(refocus_json(facts)),
            R"({"intervention":null,"ignored":[],)"
            R"("attention":{"index":0,"id":"ab12","bytes":640,"rows":5,"url":"/v1/attention/ab12"}})");
  facts.attention.push_back({.index = 1, .id = "cd34", .bytes = 1, .rows = 1, .values = {}});
  const auto both = refocus_json(facts)["attention"];
  ASSERT_TRUE(both.is_array());
  EXPECT_EQ(both[1]["id"], "cd34");
}

TEST(OpenAiAnswer, AttentionValuesAreSparseByLayerHeadAndRow) {
  AttentionValues values{.layers = {0, 3}, .heads = {1}, .rows = {4, 9}, .weights = {}, .before = {}};
  values.weights = {{{0, 2}, {0.1F, 0.9F}, 0.25F}, {{1}, {1}, 0}, {{}, {}, 0}, {{5}, {1e-30F}, 0}};
  EXPECT_EQ(
      json_text(values_json(values)),
      R"({"layers":[0,3],"heads":[1],"rows":[4,9],"weights":[[[{"i":[0,2],"w":[0.1,0.9],"rest":0.25},{"i":[1],"w":[1.0],"rest":0.0}]],)"
      R"([[{"i":[],"w":[],"rest":0.0},{"i":[5],"w":[1e-30],"rest":0.0}]]]})");
  values.heads.clear();
  values.before = values.weights;
  const auto json = parse_ordered_json(
      attention_answer("id1", {"none", 2, nlohmann::ordered_json::array()}, values), {"answer"});
  EXPECT_EQ(json["id"], "id1");
  EXPECT_EQ(json["prompt_tokens"], 2);
  EXPECT_TRUE(json["heads"].is_null());
  EXPECT_EQ(json["before"], json["weights"]);
  const AttentionReceipt receipt{.index = 0, .id = "id1", .bytes = 1, .rows = 2, .values = values};
  EXPECT_EQ(receipt_json(receipt)["inline"]["weights"], json["weights"]);
}

// Half as many digits as a double has, and the same float.
TEST(OpenAiAnswer, AttentionWeightsReadBackAsTheSameFloat) {
  AttentionValues values{.layers = {0}, .heads = {0}, .rows = {0}, .weights = {{{}, {}, 0}}, .before = {}};
  std::uint32_t state = 1;
  for (int i = 0; i < 5000; ++i) {
    state = state * 1664525U + 1013904223U;
    values.weights[0].keys.push_back(i);
    values.weights[0].weights.push_back(
        std::ldexp(static_cast<float>(state >> 8), -24 - static_cast<int>(state % 100)));
  }
  const auto json = parse_ordered_json(json_text(values_json(values)), {"answer"});
  for (std::size_t i = 0; i < values.weights[0].weights.size(); ++i) {
    EXPECT_EQ(json["weights"][0][0][0]["w"][i].get<float>(), values.weights[0].weights[i]);
  }
}

}  // namespace
}  // namespace refocus::openai
