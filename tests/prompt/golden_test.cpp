// Conversations by the templates of real models against transformers: the same text and the same ids, and
// special tokens in what is said are text. Needs the tokenizers that scripts/fetch_tokenizers and
// scripts/fetch_models fetch; models that are not there are skipped.
#include <nlohmann/json.hpp>

#include "../tokenizer/tokenizer_support.h"
#include "base/text_file.h"
#include "io/checkpoint.h"
#include "prompt/chat.h"
#include "real_model.h"
#include "support.h"
#include "tokenizer/stored_tokenizer.h"

namespace refocus {
namespace {

using Json = nlohmann::ordered_json;

Json conversation_goldens() {
  return Json::parse(read_text_file(testing::golden("prompt/conversations.json")));
}

// FNV-1a of 64 bits, in hexadecimal.
std::string fnv(std::string_view bytes) {
  std::uint64_t value = 0xCBF29CE484222325;
  for (const char c : bytes) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return fmt::format("{:016x}", value);
}

// Null where the model is not here.
std::unique_ptr<Tokenizer> tokenizer_called(const std::string& name) {
  if (name.ends_with(".gguf")) {
    const auto path = testing::real_models() / name;
    if (!std::filesystem::exists(path)) return nullptr;
    return make_stored_tokenizer(path.string(), *open_checkpoint(path).vocabulary);
  }
  const auto directory = testing::npm_tokenizers() / name / "models";
  return std::filesystem::exists(directory) ? load_tokenizer(directory) : nullptr;
}

ChatPrompt prompt_of(const ChatTemplate& chat_template, const Json& conversation) {
  std::vector<ChatMessage> messages;
  for (const Json& message : conversation["messages"]) {
    messages.push_back(chat_message(message, static_cast<int>(messages.size()), "golden"));
  }
  ChatSettings settings;
  settings.generation_prompt = conversation.value("generation_prompt", true);
  if (conversation.contains("tools")) settings.tools = conversation["tools"];
  settings.date = fixed_date();
  return chat_template.apply(messages, settings);
}

class Conversations : public ::testing::TestWithParam<std::string> {};

TEST_P(Conversations, AreThoseOfTransformers) {
  const Json goldens = conversation_goldens();
  const auto tokenizer = tokenizer_called(GetParam());
  if (!tokenizer) GTEST_SKIP() << "needs " << GetParam();
  const auto chat_template = find_chat_template(*tokenizer, GetParam());
  ASSERT_TRUE(chat_template);
  const Json& expected = goldens["models"][GetParam()];
  ASSERT_EQ(expected.size(), goldens["conversations"].size());
  ASSERT_GE(expected.size(), 40u);
  for (std::size_t k = 0; k < expected.size(); ++k) {
    const Json& conversation = goldens["conversations"][k];
    SCOPED_TRACE(conversation.dump());
    if (expected[k].is_null()) {
      EXPECT_THROW(prompt_of(*chat_template, conversation), InputError);
      continue;
    }
    const Prompt prompt = prompt_of(*chat_template, conversation).prompt;
    const std::vector<std::int32_t> ids = encode_prompt(*tokenizer, prompt, PromptEnds::kBegin).tokens;
    std::string list;
    for (const std::int32_t id : ids) list += (list.empty() ? "" : ",") + std::to_string(id);
    EXPECT_EQ(fnv(text_of(prompt)), expected[k][0]) << text_of(prompt);
    EXPECT_EQ(ids.size(), expected[k][2]);
    EXPECT_EQ(fnv(list), expected[k][1]) << list;
  }
}

std::vector<std::string> golden_names() {
  const Json goldens = conversation_goldens();
  std::vector<std::string> out;
  for (const auto& [name, outcomes] : goldens["models"].items()) out.push_back(name);
  return out;
}

INSTANTIATE_TEST_SUITE_P(Golden, Conversations, ::testing::ValuesIn(golden_names()), [](const auto& named) {
  std::string out = named.param;
  std::ranges::replace_if(
      out, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return out;
});

}  // namespace
}  // namespace refocus
