// The two halves of a task's items.
#include "eval/score/held_out.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace refocus {
namespace {

std::vector<int> halves(const std::string& subject, int items) {
  std::vector<int> out;
  for (int i = 0; i < items; ++i) out.push_back(half_of_item(subject, i));
  return out;
}

int excess(const std::string& subject, int items) {
  int sum = 0;
  for (const int half : halves(subject, items)) sum += half == 0 ? 1 : -1;
  return sum;
}

TEST(HeldOut, IsAsDocumented) {
  // hashlib.sha256(b"0/anatomy/0").hexdigest() and so on, first bit of each.
  EXPECT_THAT(halves("anatomy", 10), ::testing::ElementsAre(0, 1, 1, 0, 0, 1, 0, 1, 1, 0));
  EXPECT_THAT(halves("philosophy", 10), ::testing::ElementsAre(0, 1, 1, 0, 1, 0, 0, 1, 0, 1));
}

TEST(HeldOut, HalvesOfASubjectDifferByOneItemAtMost) {
  for (int items = 0; items < 200; ++items) {
    EXPECT_EQ(std::abs(excess("anatomy", items)), items % 2) << items;
  }
}

TEST(HeldOut, NeitherHalfIsFavoured) {
  int odd = 0, first = 0;
  for (int subject = 0; subject < 1000; ++subject) {
    odd += excess("subject" + std::to_string(subject), 31);
    first += half_of_item("subject" + std::to_string(subject), 0);
  }
  EXPECT_LT(std::abs(odd), 100) << "three standard deviations of 1000 coins, of which each counts twice";
  EXPECT_NEAR(first, 500, 50);
}

}  // namespace
}  // namespace refocus
