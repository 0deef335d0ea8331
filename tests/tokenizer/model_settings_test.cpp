#include "tokenizer/model_settings.h"

#include "tokenizer_support.h"

namespace refocus {
namespace {

using ::testing::HasSubstr;
using testing::ModelDir;

TEST(ModelSettings, AreAllOptional) {
  const ModelSettings settings = read_model_settings(ModelDir{}.path());
  EXPECT_FALSE(settings.add_bos_token.has_value());
  EXPECT_FALSE(settings.bos_token.mentioned);
  EXPECT_TRUE(settings.legacy);
  EXPECT_TRUE(settings.eos_ids.empty());
}

TEST(ModelSettings, GenerationConfigComesBeforeConfigAndTokenizerConfigBeforeTheTokensMap) {
  const ModelDir dir{
      {"config.json", R"({"bos_token_id": 7, "eos_token_id": 8})"},
      {"generation_config.json", R"({"bos_token_id": 1, "eos_token_id": [2, 3]})"},
      {"tokenizer_config.json",
       R"({"bos_token": null, "eos_token": {"content": "</s>"}, "model_max_length": 1000000000000000019884624838656})"},
      {"special_tokens_map.json", R"({"bos_token": "<other>", "eos_token": "<other>"})"},
  };
  const ModelSettings settings = read_model_settings(dir.path());
  EXPECT_EQ(settings.bos_id, 1);
  EXPECT_EQ(settings.eos_ids, (std::vector<std::int32_t>{2, 3}));
  EXPECT_TRUE(settings.bos_token.mentioned);
  EXPECT_FALSE(settings.bos_token.content.has_value());  // ruled out by the null
  EXPECT_EQ(settings.eos_token.content, "</s>");
}

TEST(ModelSettings, ReachTheTokenizer) {
  const std::string model = testing::small_sentencepiece();
  const ModelDir dir{{"tokenizer.model", model},
                     {"config.json", R"({"eos_token_id": 8})"},
                     {"generation_config.json", R"({"eos_token_id": [2, 9]})"}};
  EXPECT_EQ(load_tokenizer(dir.path())->eos_ids(), (testing::Ids{2, 9}));
  const ModelDir only_config{{"tokenizer.model", model}, {"config.json", R"({"eos_token_id": 8})"}};
  EXPECT_EQ(load_tokenizer(only_config.path())->eos_ids(), testing::Ids{8});
  const ModelDir alone{{"tokenizer.model", model}};
  EXPECT_EQ(load_tokenizer(alone.path())->eos_ids(), testing::Ids{2});
  EXPECT_EQ(load_tokenizer(alone.path())->bos_id(), 1);
  const ModelDir no_bos{{"tokenizer.model", model},
                        {"tokenizer_config.json", R"({"bos_token": null, "add_bos_token": false})"}};
  EXPECT_EQ(load_tokenizer(no_bos.path())->bos_id(), std::nullopt);
}

TEST(ModelSettings, AddedTokensJsonFillsWhatTheConfigurationLacks) {
  const ModelDir dir{
      {"tokenizer_config.json",
       R"({"added_tokens_decoder": {"5": {"content": "<five>", "special": true, "lstrip": true}}})"},
      {"added_tokens.json", R"({"<five>": 5, "<six>": 6})"}};
  const ModelSettings settings = read_model_settings(dir.path());
  ASSERT_EQ(settings.added_tokens.size(), 2U);
  EXPECT_TRUE(settings.added_tokens[0].special && settings.added_tokens[0].lstrip);
  EXPECT_EQ(settings.added_tokens[1].content, "<six>");
  EXPECT_FALSE(settings.added_tokens[1].special);
}

TEST(ModelSettings, RefuseWhatIsMalformed) {
  const auto error = [](const char* name, const char* content) {
    const ModelDir dir{{name, content}};
    return testing::error_of([&] { read_model_settings(dir.path()); });
  };
  EXPECT_THAT(error("config.json", "{"), HasSubstr("config.json] expected JSON"));
  EXPECT_THAT(error("config.json", "[]"), HasSubstr("expected an object"));
  EXPECT_THAT(error("config.json", R"({"eos_token_id": "x"})"), HasSubstr("\"eos_token_id\", got \"x\""));
  EXPECT_THAT(error("config.json", R"({"eos_token_id": [1, -2]})"), HasSubstr("got -2"));
  EXPECT_THAT(error("config.json", R"({"bos_token_id": 99999999999})"), HasSubstr("got 99999999999"));
  EXPECT_THAT(error("config.json", R"({"bos_token_id": 1.5})"), HasSubstr("got 1.5"));
  EXPECT_THAT(error("tokenizer_config.json", R"({"add_bos_token": 1})"), HasSubstr("true or false"));
  EXPECT_THAT(error("tokenizer_config.json", R"({"bos_token": {}})"), HasSubstr("expected \"content\""));
  EXPECT_THAT(error("tokenizer_config.json", R"({"bos_token": 3})"), HasSubstr("a string"));
  EXPECT_THAT(error("tokenizer_config.json", R"({"added_tokens_decoder": {"x": {}}})"), HasSubstr("got 'x'"));
  EXPECT_THAT(error("added_tokens.json", R"({"<x>": "y"})"), HasSubstr("got \"y\""));
}

}  // namespace
}  // namespace refocus
