#include "tokenizer/pipeline/text_alignment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "tokenizer/tokenizer.h"
#include "tokenizer_support.h"

namespace refocus {
namespace {

using ::testing::ElementsAre;

TEST(TextAlignment, EqualTexts) {
  EXPECT_THAT(align_text("", ""), ElementsAre(0));
  EXPECT_THAT(align_text("abc", "abc"), ElementsAre(0, 1, 2, 3));
}

TEST(TextAlignment, ASpacePutBefore) {
  EXPECT_THAT(align_text("ab", " ab"), ElementsAre(0, 0, 1, 2));
  EXPECT_THAT(align_text(" ab", "  ab"), ElementsAre(0, 0, 1, 2, 3));
  EXPECT_THAT(align_text("a b", "\u2581a\u2581b"), ElementsAre(0, 0, 0, 0, 1, 1, 1, 2, 3));
}

TEST(TextAlignment, ChangedCharactersCorrespondAsAWhole) {
  // e and a combining accent, composed; then the same text.
  EXPECT_THAT(align_text("xe\u0301y", "x\u00e9y"), ElementsAre(0, 1, 1, 4, 5));
  EXPECT_THAT(align_text("aBc", "abc"), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(align_text("abc", ""), ElementsAre(3));
  EXPECT_THAT(align_text("", "abc"), ElementsAre(0, 0, 0, 0));
}

TEST(TextAlignment, NeverFallsAndReachesTheEnds) {
  std::mt19937 random(1);
  const auto text = [&] {
    std::string out;
    for (std::size_t n = random() % 200; n > 0; --n) out += "ab c"[random() % 4];
    return out;
  };
  for (int round = 0; round < 500; ++round) {
    const std::string a = text(), b = round % 3 == 0 ? a.substr(a.size() / 3) + "b" : text();
    const std::vector<std::size_t> at = align_text(a, b);
    ASSERT_EQ(at.size(), b.size() + 1);
    EXPECT_EQ(at.front(), b.empty() ? a.size() : 0u);
    EXPECT_EQ(at.back(), a.size());
    EXPECT_TRUE(std::is_sorted(at.begin(), at.end()));
  }
}

// What a token stands for lies where its span says, in every real and synthetic tokenizer that leaves text as
// it is; all tokens together cover the text, in order.
TEST(TokenSpans, AreTheBytesOfTheirTokens) {
  const auto tokenizer = testing::load_json(testing::synthetic_tokenizer("one word"));
  testing::check_property("spans of byte-level tokens", [&] {
    const std::string text = *testing::any_text();
    std::size_t at = 0;
    std::vector<std::int32_t> ids;
    for (const TokenSpan& token : tokenizer->encode_spans(text)) {
      RC_ASSERT(token.bytes.begin == at);
      at = token.bytes.end;
      RC_ASSERT(tokenizer->token_bytes(token.id) == text.substr(token.bytes.begin, at - token.bytes.begin));
      ids.push_back(token.id);
    }
    RC_ASSERT(at == text.size());
    RC_ASSERT(ids == tokenizer->encode(text));
  });
}

TEST(TokenSpans, CoverNormalizedTextsInOrder) {
  for (const char* name : {"llama-2", "byte-level NFC", "byte-level NFKD", "replace by regex"}) {
    SCOPED_TRACE(name);
    const auto tokenizer = testing::load_json(testing::synthetic_tokenizer(name));
    testing::check_property(name, [&] {
      const std::string text = *testing::any_text();
      const std::vector<TokenSpan> tokens = tokenizer->encode_spans(text, {.parse_special = true});
      std::size_t at = 0;
      std::vector<std::int32_t> ids;
      for (const TokenSpan& token : tokens) {
        RC_ASSERT(token.bytes.begin <= token.bytes.end);
        RC_ASSERT(token.bytes.begin >= at);
        at = token.bytes.end;
        ids.push_back(token.id);
      }
      RC_ASSERT(at <= text.size());
      RC_ASSERT(ids == tokenizer->encode(text, {.parse_special = true}));
    });
  }
}

TEST(TokenSpans, SpecialTokensAreReadWhereTheRangesSay) {
  const auto tokenizer = testing::load_json(testing::synthetic_tokenizer("llama-2"));
  const std::string text = "a</s>b</s>";
  const auto ends = [&](std::vector<ByteRange> ranges) {
    const auto ids = tokenizer->encode(text, {.parse_special = true, .special_in = &ranges});
    return std::count(ids.begin(), ids.end(), 2);
  };
  EXPECT_EQ(ends({{0, text.size()}}), 2);
  EXPECT_EQ(ends({}), 0);
  EXPECT_EQ(ends({{0, 5}}), 1);
  EXPECT_EQ(ends({{0, 4}, {6, 10}}), 1);
  // Half in a template and half in data: text.
  EXPECT_EQ(ends({{0, 3}, {3, 5}}), 0);
  EXPECT_EQ(ends({{2, 9}}), 0);
}

TEST(TokenSpans, NormalizedSpecialTokensToo) {
  nlohmann::json file = testing::synthetic_tokenizer("byte-level NFC");
  file["added_tokens"].push_back({{"id", 400},
                                  {"content", "<e\u0301>"},
                                  {"special", true},
                                  {"normalized", true},
                                  {"lstrip", false},
                                  {"rstrip", false},
                                  {"single_word", false}});
  const auto tokenizer = testing::load_json(file);
  const std::string token = "<e\u0301>", text = token + "x" + token;
  const auto count = [&](std::vector<ByteRange> ranges) {
    const auto ids = tokenizer->encode(text, {.parse_special = true, .special_in = &ranges});
    return std::count(ids.begin(), ids.end(), 400);
  };
  EXPECT_EQ(count({{0, text.size()}}), 2);
  EXPECT_EQ(count({{0, token.size()}}), 1);
  EXPECT_EQ(count({{token.size(), text.size()}}), 1);
  EXPECT_EQ(count({{1, text.size() - 1}}), 0);
}

}  // namespace
}  // namespace refocus
