// Reads a tokenizer.json (Hugging Face tokenizers, version 1.0) into a JsonTokenizer.
#include <algorithm>

#include "base/error.h"
#include "tokenizer/json.h"
#include "tokenizer/json_tokenizer.h"
#include "tokenizer/tokenizer_files.h"

namespace refocus {
namespace {

// GPT-2's spelling of bytes as printable characters: those that print stand for themselves, the others are
// numbered from U+0100.
std::array<char32_t, 256> byte_alphabet() {
  std::array<char32_t, 256> alphabet{};
  char32_t next = 0x100;
  for (char32_t byte = 0; byte < 256; ++byte) {
    const bool prints = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    alphabet[byte] = prints ? byte : next++;
  }
  return alphabet;
}

// The bytes that a piece of a byte-level vocabulary spells; nothing where a character is not of the alphabet.
std::optional<std::string> spelled_bytes(std::string_view piece) {
  static const std::array<std::int16_t, 0x200> bytes = [] {
    std::array<std::int16_t, 0x200> table;
    table.fill(-1);
    const auto alphabet = byte_alphabet();
    for (std::size_t byte = 0; byte < 256; ++byte) table[alphabet[byte]] = static_cast<std::int16_t>(byte);
    return table;
  }();
  std::string out;
  while (!piece.empty()) {
    const Utf8Step step = utf8_step(piece);
    piece.remove_prefix(static_cast<std::size_t>(step.length));
    if (step.code_point >= bytes.size() || bytes[step.code_point] < 0) return std::nullopt;
    out.push_back(static_cast<char>(bytes[step.code_point]));
  }
  return out;
}

// The byte that a piece such as <0x0A> stands for, or -1.
int fallback_byte(std::string_view piece) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return -1;
  const std::size_t high = digits.find(piece[3]), low = digits.find(piece[4]);
  if (high == std::string_view::npos || low == std::string_view::npos) return -1;
  return static_cast<int>(high * 16 + low);
}

std::string replace_literal(std::string_view text, std::string_view pattern, std::string_view content) {
  std::string out;
  while (true) {
    const std::size_t at = text.find(pattern);
    out += text.substr(0, at);
    if (at == std::string_view::npos) return out;
    out += content;
    text.remove_prefix(at + pattern.size());
  }
}

}  // namespace

JsonTokenizer::JsonTokenizer(std::string where, JsonObject root, const ModelSettings& settings)
    : where_(std::move(where)) {
  if (const auto json = json_object(where_, root, "normalizer")) normalizer_ = Normalizer(where_, *json);
  if (const auto json = json_object(where_, root, "pre_tokenizer"))
    pre_tokenizer_ = PreTokenizer(where_, *json);
  if (const auto json = json_object(where_, root, "post_processor"))
    frame_ = read_post_processor(where_, *json);
  Decoder decoder;
  read_decoder(required(where_, "decoder", json_object(where_, root, "decoder")), decoder);
  if (decoder.byte_level != pre_tokenizer_.byte_level()) {
    throw input_error(where_,
                      "expected ByteLevel both as pre-tokenizer and as decoder or in neither, got one of the "
                      "two; this tokenizer is not supported");
  }
  read_model(required(where_, "model", json_object(where_, root, "model")));
  define_bytes(decoder);
  read_added_tokens(root);
  if (decoder.byte_fallback) replacement_ = Utf8Assembler::Custom::kEachByte;
  ModelSettings adjusted = settings;
  // LlamaTokenizer adds the BOS unless told not to, whatever the file's template says.
  if (settings.tokenizer_class.starts_with("LlamaTokenizer") && !settings.add_bos_token) {
    adjusted.add_bos_token = true;
  }
  apply_settings(where_, adjusted, std::nullopt, std::nullopt);
}

void JsonTokenizer::read_vocab(JsonObject model, StringToId& pieces) {
  const JsonObject vocab = required(where_, "vocab", json_object(where_, model, "vocab"));
  const bool byte_level = pre_tokenizer_.byte_level();
  pieces.reserve(vocab.size());
  table_.reserve(vocab.size() + 1024);
  for (const auto [key, value] : vocab) {
    const std::int64_t id = as_integer(where_, "a token id", value);
    std::string piece(key);
    table_.define(where_, id, {piece, "", TokenKind::kNormal});
    std::optional<std::string> spelled = byte_level ? spelled_bytes(piece) : piece;
    // A piece that is not spelled in the alphabet cannot come out of the model: an added token.
    if (spelled) pieces.try_emplace(std::move(*spelled), static_cast<std::int32_t>(id));
  }
}

