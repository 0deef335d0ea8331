#include "tokenizer/streaming_decoder.h"

#include <string_view>

namespace refocus {

StreamingDecoder::StreamingDecoder(const Tokenizer& tokenizer, DecodeOptions options)
    : tokenizer_(tokenizer), options_(options), assembler_(tokenizer.replacement_) {}

std::string StreamingDecoder::push(std::int32_t id) {
  if (!tokenizer_.table_.contains(id)) return "";
  const TokenTable::Entry& token = tokenizer_.table_.at(id);
  if (token.kind == TokenKind::kSpecial && options_.skip_special) return "";
  std::string_view bytes = token.bytes;
  bool fallback_byte = token.fallback_byte;
  DecodedPiece first;
  if (at_start_ && tokenizer_.first_differs_) {
    first = tokenizer_.decoded_first(token);
    bytes = first.bytes;
    fallback_byte = first.fallback_byte;
    at_start_ = false;
  } else if (at_start_) {
    const LeadingSpace policy = tokenizer_.leading_space_;
    const bool spaced = token.kind == TokenKind::kNormal && policy != LeadingSpace::kKeep;
    if (spaced && bytes.starts_with(' ')) bytes.remove_prefix(1);
    at_start_ = policy == LeadingSpace::kDropWhileEmpty && bytes.empty();
  }
  if (fallback_byte) {
    run_ += bytes;
    return "";
  }
  std::string text = end_run();
  text += assembler_.push(bytes);
  return hold_end(strip_start(std::move(text)));
}

// The text of the fallback bytes so far.
std::string StreamingDecoder::end_run() {
  std::string text;
  if (is_valid_utf8(run_)) {
    text.swap(run_);
  } else {
    for (std::size_t i = 0; i < run_.size(); ++i) text += kReplacementCharacter;
  }
  run_.clear();
  return text;
}

std::string StreamingDecoder::strip_start(std::string text) {
  const TextStrip& strip = tokenizer_.strip_;
  std::size_t begin = 0;
  while (!start_is_over_ && begin < text.size()) {
    if (stripped_ < strip.start && std::string_view(text).substr(begin).starts_with(strip.character)) {
      begin += strip.character.size();
      ++stripped_;
    } else {
      start_is_over_ = true;
    }
  }
  if (begin > 0) text.erase(0, begin);
  return text;
}

// Keeps back the characters at the end that would go if nothing followed.
std::string StreamingDecoder::hold_end(std::string text) {
  const TextStrip& strip = tokenizer_.strip_;
  if (strip.stop == 0 || text.empty()) return text;
  std::string all;
  for (; held_ > 0; --held_) all += strip.character;
  all += text;
  while (held_ < strip.stop && all.ends_with(strip.character)) {
    all.resize(all.size() - strip.character.size());
    ++held_;
  }
  return all;
}

std::string StreamingDecoder::finish() {
  std::string text = end_run();
  text += assembler_.finish();
  text = hold_end(strip_start(std::move(text)));
  at_start_ = true;
  stripped_ = held_ = 0;
  start_is_over_ = false;
  return text;
}

}  // namespace refocus
