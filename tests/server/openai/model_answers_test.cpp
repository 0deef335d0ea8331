#include "server/openai/model_answers.h"

#include "../../tokenizer/tokenizer_support.h"
#include "base/json_reader.h"
#include "prompt/answer_end.h"
#include "server/openai/scored_token.h"
#include "support.h"

namespace refocus::openai {
namespace {

using nlohmann::ordered_json;
using refocus::testing::Ids;

TEST(OpenAiModels, AreListedWithWhatTheyChange) {
  const ModelNames names("small", {{"reb", "rebalance:alpha=0.2"}}, true);
  const ModelFacts facts{.created = 1700000000, .context = 2048, .layers = 30, .heads = 9, .chat = true};
  const std::string small =
      R"({"id":"small","object":"model","created":1700000000,"owned_by":"refocus","root":"small","parent":null,)"
      R"("max_model_len":2048,"refocus":{"intervention":null,"layers":30,"heads":9,"chat":true}})";
  const std::string arm =
      R"({"id":"small@reb","object":"model","created":1700000000,"owned_by":"refocus","root":"small",)"
      R"("parent":"small","max_model_len":2048,"refocus":{"intervention":"rebalance:alpha=0.2",)"
      R"("layers":30,"heads":9,"chat":true}})";
  EXPECT_EQ(models_answer(names, facts), R"({"object":"list","data":[)" + small + "," + arm + "]}");
  EXPECT_EQ(model_answer(names, names.find("small@reb"), facts), arm);
  EXPECT_EQ(
      parse_json(model_answer(names, names.find("small@none"), facts), {"a"})["refocus"]["intervention"],
      "none");
}

TEST(OpenAiModels, HealthIsOneWord) {
  EXPECT_EQ(health_answer(true), R"({"status":"ok"})");
  EXPECT_EQ(health_answer(false), R"({"status":"loading"})");
}

// Llama-2's kind: <s> is 1, </s> is 2, bytes as fallback.
class OpenAiTokens : public ::testing::Test {
 protected:
  std::unique_ptr<Tokenizer> tokenizer = refocus::testing::load_json(
      refocus::testing::synthetic_tokenizer("llama-2"),
      R"({"bos_token": "<s>", "eos_token": "</s>", "chat_template": "{{ messages }}"})");

  // The bytes of a text that the vocabulary has no letters for, as tokens of one byte each.
  Ids bytes(std::string_view text) const {
    Ids out;
    for (const char c : text)
      out.push_back(*tokenizer->find(fmt::format("<0x{:02X}>", static_cast<unsigned char>(c))));
    return out;
  }
};

TEST_F(OpenAiTokens, TokenizerInfoNamesTheEndToken) {
  const ordered_json info = parse_ordered_json(tokenizer_info_answer(*tokenizer, 64), {"answer"});
  EXPECT_EQ(info["eos_token"], "</s>");
  EXPECT_EQ(info["bos_token"], "<s>");
  EXPECT_EQ(info["chat_template"], "{{ messages }}");
  EXPECT_EQ(info["model_max_length"], 64);
  const auto plain = refocus::testing::load_json(refocus::testing::synthetic_tokenizer("llama-2"));
  EXPECT_TRUE(parse_ordered_json(tokenizer_info_answer(*plain, 64), {"answer"}).contains("eos_token"));
}

TEST_F(OpenAiTokens, TokenizingAnswersInTheDialectOfTheQuestion) {
  Ids ids = bytes("\xE2");
  ids.insert(ids.begin(), 1);
  EXPECT_EQ(tokenize_answer({}, *tokenizer, ids, 64),
            fmt::format(R"({{"tokens":[1,{}],"count":2,"max_model_len":64,"token_strs":null}})", ids[1]));
  TokenizeRequest request;
  request.pieces = true;
  EXPECT_EQ(
      tokenize_answer(request, *tokenizer, ids, 64),
      fmt::format(
          "{{\"tokens\":[1,{}],\"count\":2,\"max_model_len\":64,\"token_strs\":[\"<s>\",\"\xEF\xBF\xBD\"]}}",
          ids[1]));
  request.llama_cpp = true;
  EXPECT_EQ(tokenize_answer(request, *tokenizer, ids, 64),
            fmt::format(R"({{"tokens":[{{"id":1,"piece":"<s>"}},{{"id":{},"piece":[226]}}]}})", ids[1]));
  EXPECT_EQ(detokenize_answer("a\xC3"), "{\"prompt\":\"a\xEF\xBF\xBD\",\"content\":\"a\xEF\xBF\xBD\"}");
}

TEST_F(OpenAiTokens, AreSpeltByTheirBytesOrAsSpecial) {
  EXPECT_EQ(token_score(*tokenizer, 2, -1).bytes, "</s>");
  EXPECT_EQ(token_score(*tokenizer, bytes("\x82")[0], -1).bytes, "\x82");
  EXPECT_EQ(token_score(*tokenizer, 1'000'000, -1).bytes, "") << "a padded row of the model";
  EXPECT_EQ(token_score(*tokenizer, 2, -1.5, 3).rank, 3);
}

// What decoding says of the tokens before each one, where those are whole characters.
TEST_F(OpenAiTokens, OffsetsCountTheCharactersBefore) {
  const Ids ids = tokenizer->encode("Hello there, \xC3\xA9t\xC3\xA9 and more");
  TextOffsets offsets(*tokenizer);
  int compared = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::int64_t offset = offsets.next(ids[i]);
    const std::string before = tokenizer->decode(std::span(ids).first(i));
    if (before.find("\xEF\xBF\xBD") != std::string::npos) continue;
    EXPECT_EQ(offset, std::ranges::count_if(before, [](unsigned char c) { return (c & 0xC0) != 0x80; })) << i;
    ++compared;
  }
  EXPECT_GT(compared, 8);
}

// Bytes that make up one character begin where it does, and a special token has no text.
TEST_F(OpenAiTokens, OffsetsCountNoHalvesOfCharacters) {
  const std::int32_t a = *tokenizer->find("a");
  const Ids euro = bytes("\xE2\x82\xAC"), half = bytes("\xE2\x82");
  Ids ids = {1, a};
  ids.insert(ids.end(), euro.begin(), euro.end());
  ids.insert(ids.end(), {a, 2, 1'000'000});
  ids.insert(ids.end(), half.begin(), half.end());
  ids.push_back(a);
  TextOffsets offsets(*tokenizer);
  std::vector<std::int64_t> found;
  for (const std::int32_t id : ids) found.push_back(offsets.next(id));
  EXPECT_EQ(found, (std::vector<std::int64_t>{0, 0, 1, 1, 1, 2, 3, 3, 3, 3, 4}));
}

}  // namespace
}  // namespace refocus::openai
