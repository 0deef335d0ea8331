#include "eval/run/perplexity_text.h"

#include <algorithm>

#include "base/error.h"
#include "base/text_file.h"
#include "base/utf8.h"

namespace refocus {

namespace fs = std::filesystem;

std::string read_perplexity_text(const fs::path& file) {
  const std::string bytes = read_binary_file(file);
  std::string text(without_byte_order_mark(bytes, file.string()));
  if (text.empty()) throw input_error(file.string(), "expected a text, got an empty file; name another");
  for (std::string_view rest = text; !rest.empty();) {
    const Utf8Step step = utf8_step(rest);
    if (step.status != Utf8Status::kValid) {
      throw input_error(file.string(),
                        "expected UTF-8, got an invalid sequence at byte {}; convert the file, as with "
                        "iconv -f ENCODING -t UTF-8",
                        bytes.size() - rest.size());
    }
    rest.remove_prefix(static_cast<std::size_t>(step.length));
  }
  return text;
}

std::vector<std::int32_t> perplexity_tokens(const fs::path& file, const std::string& text,
                                            const Tokenizer& tokenizer) {
  std::vector<std::int32_t> tokens = tokenizer.encode_prompt(text);
  if (tokens.size() < 2) {
    throw input_error(file.string(),
                      "expected a text of at least 2 tokens, got {}; only tokens that stand after another "
                      "are scored, give a longer text",
                      tokens.size());
  }
  return tokens;
}

namespace {

// Bytes of the text that its token at `index` stands for.
std::size_t bytes_of_token(const std::string& text, std::span<const std::int32_t> tokens, std::size_t index,
                           const Tokenizer& tokenizer) {
  const std::int32_t token = tokens[index];
  if (tokenizer.is_special(token)) return 0;
  std::string_view bytes = tokenizer.token_bytes(token);
  // The first token may begin with a space that the tokenizer put before the text.
  if (index == 0 && bytes.starts_with(' ') && !text.starts_with(bytes)) bytes.remove_prefix(1);
  return bytes.size();
}

}  // namespace

std::int64_t counted_bytes(const std::string& text, std::span<const std::int32_t> tokens,
                           std::span<const TextWindow> windows, const Tokenizer& tokenizer) {
  std::size_t bytes = text.size(), scored = 0;
  const auto leave_out = [&](std::size_t end) {
    for (; scored < end; ++scored) bytes -= std::min(bytes, bytes_of_token(text, tokens, scored, tokenizer));
  };
  for (const TextWindow& window : windows) {
    leave_out(static_cast<std::size_t>(window.first_counted));
    scored = static_cast<std::size_t>(window.end);
  }
  leave_out(tokens.size());
  return static_cast<std::int64_t>(bytes);
}

void check_same_tokens(const std::string& where, const Tokenizer& tokenizer, const Tokenizer& other,
                       std::span<const std::int32_t> tokens, std::span<const std::int32_t> theirs) {
  constexpr const char* kRemedy = "compare models that share a tokenizer";
  const std::int32_t both = std::min(tokenizer.vocab_size(), other.vocab_size());
  for (std::int32_t id = 0; id < both; ++id) {
    if (!tokenizer.contains(id) || !other.contains(id) || tokenizer.piece(id) == other.piece(id)) continue;
    throw input_error(where, "expected the vocabulary of -m, got '{}' as token {}, which is '{}' there; {}",
                      printable(other.piece(id)), id, printable(tokenizer.piece(id)), kRemedy);
  }
  const auto [at, their_at] = std::mismatch(tokens.begin(), tokens.end(), theirs.begin(), theirs.end());
  if (at == tokens.end() && their_at == theirs.end()) return;
  const auto shown = [](auto it, auto end) { return it == end ? "no token" : std::to_string(*it); };
  throw input_error(
      where,
      "expected -m's tokens of the text, got {} in place of {} at token {}, though their pieces agree; {}",
      shown(their_at, theirs.end()), shown(at, tokens.end()), at - tokens.begin(), kRemedy);
}

}  // namespace refocus