std::vector<Bpe::Merge> JsonTokenizer::read_merges(JsonObject model) const {
  std::vector<Bpe::Merge> merges;
  const JsonArray list = required(where_, "merges", json_array(where_, model, "merges"));
  merges.reserve(list.size());
  std::string joined;
  const auto id_of = [&](std::string_view piece) {
    const auto id = table_.find(piece);
    if (!id) {
      throw input_error(where_, "expected merges of tokens in \"vocab\", got '{}'; the file is damaged",
                        printable(piece));
    }
    return *id;
  };
  for (const JsonValue value : list) {
    std::string_view left, right;
    if (value.is_string()) {
      const std::string_view text = as_string(where_, "a merge", value);
      const std::size_t space = text.find(' ');
      if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos) {
        throw input_error(where_, "expected merges such as \"a b\", got '{}'; the file is damaged",
                          printable(text));
      }
      left = text.substr(0, space);
      right = text.substr(space + 1);
    } else {
      const JsonArray pair = as_array(where_, "a merge", value);
      if (pair.size() != 2) {
        throw input_error(where_, "expected merges of two tokens, got {}; the file is damaged", pair.size());
      }
      left = as_string(where_, "a merge", pair.at(0));
      right = as_string(where_, "a merge", pair.at(1));
    }
    joined.assign(left).append(right);
    merges.push_back({id_of(left), id_of(right), id_of(joined)});
  }
  return merges;
}

void JsonTokenizer::read_model(JsonObject model) {
  const std::string_view type = json_string(where_, model, "type").value_or("BPE");  // old files do not say
  if (type != "BPE") {
    throw input_error(where_, "expected a model of type BPE, got '{}'; use a model of the LLaMA family",
                      printable(type));
  }
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!json_string(where_, model, key).value_or("").empty()) {
      throw input_error(where_, "expected no \"{}\", got one; this tokenizer is not supported", key);
    }
  }
  if (const auto dropout = json_value(model, "dropout")) {
    double rate = 0;
    if (dropout->get(rate) != simdjson::SUCCESS || rate != 0) {
      throw input_error(where_,
                        "expected no \"dropout\", got one; set it to null for results that can be repeated");
    }
  }
  BpeOptions options;
  options.byte_tokens.fill(-1);
  options.byte_level = pre_tokenizer_.byte_level();
  options.ignore_merges = json_bool(where_, model, "ignore_merges").value_or(false);
  options.fuse_unknown = json_bool(where_, model, "fuse_unk").value_or(false);
  StringToId pieces;
  read_vocab(model, pieces);
  if (json_bool(where_, model, "byte_fallback").value_or(false) && !options.byte_level) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const auto id = table_.find(fmt::format("<0x{:02X}>", byte));
      if (!id)
        throw input_error(
            where_, "expected a token <0x{:02X}> for \"byte_fallback\", got none; the file is damaged", byte);
      options.byte_tokens[byte] = *id;
    }
  }
  if (const auto unknown = json_string(where_, model, "unk_token"); unknown && !unknown->empty()) {
    const auto id = table_.find(*unknown);
    if (!id)
      throw input_error(where_, "expected the \"unk_token\" in \"vocab\", got '{}'; the file is damaged",
                        printable(*unknown));
    options.unknown = *id;
  }
  bpe_.emplace(where_, std::move(pieces), read_merges(model), options);
}

