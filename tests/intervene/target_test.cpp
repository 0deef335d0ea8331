// Which tokens of a prompt selectors choose.
#include "intervene/target.h"

#include <set>

#include "../tokenizer/tokenizer_support.h"
#include "support.h"

namespace refocus {
namespace {

using ::testing::HasSubstr;

PieceOrigin of_field(const char* field, const char* role = "", int shot = -1) {
  PieceOrigin out;
  out.field = field;
  out.role = role;
  out.shot = shot;
  return out;
}

class Target : public ::testing::Test {
 protected:
  std::unique_ptr<Tokenizer> tokenizer_ = testing::load_json(testing::synthetic_tokenizer("llama-2"));
  Prompt prompt_ = {template_piece("Be brief. ", of_field("", "system")),   template_piece("Question: "),
                    data_piece("old one", of_field("question", "user", 0)), template_piece("\nQuestion: "),
                    data_piece("who, then?", of_field("question", "user")), template_piece("\nAnswer:")};
  EncodedPrompt encoded_ = encode_prompt(*tokenizer_, prompt_);

  KeyRanges keys(const std::string& text) const {
    return aim(parse_intervention("boost:keys=" + text), *tokenizer_, prompt_, encoded_)->keys.front();
  }
  // The chosen tokens' text; '^' for one that the tokenizer adds, '>' for all that are to come.
  std::string chosen(const std::string& text) const {
    const KeyRanges chosen = keys(text);
    std::string out;
    for (std::size_t t = 0; t < encoded_.tokens.size(); ++t) {
      if (!chosen.contains(static_cast<std::int64_t>(t))) continue;
      const ByteRange& bytes = encoded_.bytes[t];
      out += bytes.begin == bytes.end ? "^" : encoded_.text.substr(bytes.begin, bytes.end - bytes.begin);
    }
    return chosen.contains(KeyRanges::kForever - 1) ? out + ">" : out;
  }
};

TEST_F(Target, OriginsChooseTheirTokens) {
  EXPECT_THAT(chosen("field:question"), HasSubstr("old one"));
  EXPECT_THAT(chosen("field:question"), HasSubstr("who, then?"));
  EXPECT_EQ(chosen("field:question").find("Question"), std::string::npos);
  EXPECT_THAT(chosen("shot:0"), HasSubstr("old one"));
  EXPECT_EQ(chosen("shot:0").find("who"), std::string::npos);
  EXPECT_THAT(chosen("role:system"), HasSubstr("Be brief."));
  EXPECT_EQ(chosen("role:system").find("Question"), std::string::npos);
  EXPECT_EQ(chosen("field:options"), "");
}

TEST_F(Target, TextsPositionsAndClasses) {
  EXPECT_EQ(chosen("bos"), "^");
  EXPECT_EQ(chosen("sinks:1"), "^");
  EXPECT_EQ(keys("sinks").ranges, (std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 4}}));
  EXPECT_EQ(keys("positions:2-3;900").ranges,
            (std::vector<std::pair<std::int64_t, std::int64_t>>{{2, 4}, {900, 901}}));
  EXPECT_THAT(chosen("text:\"brief\""), HasSubstr("brief"));
  EXPECT_EQ(chosen("text:\"nowhere\""), "");
  EXPECT_THAT(chosen("regex:\"wh[a-z]\""), HasSubstr("who"));
  EXPECT_THAT(chosen("class:punctuation"), HasSubstr(","));
  EXPECT_EQ(chosen("class:punctuation").find("who"), std::string::npos);
  EXPECT_EQ(chosen("generated"), ">");
  EXPECT_EQ(chosen("not:generated").find('>'), std::string::npos);
  EXPECT_EQ(keys("not:generated").ranges.front().second, std::ssize(encoded_.tokens));
  EXPECT_EQ(keys("not:bos").ranges.front().first, 1);
  EXPECT_EQ(chosen("not:bos").back(), '>');
  EXPECT_EQ(keys("bos|not:bos").ranges,
            (std::vector<std::pair<std::int64_t, std::int64_t>>{{0, KeyRanges::kForever}}));
}

