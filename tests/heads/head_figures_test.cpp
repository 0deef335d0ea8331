#include "heads/head_figures.h"

#include "support.h"

namespace refocus {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// How often a colour fills a cell: the legend's steps are of other widths, and none has a colour of an end.
std::size_t cells(const std::string& svg, const std::string& color) {
  const std::string filled = "fill=\"" + color + "\"/>";
  std::size_t count = 0;
  for (std::size_t at = svg.find(filled); at != std::string::npos; at = svg.find(filled, at + 1)) ++count;
  return count;
}

HeadSearch search_of(std::int64_t layers, std::int64_t heads, std::vector<TriedHeads> tried) {
  HeadSearch out;
  out.layers = layers;
  out.heads = heads;
  out.heads_tried = std::move(tried);
  out.sets.push_back({});
  out.sets[0].heads = {{0, 1}};
  return out;
}

TEST(HeadFigures, ColoursAreOfTheChange) {
  const HeadSearch search = search_of(2, 2, {{{{0, 1}}, {}, -0.5}, {{{1, 0}}, {}, 0.5}, {{{0, 0}}, {}, 0}});
  const std::string svg = head_heatmap(search, {});
  EXPECT_EQ(cells(svg, "#2166ac"), 1U) << "the largest fall";
  EXPECT_EQ(cells(svg, "#b2182b"), 1U) << "the largest rise";
  EXPECT_EQ(cells(svg, "#ffffff"), 1U) << "no change";
  EXPECT_EQ(cells(svg, "#dddddd"), 1U) << "a head that was not tried";
  EXPECT_THAT(svg, HasSubstr(">+0.5<"));
}

TEST(HeadFigures, ScoresWithoutASignHaveNoLowerHalf) {
  const double none = std::numeric_limits<double>::quiet_NaN();
  const std::string svg = head_value_map("induction", {1, 3, {0.25, 0, none}, false}, {});
  EXPECT_EQ(cells(svg, "#08306b"), 1U);
  EXPECT_EQ(cells(svg, "#ffffff"), 1U);
  EXPECT_EQ(cells(svg, "#dddddd"), 1U);
  EXPECT_EQ(cells(svg, "#2166ac"), 0U);
  EXPECT_THAT(svg, HasSubstr(">0.25<"));
  EXPECT_THAT(svg, Not(HasSubstr("−")));
}

}  // namespace
}  // namespace refocus
