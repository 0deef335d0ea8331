#include "tokenizer/streaming_decoder.h"

#include "tokenizer_support.h"

namespace refocus {
namespace {

using testing::Ids;

std::vector<std::unique_ptr<Tokenizer>> tokenizers() {
  std::vector<std::unique_ptr<Tokenizer>> all;
  const testing::ModelDir dir{{"tokenizer.model", testing::small_sentencepiece()}};
  all.push_back(load_tokenizer(dir.path()));
  const auto strip = testing::small_sentencepiece(testing::field(3, 1) + testing::field(4, 1));
  const testing::ModelDir stripping{{"tokenizer.model", strip}};
  all.push_back(load_tokenizer(stripping.path()));
  for (const char* name : {"llama-2", "metaspace first", "byte-level with its own regex"}) {
    all.push_back(testing::load_json(testing::synthetic_tokenizer(name)));
  }
  return all;
}

TEST(StreamingDecoder, GivesWhatDecodeGivesAndNeverHalfACharacter) {
  for (const auto& t : tokenizers()) {
    Ids defined;
    for (std::int32_t id = 0; id < t->vocab_size(); ++id) {
      if (t->contains(id)) defined.push_back(id);
    }
    testing::check_property("pieces put together equal decode", [&] {
      // Of half the texts all tokens are taken for single bytes, so that characters are cut often.
      const auto limit =
          *rc::gen::arbitrary<bool>() ? std::min<std::size_t>(259, defined.size()) : defined.size();
      const Ids ids = *rc::gen::container<Ids>(
          rc::gen::map(rc::gen::inRange<std::size_t>(0, limit), [&](std::size_t i) { return defined[i]; }));
      for (const bool skip : {true, false}) {
        StreamingDecoder decoder(*t, {.skip_special = skip});
        std::string text;
        for (const std::int32_t id : ids) {
          const std::string part = decoder.push(id);
          RC_ASSERT(is_valid_utf8(part));
          text += part;
        }
        text += decoder.finish();
        RC_ASSERT(text == t->decode(ids, {.skip_special = skip}));
      }
    });
  }
}

TEST(StreamingDecoder, WaitsForTheBytesOfACharacter) {
  const auto t = std::move(tokenizers()[0]);
  StreamingDecoder decoder(*t);
  const auto byte = [](int b) { return 3 + b; };
  EXPECT_EQ(decoder.push(byte(0xF0)), "");
  EXPECT_EQ(decoder.push(byte(0x9F)), "");
  EXPECT_EQ(decoder.push(byte(0x98)), "");
  EXPECT_EQ(decoder.push(byte(0x80)), "😀");
  EXPECT_EQ(decoder.push(byte(0xC3)), "");
  EXPECT_EQ(decoder.push(byte('a')), "\uFFFDa");
  EXPECT_EQ(decoder.push(byte(0xE4)), "");
  EXPECT_EQ(decoder.push(byte(0xBD)), "");
  EXPECT_EQ(decoder.finish(), "\uFFFD\uFFFD");  // one for each byte, as SentencePiece has it
}

TEST(StreamingDecoder, TakesTheDummyPrefixAwayOnlyAtTheStart) {
  const auto t = std::move(tokenizers()[0]);
  StreamingDecoder decoder(*t);
  const std::int32_t the = *t->find("▁the"), space = *t->find("▁");
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(decoder.push(*t->find("<s>")), "");
    EXPECT_EQ(decoder.push(the), "the");
    EXPECT_EQ(decoder.push(the), " the");
    EXPECT_EQ(decoder.finish(), "");
  }
  EXPECT_EQ(t->decode(Ids{space, the}), " the");
  EXPECT_EQ(t->decode(Ids{space, space, the}), "  the");
}

TEST(StreamingDecoder, AnIdWithoutATokenPrintsNothingAndLeavesItAsItWas) {
  for (const auto& t : tokenizers()) {
    StreamingDecoder decoder(*t);
    Ids around;
    for (std::int32_t id = 0; id < t->vocab_size(); ++id) {
      if (t->contains(id)) around.push_back(id);
    }
    Ids with = {t->vocab_size(), -1};
    for (const std::int32_t id : around) with.insert(with.end(), {id, t->vocab_size() + 7, 1 << 30});
    for (const bool skip : {true, false}) {
      EXPECT_EQ(t->decode(with, {.skip_special = skip}), t->decode(around, {.skip_special = skip}));
    }
  }
  const auto t = std::move(tokenizers()[0]);
  StreamingDecoder decoder(*t);
  decoder.push(3 + 0xC3);
  EXPECT_EQ(decoder.push(100'000), "");
  EXPECT_EQ(decoder.push(3 + 0xA9), "é");
  EXPECT_EQ(decoder.push(100'000), "");
  EXPECT_EQ(decoder.push(*t->find("▁the")), " the") << "the dummy prefix went with what was printed first";
}

}  // namespace
}  // namespace refocus
