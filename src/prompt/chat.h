// Conversations as prompts: a model's chat template applied to messages, with the origin of every byte.
#pragma once

#include <ctime>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "prompt/prompt.h"
#include "template/template.h"

namespace refocus {

struct ChatMessage {
  std::string role;
  // Pieces that are templates (a task's wording) stay so, and their special tokens are read.
  Prompt content;
  // Its other members, as templates see them: "tool_calls", "reasoning_content", "name"; or a "content" that
  // is no text, which then counts instead of the pieces. An object, or null.
  nlohmann::ordered_json members = nullptr;
};

// A message of a JSON object as OpenAI's and transformers' formats write it; its texts are data. `place` is
// its index in the conversation. InputError, beginning with `where`, without a text as "role".
ChatMessage chat_message(const nlohmann::ordered_json& json, int place, const std::string& where);

// The day that templates are told where the same input must make the same prompt tomorrow: 2024-07-26, which
// Llama 3's own template takes where it is told none.
std::tm fixed_date();
// This day, where the machine is.
std::tm today();

struct ChatSettings {
  bool generation_prompt = true;               // ends where the assistant's answer begins
  nlohmann::ordered_json tools = nullptr;      // a list, or null
  nlohmann::ordered_json documents = nullptr;  // a list, or null
  nlohmann::ordered_json arguments = nullptr;  // further names that the template sees: an object, or null
  std::optional<std::tm> date;                 // what strftime_now tells
};

// The prompt of a conversation, and which of its pieces lie in {% generation %}.
struct ChatPrompt {
  Prompt prompt;
  std::vector<bool> generation;  // of each piece
};

// Immutable; several threads may apply it at once.
class ChatTemplate {
 public:
  // `special_texts`: names such as "bos_token" and the text of each (Tokenizer::special_texts). InputError
  // where the source is no template.
  ChatTemplate(std::string_view source, std::string name, std::map<std::string, std::string> special_texts);

  // The pieces of template text, of what the messages say, of their roles (field "role") and other members
  // (field of that name), and of tools, documents and arguments (data whose field is named so). Neighbours of
  // one kind and origin are one piece. InputError for what the template refuses.
  ChatPrompt apply(const std::vector<ChatMessage>& messages, const ChatSettings& settings = {}) const;

  const std::string& name() const { return template_.name(); }
  const std::string& source() const { return source_; }

 private:
  std::string source_;
  jinja::Template template_;
  std::map<std::string, std::string> special_texts_;
};

// Which of a model's templates is used, as transformers chooses: the one called `name` if that is not empty,
// else "tool_use" for a conversation with tools where there is one, else "default". Null where the model has
// none. InputError where it has none of that name, or several without a default; `model` is for messages.
std::shared_ptr<const ChatTemplate> find_chat_template(const Tokenizer& tokenizer, const std::string& model,
                                                       std::string_view name = {}, bool with_tools = false);

// The template of a file of the user's. InputError where it cannot be read or is no template.
std::shared_ptr<const ChatTemplate> read_chat_template(const std::string& path, const Tokenizer& tokenizer);

}  // namespace refocus
