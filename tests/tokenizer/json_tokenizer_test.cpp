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
      error_with(llama2(), "/normalizer/type", "BertNormalizer"),
      AllOf(HasSubstr("tokenizer.json] expected a normalizer of type"), HasSubstr("got 'BertNormalizer'")));
  EXPECT_THAT(error_with(llama2(), "/pre_tokenizer", {{"type", "UnicodeScripts"}}),
              HasSubstr("got 'UnicodeScripts'"));
  EXPECT_THAT(error_with(llama2(), "/decoder/decoders/1/type", "WordPiece"), HasSubstr("got 'WordPiece'"));
  EXPECT_THAT(error_with(llama2(), "/post_processor/type", "OtherProcessing"),
              HasSubstr("got 'OtherProcessing'"));
  for (const char* type : {"WordPiece", "WordLevel"}) {
    EXPECT_THAT(error_with(llama2(), "/model/type", type),
                AllOf(HasSubstr("expected a model of type BPE or Unigram"), HasSubstr(type)));
  }
  EXPECT_THAT(error_with(llama2(), "/model/end_of_word_suffix", "</w>"), HasSubstr("end_of_word_suffix"));
  EXPECT_THAT(error_with(llama2(), "/model/dropout", 0.1), HasSubstr("dropout"));
  EXPECT_THAT(error_with(llama2(), "/pre_tokenizer",
                         {{"type", "Split"}, {"pattern", {{"Regex", "("}}}, {"behavior", "Isolated"}}),
              HasSubstr("regular expression"));
  EXPECT_THAT(error_with(llama2(), "/pre_tokenizer",
                         {{"type", "Split"}, {"pattern", {{"String", "x"}}}, {"behavior", "Cut"}}),
              HasSubstr("got 'Cut'"));
}

TEST(JsonTokenizer, RefusesOrdersThatItDoesNotKnow) {
  const auto steps = [](json first, json second) {
    return json::array({std::move(first), std::move(second)});
  };
  for (const char* second : {"ByteLevel", "Metaspace"}) {
    EXPECT_THAT(error_with(byte_level(), "/pre_tokenizer",
                           {{"type", "Sequence"},
                            {"pretokenizers", steps({{"type", "ByteLevel"}}, {{"type", second}})}}),
                HasSubstr(fmt::format("expected no {} behind ByteLevel", second)));
  }
  const json strip = {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}};
  const json replace = {{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "b"}};
  const auto decoder = [&](json first, json second) {
    return error_with(llama2(), "/decoder",
                      {{"type", "Sequence"}, {"decoders", steps(std::move(first), std::move(second))}});
  };
  EXPECT_THAT(decoder({{"type", "Fuse"}}, replace), HasSubstr("no decoder of type Replace after Fuse"));
  EXPECT_THAT(decoder({{"type", "ByteFallback"}}, strip), HasSubstr("of type Strip after ByteFallback"));
  EXPECT_THAT(decoder({{"type", "ByteFallback"}}, {{"type", "ByteLevel"}}), HasSubstr("ByteLevel after"));
  json file = llama2();
  file["decoder"]["decoders"].push_back(strip);
  EXPECT_THAT(testing::error_of([&] { load_json(file); }), HasSubstr("one Strip of the whole text"));
  EXPECT_THAT(error_with(llama2(), "/decoder/decoders/3/start", -1), HasSubstr("Strip of one character"));
  EXPECT_THAT(error_with(llama2(), "/decoder/decoders/3/content", "ab"), HasSubstr("Strip of one character"));
}

