#include "tokenizer/piece_map.h"

#include <map>

#include "tokenizer_support.h"

namespace refocus {
namespace {

TEST(PieceMap, FindsWhatAMapDoes) {
  testing::check_property("as a map", [] {
    PieceMap pieces;
    std::map<std::string, std::int32_t> expected;
    std::vector<std::string> order;
    if (*rc::gen::arbitrary<bool>()) pieces.reserve(*rc::gen::inRange<std::size_t>(0, 400));
    // Few letters of few kinds, so that pieces come again; NUL and the empty piece too.
    const auto text = rc::gen::resize(4, rc::gen::container<std::string>(rc::gen::element('a', 'b', '\0')));
    const auto steps = *rc::gen::container<std::vector<std::tuple<std::string, std::int32_t, bool>>>(
        rc::gen::tuple(text, rc::gen::inRange(0, 1000), rc::gen::arbitrary<bool>()));
    for (const auto& [piece, id, replaces] : steps) {
      if (!expected.contains(piece)) order.push_back(piece);
      if (replaces) {
        pieces.assign(piece, id);
        expected.insert_or_assign(piece, id);
      } else {
        pieces.insert(piece, id);
        expected.try_emplace(piece, id);
      }
    }
    RC_ASSERT(pieces.size() == order.size());
    for (std::size_t place = 0; place < order.size(); ++place) {
      RC_ASSERT(pieces.piece(place) == order[place]);
      RC_ASSERT(pieces.id(place) == expected.at(order[place]));
      RC_ASSERT(pieces.find(order[place]) == std::optional(expected.at(order[place])));
    }
    const std::string other = *text;
    RC_ASSERT(pieces.find(other).has_value() == expected.contains(other));
  });
}

// So many that some have the same 32 bits of hash.
TEST(PieceMap, HoldsManyPiecesWithoutKnowingTheirNumber) {
  PieceMap pieces;
  for (std::int32_t id = 0; id < 300'000; ++id) pieces.insert(std::to_string(id), id);
  for (std::int32_t id = 0; id < 300'000; ++id) ASSERT_EQ(pieces.find(std::to_string(id)), id);
  EXPECT_EQ(pieces.find("300000"), std::nullopt);
}

TEST(PieceMap, AnEmptyOneFindsNothing) { EXPECT_EQ(PieceMap().find(""), std::nullopt); }

}  // namespace
}  // namespace refocus
