// The Jensen-Shannon divergence of maps, against values worked out by hand.
#include "analyze/map_divergence.h"

#include <gtest/gtest.h>

#include <cmath>
#include <initializer_list>
#include <utility>

namespace refocus {
namespace {

struct Row {
  std::initializer_list<std::pair<std::int32_t, float>> entries;
  float rest = 0;
};

MapRows map_of(std::initializer_list<Row> rows) {
  MapRows map;
  for (const Row& row : rows) {
    for (const auto& [key, weight] : row.entries) {
      map.keys.push_back(key);
      map.weights.push_back(weight);
    }
    map.offsets.push_back(static_cast<std::int64_t>(map.keys.size()));
    map.rest.push_back(row.rest);
  }
  return map;
}

constexpr double kLn2 = 0.693147180559945;
// Of (1, 0) and (1/2, 1/2): H(3/4, 1/4) - ln 2 / 2.
const double kHalf = -0.75 * std::log(0.75) - 0.25 * std::log(0.25) - kLn2 / 2;

TEST(MapDivergence, IsThatOfRowsInNats) {
  const MapRows one = map_of({{{{0, 1.0f}, {1, 0.0f}}}}), both = map_of({{{{0, 0.5f}, {1, 0.5f}}}});
  EXPECT_DOUBLE_EQ(*mean_divergence(one, one), 0);
  EXPECT_NEAR(*mean_divergence(one, both), kHalf, 1e-12);
  EXPECT_NEAR(*mean_divergence(both, one), kHalf, 1e-12) << "the same in both directions";
  EXPECT_NEAR(*mean_divergence(one, map_of({{{{0, 0.0f}, {1, 1.0f}}}})), kLn2, 1e-12) << "no key in common";
}

TEST(MapDivergence, DividesRowsByTheirSums) {
  const MapRows one = map_of({{{{0, 3.0f}, {1, 0.0f}}}}), both = map_of({{{{0, 0.1f}, {1, 0.1f}}}});
  EXPECT_NEAR(*mean_divergence(one, both), kHalf, 1e-7);
}

TEST(MapDivergence, IsTheMeanOfTheRowsThatHaveWeight) {
  const MapRows a = map_of({{{{0, 1.0f}}}, {{{0, 1.0f}, {1, 0.0f}}}, {{{0, 0.0f}}}});
  const MapRows b = map_of({{{{0, 1.0f}}}, {{{0, 0.5f}, {1, 0.5f}}}, {{{0, 1.0f}}}});
  EXPECT_NEAR(*mean_divergence(a, b), kHalf / 2, 1e-12) << "the third is a row of zeros";
  EXPECT_FALSE(mean_divergence(map_of({{{{0, 0.0f}}}}), map_of({{{{0, 1.0f}}}})).has_value());
}

// What only one map keeps is, with the rest, one key more: no more than all keys would give.
TEST(MapDivergence, PutsWhatOneMapLacksIntoTheRest) {
  const MapRows a = map_of({{{{0, 0.5f}, {2, 0.25f}}, 0.25f}});
  const MapRows b = map_of({{{{0, 0.25f}, {1, 0.5f}}, 0.25f}});
  // (1/2, 1/2) and (1/4, 3/4)
  const double wanted = -0.375 * std::log(0.375) - 0.625 * std::log(0.625) -
                        (kLn2 - 0.25 * std::log(0.25) - 0.75 * std::log(0.75)) / 2;
  EXPECT_NEAR(*mean_divergence(a, b), wanted, 1e-12);
  EXPECT_DOUBLE_EQ(*mean_divergence(map_of({{{}, 1.0f}}), map_of({{{}, 0.5f}})), 0);
}

TEST(MapDivergence, TakesAWeightWithAnotherSignForAnotherKey) {
  const MapRows plus = map_of({{{{0, 0.5f}, {1, 0.5f}}}}), turned = map_of({{{{0, -0.5f}, {1, -0.5f}}}});
  EXPECT_NEAR(*mean_divergence(plus, turned), kLn2, 1e-12);
  EXPECT_DOUBLE_EQ(*mean_divergence(turned, turned), 0);
}

}  // namespace
}  // namespace refocus