TEST(JsonTokenizer, RefusesDamagedUnigramModelsAndMaps) {
  json file = llama2();
  file["added_tokens"] = json::array();
  file["post_processor"] = nullptr;
  file["model"] = {{"type", "Unigram"},
                   {"unk_id", 0},
                   {"vocab", json::array({json::array({"<unk>", 0}), json::array({"a", -1.5})})}};
  EXPECT_EQ(load_json(file)->encode("a"), (Ids{0, 1}));
  EXPECT_THAT(error_with(file, "/model/unk_id", 2), HasSubstr("\"unk_id\" of \"vocab\", got 2"));
  EXPECT_THAT(error_with(file, "/model/vocab/1", json::array({"a"})), HasSubstr("expected tokens such as"));
  EXPECT_THAT(error_with(file, "/model/vocab/1", json::array({"a", "b"})),
              HasSubstr("expected tokens such as"));
  EXPECT_THAT(error_with(file, "/pre_tokenizer", {{"type", "ByteLevel"}}), HasSubstr("unigram"));
  file["model"].erase("unk_id");
  EXPECT_THAT(testing::error_of([&] { load_json(file)->encode("a"); }),
              HasSubstr("expected text whose characters have tokens, got '▁'"));
  const auto map = [&](const char* text) {
    return error_with(llama2(), "/normalizer", {{"type", "Precompiled"}, {"precompiled_charsmap", text}});
  };
  EXPECT_THAT(map("AAA*"), HasSubstr("Base64"));
  EXPECT_THAT(map(""), HasSubstr("character map"));
  EXPECT_THAT(map("AAQAAAAA"), HasSubstr("character map"));
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
  // Half a surrogate pair is no character.
  std::string lone = llama2().dump();
  lone.replace(lone.find("\"<sep>\""), 7, "\"\\ud800\"");
  const ModelDir surrogate{{"tokenizer.json", lone}};
  EXPECT_THAT(testing::error_of([&] { load_tokenizer(surrogate.path()); }),
              HasSubstr("both halves of a character"));
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
  file["decoder"] = {{"type", "Sequence"}, {"decoders", json::array()}};
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

// A tokenizer.json that says what small_sentencepiece() says, and that with other members.
json json_of_the_model() {
  const ModelDir dir{{"tokenizer.model", testing::small_sentencepiece()}};
  const auto model = load_tokenizer(dir.path());
  json file = llama2();
  json vocab = json::object();
  for (std::int32_t id = 0; id < model->vocab_size(); ++id) vocab[model->piece(id)] = id;
  file["model"]["vocab"] = vocab;
  file["model"]["merges"] = json::array({json::array({"▁", "t"}), json::array({"h", "e"})});
  file["added_tokens"] = json::array();
  for (const char* token : {"<unk>", "<s>", "</s>"}) {
    file["added_tokens"].push_back({{"id", vocab[token]}, {"content", token}, {"special", true}});
  }
  return file;
}

TEST(LoadTokenizer, TakesTokenizerModelWhereTokenizerJsonSaysTheSame) {
  const auto load = [](const json& file) {
    const ModelDir dir{{"tokenizer.json", file.dump()}, {"tokenizer.model", testing::small_sentencepiece()}};
    return load_tokenizer(dir.path());
  };
  const auto is_model = [](const Tokenizer& t) { return t.encode("▁▁▁▁").size() == 2; };  // has that merge
  const auto same = load(json_of_the_model());
  EXPECT_TRUE(is_model(*same));
  EXPECT_TRUE(same->warnings().empty());
  // More added tokens, or flags, are tokenizer.json's alone.
  json more = json_of_the_model();
  more["added_tokens"].push_back({{"id", same->vocab_size()}, {"content", "<end>"}, {"special", true}});
  EXPECT_FALSE(is_model(*load(more)));
  EXPECT_TRUE(load(more)->warnings().empty());
  json flagged = json_of_the_model();
  flagged["added_tokens"][2]["rstrip"] = true;
  EXPECT_FALSE(is_model(*load(flagged)));
  json special = json_of_the_model();
  special["added_tokens"].push_back({{"id", same->find("▁the").value()}, {"content", "▁the"}});
  EXPECT_FALSE(is_model(*load(special)));
  // Another vocabulary: tokenizer.json is used, which is said.
  json other = json_of_the_model();
  std::swap(other["model"]["vocab"]["ing"], other["model"]["vocab"]["in"]);
  const auto stale = load(other);
  EXPECT_FALSE(is_model(*stale));
  ASSERT_EQ(stale->warnings().size(), 1u);
  EXPECT_THAT(stale->warnings()[0], HasSubstr("different vocabularies; tokenizer.json is used"));
}

TEST(LoadTokenizer, PassesOverTiktokenListsBesideTokenizerJson) {
  const std::string list = "IQ== 0\nIg== 1\nIw== 2\n";
  const ModelDir both{
      {"tokenizer.json", byte_level().dump()}, {"tokenizer.model", list}, {"qwen.tiktoken", list}};
  const auto t = load_tokenizer(both.path());
  EXPECT_EQ(t->encode("the"), load_json(byte_level())->encode("the"));
  EXPECT_TRUE(t->warnings().empty());
  const ModelDir alone{{"tokenizer.model", list}};
  EXPECT_THAT(testing::error_of([&] { load_tokenizer(alone.path()); }),
              HasSubstr("expected a SentencePiece model, got a tiktoken vocabulary"));
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
