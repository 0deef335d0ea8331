#include "prompt/prompt.h"

#include <rapidcheck.h>

#include <nlohmann/json.hpp>

#include "../tokenizer/tokenizer_support.h"
#include "support.h"

namespace refocus {
namespace {

using ::testing::ElementsAre;
using testing::Ids;

std::unique_ptr<Tokenizer> llama2() { return testing::load_json(testing::synthetic_tokenizer("llama-2")); }

PieceOrigin field(const char* name) {
  PieceOrigin out;
  out.field = name;
  return out;
}

TEST(Prompt, SpecialTokensAreReadInTemplatesOnly) {
  const auto tokenizer = llama2();
  const Ids whole = encode_prompt(*tokenizer, {template_piece("a</s>b")}).tokens;
  EXPECT_EQ(std::count(whole.begin(), whole.end(), 2), 1);
  for (const Prompt& prompt : std::vector<Prompt>{
           {data_piece("a</s>b")},
           {template_piece("a<"), data_piece("/s"), template_piece(">b")},
           {template_piece("a</s"), data_piece(">b")},
           {data_piece("a<"), template_piece("/s>b")},
       }) {
    const EncodedPrompt encoded = encode_prompt(*tokenizer, prompt);
    EXPECT_EQ(encoded.tokens, tokenizer->encode_prompt("a</s>b")) << text_of(prompt);
    EXPECT_EQ(std::count(encoded.tokens.begin(), encoded.tokens.end(), 2), 0);
  }
  // Two templates that touch are one text.
  EXPECT_EQ(encode_prompt(*tokenizer, {template_piece("a</", field("x")), template_piece("s>b")}).tokens,
            whole);
}

TEST(Prompt, HasItsBeginningOnce) {
  const auto tokenizer = llama2();
  const Ids plain = tokenizer->encode("a");
  Ids with = plain;
  with.insert(with.begin(), 1);
  EXPECT_EQ(encode_prompt(*tokenizer, {template_piece("a")}).tokens, with);
  EXPECT_EQ(encode_prompt(*tokenizer, {template_piece("a")}, PromptEnds::kNone).tokens, plain);
  const Ids written = encode_prompt(*tokenizer, {template_piece("<s>a")}).tokens;
  EXPECT_EQ(std::count(written.begin(), written.end(), 1), 1);
  EXPECT_EQ(written.front(), 1);
  // Data cannot write it.
  const Ids data = encode_prompt(*tokenizer, {data_piece("<s>a")}).tokens;
  EXPECT_EQ(data, tokenizer->encode_prompt("<s>a"));
  EXPECT_THAT(encode_prompt(*tokenizer, {}).tokens, ElementsAre(1));
}

TEST(Prompt, AnEndIsPutWhereTheTokenizerPutsOneButNotBehindAConversation) {
  const auto tokenizer = testing::load_json(testing::synthetic_tokenizer("llama-2"),
                                            R"({"add_eos_token": true, "eos_token": "</s>"})");
  EXPECT_EQ(encode_prompt(*tokenizer, {template_piece("a")}).tokens.back(), 2);
  EXPECT_NE(encode_prompt(*tokenizer, {template_piece("a")}, PromptEnds::kBegin).tokens.back(), 2);
  EXPECT_EQ(encode_prompt(*tokenizer, {template_piece("a")}, PromptEnds::kBegin).tokens.front(), 1);
}

TEST(Prompt, EachTokenKnowsItsPiece) {
  const auto tokenizer =
      testing::load_json(testing::synthetic_tokenizer("one word"));  // a byte a token, or more
  const Prompt prompt{template_piece("Q: "), data_piece("the cat", field("question")),
                      template_piece("\nA:")};
  const EncodedPrompt encoded = encode_prompt(*tokenizer, prompt);
  ASSERT_EQ(encoded.tokens.size(), encoded.pieces.size());
  std::string texts[3];
  for (std::size_t t = 0; t < encoded.tokens.size(); ++t) {
    if (encoded.pieces[t] == EncodedPrompt::kNoPiece) continue;
    texts[encoded.pieces[t]] += tokenizer->token_bytes(encoded.tokens[t]);
  }
  EXPECT_EQ(texts[0] + texts[1] + texts[2], text_of(prompt));
  EXPECT_NE(texts[1].find("cat"), std::string::npos);
}

TEST(Prompt, BordersChangeNoToken) {
  for (const char* name : {"llama-2", "one word", "byte-level NFC"}) {
    const auto tokenizer = testing::load_json(testing::synthetic_tokenizer(name));
    testing::check_property(name, [&] {
      const std::string text = *testing::any_text();
      const std::size_t cut = *rc::gen::inRange<std::size_t>(0, text.size() + 1);
      const Prompt prompt{data_piece(text.substr(0, cut)), data_piece(text.substr(cut), field("x"))};
      RC_PRE(is_valid_utf8(prompt[0].text) && is_valid_utf8(prompt[1].text));
      const EncodedPrompt encoded = encode_prompt(*tokenizer, prompt);
      RC_ASSERT(encoded.tokens == tokenizer->encode_prompt(text));
      RC_ASSERT(encoded.pieces.size() == encoded.tokens.size());
    });
  }
}

TEST(Prompt, BrokenUtf8IsReadPieceByPiece) {
  const auto tokenizer = testing::load_json(testing::synthetic_tokenizer("one word"));
  const EncodedPrompt encoded =
      encode_prompt(*tokenizer, {data_piece("a\xC3"), data_piece("\xA9", field("x"))});
  EXPECT_EQ(encoded.tokens, tokenizer->encode_prompt("a\uFFFD\uFFFD"));
}

TEST(Prompt, PiecesOfOneKindAndOriginAreJoined) {
  Prompt prompt;
  append(prompt, template_piece("a"));
  append(prompt, template_piece(""));
  append(prompt, template_piece("b"));
  append(prompt, data_piece("c"));
  append(prompt, data_piece("d", field("x")));
  EXPECT_EQ(prompt, (Prompt{template_piece("ab"), data_piece("c"), data_piece("d", field("x"))}));
}

TEST(Prompt, OriginsInWords) {
  EXPECT_EQ(origin_text({}, true), "template");
  EXPECT_EQ(origin_text({}, false), "data");
  EXPECT_EQ(origin_text(field("question"), false), "field question");
  PieceOrigin origin = field("options");
  origin.message = 1;
  origin.role = "user";
  origin.shot = 0;
  EXPECT_EQ(origin_text(origin, false), "message 1 (user), shot 0, field options");
  EXPECT_EQ(origin_text(origin, true), "template, message 1 (user), shot 0, field options");
}

}  // namespace
}  // namespace refocus
