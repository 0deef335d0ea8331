#include "cli/commands/perplexity_chats.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/record_kind.h"
#include "base/text_file.h"
#include "prompt/origins.h"

namespace refocus::cli {

namespace {

// Calls on_token(conversation, token of it) for each scored token, in the order of scores.
template <class OnToken>
void for_scored(const PerplexityChats& chats, std::span<const TextWindow> windows, const OnToken& on_token) {
  std::size_t chat = 0;
  for (const TextWindow& window : windows) {
    while (window.first_counted >= chats.begins[chat + 1]) ++chat;
    for (std::int64_t i = window.first_counted; i < window.end; ++i) {
      on_token(chats.conversations[chat], static_cast<std::size_t>(i - chats.begins[chat]));
    }
  }
}

}  // namespace

PerplexityChats read_perplexity_chats(const std::string& file, const Tokenizer& tokenizer,
                                      const ChatTemplate& chat_template) {
  const std::string text = read_text_file(file);
  PerplexityChats out;
  for (const JsonLine& line : json_lines(text, file, BlankLines::kSkip)) {
    const std::string where = fmt::format("{}:{}", file, line.number);
    const nlohmann::ordered_json json =
        parse_ordered_json_object(line.text, {where, "correct the line", true});
    if (!is_conversation(json)) {
      const RecordKind kind =
          kind_of_record(json, {"another object", "correct the line, or leave --chat out for a plain text"});
      throw input_error(where,
                        "expected a conversation ({{\"messages\": [..]}}), which --chat reads, got {}; {}",
                        kind.name, kind.remedy);
    }
    EncodedConversation& read =
        out.conversations.emplace_back(read_conversation(json, tokenizer, chat_template, where));
    const std::vector<std::int32_t>& tokens = read.encoded.tokens;
    out.tokens.insert(out.tokens.end(), tokens.begin(), tokens.end());
    out.begins.push_back(std::ssize(out.tokens));
  }
  if (out.conversations.empty())
    throw input_error(file, "expected conversations, got none; name another file");
  return out;
}

std::vector<TextWindow> windows_of(const PerplexityChats& chats, std::int64_t context, std::int64_t stride) {
  std::vector<TextWindow> out;
  for (std::size_t c = 0; c < chats.conversations.size(); ++c) {
    const std::int64_t begin = chats.begins[c];
    for (TextWindow window : sliding_windows(chats.begins[c + 1] - begin, context, stride)) {
      for (std::int64_t* at : {&window.begin, &window.first_counted, &window.end}) *at += begin;
      out.push_back(window);
    }
  }
  return out;
}

std::int64_t counted_bytes(const PerplexityChats& chats, std::span<const TextWindow> windows,
                           const Tokenizer& tokenizer) {
  std::size_t out = 0;
  for_scored(chats, windows, [&](const EncodedConversation& chat, std::size_t token) {
    if (tokenizer.is_special(chat.encoded.tokens[token])) return;
    out += chat.encoded.bytes[token].end - chat.encoded.bytes[token].begin;
  });
  return static_cast<std::int64_t>(out);
}

WindowPieces pieces_of(const PerplexityChats& chats, const TextWindow& window) {
  const auto after = std::ranges::upper_bound(chats.begins, window.begin);
  const std::int64_t begin = *std::prev(after);
  const EncodedConversation& chat =
      chats.conversations[static_cast<std::size_t>(after - chats.begins.begin() - 1)];
  WindowPieces out;
  out.pieces = &chat.prompt;
  const auto part = [&](const auto& all, auto& own) {
    own.assign(all.begin() + (window.begin - begin), all.begin() + (window.end - begin));
  };
  part(chat.encoded.tokens, out.encoded.tokens);
  part(chat.encoded.pieces, out.encoded.pieces);
  part(chat.encoded.bytes, out.encoded.bytes);
  out.encoded.text = chat.encoded.text;
  return out;
}

std::vector<ScoredGroup> scored_groups(const PerplexityChats& chats, std::span<const TextWindow> windows) {
  std::map<OriginGroup, std::vector<std::size_t>> groups;
  std::vector<std::size_t> answers;
  std::size_t place = 0;
  const EncodedConversation* last = nullptr;
  std::vector<OriginRun> runs;
  std::size_t run = 0;
  for_scored(chats, windows, [&](const EncodedConversation& chat, std::size_t token) {
    if (&chat != last) {
      last = &chat;
      runs = token_origins(chat.prompt, chat.encoded, std::ssize(chat.encoded.tokens)).runs;
      run = 0;
    }
    while (static_cast<std::int64_t>(token) >= runs[run].end) ++run;
    for (const OriginGroup& group : runs[run].groups) groups[group].push_back(place);
    if (chat.counts[token] != 0) answers.push_back(place);
    ++place;
  });
  std::vector<ScoredGroup> out;
  if (!answers.empty()) out.push_back({"answers", std::move(answers)});
  for (auto& [group, places] : groups) out.push_back({group.name(), std::move(places)});
  return out;
}

}  // namespace refocus::cli
