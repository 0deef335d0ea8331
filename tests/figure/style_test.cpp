// Lengths, widths of texts, and series that differ without colour.
#include <gmock/gmock.h>

#include <cmath>
#include <set>

#include "figure/heat.h"
#include "figure/palette.h"
#include "figure/text_width.h"

namespace refocus::figure {
namespace {

using ::testing::ElementsAre;

TEST(Units, LengthsAreInPoints) {
  EXPECT_DOUBLE_EQ(parse_length("84mm").value(), 84 * 72 / 25.4);
  EXPECT_DOUBLE_EQ(parse_length("8.4cm").value(), parse_length("84mm").value());
  EXPECT_DOUBLE_EQ(parse_length("2in").value(), 144);
  EXPECT_DOUBLE_EQ(parse_length("240pt").value(), 240);
  EXPECT_DOUBLE_EQ(parse_length("96px").value(), 72);
  for (const char* text :
       {"", "84", "mm", "-3mm", "0mm", "nanmm", "infmm", "8 4mm", "84 mm", "84MM", "1e3", "84em"}) {
    EXPECT_FALSE(parse_length(text).has_value()) << text;
  }
  EXPECT_EQ(millimetres_text(84 * kMillimetre), "84mm");
  EXPECT_EQ(millimetres_text(100), "35.28mm");
}

TEST(TextWidth, IsThatOfHelvetica) {
  EXPECT_DOUBLE_EQ(helvetica_ems("Hi, 1"), 0.722 + 0.222 + 0.278 + 0.278 + 0.556);
  EXPECT_DOUBLE_EQ(helvetica_ems("−"), 0.584);
  EXPECT_DOUBLE_EQ(helvetica_ems("注意"), 2);
  EXPECT_DOUBLE_EQ(helvetica_ems("e\xCC\x81"), 0.556) << "a combining accent takes nothing";
  EXPECT_DOUBLE_EQ(helvetica_ems(""), 0);
  EXPECT_DOUBLE_EQ(width_of("aa", Font{}), 8 * 2 * 0.556);
}

TEST(TextWidth, LinesAreBrokenWhereTheyMayBe) {
  const Font font;
  EXPECT_THAT(wrapped("one", 100, font), ElementsAre("one"));
  EXPECT_THAT(wrapped("", 100, font), ElementsAre(""));
  EXPECT_THAT(wrapped("rebalance alpha=0.2", 50, font), ElementsAre("rebalance", "alpha=0.2"));
  EXPECT_THAT(wrapped("a=1,b=2", 18, font), ElementsAre("a=1,", "b=2"));
  const std::vector<std::string> lines = wrapped(std::string(40, 'x') + " " + std::string(3, 'y'), 44, font);
  std::string all;
  for (const std::string& line : lines) {
    EXPECT_LE(width_of(line, font), 44);
    all += line;
  }
  EXPECT_EQ(all, std::string(40, 'x') + " yyy") << "nothing is lost, and a blank only where a line ends";
  EXPECT_THAT(wrapped("注意", 3, font), ElementsAre("注", "意")) << "whole characters, however narrow it is";
}

TEST(TextWidth, ShortenedTextsHaveRoom) {
  const Font font;
  EXPECT_EQ(shortened_to("short", 100, font), "short");
  const std::string cut = shortened_to("a long label that has no room", 50, font);
  EXPECT_THAT(cut, ::testing::AllOf(::testing::StartsWith("a long"), ::testing::EndsWith("…")));
  EXPECT_LE(width_of(cut, font), 50);
}

// CIE L* of a colour: what is left of it in grey.
double lightness(const std::string& color) {
  const auto channel = [&](std::size_t at) {
    const double value = std::stoi(color.substr(at, 2), nullptr, 16) / 255.0;
    return value <= 0.04045 ? value / 12.92 : std::pow((value + 0.055) / 1.055, 2.4);
  };
  const double y = 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
  return y > 0.008856 ? 116 * std::cbrt(y) - 16 : 903.3 * y;
}

TEST(Palette, SeriesDifferWithoutColourToo) {
  std::set<std::string> all, marks;
  for (std::size_t s = 0; s < 35; ++s) {
    const SeriesStyle style = series_style(s);
    const std::string mark = svg::mark(0, 0, style.marker, "ink");
    EXPECT_TRUE(marks.insert(mark).second || s >= 10) << s;
    EXPECT_TRUE(all.insert(mark + style.color).second) << s;
    EXPECT_STRNE(style.dashes, series_style(s + 1).dashes) << s;
    EXPECT_LT(lightness(style.color), 75) << "seen on white: " << style.color;
  }
}

TEST(Palette, BarsDifferInLightness) { EXPECT_GT(lightness(kOrange) - lightness(kBlue), 20); }

TEST(Heat, ColoursDarkenEvenlyInGrey) {
  double last = 104;
  for (int i = 0; i <= 10; ++i) {
    const double now = lightness(svg::sequential_color(i / 10.0));
    EXPECT_LT(now, last - 3) << i;
    last = now;
  }
  EXPECT_EQ(svg::sequential_color(0), "#ffffff");
  EXPECT_EQ(svg::sequential_color(2), svg::sequential_color(1));
  EXPECT_EQ(svg::diverging_color(-1), "#2166ac");
  EXPECT_EQ(svg::diverging_color(1), "#b2182b");
  EXPECT_NEAR(lightness(svg::diverging_color(-1)), lightness(svg::diverging_color(1)), 6)
      << "equal sizes are equally dark";
  EXPECT_TRUE(svg::is_dark("#2166ac"));
  EXPECT_FALSE(svg::is_dark("#ffffff"));
}

}  // namespace
}  // namespace refocus::figure
