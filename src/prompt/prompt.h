// A prompt as a list of pieces, each of a template or of data, and its tokens with the piece that each is of.
//
// Special tokens ("<|im_start|>", "</s>") are read in template text and never in data: a question, a turn or
// an option that spells one is text to the model.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace refocus {

// Where a piece comes from, as far as it is known.
struct PieceOrigin {
  std::string field;    // of an item: "question", "options"
  std::string option;   // an option's letter
  std::string role;     // of a message: "system", "user", "assistant", "tool"
  int message = -1;     // its place in the conversation, from 0
  int shot = -1;        // the worked example it belongs to, from 0
  bool marked = false;  // stood between << and >> (read_marks)

  bool operator==(const PieceOrigin&) const = default;
};

// "template"; "message 1 (user), shot 0, field question"; "data" for data that says nothing of itself.
std::string origin_text(const PieceOrigin& origin, bool is_template);

struct PromptPiece {
  std::string text;
  bool is_template = true;
  PieceOrigin origin;

  bool operator==(const PromptPiece&) const = default;
};

using Prompt = std::vector<PromptPiece>;

PromptPiece template_piece(std::string text, PieceOrigin origin = {});
PromptPiece data_piece(std::string text, PieceOrigin origin = {});

// Adds a piece; an empty one is left out, and one of the same kind and origin as the last is added to it.
void append(Prompt& prompt, PromptPiece piece);
void append(Prompt& prompt, std::span<const PromptPiece> pieces);

// The text of all pieces.
std::string text_of(const Prompt& prompt);

std::vector<std::string> texts_of(std::span<const Prompt> prompts);

// The first so many bytes, and the rest. A piece that is cut is in both.
std::pair<Prompt, Prompt> split(const Prompt& prompt, std::size_t bytes);

// The prompt without the << and >> that stand around parts of it; these parts' pieces are marked. InputError
// for a mark without its other half, one within another, and a prompt without any.
Prompt read_marks(const Prompt& prompt);

// What stands around the prompt's own tokens.
enum class PromptEnds {
  kModel,  // what the model's tokenizer puts around a prompt: mostly a BOS before it
  kBegin,  // only what it puts before: a conversation ends where its template ends it
  kNone,   // nothing
};

struct EncodedPrompt {
  static constexpr std::int32_t kNoPiece = -1;  // of tokens that the tokenizer adds

  std::vector<std::int32_t> tokens;
  std::vector<std::int32_t> pieces;  // of each token, the index of its piece
  std::vector<ByteRange> bytes;      // of each token, where it stands in `text`; nothing of those added
  std::string text;                  // of all pieces, what is no UTF-8 replaced
};

// The text of all pieces is encoded as one, so that the border between two of them changes no token. A token
// that has bytes of several is of the one with the most of them, or of the first of these that is data. What
// the tokenizer puts before a prompt is there once, whether the prompt begins with it or not. Bytes that are
// no UTF-8 are read as U+FFFD, piece by piece. InputError as Tokenizer::encode.
EncodedPrompt encode_prompt(const Tokenizer& tokenizer, const Prompt& prompt,
                            PromptEnds ends = PromptEnds::kModel);

}  // namespace refocus
