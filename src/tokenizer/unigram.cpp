#include "tokenizer/unigram.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "base/utf8.h"

namespace refocus {
namespace {

constexpr double kUnknownPenalty = 10;  // an unknown character is so much worse than the worst piece

std::size_t total_size(const std::vector<Unigram::Piece>& pieces) {
  std::size_t size = 0;
  for (const Unigram::Piece& piece : pieces) size += piece.text.size();
  return size;
}

}  // namespace

Unigram::Unigram(std::string where, const std::vector<Piece>& pieces, std::optional<std::int32_t> unknown,
                 bool byte_fallback)
    : where_(std::move(where)), edges_(total_size(pieces)), node_piece_{-1}, unknown_(unknown) {
  ids_.reserve(pieces.size());
  double lowest = std::numeric_limits<double>::infinity();
  for (std::size_t id = 0; id < pieces.size(); ++id) {
    const Piece& piece = pieces[id];
    scores_.push_back(piece.score);
    lowest = std::min(lowest, piece.score);
    ids_.assign(piece.text, static_cast<std::int32_t>(id));
    if (piece.text.empty()) continue;
    std::int32_t node = 0;
    for (const char c : piece.text) {
      const auto byte = static_cast<std::int32_t>(static_cast<unsigned char>(c));
      const std::int32_t* next = edges_.find(node, byte);
      if (next == nullptr) {
        edges_.set(node, byte, static_cast<std::int32_t>(node_piece_.size()));
        node = static_cast<std::int32_t>(node_piece_.size());
        node_piece_.push_back(-1);
      } else {
        node = *next;
      }
    }
    node_piece_[static_cast<std::size_t>(node)] = static_cast<std::int32_t>(id);
  }
  unknown_score_ = lowest - kUnknownPenalty;
  byte_tokens_.fill(-1);
  for (std::size_t byte = 0; byte_fallback && byte < 256; ++byte) {
    byte_tokens_[byte] = ids_.find(fmt::format("<0x{:02X}>", byte)).value_or(-1);
  }
}

// Extends the best path that ends at `at` by every piece that begins there.
void Unigram::extend(std::string_view word, std::size_t at, std::vector<Best>& best) const {
  const double score = best[at].score;
  const std::size_t one = at + static_cast<std::size_t>(utf8_step(word.substr(at)).length);
  const auto offer = [&](std::size_t end, double candidate, std::int32_t id) {
    if (best[end].from < 0 || candidate > best[end].score)
      best[end] = {candidate, static_cast<std::int64_t>(at), id};
  };
  bool single = false;
  std::int32_t node = 0;
  for (std::size_t end = at; end < word.size();) {
    const std::int32_t* next = edges_.find(node, static_cast<unsigned char>(word[end]));
    if (next == nullptr) break;
    node = *next;
    ++end;
    const std::int32_t id = node_piece_[static_cast<std::size_t>(node)];
    if (id < 0) continue;
    offer(end, scores_[static_cast<std::size_t>(id)] + score, id);
    single = single || end == one;
  }
  if (single) return;
  if (!unknown_) {
    throw input_error(where_,
                      "expected text whose characters have tokens, got '{}'; use a model that knows it",
                      printable(word.substr(at, one - at)));
  }
  offer(one, unknown_score_ + score, *unknown_);
}

// Unknown characters in a row are one unknown text.
void Unigram::append_unknown(std::string_view text, std::vector<std::int32_t>& ids) const {
  const auto token = [&](char c) { return byte_tokens_[static_cast<unsigned char>(c)]; };
  if (const auto id = ids_.find(text)) {
    ids.push_back(*id);
  } else if (std::all_of(text.begin(), text.end(), [&](char c) { return token(c) >= 0; })) {
    for (const char c : text) ids.push_back(token(c));
  } else {
    ids.push_back(*unknown_);
  }
}

void Unigram::encode(std::string_view word, std::vector<std::int32_t>& ids) const {
  if (word.empty()) return;
  std::vector<Best> best(word.size() + 1);
  for (std::size_t at = 0; at < word.size();) {
    extend(word, at, best);
    at += static_cast<std::size_t>(utf8_step(word.substr(at)).length);
  }
  std::vector<std::pair<std::size_t, std::size_t>> pieces;  // [begin, end), from the last one on
  std::vector<bool> unknown;
  for (std::size_t end = word.size(); end > 0;) {
    const Best& last = best[end];
    const auto begin = static_cast<std::size_t>(last.from);
    const bool is_unknown = unknown_ && last.id == *unknown_;
    if (is_unknown && !unknown.empty() && unknown.back()) {
      pieces.back().first = begin;
    } else {
      pieces.emplace_back(begin, end);
      unknown.push_back(is_unknown);
    }
    end = begin;
  }
  for (std::size_t i = pieces.size(); i-- > 0;) {
    const auto [begin, end] = pieces[i];
    const std::string_view text = word.substr(begin, end - begin);
    if (unknown[i]) {
      append_unknown(text, ids);
    } else {
      ids.push_back(*ids_.find(text));
    }
  }
}

}  // namespace refocus
