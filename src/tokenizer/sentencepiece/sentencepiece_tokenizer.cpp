// The tokenizer of a tokenizer.model file: the SentencePiece library encodes, the token table decodes.
#include <sentencepiece_processor.h>

#include <exception>

#include "base/error.h"
#include "base/file_kind.h"
#include "base/text_file.h"
#include "tokenizer/sentencepiece/sentencepiece_model.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_files.h"

namespace refocus {
namespace {

constexpr std::string_view kSpace = "\xE2\x96\x81";  // U+2581, how pieces spell a space

void load(const std::string& where, const std::string& file,
          sentencepiece::SentencePieceProcessor& processor) {
  std::string message;
  try {
    const auto status = processor.LoadFromSerializedProto(file);
    if (status.ok()) return;
    message = status.ToString();
  } catch (const std::exception& e) {
    message = e.what();
  }
  throw input_error(where,
                    "expected a SentencePiece model, got a file that is refused ({}); download it again",
                    printable(message, 200));
}

std::string piece_text(std::string_view piece) {
  std::string text;
  while (!piece.empty()) {
    if (piece.starts_with(kSpace)) {
      text += ' ';
      piece.remove_prefix(kSpace.size());
    } else {
      text += piece[0];
      piece.remove_prefix(1);
    }
  }
  return text;
}

class SentencePieceTokenizer : public Tokenizer {
 public:
  SentencePieceTokenizer(std::string where, const std::string& file, const ModelSettings& settings)
      : where_(std::move(where)), legacy_(settings.legacy) {
    const SentencePieceFacts facts = check_sentencepiece_model(where_, file);
    load(where_, file, processor_);
    // Appended to the file, a second normalizer_spec (field 3) with add_dummy_prefix (field 3) off overrides
    // the first: protocol buffers merge repeated fields.
    if (!legacy_) load(where_, file + std::string("\x1a\x02\x18\x00", 4), unprefixed_);
    replacement_ = Utf8Assembler::Custom::kEachByte;
    leading_space_ = facts.remove_extra_whitespaces ? LeadingSpace::kDropWhileEmpty
                     : facts.add_dummy_prefix       ? LeadingSpace::kDropOne
                                                    : LeadingSpace::kKeep;
    define_tokens(file);
    apply(settings);
  }

 protected:
  void encode_stretch(std::string_view text, bool first, EncodeOptions,
                      std::vector<std::int32_t>& ids) const override {
    const auto& processor = first || legacy_ ? processor_ : unprefixed_;
    std::vector<int> part;
    const auto status = processor.Encode(text, &part);
    if (!status.ok()) {
      throw input_error(where_,
                        "expected text that SentencePiece can encode, got an error ({}); use another text",
                        printable(status.ToString(), 200));
    }
    ids.insert(ids.end(), part.begin(), part.end());
  }

 private:
  void define_tokens(const std::string& file) {
    std::vector<SentencePiecePiece> pieces = sentencepiece_pieces(where_, file);
    REFOCUS_CHECK(pieces.size() == static_cast<std::size_t>(processor_.GetPieceSize()));
    table_.reserve(pieces.size());
    for (std::size_t place = 0; place < pieces.size(); ++place) {
      std::string& piece = pieces[place].text;
      const auto id = static_cast<std::int32_t>(place);
      switch (pieces[place].type) {
        case StoredTokenType::kControl:
        case StoredTokenType::kUnknown: {
          AddedToken token;
          token.id = id;
          token.content = piece;
          token.special = true;
          add_token(where_, token);
          break;
        }
        case StoredTokenType::kByte: {
          const int byte =
              std::stoi(piece.substr(3, 2), nullptr, 16);  // the library has checked the spelling
          table_.define(where_, id, {piece, std::string(1, static_cast<char>(byte)), TokenKind::kByte});
          break;
        }
        case StoredTokenType::kUnused:
          if (is_placeholder(piece, id)) break;
          [[fallthrough]];
        default: {
          std::string text = piece_text(piece);
          table_.define(where_, id, {std::move(piece), std::move(text), TokenKind::kNormal});
        }
      }
    }
  }

  void apply(const ModelSettings& settings) {
    const auto id_or_none = [](int id) { return id < 0 ? std::nullopt : std::optional<std::int32_t>(id); };
    ModelSettings adjusted = settings;
    if (!settings.add_bos_token) {
      adjusted.add_bos_token = settings.bos_token.content || settings.bos_id || processor_.bos_id() >= 0;
    }
    apply_settings(where_, adjusted, id_or_none(processor_.bos_id()), id_or_none(processor_.eos_id()));
  }

  std::string where_;
  bool legacy_;
  sentencepiece::SentencePieceProcessor processor_;
  sentencepiece::SentencePieceProcessor unprefixed_;  // without the dummy prefix; loaded unless legacy
};

}  // namespace

std::unique_ptr<Tokenizer> make_sentencepiece_tokenizer(std::string where, const std::string& file,
                                                        const ModelSettings& settings) {
  return std::make_unique<SentencePieceTokenizer>(std::move(where), file, settings);
}

std::unique_ptr<Tokenizer> load_sentencepiece_tokenizer(const std::filesystem::path& model_directory) {
  const std::filesystem::path path = model_directory / kSentencePieceName;
  refuse_other_format(path, "a SentencePiece model", FileFormat::kUnknown);
  return make_sentencepiece_tokenizer(path.string(), read_binary_file(path),
                                      read_model_settings(model_directory));
}

}  // namespace refocus
