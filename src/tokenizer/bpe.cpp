#include "tokenizer/bpe.h"

#include <algorithm>
#include <limits>
#include <queue>
#include <unordered_set>

#include "base/utf8.h"

namespace refocus {
namespace {

// Up to this many symbols, scanning all pairs for the best is faster than keeping them in a queue.
constexpr std::size_t kShort = 24;

}  // namespace

Bpe::Bpe(PieceMap pieces, const std::vector<Merge>& merges, const BpeOptions& options)
    : pieces_(std::move(pieces)),
      options_(options),
      merges_(merges.size()),
      junctions_(options.byte_level ? std::min<std::size_t>(merges.size(), 65536) : merges.size()) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    single_byte_[static_cast<std::size_t>(byte)] = pieces_.find(std::string_view(&c, 1)).value_or(-1);
  }
  // The last of equal merges counts, as in Hugging Face tokenizers.
  std::int32_t rank = 0;
  for (const Merge& merge : merges) merges_.set(merge.left, merge.right, {rank++, merge.result});
  find_junctions(merges);
}

// A merge joins a run of initial symbols that ends in its left piece's last character with one that starts
// with its right piece's first: that holds as long as each initial symbol is the piece of its character, and
// so not where a merge takes a byte token or the unknown token.
void Bpe::find_junctions(const std::vector<Merge>& merges) {
  std::vector<std::string_view> texts;  // by id; empty where there is none
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    const auto id = static_cast<std::size_t>(pieces_.id(i));
    if (id >= texts.size()) texts.resize(id + 1);
    texts[id] = pieces_.piece(i);
  }
  const auto text_of = [&](std::int32_t id) {
    const auto place = static_cast<std::size_t>(id);
    return place < texts.size() ? texts[place] : std::string_view();
  };
  std::unordered_set<std::int32_t> not_characters(options_.byte_tokens.begin(), options_.byte_tokens.end());
  not_characters.insert(options_.unknown);
  const auto symbol = [&](std::string_view character) {
    if (character.size() == 1) return single_byte_[static_cast<unsigned char>(character[0])];
    return pieces_.find(character).value_or(-1);
  };
  for (const Merge& merge : merges) {
    const std::string_view left = text_of(merge.left), right = text_of(merge.right);
    const bool spelled = !left.empty() && !right.empty();
    if (!spelled || not_characters.contains(merge.left) || not_characters.contains(merge.right)) {
      can_cut_ = false;
      return;
    }
    const bool bytes = options_.byte_level;
    const std::size_t last = bytes ? left.size() - 1 : last_code_point(left);
    const std::size_t first = bytes ? 1 : static_cast<std::size_t>(utf8_step(right).length);
    const std::int32_t before = symbol(left.substr(last)), after = symbol(right.substr(0, first));
    if (before >= 0 && after >= 0) junctions_.set(before, after, {});  // otherwise it can never come about
  }
}

// Appends the character's byte tokens; false, and nothing, where one of its bytes has none.
bool Bpe::append_bytes(std::string_view character, std::vector<std::int32_t>& symbols) const {
  const auto token = [&](char c) { return options_.byte_tokens[static_cast<unsigned char>(c)]; };
  if (!std::all_of(character.begin(), character.end(), [&](char c) { return token(c) >= 0; })) return false;
  for (const char c : character) symbols.push_back(token(c));
  return true;
}

// The word's characters (or bytes) as ids.
void Bpe::initial_symbols(std::string_view word, std::vector<std::int32_t>& symbols) const {
  symbols.reserve(word.size());
  // The unknown token waits for a character with a piece, or for the next unknown one: the tokens of bytes
  // come before it, as in Hugging Face tokenizers.
  bool unknown_waits = false;
  const auto end_unknown = [&] {
    if (unknown_waits) symbols.push_back(options_.unknown);
    unknown_waits = false;
  };
  while (!word.empty()) {
    const std::size_t length = options_.byte_level ? 1 : static_cast<std::size_t>(utf8_step(word).length);
    const std::string_view character = word.substr(0, length);
    word.remove_prefix(length);
    const std::int32_t id = length == 1 ? single_byte_[static_cast<unsigned char>(character[0])]
                                        : pieces_.find(character).value_or(-1);
    if (id >= 0) {
      end_unknown();
      symbols.push_back(id);
    } else if (!append_bytes(character, symbols) && options_.unknown >= 0) {
      if (!options_.fuse_unknown) end_unknown();
      unknown_waits = true;
    }
  }
  end_unknown();
}

