#include "tokenizer/bpe.h"

#include <limits>

#include "tokenizer_support.h"

namespace refocus {
namespace {

using testing::Ids;

PieceMap pieces_of(const std::vector<std::pair<const char*, std::int32_t>>& list) {
  PieceMap pieces;
  for (const auto& [piece, id] : list) pieces.insert(piece, id);
  return pieces;
}

// A random BPE model over the letters a..d, kept with what a plain re-reading of the definition needs.
struct RandomModel {
  PieceMap pieces;
  std::vector<std::string> texts;  // of each id
  std::vector<Bpe::Merge> merges;
};

RandomModel random_model() {
  RandomModel model;
  const auto add = [&](const std::string& text) {
    model.pieces.insert(text, static_cast<std::int32_t>(model.texts.size()));
    if (model.pieces.size() > model.texts.size()) model.texts.push_back(text);
    return *model.pieces.find(text);
  };
  for (const char* letter : {"a", "b", "c", "d"}) add(letter);
  const int count = *rc::gen::inRange(0, 40);
  for (int i = 0; i < count; ++i) {
    const auto any = rc::gen::inRange<std::int32_t>(0, static_cast<std::int32_t>(model.texts.size()));
    const std::int32_t left = *any, right = *any;
    const std::string joined =
        model.texts[static_cast<std::size_t>(left)] + model.texts[static_cast<std::size_t>(right)];
    if (joined.size() <= 12) model.merges.push_back({left, right, add(joined)});
  }
  return model;
}

// The definition, word by word: as long as a pair is known, merge the leftmost of lowest rank.
Ids plain_bpe(const RandomModel& model, const std::string& word) {
  Ids symbols;
  for (const char c : word) symbols.push_back(*model.pieces.find(std::string(1, c)));
  while (true) {
    std::size_t best = 0, best_rank = model.merges.size();
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      // Of equal merges the last counts.
      for (std::size_t rank = model.merges.size(); rank-- > 0;) {
        if (model.merges[rank].left != symbols[i] || model.merges[rank].right != symbols[i + 1]) continue;
        if (rank < best_rank) best = i, best_rank = rank;
        break;
      }
    }
    if (best_rank == model.merges.size()) return symbols;
    symbols[best] = model.merges[best_rank].result;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

BpeOptions plain_options() {
  BpeOptions options;
  options.byte_tokens.fill(-1);
  return options;
}

TEST(Bpe, MergesAsDefinedAtEveryLength) {
  testing::check_property("equal to the definition", [] {
    const RandomModel model = random_model();
    const Bpe bpe(model.pieces, model.merges, plain_options());
    // Short words are merged by scanning, long ones by a queue.
    const auto word =
        *rc::gen::resize(100, rc::gen::container<std::string>(rc::gen::element('a', 'b', 'c', 'd')));
    Ids ids;
    bpe.encode(word, ids);
    RC_ASSERT(ids == plain_bpe(model, word));
  });
}

TEST(Bpe, GoesOnAlikeWhereScanningEndsAndTheQueueBegins) {
  RandomModel model;
  model.pieces = pieces_of({{"a", 0}, {"aa", 1}, {"aaaa", 2}, {"b", 3}, {"ab", 4}});
  model.merges = {{0, 0, 1}, {1, 1, 2}, {0, 3, 4}};
  const Bpe bpe(model.pieces, model.merges, plain_options());
  for (std::size_t length = 0; length < 60; ++length) {
    const std::string word = std::string(length, 'a') + "b";
    Ids ids;
    bpe.encode(word, ids);
    EXPECT_EQ(ids, plain_bpe(model, word));
  }
}

TEST(Bpe, UnknownCharacters) {
  const PieceMap pieces = pieces_of({{"?", 0}, {"a", 1}, {"<0xC3>", 2}});
  BpeOptions options = plain_options();
  const auto encode = [&](const char* text) {
    Ids ids;
    Bpe(pieces, {}, options).encode(text, ids);
    return ids;
  };
  EXPECT_EQ(encode("aéa"), (Ids{1, 1}));  // nothing stands for it
  options.unknown = 0;
  EXPECT_EQ(encode("éèaé"), (Ids{0, 0, 1, 0}));
  options.fuse_unknown = true;
  EXPECT_EQ(encode("éèaé"), (Ids{0, 1, 0}));
  for (int byte = 0; byte < 256; ++byte) options.byte_tokens[static_cast<std::size_t>(byte)] = 1000 + byte;
  EXPECT_EQ(encode("éa"), (Ids{1000 + 0xC3, 1000 + 0xA9, 1}));
  options.byte_tokens[0xA9] = -1;  // without one of its bytes a character is unknown
  EXPECT_EQ(encode("éa"), (Ids{0, 1}));
  EXPECT_EQ(encode("éèa"), (Ids{1000 + 0xC3, 1000 + 0xA8, 0, 1})) << "bytes come before unknown text";
}

TEST(Bpe, LongWordsMergeByteAndUnknownTokensToo) {
  // Such tokens are not spelled like the characters they stand for, so a word must not be cut by characters.
  const PieceMap pieces =
      pieces_of({{"?", 0}, {"a", 1}, {"<0xC3>", 2}, {"<0xA9>", 3}, {"<0xC3><0xA9>", 4}, {"??", 5}});
  const std::vector<Bpe::Merge> merges{{2, 3, 4}, {0, 0, 5}};
  BpeOptions options = plain_options();
  options.unknown = 0;
  std::string word;
  for (int i = 0; i < 40; ++i) word += "é";
  Ids ids;
  Bpe(pieces, merges, options).encode(word, ids);
  EXPECT_EQ(ids, Ids(20, 5));
  options.byte_tokens.fill(1);
  options.byte_tokens[0xC3] = 2;
  options.byte_tokens[0xA9] = 3;
  ids.clear();
  Bpe(pieces, merges, options).encode(word, ids);
  EXPECT_EQ(ids, Ids(40, 4));
}

}  // namespace
}  // namespace refocus
