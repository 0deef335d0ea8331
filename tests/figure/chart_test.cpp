// Charts: values lie where their axes say, and no text lies on another.
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "figure/axis.h"
#include "figure/heat_map.h"
#include "figure/legend.h"
#include "figure/line_chart.h"
#include "figure/page.h"
#include "figure/svg_reader.h"
#include "figure/text_width.h"
#include "support.h"

namespace refocus::figure {
namespace {

using refocus::testing::collisions;
using refocus::testing::named;
using refocus::testing::svg_elements;
using refocus::testing::SvgElement;
using refocus::testing::the_text;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<std::string> labels(const std::vector<Tick>& ticks) {
  std::vector<std::string> out;
  for (const Tick& tick : ticks) out.push_back(tick.label);
  return out;
}

TEST(Axis, TicksAreNiceAndHaveRoom) {
  const Font font;
  EXPECT_THAT(labels(horizontal_ticks(-1.8, 1.2, 200, font)),
              ElementsAre("−1.5", "−1.0", "−0.5", "0.0", "0.5", "1.0"));
  EXPECT_THAT(labels(horizontal_ticks(-1.8, 1.2, 80, font)), ElementsAre("−1", "0", "1"));
  EXPECT_THAT(labels(vertical_ticks(92, 97, 120, font)), ElementsAre("92", "93", "94", "95", "96", "97"));
  EXPECT_THAT(labels(vertical_ticks(0.0001, 0.0005, 60, font)), ElementsAre("0.0002", "0.0004"));
  for (const double room : {30.0, 60.0, 200.0, 500.0}) {
    for (const double high : {0.003, 1.0, 37.0, 14042.0}) {
      const std::vector<Tick> ticks = horizontal_ticks(-high / 3, high, room, font);
      const double step =
          ticks.size() < 2 ? INFINITY : (ticks[1].value - ticks[0].value) / (high * 4 / 3) * room;
      EXPECT_TRUE(ticks.size() <= 2 || step > widest(ticks, font)) << room << " " << high;
    }
  }
}

TEST(Axis, LabelsWithoutRoomAreLeftOut) {
  const svg::Scale x{0, 1, 0, 100};
  EXPECT_THAT(labels(ticks_with_room({{0.5, "0.5"}, {0, "0"}, {0.03, "0.03"}, {1, "1"}}, x, Font{})),
              ElementsAre("0", "0.5", "1"));
}

Style style_of(double millimetres) {
  Style out;
  out.width = millimetres * kMillimetre;
  return out;
}

TEST(Page, SaysItsSizeOnPaper) {
  Style style = style_of(84);
  style.title = "A <title> that is long enough for two lines of such a narrow column of a journal";
  const Picture picture = finished_picture(style, 100, "", "a caption");
  const std::vector<SvgElement> elements = svg_elements(picture.svg);
  EXPECT_EQ(elements.front().attributes.at("width"), "84mm");
  EXPECT_EQ(elements.front().attributes.at("viewBox"), "0 0 238.11 103.00");
  EXPECT_EQ(elements.front().number("font-size"), 8);
  EXPECT_THAT(named(elements, "text"), SizeIs(2));
  EXPECT_THAT(collisions(picture.svg), IsEmpty());
  EXPECT_EQ(picture.caption, "a caption");
  style.height = 50 * kMillimetre;
  EXPECT_EQ(svg_elements(finished_picture(style, 100, "", "").svg).front().attributes.at("height"), "50mm");
}

TEST(Legend, NeverOverprintsHoweverManyAndLongItsLabelsAre) {
  for (const double width : {100.0, 238.0, 493.0}) {
    for (const std::size_t count : {1U, 2U, 7U, 23U}) {
      std::vector<LegendEntry> entries;
      for (std::size_t i = 0; i < count; ++i) {
        entries.push_back(line_entry(
            "cot, boost factor=" + std::to_string(i) + std::string(i % 5 * 9, 'w') + " keys=field:q",
            series_style(i)));
      }
      const Legend legend(entries, width, Font{});
      Style style;
      style.width = width + 2 * kMargin;
      const std::string svg =
          finished_picture(style, kMargin + legend.height(), legend.draw(kMargin, kMargin), "").svg;
      EXPECT_THAT(collisions(svg), IsEmpty()) << width << " " << count;
      EXPECT_THAT(named(svg_elements(svg), "polyline"), SizeIs(count));
    }
  }
  EXPECT_EQ(Legend({}, 100, Font{}).height(), 0);
}

RowChart forest(std::size_t arms) {
  RowChart out;
  out.reference = 0;
  out.label = "Difference in accuracy (points)";
  out.numbers_title = "difference [95%]";
  for (std::size_t i = 0; i < arms; ++i) {
    const double value = static_cast<double>(i) - 1;
    out.rows.push_back({.label = "rebalance alpha=" + std::to_string(i) + ", threshold=0.01",
                        .marks = {{.value = value, .interval = Range{value - 1, value + 2}}},
                        .numbers = i == 2 ? "-68.9 [-72.7, -64.7]" : "+1.2 [-0.3, +2.7]"});
  }
  return out;
}

TEST(RowChart, EstimatesLieOnTheirAxis) {
  const Picture picture = row_chart(forest(4), style_of(174), "");
  const std::vector<SvgElement> elements = svg_elements(picture.svg);
  const std::vector<SvgElement> circles = named(elements, "circle");
  ASSERT_EQ(circles.size(), 4U);
  const double unit = circles[1].number("cx") - circles[0].number("cx");
  EXPECT_GT(unit, 10);
  EXPECT_NEAR(circles[3].number("cx") - circles[0].number("cx"), 3 * unit, 0.2);
  EXPECT_NEAR(circles[1].number("cx"), the_text(elements, "0").number("x"), 0.2)
      << "value 0 above the tick 0";
  EXPECT_NEAR(the_text(elements, "2").number("x") - the_text(elements, "0").number("x"), 2 * unit, 0.3);
  // The interval of the second: from -1 to 2.
  bool found = false;
  for (const SvgElement& line : named(elements, "polyline")) {
    const auto points = line.points();
    found |= std::fabs(points[0].second - circles[1].number("cy")) < 0.06 &&
             std::fabs(points[1].second - points[0].second) < 0.01 &&
             std::fabs(points[0].first - circles[0].number("cx")) < 0.2 &&
             std::fabs(points[1].first - circles[3].number("cx")) < 0.2;
  }
  EXPECT_TRUE(found);
  EXPECT_THAT(picture.svg, HasSubstr("+1.2 [−0.3, +2.7]")) << "numbers stand beside where there is room";
  EXPECT_THAT(row_chart(forest(4), style_of(84), "").svg, ::testing::Not(HasSubstr("+1.2 [")));
}

TEST(RowChart, NoTextLiesOnAnother) {
  for (const double width : {50.0, 84.0, 174.0}) {
    for (const std::size_t arms : {1U, 3U, 40U}) {
      RowChart chart = forest(arms);
      chart.rows.insert(
          chart.rows.begin(),
          {.label = "Social sciences, and a heading that is longer than one column", .heading = true});
      chart.rows.back().total = true;
      EXPECT_THAT(collisions(row_chart(chart, style_of(width), "").svg), IsEmpty()) << width << " " << arms;
    }
  }
}

TEST(RowChart, MarksOfARowLieBelowEachOther) {
  RowChart chart;
  ChartRow& row = chart.rows.emplace_back(ChartRow{.label = "anatomy"});
  for (std::size_t s = 0; s < 12; ++s) {
    row.marks.push_back({.series = s, .value = 50, .interval = Range{40, 60}});
    chart.series.push_back("arm " + std::to_string(s));
  }
  const Picture picture = row_chart(chart, style_of(84), "");
  EXPECT_THAT(collisions(picture.svg), IsEmpty());
  std::vector<double> heights;
  for (const SvgElement& line : named(svg_elements(picture.svg), "polyline")) {
    const auto points = line.points();
    if (line.attributes.at("stroke-width") == "1" && points[1].first - points[0].first > 50)
      heights.push_back(points[0].second);
  }
  ASSERT_EQ(heights.size(), 12U);
  for (std::size_t i = 1; i < heights.size(); ++i) EXPECT_GT(heights[i] - heights[i - 1], 5);
}

TEST(RowChart, BarsGoToBothSidesOfZeroAndSayTheirNumbers) {
  RowChart chart{.series = {"broken", "fixed"}, .swatches = true, .reference = 0, .sizes = true};
  const auto bar = [](std::size_t series, double value, const char* text) {
    return RowMark{.kind = RowMark::Kind::kBar, .series = series, .value = value, .text = text};
  };
  chart.rows = {{.label = "a", .marks = {bar(0, -15, "15"), bar(1, 30, "30")}},
                {.label = "b", .marks = {bar(0, -0.0, "none broken"), bar(1, 0, "none fixed")}}};
  const Picture picture = row_chart(chart, style_of(84), "");
  const std::vector<SvgElement> elements = svg_elements(picture.svg);
  EXPECT_THAT(collisions(picture.svg), IsEmpty()) << "texts at 0 stand at either side of it";
  std::vector<SvgElement> bars;
  for (const SvgElement& box : named(elements, "rect")) {
    if (box.number("height") > 6.1 && box.number("height") < 20) bars.push_back(box);
  }
  ASSERT_GE(bars.size(), 2U);
  EXPECT_NEAR(bars[1].number("width"), 2 * bars[0].number("width"), 0.05);
  EXPECT_NEAR(bars[1].number("x"), bars[0].number("x") + bars[0].number("width"), 0.02) << "they meet at 0";
  EXPECT_NE(bars[0].attributes.at("fill"), bars[1].attributes.at("fill"));
  EXPECT_THAT(picture.svg, ::testing::Not(HasSubstr("−"))) << "the axis shows sizes";
}

TEST(RowChart, TheHeightIsWhatWasAskedForOrTheErrorSaysTheLeast) {
  Style style = style_of(84);
  style.height = 90 * kMillimetre;
  const Picture picture = row_chart(forest(4), style, "");
  EXPECT_EQ(svg_elements(picture.svg).front().attributes.at("height"), "90mm");
  double lowest = 0;
  for (const auto& box : refocus::testing::text_boxes(picture.svg)) lowest = std::max(lowest, box.bottom);
  EXPECT_GT(lowest, 0.9 * picture.height) << "and it is used";
  style.height = 31 * kMillimetre;
  EXPECT_THAT(refocus::testing::error_of([&] { row_chart(forest(40), style, ""); }),
              ::testing::AllOf(HasSubstr("[--height] expected at least"), HasSubstr("got 31mm")));
}

LineChart lines(std::size_t series, std::size_t points, Intervals intervals) {
  LineChart out;
  LinePanel& panel = out.panels.emplace_back();
  panel.intervals = intervals;
  panel.x_label = "alpha";
  panel.y_label = "Accuracy (%)";
  panel.references = {{50, "none, 50.0"}};
  for (std::size_t s = 0; s < series; ++s) {
    LineSeries& one = panel.series.emplace_back();
    one.label = series == 1 ? "" : "threshold=0.0" + std::to_string(s) + " depth=3";
    for (std::size_t p = 0; p < points; ++p) {
      const double y = 50 + static_cast<double>(s + p);
      one.points.push_back({static_cast<double>(p) / 10, y, Range{y - 2, y + 2}});
    }
  }
  return out;
}

TEST(LineChart, PointsAndBandsLieWhereTheirValuesAre) {
  const std::string svg = line_chart(lines(1, 4, Intervals::kBand), style_of(84), "").svg;
  const std::vector<SvgElement> elements = svg_elements(svg), circles = named(elements, "circle");
  ASSERT_EQ(circles.size(), 4U);
  const double step = circles[0].number("cy") - circles[1].number("cy");
  EXPECT_GT(step, 5) << "up is more";
  EXPECT_NEAR(circles[2].number("cx") - circles[1].number("cx"),
              circles[1].number("cx") - circles[0].number("cx"), 0.11);
  const auto band = named(elements, "polygon").front().points();
  ASSERT_EQ(band.size(), 8U);
  EXPECT_NEAR(band[0].second - circles[0].number("cy"), 2 * step, 0.2) << "two below the first point";
  bool dashed = false;
  for (const SvgElement& line : named(elements, "polyline")) {
    const auto at = line.points();
    dashed |= line.attributes.contains("stroke-dasharray") &&
              std::fabs(at[0].second - circles[0].number("cy")) < 0.1 && at[1].first - at[0].first > 100;
  }
  EXPECT_TRUE(dashed) << "the reference is at 50, as the first point";
}

TEST(LineChart, ManyCurvesHaveNoTextOnAnother) {
  for (const double width : {50.0, 84.0, 174.0}) {
    for (const std::size_t series : {1U, 5U, 12U, 30U}) {
      LineChart chart = lines(series, 11, series > 6 ? Intervals::kNone : Intervals::kBars);
      chart.panels.push_back(chart.panels.front());
      chart.panels.front().title = "worlds, cot, boost (keys=field:question layers=0-3 heads=all rows=all)";
      chart.columns = 2;
      EXPECT_THAT(collisions(line_chart(chart, style_of(width), "").svg), IsEmpty())
          << width << " " << series;
    }
  }
}

TEST(LineChart, BarsOfOnePlaceStandAsideAndBelowHalfOfTheWay) {
  const std::string svg = line_chart(lines(6, 11, Intervals::kBars), style_of(84), "").svg;
  std::vector<double> places;
  for (const SvgElement& line : named(svg_elements(svg), "polyline")) {
    const auto at = line.points();
    if (at.size() == 2 && at[0].first == at[1].first && at[0].second - at[1].second > 5)
      places.push_back(at[0].first);
  }
  ASSERT_EQ(places.size(), 66U);
  std::ranges::sort(places);
  const double step = (places[60] - places[0]) / 10;  // from one value's first bar to the next's
  for (std::size_t value = 0; value < 11; ++value) {
    EXPECT_LT(places[6 * value + 5] - places[6 * value], 0.55 * step);
    EXPECT_GT(places[6 * value + 5], places[6 * value]);
  }
}

TEST(HeatMap, CellsAreColouredByTheirValues) {
  HeatMap map = layers_and_heads({0, 1}, {0, 1, 2}, {-0.5, 0.5, 0, NAN, 0.25, -0.25}, "change of log P");
  EXPECT_TRUE(map.scale.signs);
  map.framed = {{1, 2}};
  const Picture picture = heat_maps({map}, style_of(84), "");
  const std::vector<SvgElement> elements = svg_elements(picture.svg);
  std::vector<SvgElement> cells;
  for (const SvgElement& box : named(elements, "rect")) {
    if (std::fabs(box.number("width") - 15.5) < 0.01) cells.push_back(box);
  }
  ASSERT_EQ(cells.size(), 6U);
  EXPECT_EQ(cells[0].attributes.at("fill"), "#2166ac");
  EXPECT_EQ(cells[1].attributes.at("fill"), "#b2182b");
  EXPECT_EQ(cells[2].attributes.at("fill"), "#ffffff");
  EXPECT_EQ(cells[3].attributes.at("fill"), "#dddddd") << "no number";
  EXPECT_GT(cells[0].number("y"), cells[3].number("y")) << "layer 0 is the lowest";
  EXPECT_LT(cells[0].number("x"), cells[1].number("x"));
  EXPECT_THAT(picture.svg, HasSubstr(">+0.125<"))
      << "half of the way to the darkest is a quarter of the number";
  EXPECT_THAT(picture.svg, HasSubstr(">−0.5<"));
  EXPECT_THAT(collisions(picture.svg), IsEmpty());
}

TEST(HeatMap, NumbersBelowZeroHaveASignBesideTheColour) {
  const auto dashes = [](std::vector<double> values) {
    const std::string svg =
        heat_maps({layers_and_heads({0}, {0, 1}, std::move(values), "x")}, style_of(84), "").svg;
    return named(svg_elements(svg), "polyline").size();
  };
  EXPECT_EQ(dashes({-1, -0.5}), dashes({-1, 0.5}) + 1);
  EXPECT_EQ(dashes({1, 0.5}), 0U);
}

TEST(HeatMap, LabelsOfManyCellsAreThinnedOut) {
  for (const double width : {50.0, 84.0, 174.0}) {
    for (const std::int64_t count : {4, 32, 128}) {
      std::vector<std::int64_t> numbers(static_cast<std::size_t>(count));
      for (std::int64_t i = 0; i < count; ++i) numbers[static_cast<std::size_t>(i)] = i;
      HeatMap map = layers_and_heads(
          numbers, numbers, std::vector<double>(static_cast<std::size_t>(count * count), 0.5), "weight");
      map.turned_columns = count == 32;
      EXPECT_THAT(collisions(heat_maps({map}, style_of(width), "").svg), IsEmpty()) << width << " " << count;
    }
  }
}

}  // namespace
}  // namespace refocus::figure
