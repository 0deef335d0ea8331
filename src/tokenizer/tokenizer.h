// Text to token ids and back, as a model's own tokenizer does it.
//
// Two kinds are read: SentencePiece models (tokenizer.model: Llama-2) and Hugging Face's tokenizer.json with
// a BPE model, be it with byte fallback (Llama-2, Gemma) or byte-level (Llama-3, Qwen, GPT-2), or a unigram
// model. Chat templates are kept as they are; src/prompt applies them.
//
// What encoding does with unusual text, the same for both kinds:
//   empty text          no ids (encode_prompt still adds the BOS)
//   white space         kept as it is: leading, repeated, trailing spaces and newlines survive a round trip.
//                       Llama-2's kind puts one space (the dummy prefix) before the text, and takes it away
//                       at the start of what it decodes
//   "<s>" in the text   plain text, so that data cannot inject control tokens; special tokens are recognised
//                       only with parse_special. Added tokens that are not special (Qwen's <tool_call>)
//                       always are
//   U+0000              a character like any other
//   U+2581 (▁)          in Llama-2's kind the same as a space, and decoded as one: the one exact round trip
//                       that it lacks
//   invalid UTF-8       each maximal invalid sequence is read as U+FFFD
//   no token for it     a character becomes the unknown token, or nothing where a BPE vocabulary has none
// A NFC tokenizer (Qwen) decodes to the NFC form of the text.
//
// Objects are immutable: all functions may be called from several threads at once.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/utf8.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/decoded_piece.h"
#include "tokenizer/model_settings.h"
#include "tokenizer/pipeline/post_processor.h"
#include "tokenizer/token_table.h"

namespace refocus {

// Bytes [begin, end) of a text.
struct ByteRange {
  std::size_t begin = 0, end = 0;
};

struct EncodeOptions {
  // Whether "<s>" in the text is the control token. Then each stretch between special tokens is encoded on
  // its own, as in Hugging Face tokenizers.
  bool parse_special = false;
  // With parse_special: the parts of the text in which special tokens are read, rising and apart; one that
  // does not lie whole in one of them is plain text. Null: the whole text.
  const std::vector<ByteRange>* special_in = nullptr;
};

// A token and the bytes of the text that it was made of. They are exact where the tokenizer leaves the text
// as it is; a token of characters that its normalizer changed has those that they were made of, as far as the
// unchanged ones around them tell (text_alignment.h). A token of one byte of a character has that byte.
struct TokenSpan {
  std::int32_t id = 0;
  ByteRange bytes;
};

// Whether special tokens are read from bytes [begin, end) of the text that `options` are for.
bool reads_special(const EncodeOptions& options, std::size_t begin, std::size_t end);

struct DecodeOptions {
  bool skip_special =
      true;  // leave out control tokens, the unknown token included; otherwise show their pieces
};

// Which spaces decoding takes away at the start of the text.
enum class LeadingSpace {
  kKeep,
  kDropOne,         // the dummy prefix of Llama-2
  kDropWhileEmpty,  // one of each token as long as there is no text (SentencePiece's
                    // remove_extra_whitespaces)
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // The ids of `text`, without BOS or EOS. InputError for a text above 1 GiB, or one that the vocabulary
  // cannot express (only where a unigram vocabulary lacks an unknown token).
  std::vector<std::int32_t> encode(std::string_view text, EncodeOptions options = {}) const;
  // The ids of `text` with the BOS (or whatever else) that the model's tokenizer puts before and after a
  // prompt: as tokenizer_config.json's add_bos_token and add_eos_token say, else tokenizer.json's
  // post-processor; a tokenizer.model without either adds the BOS.
  std::vector<std::int32_t> encode_prompt(std::string_view text, EncodeOptions options = {}) const;
  // The tokens of encode() and where they come from. `text` must be valid UTF-8.
  std::vector<TokenSpan> encode_spans(std::string_view text, EncodeOptions options = {}) const;
  // The ids that encode_prompt() puts before a text, mostly none or the BOS.
  const std::vector<std::int32_t>& prompt_prefix() const { return frame_.prefix; }
  // And those that it puts after it, mostly none.
  const std::vector<std::int32_t>& prompt_suffix() const { return frame_.suffix; }

  // The text of `ids`: valid UTF-8; bytes that form no character become U+FFFD (SentencePiece: one for each
  // such byte; byte fallback of a tokenizer.json: one for each byte of a run that is no text as a whole;
  // byte-level: one for each maximal invalid sequence). Ids that the vocabulary
  // lacks have no text, as in Hugging Face tokenizers: a model may have more rows than its tokenizer has
  // tokens, and may choose one. Hugging Face's clean_up_tokenization_spaces is not applied, since it changes
  // text.
  std::string decode(std::span<const std::int32_t> ids, DecodeOptions options = {}) const;

