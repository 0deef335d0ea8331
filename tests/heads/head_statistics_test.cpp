#include "heads/head_statistics.h"

#include <set>

#include "heads/shuffled_labels.h"
#include "support.h"

namespace refocus {
namespace {

ArmAnswers answers(const std::string& bits) {
  ArmAnswers out;
  for (const char bit : bits) {
    out.correct.push_back(bit == '1');
    out.likelihood.push_back(bit == '1' ? -0.25 : -2);
  }
  return out;
}

TEST(HeadStatistics, CountPairs) {
  const PairedEffect effect = paired_effect(answers("11110000"), answers("10000001"));
  EXPECT_EQ(effect.broken, 3);
  EXPECT_EQ(effect.fixed, 1);
  EXPECT_DOUBLE_EQ(effect.difference, -0.25);
  EXPECT_DOUBLE_EQ(effect.p, 0.625);  // 2 (1 + 4) / 16
}

// The set is wrong everywhere, three draws are right in 8, 7 and 5 of 8 items.
TEST(HeadStatistics, CompareWithDraws) {
  const ArmAnswers none = answers("11111111"), set = answers("00000000");
  const ArmAnswers a = answers("11111111"), b = answers("11111110"), c = answers("11111000");
  const ArmAnswers* draws[] = {&a, &b, &c};
  const RandomEffect effect = random_effect(none, set, draws);
  EXPECT_NEAR(effect.mean, 20.0 / 24, 1e-12);
  EXPECT_DOUBLE_EQ(effect.low, 5.0 / 8);
  EXPECT_DOUBLE_EQ(effect.high, 1);
  EXPECT_NEAR(effect.beyond.difference, -20.0 / 24, 1e-12);
  EXPECT_DOUBLE_EQ(effect.beyond.p, 2.0 / 256);  // all signs alike
  EXPECT_DOUBLE_EQ(effect.rank_p, 0.25);
}

TEST(HeadStatistics, ADrawAsFarCounts) {
  const ArmAnswers none = answers("1111"), set = answers("1100"), far = answers("0110");
  const ArmAnswers* draws[] = {&far};
  EXPECT_DOUBLE_EQ(random_effect(none, set, draws).rank_p, 1);
}

TEST(ShuffledLabels, KeepLabelsAmongThoseWithAsManyOptions) {
  Task task;
  for (int i = 0; i < 40; ++i) {
    Item item;
    item.index = i;
    item.choices.resize(i % 2 == 0 ? 2 : 4);
    item.label = static_cast<char>('A' + (i / 2) % (i % 2 == 0 ? 2 : 4));
    task.items.push_back(std::move(item));
  }
  Task other = task, again = task;
  shuffle_labels(other, 1);
  shuffle_labels(again, 1);
  int moved = 0;
  for (std::size_t options : {2u, 4u}) {
    std::multiset<char> before, after;
    for (std::size_t i = 0; i < 40; ++i) {
      EXPECT_EQ(other.items[i].label, again.items[i].label);
      if (task.items[i].choices.size() != options) continue;
      before.insert(*task.items[i].label);
      after.insert(*other.items[i].label);
      moved += task.items[i].label != other.items[i].label;
    }
    EXPECT_EQ(before, after);
  }
  EXPECT_GT(moved, 10);
}

}  // namespace
}  // namespace refocus
