#include "base/random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace refocus {
namespace {

std::vector<std::size_t> places(const std::vector<bool>& chosen) {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    if (chosen[i]) out.push_back(i);
  }
  return out;
}

TEST(Random, SetsAreAsLargeAsAskedAndAllOfThemAreDrawn) {
  constexpr int kDraws = 20'000;
  std::map<std::vector<std::size_t>, int> found;
  for (int d = 0; d < kDraws; ++d) {
    const auto set = places(drawn_of(5, 2, SplitMix64(seed_of(3, static_cast<std::uint64_t>(d)))));
    ASSERT_EQ(set.size(), 2u);
    ++found[set];
  }
  ASSERT_EQ(found.size(), 10u);
  // Binomial with p = 0.1: 2000 and a standard deviation of 42.
  for (const auto& [set, count] : found) EXPECT_NEAR(count, kDraws / 10, 5 * 42);
}

TEST(Random, SetsOfAllAndOfNone) {
  EXPECT_EQ(drawn_of(4, 4, SplitMix64(1)), std::vector<bool>(4, true));
  EXPECT_EQ(drawn_of(4, 9, SplitMix64(1)), std::vector<bool>(4, true));
  EXPECT_EQ(drawn_of(4, 0, SplitMix64(1)), std::vector<bool>(4, false));
  EXPECT_TRUE(drawn_of(0, 3, SplitMix64(1)).empty());
}

TEST(Random, SeedsOfPlacesDiffer) {
  std::set<std::uint64_t> seen;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    for (std::uint64_t place = 0; place < 50; ++place) seen.insert(seed_of(seed, place));
  }
  EXPECT_EQ(seen.size(), 2500u);
  EXPECT_EQ(SplitMix64(0).next(), 0xe220a8397b1dcdafu) << "the published generator's first number";
}

}  // namespace
}  // namespace refocus
