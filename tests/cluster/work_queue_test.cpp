#include "cluster/work_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace refocus {
namespace {

using testing::ElementsAre;

std::vector<WorkUnit> units_of(const std::vector<std::pair<std::string, int>>& groups) {
  std::vector<WorkUnit> out;
  for (const auto& [name, count] : groups) {
    for (int i = 0; i < count; ++i) out.push_back({name, name + std::to_string(i)});
  }
  return out;
}

TEST(WorkQueue, AWorkerStaysInItsGroup) {
  WorkQueue queue(units_of({{"a", 8}, {"b", 8}, {"c", 8}}));
  EXPECT_THAT(queue.take(0, 2, 2), ElementsAre("a0", "a1"));
  EXPECT_THAT(queue.take(1, 2, 2), ElementsAre("b0", "b1"));
  EXPECT_THAT(queue.take(0, 2, 2), ElementsAre("a2", "a3"));
  EXPECT_THAT(queue.take(1, 2, 2), ElementsAre("b2", "b3"));
  EXPECT_EQ(queue.left(), 16);
}

TEST(WorkQueue, GoesOnWithAGroupThatNobodyHas) {
  WorkQueue queue(units_of({{"a", 2}, {"b", 20}, {"c", 2}}));
  EXPECT_THAT(queue.take(0, 9, 1), ElementsAre("a0", "a1"));
  EXPECT_EQ(queue.take(1, 1, 1).front(), "b0");
  EXPECT_EQ(queue.take(0, 1, 1).front(), "c0");
  EXPECT_EQ(queue.take(0, 1, 1).front(), "c1");
  EXPECT_EQ(queue.take(0, 1, 1).front(), "b1") << "it helps where most is left";
}

TEST(WorkQueue, GivesLessTowardsTheEnd) {
  WorkQueue queue(units_of({{"a", 100}}));
  EXPECT_EQ(queue.take(0, 64, 2).size(), 25u);
  EXPECT_EQ(queue.take(1, 64, 2).size(), 18u);
  EXPECT_EQ(queue.take(0, 4, 2).size(), 4u);
  std::size_t last = 64;
  while (queue.left() > 0) {
    const std::size_t now = queue.take(0, 64, 2).size();
    EXPECT_GE(now, 1u);
    EXPECT_LE(now, last);
    last = now;
  }
  EXPECT_EQ(last, 1u);
  EXPECT_TRUE(queue.take(1, 5, 2).empty());
}

TEST(WorkQueue, GivesEachUnitOnce) {
  WorkQueue queue(units_of({{"a", 37}, {"b", 1}, {"c", 50}, {"", 13}}));
  std::set<std::string> seen;
  for (int turn = 0; queue.left() > 0; ++turn) {
    for (const std::string& unit : queue.take(turn % 5, 1 + turn % 7, 5)) {
      EXPECT_TRUE(seen.insert(unit).second) << unit;
    }
  }
  EXPECT_EQ(seen.size(), 101u);
}

TEST(WorkQueue, UnitsOfAGroupComeTogetherAlsoWhereTheyDoNotStandTogether) {
  WorkQueue queue({{"a", "1"}, {"b", "2"}, {"a", "3"}, {"b", "4"}});
  std::vector<std::string> all;
  while (queue.left() > 0) all.push_back(queue.take(0, 1, 1).front());
  EXPECT_THAT(all, ElementsAre("1", "3", "2", "4"));
}

}  // namespace
}  // namespace refocus
