#include "heads/head_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace refocus {
namespace {

using ::testing::ElementsAre;

std::map<std::int64_t, int> by_layer(const HeadSet& heads) {
  std::map<std::int64_t, int> out;
  for (const auto& [layer, head] : heads) ++out[layer];
  return out;
}

void expect_others(const HeadSet& drawn, const HeadSet& set) {
  EXPECT_EQ(drawn.size(), set.size());
  EXPECT_TRUE(std::ranges::is_sorted(drawn));
  EXPECT_EQ(std::set<Head>(drawn.begin(), drawn.end()).size(), drawn.size());
  for (const Head& head : drawn) EXPECT_EQ(std::ranges::count(set, head), 0);
}

TEST(RandomHeads, AreOthersAndTheSameForOneSeed) {
  const HeadSet set = {{0, 1}, {2, 0}, {2, 3}};
  for (const RandomHeads kind : {RandomHeads::kAny, RandomHeads::kSameLayers}) {
    std::set<HeadSet> drawn;
    for (int number = 0; number < 20; ++number) {
      const HeadSet heads = random_heads(kind, set, all_heads(4, 5), 7, number);
      expect_others(heads, set);
      EXPECT_EQ(heads, random_heads(kind, set, all_heads(4, 5), 7, number));
      drawn.insert(heads);
    }
    EXPECT_GT(drawn.size(), 10u);
  }
}

TEST(RandomHeads, OfTheSameLayersAreAsManyInEach) {
  const HeadSet set = {{0, 1}, {2, 0}, {2, 3}};
  bool elsewhere = false;
  for (int number = 0; number < 20; ++number) {
    EXPECT_EQ(by_layer(random_heads(RandomHeads::kSameLayers, set, all_heads(4, 5), 0, number)),
              by_layer(set));
    elsewhere |= by_layer(random_heads(RandomHeads::kAny, set, all_heads(4, 5), 0, number)) != by_layer(set);
  }
  EXPECT_TRUE(elsewhere);
}

TEST(RandomHeads, WhereALayerHasTooFewTheRestAreAny) {
  const HeadSet set = {{1, 0}, {1, 1}, {1, 2}};
  for (int number = 0; number < 20; ++number) {
    const HeadSet heads = random_heads(RandomHeads::kSameLayers, set, all_heads(3, 4), 0, number);
    expect_others(heads, set);
    EXPECT_EQ(std::ranges::count(heads, Head{1, 3}), 1);
  }
  EXPECT_THAT(random_heads(RandomHeads::kSameLayers, {{0, 0}}, all_heads(2, 1), 0, 0),
              ElementsAre(Head{1, 0}));
}

}  // namespace
}  // namespace refocus
