#include "prompt/prompt.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"

namespace refocus {
namespace {

// A prompt's text, and where each piece ends in it.
struct JoinedPieces {
  std::string text;
  std::vector<std::size_t> ends;
  std::vector<ByteRange> of_templates;  // joined where they touch

  explicit JoinedPieces(const Prompt& prompt) {
    for (const PromptPiece& piece : prompt) {
      const std::size_t begin = text.size();
      text += is_valid_utf8(piece.text) ? piece.text : replace_invalid_utf8(piece.text);
      ends.push_back(text.size());
      if (!piece.is_template || text.size() == begin) continue;
      if (!of_templates.empty() && of_templates.back().end == begin) {
        of_templates.back().end = text.size();
      } else {
        of_templates.push_back({begin, text.size()});
      }
    }
  }

  // The piece that byte `at` lies in; the last one at the end.
  std::size_t piece_at(std::size_t at) const {
    const auto after = std::upper_bound(ends.begin(), ends.end(), at);
    return std::min(static_cast<std::size_t>(after - ends.begin()), ends.size() - 1);
  }
};

std::int32_t piece_of(const JoinedPieces& joined, const Prompt& prompt, const ByteRange& bytes) {
  std::size_t best = joined.piece_at(bytes.begin), most = 0;
  for (std::size_t piece = best, begin = bytes.begin; piece < prompt.size() && begin < bytes.end; ++piece) {
    const std::size_t end = std::min(bytes.end, joined.ends[piece]), count = end - begin;
    if (count > most || (count == most && prompt[best].is_template && !prompt[piece].is_template)) {
      best = piece;
      most = count;
    }
    begin = end;
  }
  return static_cast<std::int32_t>(best);
}

bool begins_with(std::span<const std::int32_t> tokens, std::span<const std::int32_t> prefix) {
  return tokens.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), tokens.begin());
}

}  // namespace

std::string origin_text(const PieceOrigin& origin, bool is_template) {
  std::string out;
  const auto add = [&](const std::string& part) { out += (out.empty() ? "" : ", ") + part; };
  if (origin.message >= 0) {
    add(origin.role.empty() ? fmt::format("message {}", origin.message)
                            : fmt::format("message {} ({})", origin.message, origin.role));
  }
  if (origin.shot >= 0) add(fmt::format("shot {}", origin.shot));
  if (!origin.field.empty()) add("field " + origin.field);
  if (!origin.option.empty()) add("option " + origin.option);
  if (origin.marked) add("marked");
  if (out.empty()) return is_template ? "template" : "data";
  return is_template ? "template, " + out : out;
}

PromptPiece template_piece(std::string text, PieceOrigin origin) {
  return {std::move(text), true, std::move(origin)};
}

PromptPiece data_piece(std::string text, PieceOrigin origin) {
  return {std::move(text), false, std::move(origin)};
}

void append(Prompt& prompt, PromptPiece piece) {
  if (piece.text.empty()) return;
  if (!prompt.empty() && prompt.back().is_template == piece.is_template &&
      prompt.back().origin == piece.origin) {
    prompt.back().text += piece.text;
  } else {
    prompt.push_back(std::move(piece));
  }
}

void append(Prompt& prompt, std::span<const PromptPiece> pieces) {
  for (const PromptPiece& piece : pieces) append(prompt, piece);
}

std::string text_of(const Prompt& prompt) {
  std::string out;
  for (const PromptPiece& piece : prompt) out += piece.text;
  return out;
}

std::vector<std::string> texts_of(std::span<const Prompt> prompts) {
  std::vector<std::string> out;
  for (const Prompt& prompt : prompts) out.push_back(text_of(prompt));
  return out;
}

std::pair<Prompt, Prompt> split(const Prompt& prompt, std::size_t bytes) {
  std::pair<Prompt, Prompt> out;
  for (const PromptPiece& piece : prompt) {
    const std::size_t before = std::min(bytes, piece.text.size());
    append(out.first, {piece.text.substr(0, before), piece.is_template, piece.origin});
    append(out.second, {piece.text.substr(before), piece.is_template, piece.origin});
    bytes -= before;
  }
  return out;
}

Prompt read_marks(const Prompt& prompt) {
  constexpr std::string_view kRemedy = "write << before and >> after what keys=marked is to choose";
  Prompt out;
  bool marked = false, any = false;
  for (const PromptPiece& piece : prompt) {
    std::string_view rest = piece.text;
    const auto take = [&](std::size_t bytes) {
      PromptPiece part{std::string(rest.substr(0, bytes)), piece.is_template, piece.origin};
      part.origin.marked = marked;
      append(out, std::move(part));
      rest.remove_prefix(std::min(rest.size(), bytes + 2));
    };
    for (;;) {
      const std::size_t open = rest.find("<<"), close = rest.find(">>");
      const std::size_t next = std::min(open, close);
      if (next == std::string_view::npos) break;
      if ((next == open) == marked) {
        throw input_error("prompt", "expected {}, got {}; {}", marked ? ">> after <<" : "<< before >>",
                          marked ? "<< once more" : ">> first", kRemedy);
      }
      take(next);
      marked = !marked;
      any = true;
    }
    take(rest.size());
  }
  if (marked) throw input_error("prompt", "expected >> after <<, got the prompt's end; {}", kRemedy);
  if (!any) throw input_error("prompt", "expected marks, got none; {}", kRemedy);
  return out;
}

EncodedPrompt encode_prompt(const Tokenizer& tokenizer, const Prompt& prompt, PromptEnds ends) {
  const JoinedPieces joined(prompt);
  const EncodeOptions options{.parse_special = !joined.of_templates.empty(),
                              .special_in = &joined.of_templates};
  EncodedPrompt out;
  for (const TokenSpan& token : tokenizer.encode_spans(joined.text, options)) {
    out.tokens.push_back(token.id);
    out.pieces.push_back(piece_of(joined, prompt, token.bytes));
    out.bytes.push_back(token.bytes);
  }
  out.text = joined.text;
  const auto add_at = [&](auto place, const std::vector<std::int32_t>& ids) {
    const auto offset = place - out.tokens.begin();
    out.tokens.insert(place, ids.begin(), ids.end());
    out.pieces.insert(out.pieces.begin() + offset, ids.size(), EncodedPrompt::kNoPiece);
    out.bytes.insert(out.bytes.begin() + offset, ids.size(), ByteRange{0, 0});
  };
  if (ends != PromptEnds::kNone && !begins_with(out.tokens, tokenizer.prompt_prefix())) {
    add_at(out.tokens.begin(), tokenizer.prompt_prefix());
  }
  if (ends == PromptEnds::kModel) add_at(out.tokens.end(), tokenizer.prompt_suffix());
  return out;
}

}  // namespace refocus
