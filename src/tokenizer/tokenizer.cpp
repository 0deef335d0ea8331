#include "tokenizer/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "tokenizer/pipeline/text_alignment.h"
#include "tokenizer/streaming_decoder.h"
#include "tokenizer/tokenizer_files.h"
#include "tokenizer/tokenizer_kind.h"
#include "tokenizer/vocabulary_choice.h"

namespace refocus {
namespace {

constexpr std::size_t kMaxText = std::size_t{1} << 30;  // keeps positions within 32 bits

// The parts of `ranges` that lie in [begin, end), counted from `begin`.
std::vector<ByteRange> ranges_within(const std::vector<ByteRange>& ranges, std::size_t begin,
                                     std::size_t end) {
  std::vector<ByteRange> out;
  for (const ByteRange& range : ranges) {
    const std::size_t from = std::max(range.begin, begin), to = std::min(range.end, end);
    if (from < to) out.push_back({from - begin, to - begin});
  }
  return out;
}

}  // namespace

bool reads_special(const EncodeOptions& options, std::size_t begin, std::size_t end) {
  if (!options.parse_special || !options.special_in) return options.parse_special;
  return std::any_of(options.special_in->begin(), options.special_in->end(),
                     [&](const ByteRange& range) { return range.begin <= begin && end <= range.end; });
}

template <class Stretch>
void Tokenizer::encode_parts(std::string_view text, EncodeOptions options, const Stretch& stretch) const {
  const auto special = [&](std::size_t begin, std::size_t end) { return reads_special(options, begin, end); };
  for (const TextPart& part : added_.split(text, special)) {
    if (part.id >= 0) {
      stretch(part, {part.id});
      continue;
    }
    EncodeOptions own = options;
    std::vector<ByteRange> ranges;
    if (options.special_in) {
      ranges = ranges_within(*options.special_in, part.begin, part.end);
      own.special_in = &ranges;
    }
    std::vector<std::int32_t> ids;
    encode_stretch(text.substr(part.begin, part.end - part.begin), part.begin == 0, own, ids);
    stretch(part, ids);
  }
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  if (text.size() > kMaxText) {
    throw input_error("text", "expected at most {} bytes, got {}; cut it into parts", kMaxText, text.size());
  }
  std::string repaired;
  if (!is_valid_utf8(text)) {
    repaired = replace_invalid_utf8(text);
    text = repaired;
  }
  std::vector<std::int32_t> ids;
  encode_parts(text, options, [&](const TextPart&, const std::vector<std::int32_t>& part_ids) {
    ids.insert(ids.end(), part_ids.begin(), part_ids.end());
  });
  return ids;
}

std::vector<TokenSpan> Tokenizer::encode_spans(std::string_view text, EncodeOptions options) const {
  REFOCUS_CHECK(is_valid_utf8(text));
  std::vector<TokenSpan> out;
  encode_parts(text, options, [&](const TextPart& part, const std::vector<std::int32_t>& ids) {
    if (part.id >= 0) {
      out.push_back({part.id, {part.begin, part.end}});
      return;
    }
    std::string made;
    std::vector<std::size_t> ends;
    for (const std::int32_t id : ids) {
      made += table_.at(id).bytes;
      ends.push_back(made.size());
    }
    const std::vector<std::size_t> from = align_text(text.substr(part.begin, part.end - part.begin), made);
    std::size_t begin = 0;
    for (std::size_t k = 0; k < ids.size(); ++k) {
      out.push_back({ids[k], {part.begin + from[begin], part.begin + from[ends[k]]}});
      begin = ends[k];
    }
  });
  return out;
}

std::vector<std::int32_t> Tokenizer::encode_prompt(std::string_view text, EncodeOptions options) const {
  std::vector<std::int32_t> ids = encode(text, options);
  ids.insert(ids.begin(), frame_.prefix.begin(), frame_.prefix.end());
  ids.insert(ids.end(), frame_.suffix.begin(), frame_.suffix.end());
  return ids;
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, DecodeOptions options) const {
  StreamingDecoder decoder(*this, options);
  std::string text;
  for (const std::int32_t id : ids) text += decoder.push(id);
  return text += decoder.finish();
}

void Tokenizer::add_token(const std::string& where, const AddedToken& token) {
  if (token.content.empty()) return;
  const TokenKind kind = token.special ? TokenKind::kSpecial : TokenKind::kAdded;
  if (!table_.contains(token.id)) {
    table_.define(where, token.id, {token.content, "", kind});
  } else if (table_.at(token.id).piece != token.content) {
    throw input_error(
        where, "expected '{}' as the token {}, got '{}' as an added token; the files do not belong together",
        printable(table_.at(token.id).piece), token.id, printable(token.content));
  }
  table_.redefine(token.id, kind, decoded_content(token));
  if (token.normalized) {
    normalized_added_.add(token, normalized_content(token.content));
  } else {
    added_.add(token, token.content);
  }
}

std::optional<std::int32_t> Tokenizer::named_token(const NamedToken& token) const {
  if (!token.content) return std::nullopt;
  return table_.find(*token.content);
}

void Tokenizer::apply_settings(const std::string& where, const ModelSettings& settings,
                               std::optional<std::int32_t> bos, std::optional<std::int32_t> eos) {
  for (const AddedToken& token : settings.added_tokens) {
    if (!table_.contains(token.id) || table_.at(token.id).kind == TokenKind::kNormal) add_token(where, token);
  }
  for (const NamedToken* named : {&settings.bos_token, &settings.eos_token}) {
    const auto id = named_token(*named);
    if (!id || table_.at(*id).kind == TokenKind::kSpecial) continue;
    AddedToken token;
    token.id = *id;
    token.content = *named->content;
    token.special = true;
    add_token(where, token);
  }
  chat_templates_ = settings.chat_templates;
  special_texts_ = settings.special_texts;
  bos_id_ = settings.bos_token.mentioned ? named_token(settings.bos_token) : bos ? bos : settings.bos_id;
  if (settings.eos_token.mentioned) eos = named_token(settings.eos_token);
  eos_ids_ = settings.eos_ids;
  warn_of_ends(settings, eos);
  if (eos_ids_.empty() && eos) eos_ids_ = {*eos};
  if (!eos && !eos_ids_.empty()) eos = eos_ids_[0];

  const auto set = [&](std::optional<bool> wanted, std::optional<std::int32_t> id, const char* key,
                       std::vector<std::int32_t>& side) {
    if (!wanted) return;
    if (*wanted && !id) {
      throw input_error(
          where, "expected the token that \"{}\" asks for, got none; name it in tokenizer_config.json", key);
    }
    side.clear();
    if (*wanted) side.push_back(*id);
  };
  set(settings.add_bos_token, bos_id_, "add_bos_token", frame_.prefix);
  set(settings.add_eos_token, eos, "add_eos_token", frame_.suffix);
  for (const std::int32_t id : frame_.prefix)
    table_.at(id);  // an id that the vocabulary lacks is an error here
  for (const std::int32_t id : frame_.suffix) table_.at(id);
  if (settings.bos_id && !frame_.prefix.empty() && frame_.prefix[0] != *settings.bos_id) {
    add_warning(
        fmt::format("[{}] bos_token_id is {}, but the tokenizer begins a prompt with {}, which counts, as in "
                    "transformers",
                    settings.bos_file, described(*settings.bos_id), described(frame_.prefix[0])));
  }
}

void Tokenizer::warn_of_ends(const ModelSettings& settings, std::optional<std::int32_t> own) {
  for (const std::int32_t id : settings.eos_ids) {
    if (table_.contains(id)) continue;
    add_warning(fmt::format("[{}] eos_token_id has {}, which no answer can end with; correct the file",
                            settings.eos_file, described(id)));
  }
  if (settings.eos_ids.empty() || !own || std::ranges::count(settings.eos_ids, *own) > 0) return;
  add_warning(fmt::format(
      "[{}] answers end with {} (eos_token_id), as in transformers, and not with {}, the tokenizer's "
      "eos_token; if they do not end, add its id to the file",
      settings.eos_file, described(settings.eos_ids[0]), described(*own)));
}

std::string Tokenizer::described(std::int32_t id) const {
  if (!table_.contains(id)) return fmt::format("{} (no token of the vocabulary)", id);
  return fmt::format("{} ('{}')", id, printable(table_.at(id).piece, 60));
}

std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& model_directory) {
  const auto vocabulary = vocabulary_name(model_directory);
  if (vocabulary == kSentencePieceName) return load_sentencepiece_tokenizer(model_directory);
  if (vocabulary == kTokenizerJsonName) {
    auto out = load_json_tokenizer(model_directory);
    if (std::filesystem::exists(model_directory / kSentencePieceName) &&
        choose_vocabulary(model_directory) == VocabularyChoice::kStaleModel) {
      out->add_warning(fmt::format(
          "[{}] tokenizer.model and tokenizer.json have different vocabularies; tokenizer.json is used, as "
          "transformers does",
          model_directory.string()));
    }
    return out;
  }
  refuse_without_tokenizer(model_directory);
}

}  // namespace refocus
