// The "pre_tokenizer" of a tokenizer.json: cuts a normalized text into the words that BPE works on.
//
// Known: Split, ByteLevel, Digits, Metaspace, Punctuation, Whitespace, WhitespaceSplit, CharDelimiterSplit,
// BertPreTokenizer, FixedLength, Sequence. Any other type (UnicodeScripts) is an error. Of ByteLevel, the
// cutting and the prefix space are done here; that words are then taken as bytes is the BPE model's affair
// (byte_level()). What cuts words behind ByteLevel (Falcon's digits) sees them in its spelling of bytes.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tokenizer/json.h"
#include "tokenizer/pipeline/normalizer.h"

namespace refocus {

// What becomes of the text that a split pattern matches.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

struct Split {
  TextPattern pattern;
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;  // the pattern describes the words, not what stands between them

  // Appends the words of `text`, none of them empty; they point into `text`.
  void apply(std::string_view text, std::vector<std::string_view>& words) const;
};

// The words of one text, and the memory of those that are not part of the text itself.
struct Words {
  std::vector<std::string_view> words;
  std::deque<std::string> storage;
};

class PreTokenizer {
 public:
  PreTokenizer() = default;  // the whole text is one word
  PreTokenizer(const std::string& where, JsonObject json) { add(where, json); }

  // `first`: whether the text stands at the very start of the input (Metaspace may prefix only there). The
  // words point into `text` and into the result's own storage.
  Words apply(std::string_view text, bool first) const;

  // Whether words are to be encoded byte by byte.
  bool byte_level() const { return byte_level_; }

 private:
  enum class PrependScheme { kAlways, kFirst, kNever };
  struct PrefixSpace {};  // ByteLevel's add_prefix_space
  struct SpellBytes {};   // ByteLevel's spelling, where steps follow that cut it
  struct FixedLength {
    std::int64_t characters = 1;
  };
  struct Metaspace {
    std::string replacement;
    PrependScheme scheme = PrependScheme::kAlways;
    std::optional<Split> split;  // at the replacement, where wanted

    std::string apply(std::string_view text, bool first) const;
  };
  void add(const std::string& where, JsonObject json);
  bool add_cut(const std::string& where, std::string_view type, JsonObject json);
  void add_regex(const std::string& where, std::string_view regex, SplitBehavior behavior, bool invert);
  void add_byte_level(const std::string& where, JsonObject json);
  void add_metaspace(const std::string& where, JsonObject json);

  using Step = std::variant<Split, PrefixSpace, SpellBytes, FixedLength, Metaspace>;
  void apply_step(const Step& step, std::string_view text, bool first, Words& words) const;

  std::vector<Step> steps_;
  bool byte_level_ = false;
  bool spelled_ = false;  // words are in ByteLevel's spelling at the end
};

}  // namespace refocus
