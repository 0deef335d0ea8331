#include "train/conversation.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;

std::string text_member(const ordered_json& line, const char* key, const std::string& where) {
  const ordered_json& value = line.at(key);
  if (!value.is_string()) {
    throw input_error(where, "expected a string for \"{}\", got {}; correct the line", key,
                      value.type_name());
  }
  return value;
}

std::vector<ChatMessage> messages_of(const ordered_json& line, const std::string& where) {
  ordered_json list = ordered_json::array();
  if (line.contains("messages")) {
    list = line["messages"];
    if (!list.is_array() || list.empty()) {
      throw input_error(where, "expected a list of messages for \"messages\", got {}; correct the line",
                        list.is_array() ? "an empty one" : list.type_name());
    }
  } else {
    std::string user = text_member(line, "instruction", where);
    const std::string input = line.contains("input") ? text_member(line, "input", where) : "";
    if (!input.empty()) user += "\n\n" + input;
    list.push_back({{"role", "user"}, {"content", user}});
    list.push_back({{"role", "assistant"}, {"content", text_member(line, "output", where)}});
  }
  std::vector<ChatMessage> out;
  for (std::size_t k = 0; k < list.size(); ++k) {
    out.push_back(chat_message(list[k], static_cast<int>(k), where));
  }
  return out;
}

// By the pieces that {% generation %} marks.
void count_marked(const ChatPrompt& chat, const EncodedPrompt& encoded, std::vector<std::uint8_t>& counts) {
  for (std::size_t t = 0; t < counts.size(); ++t) {
    counts[t] = encoded.pieces[t] >= 0 && chat.generation[static_cast<std::size_t>(encoded.pieces[t])];
  }
}

// By the assistants' messages and the ends of their turns.
void count_answers(const ChatPrompt& chat, const EncodedPrompt& encoded,
                   const std::vector<std::int32_t>& ends, std::vector<std::uint8_t>& counts) {
  const auto answers = [&](std::size_t t) {
    if (encoded.pieces[t] < 0) return false;
    const PromptPiece& piece = chat.prompt[static_cast<std::size_t>(encoded.pieces[t])];
    // Its content, and what it thought; not the name of its role.
    return !piece.is_template && piece.origin.role == "assistant" && piece.origin.field != "role";
  };
  for (std::size_t t = 0; t < counts.size(); ++t) {
    if (!answers(t)) continue;
    counts[t] = 1;
    // To the end of the turn, if it comes before other messages do.
    for (std::size_t next = t + 1; next < counts.size() && encoded.pieces[next] >= 0 && !answers(next);
         ++next) {
      if (!chat.prompt[static_cast<std::size_t>(encoded.pieces[next])].is_template) break;
      if (std::ranges::count(ends, encoded.tokens[next]) == 0) continue;
      std::fill(counts.begin() + static_cast<std::ptrdiff_t>(t),
                counts.begin() + static_cast<std::ptrdiff_t>(next + 1), 1);
      break;
    }
  }
}

}  // namespace

bool is_conversation(const ordered_json& line) {
  return line.contains("messages") || (line.contains("instruction") && line.contains("output"));
}

EncodedConversation read_conversation(const ordered_json& line, const Tokenizer& tokenizer,
                                      const ChatTemplate& chat_template, const std::string& where) {
  ChatSettings settings;
  settings.generation_prompt = false;
  settings.date = fixed_date();
  if (line.contains("tools")) settings.tools = line["tools"];
  ChatPrompt chat = chat_template.apply(messages_of(line, where), settings);
  EncodedPrompt encoded = encode_prompt(tokenizer, chat.prompt, PromptEnds::kBegin);
  EncodedConversation out{{}, {}, std::vector<std::uint8_t>(encoded.tokens.size(), 0)};
  if (std::ranges::count(chat.generation, true) > 0) {
    count_marked(chat, encoded, out.counts);
  } else {
    count_answers(chat, encoded, tokenizer.eos_ids(), out.counts);
  }
  if (!out.counts.empty()) out.counts.front() = 0;  // nothing predicts it
  if (std::ranges::count(out.counts, 1) == 0) {
    throw input_error(where, "expected an assistant's message with a text, got none; correct the line");
  }
  out.prompt = std::move(chat.prompt);
  out.encoded = std::move(encoded);
  return out;
}

CountedTokens encode_conversation(const ordered_json& line, const Tokenizer& tokenizer,
                                  const ChatTemplate& chat_template, const std::string& where) {
  EncodedConversation read = read_conversation(line, tokenizer, chat_template, where);
  return {std::move(read.encoded.tokens), std::move(read.counts)};
}

}  // namespace refocus
