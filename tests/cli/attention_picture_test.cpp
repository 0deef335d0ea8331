// refocus attention --picture: one row as SVG.
#include <algorithm>
#include <cstdio>

#include "cli/cli_support.h"
#include "io/npy.h"

namespace refocus {
namespace {

using testing::file_text;
using testing::golden_model;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TempDir;
namespace fs = std::filesystem;

// A bar's height in the picture is its weight: the polygons of a colour, as [top, bottom] pixels.
std::vector<std::pair<double, double>> bars(const std::string& svg, const std::string& color) {
  std::vector<std::pair<double, double>> out;
  const std::string head = "<polygon fill=\"" + color + "\" fill-opacity=\"1\" points=\"";
  for (std::size_t at = svg.find(head); at != std::string::npos; at = svg.find(head, at + 1)) {
    double x[4], y[4];
    EXPECT_EQ(std::sscanf(svg.c_str() + at + head.size(), "%lf,%lf %lf,%lf %lf,%lf %lf,%lf", x, y, x + 1,
                          y + 1, x + 2, y + 2, x + 3, y + 3),
              8);
    out.emplace_back(y[0], y[2]);
  }
  return out;
}

TEST(AttentionPicture, DrawsARowAsItsWeightsAre) {
  const TempDir dir;
  const fs::path out = dir / "out";
  ASSERT_EQ(testing::refocus({"attention", "-m", golden_model("gqa-f32"), "-o", out.string(), "--tokens",
                              "1,17,5,40,44,9,61,33", "--dense", "--no-page", "--intervene", "none",
                              "--intervene", "temperature:tau=0.25,layers=2", "--picture", "2.1.6"})
                .status,
            0);
  const std::string svg = file_text(out / "row.svg");
  EXPECT_THAT(svg, HasSubstr("layer 2, head 1, row 6"));
  EXPECT_THAT(svg, HasSubstr(">temperature:tau=0.25,layers=2<"));
  EXPECT_THAT(svg, Not(HasSubstr(">none<"))) << "what the other is compared with has no panel";

  const auto row = [&](const std::string& arm) {
    return NpyFile(out / arm / "attention.npy").f32(((2 * 6 + 1) * 8 + 6) * 8, 7);
  };
  const auto grey = bars(svg, "#9a9a9a"), blue = bars(svg, "#1f6fb4");
  ASSERT_EQ(grey.size(), 8u);  // seven keys and the legend
  const std::vector<float> before = row("none"), after = row("temperature_tau=0.25_layers=2");
  const float most = std::max(*std::ranges::max_element(before), *std::ranges::max_element(after));
  for (std::size_t k = 0; k < 7; ++k) {
    EXPECT_NEAR(grey[k].second - grey[k].first, 110 * before[k] / most, 0.11) << k;
  }
  double drawn = 0;
  for (std::size_t k = 0; k + 1 < blue.size(); ++k) drawn += blue[k].second - blue[k].first;
  EXPECT_NEAR(drawn, 110 / most, 1) << "a row sums to 1";
}

}  // namespace
}  // namespace refocus