  // The vocabulary's own spelling of a token ("▁the", "Ġthe", "<0x0A>"), for display. InputError for an id
  // that the vocabulary lacks.
  const std::string& piece(std::int32_t id) const { return table_.at(id).piece; }
  // The bytes a token decodes to, which may be part of a character. InputError as above.
  const std::string& token_bytes(std::int32_t id) const { return table_.at(id).bytes; }
  // The id of a piece, where the vocabulary has it.
  std::optional<std::int32_t> find(std::string_view piece) const { return table_.find(piece); }
  // Whether `id` is a control token or the unknown token. InputError as above.
  bool is_special(std::int32_t id) const { return table_.at(id).kind == TokenKind::kSpecial; }

  // Whether the vocabulary has `id`, and what kind of token it is. The latter is an InputError as above.
  bool contains(std::int32_t id) const { return table_.contains(id); }
  TokenKind kind(std::int32_t id) const { return table_.at(id).kind; }

  // One more than the largest id, added tokens included. A model's own vocabulary may be padded beyond it.
  int vocab_size() const { return table_.size(); }
  // The tokenizer's BOS: tokenizer_config.json's, else the model configuration's, else tokenizer.model's.
  std::optional<std::int32_t> bos_id() const { return bos_id_; }
  // Every id that ends a text: generation_config.json's, else config.json's, else the tokenizer's own.
  const std::vector<std::int32_t>& eos_ids() const { return eos_ids_; }
  // The model's chat templates by name ("default" the usual one), in Jinja; mostly none or one.
  const std::map<std::string, std::string>& chat_templates() const { return chat_templates_; }
  // What those may call by name: "bos_token" -> "<s>".
  const std::map<std::string, std::string>& special_texts() const { return special_texts_; }
  // What a user should know of how the files were read, each in one line; mostly none.
  const std::vector<std::string>& warnings() const { return warnings_; }
  void add_warning(std::string warning) { warnings_.push_back(std::move(warning)); }

 protected:
  Tokenizer() = default;

  // Appends the ids of one stretch of text between added tokens: valid UTF-8, not empty. `first`: whether it
  // stands at the start of the input. The ranges of `options` are those of the stretch.
  virtual void encode_stretch(std::string_view text, bool first, EncodeOptions options,
                              std::vector<std::int32_t>& ids) const = 0;

  // Called at the end of loading, when table_, added_ and frame_ hold what the tokenizer's own file says.
  // `bos` and `eos` are that file's, if any.
  void apply_settings(const std::string& where, const ModelSettings& settings,
                      std::optional<std::int32_t> bos, std::optional<std::int32_t> eos);
  // Makes a token one that is cut out of the text whole. Defines its id where it is new. InputError where the
  // id is another token's.
  void add_token(const std::string& where, const AddedToken& token);
  // How a normalized added token looks in normalized text.
  virtual std::string normalized_content(std::string_view content) const { return std::string(content); }
  // What an added token contributes to a text.
  virtual DecodedPiece decoded_content(const AddedToken& token) const { return {token.content}; }
  // The same of any token as the first one shown, where first_differs_.
  virtual DecodedPiece decoded_first(const TokenTable::Entry& entry) const {
    return {entry.bytes, entry.fallback_byte};
  }

  TokenTable table_;
  AddedTokenMatcher added_;             // looked for in the text as given
  AddedTokenMatcher normalized_added_;  // looked for in the normalized text
  PromptFrame frame_;
  LeadingSpace leading_space_ = LeadingSpace::kKeep;
  TextStrip strip_;             // of decoded texts
  bool first_differs_ = false;  // whether decoded_first() is another than what follows
  Utf8Assembler::Custom replacement_ = Utf8Assembler::Custom::kMaximalSubpart;

 private:
  friend class StreamingDecoder;
  // stretch(part, ids) for each part of the text between added tokens, and for each of these.
  template <class Stretch>
  void encode_parts(std::string_view text, EncodeOptions options, const Stretch& stretch) const;
  std::optional<std::int32_t> named_token(const NamedToken& token) const;
  // Where the files beside the tokenizer let answers end elsewhere than the tokenizer itself, whose end token
  // is `own`.
  void warn_of_ends(const ModelSettings& settings, std::optional<std::int32_t> own);
  std::string described(std::int32_t id) const;  // for messages: its number and its text

  std::optional<std::int32_t> bos_id_;
  std::vector<std::int32_t> eos_ids_;
  std::vector<std::string> warnings_;
  std::map<std::string, std::string> chat_templates_, special_texts_;
};

// The tokenizer of a Hugging Face model directory: tokenizer.model where present, else tokenizer.json, with
// what the configuration files beside it say. InputError where neither is there or one is malformed or of a
// kind that is not supported.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& model_directory);

// The same from one of the two files, whichever else is there.
std::unique_ptr<Tokenizer> load_sentencepiece_tokenizer(const std::filesystem::path& model_directory);
std::unique_ptr<Tokenizer> load_json_tokenizer(const std::filesystem::path& model_directory);

}  // namespace refocus
