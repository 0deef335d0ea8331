// rebalance:mode=random: as many keys as M has, drawn by seed, head and position alone.
#include <numeric>

#include "intervene/rebalance.h"
#include "support.h"

namespace refocus {
namespace {

using ::testing::ElementsAre;
using Mask = std::vector<std::int32_t>;

constexpr std::int64_t kHeads = 6;

// A row whose first `heavy` keys from `first_key` on have all the weight.
struct HeavyRow {
  std::vector<float> weights;
  EditableRow row;

  HeavyRow(std::int64_t position, std::int64_t head, std::int64_t heavy, std::int64_t first_key = 0)
      : weights(static_cast<std::size_t>(position) + 1, 0.0f) {
    for (std::int64_t j = 0; j < heavy; ++j) weights[static_cast<std::size_t>(first_key + j)] = 1;
    row.at = {0, position, head, 0};
    row.weights = weights;
    row.sum = static_cast<float>(heavy);
    row.first_key = first_key;
  }
};

Mask mask_of(const char* text, HeavyRow heavy) {
  Rebalance rebalance(*parse_intervention(text).rebalance(), {4, kHeads, 1});
  rebalance.observe(heavy.row);
  return rebalance.mask(0, heavy.row.at.head);
}

// By the same definition in Python: SplitMix64 of seed, head and position one after the other, and Floyd's
// sampling.
TEST(RandomMask, IsWhatItsDefinitionSays) {
  EXPECT_THAT(mask_of("rebalance:mode=random", {10, 0, 3}), ElementsAre(0, 2, 4));
  EXPECT_THAT(mask_of("rebalance:mode=random", {10, 1, 3}), ElementsAre(0, 7, 8));
  EXPECT_THAT(mask_of("rebalance:mode=random", {11, 0, 3}), ElementsAre(2, 4, 6));
  EXPECT_THAT(mask_of("rebalance:mode=random,seed=1", {10, 0, 3}), ElementsAre(0, 1, 2));
  EXPECT_THAT(mask_of("rebalance:mode=random,seed=0", {10, 0, 3, 4}), ElementsAre(6, 8, 9))
      << "keys before the window are no keys";
  EXPECT_THAT(mask_of("rebalance:mode=random,seed=7", {2000, 5, 6}),
              ElementsAre(193, 897, 1062, 1502, 1588, 1597));
}

TEST(RandomMask, HasAsManyKeysAsLayerZerosMask) {
  for (const std::int64_t heavy : {0, 1, 7, 40, 60}) {
    for (std::int64_t position = heavy; position < 64; ++position) {
      const Mask random = mask_of("rebalance:mode=random,seed=5", {position, 2, heavy});
      EXPECT_EQ(random.size(), mask_of("rebalance", {position, 2, heavy}).size());
      EXPECT_EQ(random.size(), static_cast<std::size_t>(heavy));
      EXPECT_TRUE(std::ranges::is_sorted(random));
      EXPECT_EQ(std::ranges::adjacent_find(random), random.end());
      for (const std::int32_t j : random) EXPECT_TRUE(j >= 0 && j < position);
    }
  }
  // The row's own key and what is at most the threshold do not count.
  HeavyRow own(3, 0, 4);
  EXPECT_EQ(mask_of("rebalance:mode=random", own).size(), 3u);
  EXPECT_TRUE(mask_of("rebalance:mode=random,threshold=0.25", own).empty());
}

TEST(RandomMask, ItsKeysAreMultipliedAndNoOthers) {
  const RebalanceSpec spec = *parse_intervention("rebalance:mode=random,alpha=0.9,seed=3").rebalance();
  Rebalance rebalance(spec, {4, kHeads, 1});
  HeavyRow heavy(12, 4, 5);
  rebalance.observe(heavy.row);
  const Mask mask = rebalance.mask(0, 4);
  std::iota(heavy.weights.begin(), heavy.weights.end(), 1.0f);
  EditedRow edited{heavy.row};
  rebalance.change_weights(1, edited);
  EXPECT_TRUE(edited.changed);
  for (std::size_t j = 0; j < heavy.weights.size(); ++j) {
    const bool drawn = std::ranges::find(mask, static_cast<std::int32_t>(j)) != mask.end();
    EXPECT_EQ(heavy.weights[j], static_cast<float>(j + 1) * (drawn ? spec.factor(1, 4) : 1)) << j;
  }
}

TEST(RandomMask, LaterLayersElsewhereGetTheDrawnKeys) {
  const RebalanceSpec spec = *parse_intervention("rebalance:mode=random").rebalance();
  Rebalance here(spec, {4, kHeads, 1}), there(spec, {4, kHeads, 1});
  HeavyRow heavy(30, 3, 9);
  here.observe(heavy.row);
  std::vector<std::byte> saved;
  here.save_rows(1, saved);
  EXPECT_EQ(there.load_rows(1, saved), saved.size());
  EXPECT_EQ(there.mask(0, 3), here.mask(0, 3));
  EXPECT_EQ(there.mask(0, 3).size(), 9u);
}

}  // namespace
}  // namespace refocus
