#include "tokenizer/bpe.h"

#include <bit>
#include <limits>
#include <queue>

#include "base/error.h"
#include "base/utf8.h"

namespace refocus {
namespace {

constexpr std::uint64_t kEmpty = ~std::uint64_t{0};  // no pair: ids are never negative
// Up to this many symbols, scanning all pairs for the best is faster than keeping them in a queue.
constexpr std::size_t kShort = 24;

std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return (std::uint64_t{static_cast<std::uint32_t>(left)} << 32) | static_cast<std::uint32_t>(right);
}

std::uint64_t mix(std::uint64_t x) {
  x ^= x >> 32;
  x *= 0x9E3779B97F4A7C15ULL;
  return x ^ (x >> 29);
}

}  // namespace

Bpe::Bpe(std::string where, StringToId pieces, const std::vector<Merge>& merges, const BpeOptions& options)
    : where_(std::move(where)), pieces_(std::move(pieces)), options_(options) {
  single_byte_.fill(-1);
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const auto found = pieces_.find(std::string_view(&c, 1));
    if (found != pieces_.end()) single_byte_[static_cast<std::size_t>(byte)] = found->second;
  }
  const std::size_t size = std::bit_ceil(2 * merges.size() + 2);
  slots_.assign(size, {kEmpty, {0, 0}});
  mask_ = size - 1;
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    add_merge(merges[rank], static_cast<std::int32_t>(rank));
  }
}

void Bpe::add_merge(const Merge& merge, std::int32_t rank) {
  const std::uint64_t key = pair_key(merge.left, merge.right);
  std::uint64_t at = mix(key) & mask_;
  while (slots_[at].key != kEmpty && slots_[at].key != key) at = (at + 1) & mask_;
  slots_[at] = {key, {rank, merge.result}};  // the last of equal merges counts, as in Hugging Face tokenizers
}

const Bpe::Target* Bpe::find_merge(std::int32_t left, std::int32_t right) const {
  const std::uint64_t key = pair_key(left, right);
  for (std::uint64_t at = mix(key) & mask_; slots_[at].key != kEmpty; at = (at + 1) & mask_) {
    if (slots_[at].key == key) return &slots_[at].target;
  }
  return nullptr;
}

// The word's characters (or bytes) as ids.
void Bpe::initial_symbols(std::string_view word, std::vector<std::int32_t>& symbols) const {
  symbols.reserve(word.size());
  bool last_unknown = false;
  while (!word.empty()) {
    const std::size_t length = options_.byte_level ? 1 : static_cast<std::size_t>(utf8_step(word).length);
    const std::string_view character = word.substr(0, length);
    word.remove_prefix(length);
    std::int32_t id = -1;
    if (length == 1) {
      id = single_byte_[static_cast<unsigned char>(character[0])];
    } else if (const auto found = pieces_.find(character); found != pieces_.end()) {
      id = found->second;
    }
    const bool unknown = id < 0;
    if (!unknown) {
      symbols.push_back(id);
    } else if (options_.byte_tokens[0] >= 0) {
      for (const char c : character) symbols.push_back(options_.byte_tokens[static_cast<unsigned char>(c)]);
    } else if (options_.unknown < 0) {
      throw input_error(where_,
                        "expected text whose characters have tokens, got '{}'; use a model that knows it",
                        printable(options_.byte_level
                                      ? fmt::format("byte 0x{:02x}", static_cast<unsigned char>(character[0]))
                                      : std::string(character)));
    } else if (!(options_.fuse_unknown && last_unknown)) {
      symbols.push_back(options_.unknown);
    }
    last_unknown = unknown && options_.byte_tokens[0] < 0;
  }
}

void Bpe::merge_short(std::vector<std::int32_t>& symbols) const {
  // targets[i] is the merge of symbols i and i + 1.
  const Target* targets[kShort];
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i) targets[i] = find_merge(symbols[i], symbols[i + 1]);
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
    if (best > 0) targets[best - 1] = find_merge(symbols[best - 1], symbols[best]);
    if (best + 1 < symbols.size()) targets[best] = find_merge(symbols[best], symbols[best + 1]);
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
        find_merge(symbols[static_cast<std::size_t>(left)], symbols[static_cast<std::size_t>(right)]);
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
    if (const auto found = pieces_.find(word); found != pieces_.end()) {
      ids.push_back(found->second);
      return;
    }
  }
  std::vector<std::int32_t> symbols;
  initial_symbols(word, symbols);
  if (symbols.size() <= kShort) {
    merge_short(symbols);
  } else {
    merge_long(symbols);
  }
  ids.insert(ids.end(), symbols.begin(), symbols.end());
}

}  // namespace refocus
