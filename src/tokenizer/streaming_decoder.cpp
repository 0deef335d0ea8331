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
  std::string without_spaces;
  if (at_start_) {
    const LeadingSpace policy = tokenizer_.leading_space_;
    const bool spaced = token.kind == TokenKind::kNormal && policy != LeadingSpace::kKeep;
    if (spaced && policy == LeadingSpace::kDropAllOfFirst) {
      without_spaces = token.bytes;
      std::erase(without_spaces, ' ');
      bytes = without_spaces;
    } else if (spaced && bytes.starts_with(' ')) {
      bytes.remove_prefix(1);
    }
    at_start_ = policy == LeadingSpace::kDropWhileEmpty && bytes.empty();
  }
  return assembler_.push(bytes);
}

std::string StreamingDecoder::finish() {
  at_start_ = true;
  return assembler_.finish();
}

}  // namespace refocus