void JsonTokenizer::read_decoder(JsonObject json, Decoder& decoder) {
  const std::string_view type = json_type(where_, json);
  if (type == "Sequence") {
    for (const JsonValue part : required(where_, "decoders", json_array(where_, json, "decoders"))) {
      read_decoder(as_object(where_, "a decoder", part), decoder);
    }
  } else if (type == "ByteLevel") {
    decoder.byte_level = true;
  } else if (type == "ByteFallback") {
    decoder.byte_fallback = true;
  } else if (type == "Fuse") {
    // Putting the tokens' texts together is what decoding does here anyway.
  } else if (type == "Replace") {
    const JsonObject pattern = required(where_, "pattern", json_object(where_, json, "pattern"));
    decoder.replacements.emplace_back(required(where_, "String", json_string(where_, pattern, "String")),
                                      json_short_string(where_, json, "content"));
  } else if (type == "Metaspace") {
    const std::string_view scheme = json_string(where_, json, "prepend_scheme").value_or("always");
    const bool prefixed = scheme != "never" && json_bool(where_, json, "add_prefix_space").value_or(true);
    decoder.replacements.emplace_back(json_short_string(where_, json, "replacement"), " ");
    leading_space_ = prefixed ? LeadingSpace::kDropAllOfFirst : LeadingSpace::kKeep;
  } else if (type == "Strip") {
    const std::int64_t start = json_integer(where_, json, "start").value_or(0);
    const bool plain = json_string(where_, json, "content") == " " && start <= 1 &&
                       json_integer(where_, json, "stop").value_or(0) == 0;
    if (!plain)
      throw input_error(where_,
                        "expected a decoder that strips one space at the start, got another Strip; this "
                        "tokenizer is not supported");
    if (start == 1) leading_space_ = LeadingSpace::kDropOne;
  } else {
    throw input_error(where_,
                      "expected a decoder of type ByteLevel, ByteFallback, Fuse, Replace, Strip, Metaspace "
                      "or Sequence, got '{}'; this tokenizer is not supported",
                      printable(type));
  }
}

// Gives every token of the vocabulary the bytes that it decodes to.
void JsonTokenizer::define_bytes(const Decoder& decoder) {
  for (const auto& [pattern, content] : decoder.replacements) {
    if (pattern.empty())
      throw input_error(where_, "expected a pattern in the decoder's Replace, got none; the file is damaged");
  }
  for (std::int32_t id = 0; id < table_.size(); ++id) {
    if (!table_.contains(id) || table_.at(id).kind != TokenKind::kNormal) continue;
    const std::string& piece = table_.at(id).piece;
    const int byte = decoder.byte_fallback ? fallback_byte(piece) : -1;
    if (byte >= 0) {
      table_.redefine(id, TokenKind::kByte, std::string(1, static_cast<char>(byte)));
    } else if (decoder.byte_level) {
      table_.redefine(id, TokenKind::kNormal, spelled_bytes(piece).value_or(piece));
    } else {
      std::string bytes = piece;
      for (const auto& [pattern, content] : decoder.replacements) {
        bytes = replace_literal(bytes, pattern, content);
        if (bytes.size() > 64 * piece.size() + 64) {
          throw input_error(
              where_,
              "expected a decoder that keeps a token's length, got {} bytes for '{}'; the file is damaged",
              bytes.size(), printable(piece));
        }
      }
      table_.redefine(id, TokenKind::kNormal, std::move(bytes));
    }
  }
}

void JsonTokenizer::read_added_tokens(JsonObject root) {
  const auto list = json_array(where_, root, "added_tokens");
  if (!list) return;
  for (const JsonValue value : *list) {
    const JsonObject json = as_object(where_, "an added token", value);
    const std::int64_t id = required(where_, "id", json_integer(where_, json, "id"));
    if (id < 0 || id >= TokenTable::kMaxIds) {
      throw input_error(where_, "expected token ids from 0 to {}, got {}; the file is damaged",
                        TokenTable::kMaxIds - 1, id);
    }
    const AddedToken token = make_added_token(
        static_cast<std::int32_t>(id), required(where_, "content", json_string(where_, json, "content")),
        [&](std::string_view key) { return json_bool(where_, json, key); });
    add_token(where_, token);
  }
}

std::unique_ptr<Tokenizer> load_json_tokenizer(const std::filesystem::path& model_directory) {
  const std::filesystem::path path = model_directory / kTokenizerJsonName;
  const JsonFile file(path);
  return std::make_unique<JsonTokenizer>(path.string(), file.root(), read_model_settings(model_directory));
}

}  // namespace refocus
