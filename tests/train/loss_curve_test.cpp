#include "train/loss_curve.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <sstream>

namespace refocus {
namespace {

// The numbers of the first polyline, x and y in turn.
std::vector<double> first_line(const std::string& svg) {
  const std::size_t begin = svg.find("points=\"") + 8, end = svg.find('"', begin);
  std::string text = svg.substr(begin, end - begin);
  std::replace(text.begin(), text.end(), ',', ' ');
  std::vector<double> out;
  std::istringstream in(text);
  for (double value = 0; in >> value;) out.push_back(value);
  return out;
}

TEST(LossCurve, ReadsItsPointsFromALog) {
  const std::string log =
      "{\"step\":1,\"loss\":4.5}\n{\"step\":1,\"validation_loss\":5}\nnonsense\n{\"step\":2,\"loss\":4}\n{"
      "\"st";
  const std::vector<LossPoint> training = loss_points(log, "loss"),
                               validation = loss_points(log, "validation_loss");
  ASSERT_EQ(training.size(), 2u);
  EXPECT_EQ(training[1].step, 2);
  EXPECT_EQ(training[1].loss, 4);
  ASSERT_EQ(validation.size(), 1u);
  EXPECT_EQ(validation[0].loss, 5);
}

TEST(LossCurve, LowerLossesLieLowerAndStepsGoRight) {
  const std::string svg = loss_curve_svg({{1, 4}, {2, 3}, {10, 1}}, {{10, 1.5}});
  const std::vector<double> line = first_line(svg);
  ASSERT_EQ(line.size(), 6u);
  EXPECT_LT(line[0], line[2]);
  EXPECT_LT(line[2], line[4]);
  EXPECT_LT(line[1], line[3]);  // y grows downwards
  EXPECT_NEAR((line[5] - line[3]) / (line[3] - line[1]), 2, 0.01);
  EXPECT_THAT(svg, ::testing::HasSubstr("validation loss 1.5000"));
  EXPECT_THAT(svg, ::testing::EndsWith("</svg>\n"));
}

TEST(LossCurve, ManyStepsAreAveraged) {
  std::vector<LossPoint> points;
  for (int i = 1; i <= 6400; ++i) points.push_back({i, i % 2 == 0 ? 1.0 : 3.0});
  const std::vector<double> line = first_line(loss_curve_svg(points, {}));
  EXPECT_LE(line.size(), 2u * 640u);
  EXPECT_GE(line.size(), 2u * 320u);
  for (std::size_t i = 1; i < line.size(); i += 2) EXPECT_EQ(line[i], line[1]);  // all are 2
}

TEST(LossCurve, OnePointOrNone) {
  EXPECT_EQ(loss_curve_svg({}, {}), "");
  EXPECT_EQ(first_line(loss_curve_svg({{1, 2}}, {})).size(), 2u);
}

}  // namespace
}  // namespace refocus
