#include "eval/text/table_text.h"

#include <gtest/gtest.h>

namespace refocus {
namespace {

TEST(TableText, OnlyAnEndAtZeroIsShownAsZero) {
  EXPECT_EQ(points_end(0.027), "+2.7");
  EXPECT_EQ(points_end(-1), "-100.0");
  EXPECT_EQ(points_end(0.000273), "+0.03");
  EXPECT_EQ(points_end(-0.000273), "-0.03");
  EXPECT_EQ(points_end(0), "0.0");
}

}  // namespace
}  // namespace refocus
