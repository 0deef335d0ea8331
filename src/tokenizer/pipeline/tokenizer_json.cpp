// Reads a tokenizer.json (Hugging Face tokenizers, version 1.0) into a JsonTokenizer.
#include "base/error.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/json.h"
#include "tokenizer/pipeline/json_tokenizer.h"
#include "tokenizer/tokenizer_files.h"

namespace refocus {
JsonTokenizer::JsonTokenizer(std::string where, JsonObject root, const ModelSettings& settings)
    : where_(std::move(where)) {
  if (const auto json = json_object(where_, root, "normalizer")) normalizer_ = Normalizer(where_, *json);
  if (const auto json = json_object(where_, root, "pre_tokenizer"))
    pre_tokenizer_ = PreTokenizer(where_, *json);
  if (const auto json = json_object(where_, root, "post_processor"))
    frame_ = read_post_processor(where_, *json);
  decoder_.emplace(where_, required(where_, "decoder", json_object(where_, root, "decoder")));
  first_differs_ = decoder_->first_differs();
  strip_ = decoder_->strip();
  read_model(required(where_, "model", json_object(where_, root, "model")));
  define_bytes();
  read_added_tokens(root);
  ModelSettings adjusted = settings;
  // LlamaTokenizer adds the BOS unless told not to, whatever the file's template says.
  if (settings.tokenizer_class.starts_with("LlamaTokenizer") && !settings.add_bos_token) {
    adjusted.add_bos_token = true;
  }
  apply_settings(where_, adjusted, std::nullopt, std::nullopt);
}

void JsonTokenizer::read_vocab(JsonObject model, PieceMap& pieces) {
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
    if (spelled) pieces.insert(*spelled, static_cast<std::int32_t>(id));
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
  // Old files do not say the type; a list as vocabulary is a unigram model's.
  const auto vocab = json_value(model, "vocab");
  const std::string_view type =
      json_string(where_, model, "type").value_or(vocab && vocab->is_array() ? "Unigram" : "BPE");
  if (type == "BPE") {
    read_bpe(model);
  } else if (type == "Unigram") {
    read_unigram(model);
  } else {
    throw input_error(where_,
                      "expected a model of type BPE or Unigram, got '{}'; use a causal language model",
                      printable(type));
  }
}

void JsonTokenizer::read_bpe(JsonObject model) {
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
  PieceMap pieces;
  read_vocab(model, pieces);
  if (json_bool(where_, model, "byte_fallback").value_or(false) && !options.byte_level) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      options.byte_tokens[byte] = table_.find(fmt::format("<0x{:02X}>", byte)).value_or(-1);
    }
  }
  if (const auto unknown = json_string(where_, model, "unk_token"); unknown && !unknown->empty()) {
    const auto id = table_.find(*unknown);
    if (!id)
      throw input_error(where_, "expected the \"unk_token\" in \"vocab\", got '{}'; the file is damaged",
                        printable(*unknown));
    options.unknown = *id;
  }
  model_.emplace<Bpe>(std::move(pieces), read_merges(model), options);
}

void JsonTokenizer::read_unigram(JsonObject model) {
  if (pre_tokenizer_.byte_level()) {
    throw input_error(
        where_, "expected no ByteLevel before a unigram model, got one; this tokenizer is not supported");
  }
  const JsonArray vocab = required(where_, "vocab", json_array(where_, model, "vocab"));
  std::vector<Unigram::Piece> pieces;
  pieces.reserve(vocab.size());
  table_.reserve(vocab.size() + 1024);
  for (const JsonValue value : vocab) {
    const JsonArray pair = as_array(where_, "a token", value);
    double score = 0;
    if (pair.size() != 2 || pair.at(1).get(score) != simdjson::SUCCESS) {
      throw input_error(
          where_, "expected tokens such as [\"a\", -1.5] in \"vocab\", got another; the file is damaged");
    }
    const std::string piece(as_string(where_, "a token", pair.at(0)));
    table_.define(where_, static_cast<std::int64_t>(pieces.size()), {piece, "", TokenKind::kNormal});
    pieces.push_back({piece, score});
  }
  std::optional<std::int32_t> unknown;
  if (const auto id = json_integer(where_, model, "unk_id")) {
    if (!table_.contains(*id)) {
      throw input_error(where_, "expected an \"unk_id\" of \"vocab\", got {}; the file is damaged", *id);
    }
    unknown = static_cast<std::int32_t>(*id);
  }
  model_.emplace<Unigram>(where_, pieces, unknown, json_bool(where_, model, "byte_fallback").value_or(false));
}

// Gives every token of the vocabulary the bytes that it decodes to.
void JsonTokenizer::define_bytes() {
  for (std::int32_t id = 0; id < table_.size(); ++id) {
    if (!table_.contains(id)) continue;
    DecodedPiece decoded = decoder_->text_of(table_.at(id).piece, /*first=*/false);
    const TokenKind kind = decoded.fallback_byte ? TokenKind::kByte : TokenKind::kNormal;
    table_.redefine(id, kind, std::move(decoded));
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
    const std::string_view content = required(where_, "content", json_string(where_, json, "content"));
    // A token of the vocabulary keeps its id, whatever the list says, as in Hugging Face tokenizers.
    add_token(where_, make_added_token(table_.find(content).value_or(static_cast<std::int32_t>(id)), content,
                                       [&](std::string_view key) { return json_bool(where_, json, key); }));
  }
}

std::unique_ptr<Tokenizer> load_json_tokenizer(const std::filesystem::path& model_directory) {
  const std::filesystem::path path = model_directory / kTokenizerJsonName;
  const JsonFile file(path);
  return std::make_unique<JsonTokenizer>(path.string(), file.root(), read_model_settings(model_directory));
}

}  // namespace refocus