void Bpe::merge(std::vector<std::int32_t>& symbols) const {
  if (symbols.size() <= kShort) {
    merge_short(symbols);
  } else {
    merge_long(symbols);
  }
}

void Bpe::merge_short(std::vector<std::int32_t>& symbols) const {
  // targets[i] is the merge of symbols i and i + 1.
  const Target* targets[kShort];
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i) targets[i] = merges_.find(symbols[i], symbols[i + 1]);
  while (symbols.size() > 1) {
    std::size_t best = 0;
    std::int32_t best_rank = std::numeric_limits<std::int32_t>::max();
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      if (targets[i] != nullptr && targets[i]->rank < best_rank) {
        best = i;
        best_rank = targets[i]->rank;
      }
    }
    if (best_rank == std::numeric_limits<std::int32_t>::max()) return;
    symbols[best] = targets[best]->result;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    for (std::size_t i = best + 1; i + 1 < symbols.size(); ++i) targets[i] = targets[i + 1];
    if (best > 0) targets[best - 1] = merges_.find(symbols[best - 1], symbols[best]);
    if (best + 1 < symbols.size()) targets[best] = merges_.find(symbols[best], symbols[best + 1]);
  }
}

void Bpe::merge_long(std::vector<std::int32_t>& symbols) const {
  struct Candidate {
    std::int32_t rank;
    std::int32_t left, right;        // places of the two symbols
    std::int32_t left_id, right_id;  // what they were: a candidate is stale where they changed
    std::int32_t result;
  };
  const auto later = [](const Candidate& a, const Candidate& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
  };
  const auto count = static_cast<std::int32_t>(symbols.size());
  std::vector<std::int32_t> next(symbols.size()), previous(symbols.size());
  std::vector<Candidate> storage;
  storage.reserve(symbols.size());
  const auto candidate = [&](std::int32_t left, std::int32_t right) -> std::optional<Candidate> {
    const Target* target =
        merges_.find(symbols[static_cast<std::size_t>(left)], symbols[static_cast<std::size_t>(right)]);
    if (target == nullptr) return std::nullopt;
    return Candidate{target->rank,
                     left,
                     right,
                     symbols[static_cast<std::size_t>(left)],
                     symbols[static_cast<std::size_t>(right)],
                     target->result};
  };
  for (std::int32_t i = 0; i < count; ++i) {
    next[static_cast<std::size_t>(i)] = i + 1 < count ? i + 1 : -1;
    previous[static_cast<std::size_t>(i)] = i - 1;
    if (i + 1 >= count) continue;
    if (const auto c = candidate(i, i + 1)) storage.push_back(*c);
  }
  std::priority_queue<Candidate, std::vector<Candidate>, decltype(later)> queue(later, std::move(storage));
  while (!queue.empty()) {
    const Candidate top = queue.top();
    queue.pop();
    const auto left = static_cast<std::size_t>(top.left), right = static_cast<std::size_t>(top.right);
    if (symbols[left] != top.left_id || symbols[right] != top.right_id || next[left] != top.right) continue;
    symbols[left] = top.result;
    symbols[right] = -1;  // gone
    next[left] = next[right];
    if (next[left] >= 0) previous[static_cast<std::size_t>(next[left])] = top.left;
    if (previous[left] >= 0) {
      if (const auto c = candidate(previous[left], top.left)) queue.push(*c);
    }
    if (next[left] >= 0) {
      if (const auto c = candidate(top.left, next[left])) queue.push(*c);
    }
  }
  std::erase(symbols, -1);
}

void Bpe::encode(std::string_view word, std::vector<std::int32_t>& ids) const {
  if (word.empty()) return;
  if (options_.ignore_merges) {
    if (const auto id = pieces_.find(word)) {
      ids.push_back(*id);
      return;
    }
  }
  std::vector<std::int32_t> symbols;
  initial_symbols(word, symbols);
  if (symbols.size() <= kShort || !can_cut_) {
    merge(symbols);
    ids.insert(ids.end(), symbols.begin(), symbols.end());
    return;
  }
  std::vector<std::int32_t> part;
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    part.push_back(symbols[i]);
    if (i + 1 < symbols.size() && junctions_.find(symbols[i], symbols[i + 1]) != nullptr) continue;
    merge(part);
    ids.insert(ids.end(), part.begin(), part.end());
    part.clear();
  }
}

}  // namespace refocus
