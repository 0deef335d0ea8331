// What a tokenizer.json and the files beside it may say, and what is refused. That ids are right is the
// affair of golden_test.cpp and llama2_test.cpp.
#include "tokenizer_support.h"

namespace refocus {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::Ids;
using testing::load_json;
using testing::ModelDir;

json llama2() { return testing::synthetic_tokenizer("llama-2"); }
json byte_level() { return testing::synthetic_tokenizer("one word"); }

// The error of loading `base` with the member at `path` replaced by `value`.
std::string error_with(json base, const char* path, const json& value) {
  base[json::json_pointer(path)] = value;
  return testing::error_of([&] { load_json(base); });
}

TEST(JsonTokenizer, PutsTheBosWhereTheTemplateOrTheConfigurationSays) {
  const Ids plain = load_json(llama2())->encode("the");
  const auto with = [&](Ids before, Ids after) {
    before.insert(before.end(), plain.begin(), plain.end());
    before.insert(before.end(), after.begin(), after.end());
    return before;
  };
  EXPECT_EQ(load_json(llama2())->encode_prompt("the"), with({1}, {}));
  EXPECT_EQ(load_json(llama2(), R"({"add_bos_token": false})")->encode_prompt("the"), with({}, {}));
  EXPECT_EQ(load_json(llama2(), R"({"add_eos_token": true, "eos_token": "</s>"})")->encode_prompt("the"),
            with({1}, {2}));
  json bare = llama2();
  bare["post_processor"] = nullptr;
  EXPECT_EQ(load_json(bare)->encode_prompt("the"), plain);
  EXPECT_EQ(
      load_json(bare, R"({"add_bos_token": true, "bos_token": {"content": "<s>"}})")->encode_prompt("the"),
      with({1}, {}));
  EXPECT_EQ(load_json(bare, R"({"tokenizer_class": "LlamaTokenizerFast", "bos_token": "<s>"})")
                ->encode_prompt("the"),
            with({1}, {}));
  EXPECT_THAT(testing::error_of([&] { load_json(bare, R"({"add_bos_token": true})"); }),
              HasSubstr("name it in tokenizer_config.json"));
  EXPECT_THAT(error_with(llama2(), "/post_processor/special_tokens/<s>/ids/0", 9999), HasSubstr("got 9999"));
}

TEST(JsonTokenizer, MarksTheNamedTokensAsSpecial) {
  json file = byte_level();
  file["model"]["vocab"]["<eos>"] = 300;
  EXPECT_FALSE(load_json(file)->is_special(300));
  const auto t = load_json(file, R"({"eos_token": "<eos>"})");
  EXPECT_TRUE(t->is_special(300));
  EXPECT_EQ(t->eos_ids(), Ids{300});
  EXPECT_EQ(t->encode("<eos>", {.parse_special = true}), Ids{300});
  EXPECT_EQ(t->decode(Ids{97, 300}), "a");
}

TEST(JsonTokenizer, ByteLevelTakesAnyBytesOfIdsAndAnyText) {
  const auto t = load_json(byte_level());
  testing::check_property("decode(encode(text)) is the text", [&] {
    const std::string text = *testing::any_text();
    RC_ASSERT(t->decode(t->encode(text)) == text);
  });
  testing::check_property("invalid UTF-8 is read as U+FFFD", [&] {
    const std::string bytes = *testing::any_bytes();
    RC_ASSERT(t->decode(t->encode(bytes)) == replace_invalid_utf8(bytes));
  });
}

TEST(JsonTokenizer, AnyTextRoundTripsWithByteFallback) {
  const auto t = load_json(llama2());
  testing::check_property("decode(encode(text)) is the text", [&] {
    const std::string text = *testing::any_text();
    RC_PRE(text.find("\u2581") == std::string::npos);
    RC_ASSERT(t->decode(t->encode(text)) == text);
  });
}

TEST(JsonTokenizer, NamesComponentsThatItDoesNotKnow) {
  EXPECT_THAT(
      error_with(llama2(), "/normalizer/type", "Precompiled"),
      AllOf(HasSubstr("tokenizer.json] expected a normalizer of type"), HasSubstr("got 'Precompiled'")));
  EXPECT_THAT(error_with(llama2(), "/pre_tokenizer", {{"type", "BertPreTokenizer"}}),
              HasSubstr("got 'BertPreTokenizer'"));
  EXPECT_THAT(error_with(llama2(), "/decoder/decoders/1/type", "WordPiece"), HasSubstr("got 'WordPiece'"));
  EXPECT_THAT(error_with(llama2(), "/post_processor/type", "BertProcessing"),
              HasSubstr("got 'BertProcessing'"));
  EXPECT_THAT(error_with(llama2(), "/model/type", "WordPiece"),
              AllOf(HasSubstr("expected a model of type BPE, got 'WordPiece'"), HasSubstr("use a model")));
  EXPECT_THAT(error_with(llama2(), "/model/type", "Unigram"), HasSubstr("got 'Unigram'"));
  EXPECT_THAT(error_with(llama2(), "/model/end_of_word_suffix", "</w>"), HasSubstr("end_of_word_suffix"));
  EXPECT_THAT(error_with(llama2(), "/model/dropout", 0.1), HasSubstr("dropout"));
  EXPECT_THAT(error_with(llama2(), "/pre_tokenizer",
                         {{"type", "Split"}, {"pattern", {{"Regex", "("}}}, {"behavior", "Isolated"}}),
              HasSubstr("regular expression"));
  EXPECT_THAT(error_with(llama2(), "/pre_tokenizer",
                         {{"type", "Split"}, {"pattern", {{"String", "x"}}}, {"behavior", "Cut"}}),
              HasSubstr("got 'Cut'"));
  EXPECT_THAT(error_with(llama2(), "/decoder", {{"type", "ByteLevel"}}),
              HasSubstr("expected ByteLevel both"));
  EXPECT_THAT(
      error_with(byte_level(), "/pre_tokenizer",
                 {{"type", "Sequence"}, {"pretokenizers", {{{"type", "ByteLevel"}}, {{"type", "Digits"}}}}}),
      HasSubstr("expected ByteLevel as the last"));
  EXPECT_THAT(error_with(llama2(), "/decoder/decoders/3/start", 2), HasSubstr("Strip"));
}

TEST(JsonTokenizer, RefusesDamagedFiles) {
  EXPECT_THAT(error_with(llama2(), "/decoder", nullptr), HasSubstr("expected \"decoder\", got none"));
  EXPECT_THAT(error_with(llama2(), "/model/vocab", 3), HasSubstr("expected an object as \"vocab\", got 3"));
  EXPECT_THAT(error_with(llama2(), "/model/vocab/zz", -1), HasSubstr("got -1 for 'zz'"));
  EXPECT_THAT(error_with(llama2(), "/model/vocab/zz", 4'000'000'000), HasSubstr("got 4000000000"));
  EXPECT_THAT(error_with(llama2(), "/model/vocab/zz", 5), HasSubstr("expected one token for id 5"));
  EXPECT_THAT(error_with(llama2(), "/model/vocab/zz", "x"), HasSubstr("expected an integer"));
  EXPECT_THAT(error_with(llama2(), "/model/merges/0", "one two three"), HasSubstr("got 'one two three'"));
  EXPECT_THAT(error_with(llama2(), "/model/merges/0", "a unheard"), HasSubstr("got 'unheard'"));
  EXPECT_THAT(error_with(llama2(), "/model/merges/0", {"a", "b", "c"}), HasSubstr("two tokens, got 3"));
  EXPECT_THAT(error_with(llama2(), "/model/unk_token", "<nope>"), HasSubstr("<nope>"));
  EXPECT_THAT(error_with(llama2(), "/added_tokens/1/content", "<other>"),
              HasSubstr("do not belong together"));
  EXPECT_THAT(error_with(llama2(), "/added_tokens/1/id", 1e15), HasSubstr("id"));
  EXPECT_THAT(error_with(llama2(), "/added_tokens/3/content", std::string(5000, 'x')),
              HasSubstr("at most 4096 bytes"));
  EXPECT_THAT(error_with(llama2(), "/decoder/decoders/0/pattern/String", ""), HasSubstr("Replace"));
  json no_bytes = llama2();
  no_bytes["model"]["vocab"].erase("<0x41>");
  EXPECT_THAT(testing::error_of([&] { load_json(no_bytes); }), HasSubstr("<0x41>"));
  for (const char* text : {"", "{", "[]", "3", "{\"a\":1}", "{\"model\": {}}", "\xFF\xFE"}) {
    const ModelDir dir{{"tokenizer.json", text}};
    EXPECT_THAT(testing::error_of([&] { load_tokenizer(dir.path()); }), HasSubstr("expected")) << text;
  }
}

TEST(JsonTokenizer, RefusesToBlowUpATextOrItsTables) {
  EXPECT_THAT(error_with(llama2(), "/normalizer/normalizers/0/prepend", std::string(65, 'x')),
              HasSubstr("at most 64 bytes"));
  EXPECT_THAT(error_with(llama2(), "/normalizer/normalizers/1/content", std::string(65, 'x')),
              HasSubstr("at most 64 bytes"));
  EXPECT_THAT(error_with(llama2(), "/decoder/decoders/0/content", std::string(65, 'x')),
              HasSubstr("at most 64 bytes"));
  EXPECT_THAT(error_with(llama2(), "/model/vocab/zz", 1 << 20), HasSubstr("got 1048576 for 'zz'"));
  json file = llama2();
  const json doubling = {{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aa"}};
  for (int i = 0; i < 100; ++i) file["normalizer"]["normalizers"].push_back(doubling);
  EXPECT_THAT(testing::error_of([&] { load_json(file)->encode("a"); }),
              HasSubstr("normalizer that keeps a text's length"));
  for (int i = 0; i < 100; ++i) file["decoder"]["decoders"].push_back(doubling);
  EXPECT_THAT(testing::error_of([&] { load_json(file); }), HasSubstr("decoder that keeps a token's length"));
}

TEST(JsonTokenizer, NoChangedFileCrashes) {
  const std::string good = llama2().dump();
  testing::check_property("no file crashes", [&] {
    std::string file = good;
    const int changes = *rc::gen::inRange(0, 3);
    for (int i = 0; i < changes; ++i)
      file[*rc::gen::inRange<std::size_t>(0, file.size())] =
          *rc::gen::element('0', '9', '"', '{', ']', ',', 'x', '\\');
    if (*rc::gen::inRange(0, 4) == 0) file.resize(*rc::gen::inRange<std::size_t>(0, file.size()));
    const ModelDir dir{{"tokenizer.json", file}};
    try {
      const auto t = load_tokenizer(dir.path());
      t->decode(t->encode_prompt("the thing <s> é\n"));
    } catch (const InputError&) {
    }
  });
}

TEST(LoadTokenizer, SaysWhatIsMissing) {
  const ModelDir empty{};
  EXPECT_THAT(testing::error_of([&] { load_tokenizer(empty.path()); }),
              HasSubstr("expected tokenizer.model or tokenizer.json, got neither"));
  EXPECT_THAT(testing::error_of([&] { load_json_tokenizer(empty.path()); }),
              HasSubstr("tokenizer.json] expected a file, got none"));
  EXPECT_THAT(testing::error_of([&] { load_sentencepiece_tokenizer(empty.path()); }),
              HasSubstr("tokenizer.model] cannot be read"));
}

TEST(LoadTokenizer, PrefersTokenizerModel) {
  const ModelDir dir{{"tokenizer.json", byte_level().dump()},
                     {"tokenizer.model", testing::small_sentencepiece()}};
  EXPECT_EQ(load_tokenizer(dir.path())->piece(259), "▁t");
}

TEST(Tokenizer, IdsThatTheVocabularyLacksAreNoTextAndHaveNoPiece) {
  const auto t = load_json(llama2());
  for (const std::int32_t id : {-1, 404, 1'000'000, std::numeric_limits<std::int32_t>::min(),
                                std::numeric_limits<std::int32_t>::max()}) {
    EXPECT_EQ(t->decode(Ids{1, id}), t->decode(Ids{1})) << id;
    EXPECT_THAT(testing::error_of([&] { t->piece(id); }), HasSubstr(fmt::format("got {}", id)));
    EXPECT_THAT(testing::error_of([&] { t->is_special(id); }), HasSubstr(fmt::format("got {}", id)));
  }
}

}  // namespace
}  // namespace refocus
