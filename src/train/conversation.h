// A line of training data that is a conversation: its tokens by a chat template, and which of them count.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "prompt/chat.h"
#include "tokenizer/tokenizer.h"

namespace refocus {

struct CountedTokens {
  std::vector<std::int32_t> tokens;
  std::vector<std::uint8_t> counts;  // of each token, whether predicting it counts in the loss
};

// Whether the line is one: it has "messages", or "instruction" and "output".
bool is_conversation(const nlohmann::ordered_json& line);

// {"messages": [{"role", "content", ..}, ..], "tools": [..]}, or {"instruction", "input", "output"} (Alpaca's
// form: the user's message is the instruction, a blank line and the input; "input" may be absent or empty).
//
// What the template marks with {% generation %} counts, as in TRL's assistant_only_loss. Where it marks
// nothing, of each assistant's message its text does, and what the template writes behind it up to and with
// the token that ends the turn (one of the tokenizer's EOS tokens), if it writes one. Nothing is put behind
// the conversation. InputError, beginning with `where`, for another form, where the template refuses, and
// where nothing counts.
CountedTokens encode_conversation(const nlohmann::ordered_json& line, const Tokenizer& tokenizer,
                                  const ChatTemplate& chat_template, const std::string& where);

// The same with where each token is from.
struct EncodedConversation {
  Prompt prompt;
  EncodedPrompt encoded;
  std::vector<std::uint8_t> counts;
};
EncodedConversation read_conversation(const nlohmann::ordered_json& line, const Tokenizer& tokenizer,
                                      const ChatTemplate& chat_template, const std::string& where);

}  // namespace refocus
