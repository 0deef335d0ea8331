// The conversations whose perplexity is measured: a file of JSON lines, as training reads it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eval/run/perplexity_run.h"
#include "prompt/chat.h"
#include "train/conversation.h"

namespace refocus::cli {

struct PerplexityChats {
  std::vector<EncodedConversation> conversations;
  std::vector<std::int32_t> tokens;        // of all, one after another
  std::vector<std::int64_t> begins = {0};  // of each in `tokens`, and the end
};

// Every line that is not blank is a conversation (train/conversation.h). InputError, naming file and line,
// for another one, and where there is none.
PerplexityChats read_perplexity_chats(const std::string& file, const Tokenizer& tokenizer,
                                      const ChatTemplate& chat_template);

// The windows of every conversation by itself (sliding_windows).
std::vector<TextWindow> windows_of(const PerplexityChats& chats, std::int64_t context, std::int64_t stride);

// Bytes of text that the scored tokens stand for; special tokens stand for none.
std::int64_t counted_bytes(const PerplexityChats& chats, std::span<const TextWindow> windows,
                           const Tokenizer& tokenizer);

// The pieces of a window, which must outlive no conversation.
WindowPieces pieces_of(const PerplexityChats& chats, const TextWindow& window);

// For each group of origins, and "answers" for what training counts, the places of its scored tokens among
// all that are scored. Groups without any are left out.
struct ScoredGroup {
  std::string name;
  std::vector<std::size_t> places;
};
std::vector<ScoredGroup> scored_groups(const PerplexityChats& chats, std::span<const TextWindow> windows);

}  // namespace refocus::cli
