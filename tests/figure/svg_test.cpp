// Scales, ticks and marks of plots.
#include "figure/svg.h"

#include <gmock/gmock.h>

#include <cmath>

namespace refocus::svg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Svg, ScalesMapTheirEndsAndWhatLiesBetween) {
  const Scale y{10, 0, 40, 240};
  EXPECT_EQ(y(10), 40);
  EXPECT_EQ(y(0), 240);
  EXPECT_EQ(y(7.5), 90);
}

TEST(Svg, StepsAreNiceAndCoverTheRangeWithAboutFive) {
  EXPECT_DOUBLE_EQ(nice_step(1), 0.2);
  EXPECT_DOUBLE_EQ(nice_step(4.5), 1);
  EXPECT_DOUBLE_EQ(nice_step(30), 10);
  EXPECT_DOUBLE_EQ(nice_step(0.02), 0.005);
}

TEST(Svg, TicksAreMultiplesWithinTheRange) {
  EXPECT_THAT(ticks(0.5, 3, 1), ElementsAre(1, 2, 3));
  EXPECT_THAT(ticks(-0.3, 0.3, 0.1), ElementsAre(::testing::DoubleEq(-3 * 0.1), -0.2, -0.1, 0.0, 0.1, 0.2,
                                                 ::testing::DoubleEq(3 * 0.1)))
      << "ends count, whatever binary fractions make of them";
  EXPECT_FALSE(std::signbit(ticks(-0.5, 1, 1)[0])) << "0 is not -0";
  EXPECT_THAT(ticks(0.1, 0.9, 1), ElementsAre());
}

TEST(Svg, TextIsEscaped) {
  EXPECT_EQ(escaped("a<b> & \"c\" 'd'"), "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;");
  EXPECT_EQ(escaped("x\x01y\xFFz"), "x\xEF\xBF\xBDy\xEF\xBF\xBDz");
  EXPECT_THAT(text(1, 2, "p<.05"), HasSubstr(">p&lt;.05</text>"));
}

TEST(Svg, MarksDifferByShape) {
  EXPECT_THAT(mark(10, 20, {0}, "red"), HasSubstr("<circle cx=\"10.0\" cy=\"20.0\""));
  EXPECT_EQ(mark(10, 20, {kMarkerShapes}, "red"), mark(10, 20, {0}, "red"));
  for (int shape = 0; shape < kMarkerShapes; ++shape) {
    EXPECT_NE(mark(0, 0, {shape}, "red"), mark(0, 0, {shape + 1}, "red"));
    EXPECT_THAT(mark(0, 0, {shape, true}, "red"), HasSubstr("fill=\"white\" stroke=\"red\""));
  }
}

TEST(Svg, GridLinesLieAtTheirValues) {
  const std::string grid = value_grid({96, 92, 0, 400}, 50, 700);
  EXPECT_THAT(grid, HasSubstr("y1=\"100.0\" y2=\"100.0\""));
  EXPECT_THAT(grid, HasSubstr(">95</text>"));
}

}  // namespace
}  // namespace refocus::svg
