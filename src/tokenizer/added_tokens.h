// Tokens that are cut out of the text as a whole before the vocabulary's own pieces are looked for.
//
// Follows Hugging Face tokenizers' AddedVocabulary: leftmost match first, the longest at one place, then the
// flags single_word, lstrip and rstrip of the token found.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace refocus {

struct AddedToken {
  std::int32_t id = 0;
  std::string content;
  bool special = false;
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // takes the white space after it along
  bool single_word = false;  // only where no word character stands beside it
  bool normalized = false;   // looked for in the normalized text, not in the text as given
};

// An added token as tokenizer.json and tokenizer_config.json write it; flag(name) is a member, if it is
// there.
template <class Flag>
AddedToken make_added_token(std::int32_t id, std::string_view content, const Flag& flag) {
  AddedToken token;
  token.id = id;
  token.content = content;
  token.special = flag("special").value_or(false);
  token.lstrip = flag("lstrip").value_or(false);
  token.rstrip = flag("rstrip").value_or(false);
  token.single_word = flag("single_word").value_or(false);
  token.normalized = flag("normalized").value_or(!token.special);
  return token;
}

// A stretch of text: an added token, or text between them (id -1).
struct TextPart {
  std::int32_t id = -1;
  std::size_t begin = 0, end = 0;  // bytes
};

class AddedTokenMatcher {
 public:
  static constexpr std::size_t kMaxContent = 4096;  // bytes; keeps matching linear in the text

  // Adds `token`, found as `content` in the text (its own content, or that content normalized). An empty
  // content matches nothing.
  void add(const AddedToken& token, std::string_view content);

  // Cuts `text` (valid UTF-8) at the added tokens; special ones are plain text but where
  // reads_special(begin, end) holds for the bytes of their content. The parts cover the text in order, except
  // white space that a token strips; none is empty.
  using ReadsSpecial = std::function<bool(std::size_t begin, std::size_t end)>;
  std::vector<TextPart> split(std::string_view text, const ReadsSpecial& reads_special) const;
  std::vector<TextPart> split(std::string_view text, bool parse_special) const {
    return split(text, [parse_special](std::size_t, std::size_t) { return parse_special; });
  }

 private:
  std::pair<int, std::size_t> longest_match(std::string_view text) const;

  struct Pattern {
    std::int32_t id;
    bool special, lstrip, rstrip, single_word;
  };
  std::vector<Pattern> patterns_;
  // A trie over the contents' bytes: (node * 256 + byte) to node; node 0 is the root.
  std::unordered_map<std::uint64_t, std::uint32_t> edges_;
  std::vector<int> node_pattern_{-1};
  bool starts_[256] = {};
};

}  // namespace refocus
