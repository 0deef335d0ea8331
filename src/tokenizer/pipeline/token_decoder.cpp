#include "tokenizer/pipeline/token_decoder.h"

#include "base/error.h"
#include "base/utf8.h"
#include "tokenizer/byte_alphabet.h"

namespace refocus {
namespace {

// The byte that a text such as <0x0A> spells, or -1.
int fallback_byte(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return -1;
  int byte = 0;
  for (const char c : text.substr(3, 2)) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                             : -1;
    if (digit < 0) return -1;
    byte = 16 * byte + digit;
  }
  return byte;
}

std::string stripped(std::string_view text, const TextStrip& strip) {
  for (std::int64_t i = 0; i < strip.start && text.starts_with(strip.character); ++i) {
    text.remove_prefix(strip.character.size());
  }
  for (std::int64_t i = 0; i < strip.stop && text.ends_with(strip.character); ++i) {
    text.remove_suffix(strip.character.size());
  }
  return std::string(text);
}

}  // namespace

TokenDecoder::TokenDecoder(std::string where, JsonObject json) : where_(std::move(where)) { add(json); }

void TokenDecoder::add(JsonObject json) {
  const std::string_view type = json_type(where_, json);
  if (type == "Sequence") {
    for (const JsonValue part : required(where_, "decoders", json_array(where_, json, "decoders"))) {
      add(as_object(where_, "a decoder", part));
    }
    return;
  }
  const bool known = type == "ByteLevel" || type == "ByteFallback" || type == "Fuse" || type == "Replace" ||
                     type == "Strip" || type == "Metaspace";
  if (!known) {
    throw input_error(where_,
                      "expected a decoder of type ByteLevel, ByteFallback, Fuse, Replace, Strip, Metaspace "
                      "or Sequence, got '{}'; this tokenizer is not supported",
                      printable(type));
  }
  const bool on_text = fused_ && (type == "Strip" || type == "Fuse");
  const bool on_bytes = byte_fallback_ && !fused_ && (type == "Fuse" || type == "ByteFallback");
  const bool on_pieces = !byte_fallback_ && !fused_;
  if (!on_text && !on_bytes && !on_pieces) {
    throw input_error(where_,
                      "expected no decoder of type {} after {}, got one; this tokenizer is not supported",
                      type, fused_ ? "Fuse or ByteLevel" : "ByteFallback");
  }
  if (type == "ByteLevel") {
    steps_.emplace_back(ByteLevel{});
    fused_ = true;
  } else if (type == "ByteFallback") {
    byte_fallback_ = true;
  } else if (type == "Fuse") {
    fused_ = true;
  } else if (type == "Replace") {
    add_replace(json);
  } else if (type == "Strip") {
    add_strip(json);
  } else {
    add_metaspace(json);
  }
}

void TokenDecoder::add_replace(JsonObject json) {
  const JsonObject pattern = required(where_, "pattern", json_object(where_, json, "pattern"));
  if (json_string(where_, pattern, "String") == "") {
    throw input_error(where_, "expected a pattern in the decoder's Replace, got none; the file is damaged");
  }
  steps_.emplace_back(Replace{TextPattern(where_, pattern), json_short_string(where_, json, "content")});
}

void TokenDecoder::add_strip(JsonObject json) {
  TextStrip strip;
  strip.character = json_short_string(where_, json, "content");
  strip.start = json_integer(where_, json, "start").value_or(0);
  strip.stop = json_integer(where_, json, "stop").value_or(0);
  const bool one = !strip.character.empty() &&
                   utf8_step(strip.character).length == static_cast<int>(strip.character.size());
  constexpr std::int64_t kMost = 1 << 16;
  if (!one || strip.start < 0 || strip.start > kMost || strip.stop < 0 || strip.stop > kMost) {
    throw input_error(where_,
                      "expected a decoder Strip of one character, at most {} times at each end, got another; "
                      "the file is damaged",
                      kMost);
  }
  if (!fused_) {
    steps_.emplace_back(std::move(strip));
  } else if (strip_.character.empty()) {
    strip_ = std::move(strip);
  } else {
    throw input_error(where_,
                      "expected one Strip of the whole text, got more; this tokenizer is not supported");
  }
}

void TokenDecoder::add_metaspace(JsonObject json) {
  const std::string_view scheme = json_string(where_, json, "prepend_scheme").value_or("always");
  const bool prefixed = scheme != "never" && json_bool(where_, json, "add_prefix_space").value_or(true);
  steps_.emplace_back(Metaspace{json_short_string(where_, json, "replacement"), prefixed});
  first_differs_ = first_differs_ || prefixed;
}

// The piece after all steps that change pieces one by one.
std::string TokenDecoder::changed(std::string_view piece, bool first) const {
  std::string text(piece);
  for (const auto& step : steps_) {
    if (const auto* replace = std::get_if<Replace>(&step)) {
      text = replace_all(replace->pattern, text, replace->content, 64 * piece.size() + 64, where_,
                         "a decoder that keeps a token's length");
    } else if (const auto* strip = std::get_if<TextStrip>(&step)) {
      text = stripped(text, *strip);
    } else if (const auto* space = std::get_if<Metaspace>(&step)) {
      const TextPattern pattern(space->replacement);
      text = replace_all(pattern, text, first && space->prefixed ? "" : " ", text.size(), where_, "a text");
    } else {
      if (auto bytes = spelled_bytes(text)) text = std::move(*bytes);
    }
  }
  return text;
}

DecodedPiece TokenDecoder::text_of(std::string_view piece, bool first) const {
  std::string text = changed(piece, first);
  const int byte = byte_fallback_ ? fallback_byte(text) : -1;
  if (byte >= 0) return {std::string(1, static_cast<char>(byte)), true};
  return {std::move(text), false};
}

}  // namespace refocus