// How many tokens of the prompt are chosen, and whether those to come are.
std::pair<std::int64_t, bool> size_of(const KeyRanges& keys, std::int64_t prompt) {
  std::int64_t size = 0;
  for (std::int64_t t = 0; t < prompt; ++t) size += keys.contains(t) ? 1 : 0;
  return {size, keys.contains(KeyRanges::kForever - 1)};
}

TEST_F(Target, RandomKeysAreAsManyOfThePromptAsTheSelectors) {
  const std::int64_t prompt = std::ssize(encoded_.tokens);
  const auto size = [&](const std::string& text) { return size_of(keys(text), prompt); };
  for (const std::string text : {"field:question", "not:field:question", "sinks:1", "positions:3;900-999",
                                 "generated", "not:generated", "text:\"nowhere\"", "class:punctuation"}) {
    const std::int64_t asked = size(text).first, random = size("random:3:" + text).first;
    EXPECT_EQ(random, std::min(asked, prompt - 1)) << text << ": all but bos, where more are asked for";
    EXPECT_FALSE(size("random:3:" + text).second) << text << " counts in the prompt alone";
    EXPECT_EQ(size("not:random:3:" + text), std::pair(prompt - random, true)) << text;
    EXPECT_EQ(keys("random:3:" + text + "|not:random:3:" + text).ranges,
              (std::vector<std::pair<std::int64_t, std::int64_t>>{{0, KeyRanges::kForever}}));
  }
  std::set<std::vector<std::pair<std::int64_t, std::int64_t>>> seen;
  std::set<std::int64_t> found;
  for (int seed = 0; seed < 60; ++seed) {
    const KeyRanges drawn = keys("random:" + std::to_string(seed) + ":field:question");
    EXPECT_EQ(drawn.ranges, keys("random:" + std::to_string(seed) + ":field:question").ranges);
    seen.insert(drawn.ranges);
    for (std::int64_t t = 0; t < prompt; ++t) {
      if (drawn.contains(t)) found.insert(t);
    }
  }
  EXPECT_GT(seen.size(), 55u);
  EXPECT_EQ(std::ssize(found), prompt - 1) << "every token but bos";
  EXPECT_FALSE(found.contains(0));
}

// The same definition in Python: seed and tokens mixed one after the other by SplitMix64, Floyd's sampling of
// the places behind bos.
TEST_F(Target, RandomKeysAreWhatTheirDefinitionSays) {
  std::vector<std::int32_t> tokens = tokenizer_->prompt_prefix();
  for (std::int32_t t = 10; t < 30; ++t) tokens.push_back(t);
  const auto chosen = [&](const char* keys) {
    const InterventionSpec spec = parse_intervention(std::string("boost:keys=") + keys);
    const auto target = aim(spec, {tokens, nullptr, nullptr, tokenizer_.get()});
    std::vector<std::int64_t> out;
    for (std::int64_t t = 0; t < std::ssize(tokens); ++t) {
      if (target->keys.front().contains(t)) out.push_back(t);
    }
    return out;
  };
  ASSERT_EQ(tokenizer_->prompt_prefix(), std::vector<std::int32_t>{1});
  EXPECT_THAT(chosen("random:0:positions:3-6"), ::testing::ElementsAre(3, 12, 19, 20));
  EXPECT_THAT(chosen("random:9:sinks:3"), ::testing::ElementsAre(9, 12, 17));
  tokens.back() = 77;
  EXPECT_THAT(chosen("random:0:positions:3-6"), ::testing::ElementsAre(6, 11, 12, 13))
      << "another prompt has another draw";
}

// A beginning is shared where tokens and marks are the same (generate/prefix_cache.h): draws of prompts that
// begin alike are not, so neither are its marks.
TEST_F(Target, PromptsThatBeginAlikeShareNothingOfRandomKeys) {
  std::vector<std::int32_t> one = encoded_.tokens, other = encoded_.tokens;
  other.back() = other.front();
  const auto marks = [&](const char* keys, const std::vector<std::int32_t>& tokens) {
    std::vector<std::uint32_t> out = aim(parse_intervention(std::string("boost:keys=") + keys),
                                         {tokens, nullptr, nullptr, tokenizer_.get()})
                                         ->marks;
    out.pop_back();
    return out;
  };
  EXPECT_EQ(marks("positions:2-9", one), marks("positions:2-9", other));
  EXPECT_EQ(marks("random:0:positions:2-9", one), marks("random:0:positions:2-9", one));
  EXPECT_NE(marks("random:0:positions:2-9", one), marks("random:0:positions:2-9", other));
}

