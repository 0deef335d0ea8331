#include "prompt/chat.h"

#include <nlohmann/json.hpp>

#include "../tokenizer/tokenizer_support.h"
#include "support.h"

namespace refocus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Ids;

// A template in the manner of ChatML, with a default system message, thinking that can be switched off and
// tools as JSON.
constexpr const char* kTemplate =
    "{% if messages[0].role != 'system' %}<sys>Be brief.</s>{% endif %}"
    "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}</s>\n{% endfor %}"
    "{% if tools %}{{ tools | tojson }}{% endif %}"
    "{% if add_generation_prompt %}<assistant>{% if enable_thinking is false %}<think></think>{% endif %}{% "
    "endif %}";

ChatTemplate chat() { return ChatTemplate(kTemplate, "test", {{"bos_token", "<s>"}}); }

ChatMessage message(const char* role, std::string text, int place) {
  return chat_message({{"role", role}, {"content", std::move(text)}}, place, "test");
}

TEST(Chat, PiecesKnowTheirMessages) {
  const ChatPrompt got = chat().apply(
      {message("user", " What? ", 0), message("assistant", "This.", 1), message("user", "Why?", 2)});
  EXPECT_EQ(text_of(got.prompt),
            "<sys>Be brief.</s><user>What?</s>\n<assistant>This.</s>\n<user>Why?</s>\n<assistant>");
  std::vector<std::string> origins;
  for (const PromptPiece& piece : got.prompt) {
    if (!piece.is_template) origins.push_back(piece.text + " of " + origin_text(piece.origin, false));
  }
  EXPECT_THAT(origins,
              ElementsAre("user of message 0 (user), field role", "What? of message 0 (user)",
                          "assistant of message 1 (assistant), field role", "This. of message 1 (assistant)",
                          "user of message 2 (user), field role", "Why? of message 2 (user)"));
}

TEST(Chat, WhatMessagesSayIsNoSpecialToken) {
  const auto tokenizer = testing::load_json(testing::synthetic_tokenizer("llama-2"));
  const auto ends = [&](const std::string& text) {
    const ChatPrompt got = chat().apply({message("user", text, 0)});
    const Ids ids = encode_prompt(*tokenizer, got.prompt, PromptEnds::kBegin).tokens;
    return std::count(ids.begin(), ids.end(), 2);
  };
  EXPECT_EQ(ends("hi"), 2);  // the template's
  EXPECT_EQ(ends("hi</s>"), 2);
  EXPECT_EQ(ends("</s"), 2) << "and cannot make one with the template's text beside it";
}

TEST(Chat, PiecesThatAreTemplatesStaySo) {
  ChatMessage asked;
  asked.role = "user";
  asked.content = {template_piece("Q:</s>"), data_piece("</s>")};
  const auto tokenizer = testing::load_json(testing::synthetic_tokenizer("llama-2"));
  const Ids ids = encode_prompt(*tokenizer, chat().apply({asked}).prompt, PromptEnds::kBegin).tokens;
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 2), 3);
}

TEST(Chat, ArgumentsAndToolsAreSeen) {
  ChatSettings settings;
  settings.arguments = {{"enable_thinking", false}};
  settings.tools = nlohmann::ordered_json::array({{{"name", "f</s>"}}});
  const ChatPrompt got = chat().apply({message("system", "S", 0), message("user", "U", 1)}, settings);
  EXPECT_EQ(text_of(got.prompt),
            "<system>S</s>\n<user>U</s>\n[{\"name\": \"f</s>\"}]<assistant><think></think>");
  settings.generation_prompt = false;
  EXPECT_THAT(text_of(chat().apply({message("user", "U", 0)}, settings).prompt),
              Not(HasSubstr("<assistant>")));
}

TEST(Chat, GenerationPartsAreMarked) {
  const ChatTemplate marked(
      "{% for m in messages %}{% if m.role == 'assistant' %}[{% generation %}{{ m.content }}.{% "
      "endgeneration %}]"
      "{% else %}{{ m.content }}{% endif %}{% endfor %}",
      "test", {});
  const ChatPrompt got = marked.apply({message("user", "a", 0), message("assistant", "b", 1)});
  std::string inside;
  for (std::size_t k = 0; k < got.prompt.size(); ++k) inside += got.generation[k] ? got.prompt[k].text : "";
  EXPECT_EQ(inside, "b.");
  EXPECT_EQ(text_of(got.prompt), "a[b.]");
}

TEST(Chat, WhatTheTemplateRefusesIsAnError) {
  const ChatTemplate strict("{{ raise_exception('roles must alternate') }}", "M: chat template", {});
  EXPECT_THAT(testing::error_of([&] { strict.apply({message("user", "a", 0)}); }),
              ::testing::AllOf(HasSubstr("M: chat template"), HasSubstr("roles must alternate")));
  EXPECT_THAT(testing::error_of([&] { ChatTemplate("{% if %}", "M: chat template", {}); }),
              HasSubstr("M: chat template"));
  EXPECT_THAT(testing::error_of([&] {
                chat_message({{"content", "x"}}, 0, "line 3");
              }),
              HasSubstr("[line 3] expected a message"));
}

TEST(Chat, TheModelsTemplateIsFound) {
  nlohmann::json config = {{"chat_template", kTemplate}, {"bos_token", "<s>"}, {"pad_token", nullptr}};
  const auto one = testing::load_json(testing::synthetic_tokenizer("llama-2"), config.dump());
  EXPECT_EQ(find_chat_template(*one, "M")->source(), kTemplate);
  EXPECT_EQ(one->special_texts().at("bos_token"), "<s>");
  EXPECT_EQ(one->special_texts().count("pad_token"), 0u);
  const auto none = testing::load_json(testing::synthetic_tokenizer("llama-2"));
  EXPECT_EQ(find_chat_template(*none, "M"), nullptr);
  EXPECT_THAT(testing::error_of([&] { find_chat_template(*one, "M", "rag"); }),
              HasSubstr("expected a chat template called 'rag', got default"));
  config["chat_template"] = {{{"name", "default"}, {"template", "D"}},
                             {{"name", "tool_use"}, {"template", "T"}}};
  const auto several = testing::load_json(testing::synthetic_tokenizer("llama-2"), config.dump());
  EXPECT_EQ(find_chat_template(*several, "M")->source(), "D");
  EXPECT_EQ(find_chat_template(*several, "M", "", true)->source(), "T");
  EXPECT_EQ(find_chat_template(*several, "M", "tool_use")->source(), "T");
}

TEST(Chat, FilesBesideTheConfigurationCount) {
  const testing::ModelDir dir{{"tokenizer.json", testing::synthetic_tokenizer("llama-2").dump()},
                              {"tokenizer_config.json", R"({"chat_template": "old"})"},
                              {"chat_template.jinja", "new"}};
  std::filesystem::create_directory(dir / "additional_chat_templates");
  testing::write(dir / "additional_chat_templates" / "rag.jinja", "of documents");
  const auto tokenizer = load_json_tokenizer(dir.path());
  EXPECT_EQ(find_chat_template(*tokenizer, "M")->source(), "new");
  EXPECT_EQ(find_chat_template(*tokenizer, "M", "rag")->source(), "of documents");
}

}  // namespace
}  // namespace refocus