TEST_F(Target, TokensBehindTheSeamAreOfNoPiece) {
  std::vector<std::int32_t> tokens = encoded_.tokens;
  tokens.back() = tokens.front();
  const InterventionSpec spec = parse_intervention("boost:keys=text:\"Answer:\"");
  const auto target = aim(spec, {tokens, &prompt_, &encoded_, tokenizer_.get()});
  EXPECT_FALSE(target->keys.front().contains(std::ssize(tokens) - 1));
  EXPECT_TRUE(aim(spec, *tokenizer_, prompt_, encoded_)->keys.front().contains(std::ssize(tokens) - 1));
}

TEST_F(Target, WhatChoosesNothingIsListed) {
  const InterventionSpec spec = parse_intervention("boost:keys=field:options+zero+knockout:keys=marked");
  EXPECT_THAT(aim(spec, *tokenizer_, prompt_, encoded_)->unmatched,
              ::testing::ElementsAre("field:options", "marked"));
}

TEST_F(Target, MarksTellPromptsApartThatOneInterventionTreatsDifferently) {
  const InterventionSpec spec = parse_intervention("boost:keys=field:question,rows=last");
  const std::vector<std::int32_t> tokens = {1, 2, 3, 4};
  const auto at = [&](const char* keys, std::size_t size) {
    const InterventionSpec one = parse_intervention(std::string("boost:keys=") + keys);
    return aim(one, {std::span(tokens).first(size)})->marks;
  };
  EXPECT_NE(at("positions:1", 4), at("positions:2", 4));
  EXPECT_EQ(at("positions:1", 3), (std::vector<std::uint32_t>{2, 3, 2}));
  const InterventionSpec last = parse_intervention("knockout:keys=positions:9");
  EXPECT_EQ(aim(last, {tokens})->marks, (std::vector<std::uint32_t>{0, 0, 0, 2}));
  // Published PASTA counts spans wherever they are.
  const InterventionSpec pasta = parse_intervention("pasta:variant=published,keys=positions:0;3");
  EXPECT_NE(aim(pasta, {std::span(tokens).first(2)})->marks.front(), 0u);
}

TEST_F(Target, SelectorsSayWhatTheyNeed) {
  const std::vector<std::int32_t> tokens = {1, 2};
  const auto error = [&](const char* keys) {
    const InterventionSpec spec = parse_intervention(std::string("boost:keys=") + keys);
    return testing::error_of([&] { aim(spec, {tokens}); });
  };
  EXPECT_THAT(error("field:question"), HasSubstr("expected a prompt of text for keys=field:question"));
  EXPECT_THAT(error("text:\"a\""), HasSubstr("ids of tokens; choose keys by positions:"));
  EXPECT_THAT(error("class:number"), HasSubstr("expected a tokenizer"));
  EXPECT_THAT(error("bos"), HasSubstr("expected a tokenizer"));
  EXPECT_THAT(error("random:0:positions:1"),
              HasSubstr("expected a tokenizer beside the model for keys=random"));
}

TEST(Marks, AreTakenOutAndKeptAsOrigins) {
  const Prompt prompt = {template_piece("a <<b"), data_piece("c>> d"), template_piece("e<<f>>")};
  const Prompt read = read_marks(prompt);
  EXPECT_EQ(text_of(read), "a bc def");
  std::string marked;
  for (const PromptPiece& piece : read) marked += piece.origin.marked ? piece.text : "";
  EXPECT_EQ(marked, "bcf");
  EXPECT_THAT(testing::error_of([] { read_marks({template_piece("a <<b")}); }),
              HasSubstr("expected >> after <<, got the prompt's end"));
  EXPECT_THAT(testing::error_of([] { read_marks({template_piece("a >> b")}); }),
              HasSubstr("expected << before >>, got >> first"));
  EXPECT_THAT(testing::error_of([] { read_marks({template_piece("<<a <<b>>")}); }),
              HasSubstr("<< once more"));
  EXPECT_THAT(testing::error_of([] { read_marks({template_piece("a")}); }),
              HasSubstr("expected marks, got none"));
}

}  // namespace
}  // namespace refocus
