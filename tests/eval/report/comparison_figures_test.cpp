// Pictures and tables of a comparison: they have the numbers of the comparison, at their places.
#include "eval/report/figures/comparison_figures.h"

#include <gmock/gmock.h>

#include <cmath>

#include "eval/report/comparison_markup.h"
#include "eval/toy_run.h"
#include "figure/svg_reader.h"
#include "stats/tango.h"
#include "stats/wilson.h"
#include "support.h"

namespace refocus {
namespace {

using ::testing::AllOf;
using testing::collisions;
using testing::error_of;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::named;
using ::testing::Not;
using testing::svg_elements;
using testing::SvgElement;
using testing::the_text;
using testing::ToyRun;

class ComparisonFigures : public ::testing::Test {
 protected:
  ComparisonFigures() {
    toy.tasks = {testing::toy_mmlu({{"anatomy", 5}, {"philosophy", 2}})};
    toy.arms = {{PromptKind::kCot, "none", {{"anatomy", "ABBAB"}, {"philosophy", "B?"}}},
                {PromptKind::kCot, "rebalance:alpha=1", {{"anatomy", "BBACB"}, {"philosophy", "Bb"}}},
                {PromptKind::kCot, "rebalance:alpha=2", {{"anatomy", "AAAAA"}, {"philosophy", "AA"}}}};
  }
  Comparison compared() {
    testing::write_toy_run(dir / "run", toy);
    ComparisonOptions lenient;
    lenient.pairs_needed = false;
    return compare_runs(read_finished_run(dir / "run"), {}, lenient);
  }
  static ComparisonFigureOptions options(FigureSets sets = FigureSets::kAll, double millimetres = 84) {
    ComparisonFigureOptions out;
    out.sets = sets;
    out.style.width = millimetres * figure::kMillimetre;
    return out;
  }
  // From a picture's ticks: points of a unit of the axis, and the place of 0.
  static std::pair<double, double> axis(const std::vector<SvgElement>& elements, const std::string& other,
                                        double value) {
    const double zero = the_text(elements, "0").number("x");
    return {(the_text(elements, other).number("x") - zero) / value, zero};
  }

  testing::TempDir dir;
  ToyRun toy;
};

TEST_F(ComparisonFigures, ALabelThatSaysAgainstStaysWhole) {
  toy.arms[1].intervention = "boost:factor=2,keys=text:\"one against two\"";
  toy.arms[2].intervention = "boost:factor=2,keys=text:\"three\"";
  const figure::Picture picture = forest_figure(compared(), options(FigureSets::kAll, 174));
  EXPECT_THAT(picture.svg, HasSubstr("one against two"));
}

TEST_F(ComparisonFigures, TheForestHasTheDifferencesAndTheirIntervals) {
  const Comparison comparison = compared();
  const figure::Picture picture = forest_figure(comparison, options(FigureSets::kAll, 174));
  const std::vector<SvgElement> elements = svg_elements(picture.svg), circles = named(elements, "circle");
  ASSERT_EQ(circles.size(), 2U);
  const auto [unit, zero] = axis(elements, "−60", -60);
  EXPECT_NEAR(circles[0].number("cx"), zero + unit * 100 / 7, 0.3) << "two fixed, one broken of seven";
  EXPECT_NEAR(circles[1].number("cx"), zero - unit * 400 / 7, 0.3) << "four broken";
  const Interval tango = tango_interval(2, 1, 7);
  bool found = false;
  for (const SvgElement& line : named(elements, "polyline")) {
    const auto at = line.points();
    found |= std::fabs(at[0].first - (zero + 100 * unit * tango.low)) < 0.3 &&
             std::fabs(at[1].first - (zero + 100 * unit * tango.high)) < 0.3;
  }
  EXPECT_TRUE(found);
  EXPECT_THAT(picture.svg, HasSubstr(">+14.3 [−36.0, +57.5]<")) << "as in the table of compare";
  EXPECT_THAT(picture.svg, HasSubstr("Difference in accuracy to none, in points"))
      << "one baseline needs no heading";
  EXPECT_THAT(picture.caption,
              AllOf(HasSubstr("mmlu (7 questions)"), HasSubstr("Tango 1998"), HasSubstr("95%"),
                    HasSubstr("McNemar's exact test"), HasSubstr("not corrected"), HasSubstr("p = 1.0000"),
                    HasSubstr("p = 0.1250")));
}

TEST_F(ComparisonFigures, AccuraciesAreBySubjectAndArm) {
  const figure::Picture picture = accuracy_figure(compared(), options(FigureSets::kSubjects));
  const std::vector<SvgElement> elements = svg_elements(picture.svg);
  for (const char* text :
       {"STEM", "anatomy", "Humanities", "philosophy", "all", "none", "rebalance alpha=1"}) {
    EXPECT_THAT(picture.svg, HasSubstr(text));
  }
  // Series 0 has dots: its sample in the legend, then anatomy, philosophy and the totals.
  const std::vector<SvgElement> circles = named(elements, "circle");
  ASSERT_GE(circles.size(), 4U);
  const auto [unit, zero] = axis(elements, "100", 100);
  EXPECT_NEAR(circles[1].number("cx"), zero + unit * 60, 0.3);
  EXPECT_NEAR(circles[2].number("cx"), zero + unit * 50, 0.3);
  EXPECT_NEAR(circles.back().number("cx"), zero + unit * 400 / 7, 0.3);
  EXPECT_THAT(collisions(picture.svg), IsEmpty());
  EXPECT_THAT(picture.caption, AllOf(HasSubstr("Accuracy of each arm on mmlu (7 questions)"),
                                     HasSubstr("Wilson 1927"), HasSubstr("overlap")));
}

TEST_F(ComparisonFigures, OneArmHasAnAccuracyAndNoForest) {
  toy.arms.resize(1);
  const Comparison one = compared();
  const figure::Picture picture = accuracy_figure(one, options(FigureSets::kAll, 174));
  EXPECT_THAT(picture.svg, HasSubstr(">57.1 [25.0, 84.2]<"));
  EXPECT_THAT(picture.caption, Not(HasSubstr("overlap")));
  EXPECT_THAT(error_of([&] { forest_figure(one, options()); }),
              HasSubstr("expected an arm that is compared"));
}

TEST_F(ComparisonFigures, ArmsAreChosenByNameOrLabel) {
  const Comparison comparison = compared();
  ComparisonFigureOptions some = options();
  some.arms = {"cot-rebalance_alpha=2"};
  EXPECT_EQ(named(svg_elements(forest_figure(comparison, some).svg), "circle").size(), 1U);
  some.arms = {"rebalance alpha=2", "none"};
  EXPECT_EQ(named(svg_elements(accuracy_figure(comparison, some).svg), "circle").size(), 2U);
  some.arms = {"strong"};
  EXPECT_THAT(error_of([&] { forest_figure(comparison, some); }),
              AllOf(HasSubstr("[--arms] expected an arm of the run, got 'strong'"),
                    HasSubstr("cot-rebalance_alpha=2")));
  some.arms = {"cot-none"};
  EXPECT_THAT(error_of([&] { flips_figure(comparison, some); }), HasSubstr("got baselines alone"));
}

TEST_F(ComparisonFigures, FlipsAreCountedToBothSides) {
  const figure::Picture picture = flips_figure(compared(), options(FigureSets::kAll, 174));
  const std::vector<SvgElement> elements = svg_elements(picture.svg);
  std::vector<double> blue, orange;
  for (const SvgElement& box : named(elements, "rect")) {
    const std::string fill = box.attributes.at("fill");
    if (fill == "#0072B2") blue.push_back(box.number("width"));
    if (fill == "#E69F00") orange.push_back(box.number("width"));
  }
  ASSERT_EQ(blue.size(), 3U) << "the legend's and one a pair";
  ASSERT_EQ(orange.size(), 3U);
  EXPECT_NEAR(blue[1], 2 * orange[1], 0.05) << "two fixed, one broken";
  EXPECT_NEAR(blue[2], 0, 0.01);
  EXPECT_NEAR(orange[2], 4 * orange[1], 0.05);
  EXPECT_THAT(picture.svg, AllOf(HasSubstr(">p = 1.0000<"), HasSubstr(">4<"), Not(HasSubstr("−"))));
  EXPECT_THAT(picture.caption, HasSubstr("wrong in the baseline and right in the arm (fixed)"));
  EXPECT_THAT(collisions(picture.svg), IsEmpty());
  EXPECT_THAT(collisions(flips_figure(compared(), options(FigureSets::kSubjects)).svg), IsEmpty());
}

TEST_F(ComparisonFigures, LengthsHaveQuartilesAndTheMeanOfTheTables) {
  const figure::RowMark mark = length_mark({5, 1, 2, 4, 3}, 3.5);
  EXPECT_EQ(mark.middle, 3);
  EXPECT_EQ(mark.box.low, 2);
  EXPECT_EQ(mark.box.high, 4);
  EXPECT_DOUBLE_EQ(mark.interval->low, 1.2);
  EXPECT_DOUBLE_EQ(mark.interval->high, 4.8);
  EXPECT_EQ(mark.value, 3.5);
  const Comparison comparison = compared();
  const figure::Picture picture = lengths_figure(comparison, options(FigureSets::kAll, 174));
  EXPECT_THAT(picture.svg, HasSubstr(">3.0<")) << "the mean";
  EXPECT_THAT(picture.caption,
              AllOf(HasSubstr("5th and 95th percentile"), HasSubstr("Cut off at the limit of new tokens: "),
                    HasSubstr("rebalance alpha=1 14.3%")));
}

TEST_F(ComparisonFigures, ManyArmsWithLongNamesOverprintNowhere) {
  toy.arms.resize(1);
  for (int i = 1; i < 24; ++i) {
    toy.arms.push_back(
        {i % 2 == 0 ? PromptKind::kCot : PromptKind::kDirect,
         i == 1 ? "none" : "boost:factor=" + std::to_string(i) + ",keys=field:question,layers=0-3",
         {{"anatomy", "ABBAB"}, {"philosophy", "BA"}}});
  }
  const Comparison comparison = compared();
  for (const double width : {84.0, 174.0}) {
    for (const FigureSets sets : {FigureSets::kAll, FigureSets::kGroups, FigureSets::kSubjects}) {
      EXPECT_THAT(collisions(forest_figure(comparison, options(sets, width)).svg), IsEmpty());
      EXPECT_THAT(collisions(accuracy_figure(comparison, options(sets, width)).svg), IsEmpty());
      EXPECT_THAT(collisions(flips_figure(comparison, options(sets, width)).svg), IsEmpty());
      EXPECT_THAT(collisions(lengths_figure(comparison, options(sets, width)).svg), IsEmpty());
    }
  }
}

TEST_F(ComparisonFigures, TablesHaveTheNumbersOfTheComparison) {
  const Comparison comparison = compared();
  const std::vector<PrintedTable> tables = comparison_tables(comparison, {});
  ASSERT_EQ(tables.size(), 4U) << "arms, differences, and two pairs by subject";
  using Cells = std::vector<std::string>;
  EXPECT_EQ(tables[0].rows[0].cells, (Cells{"none", "7", "57.1", "[25.0, 84.2]", "14.3%", "0.0%", "3.0"}));
  EXPECT_EQ(tables[1].rows[0].cells, (Cells{"none", "rebalance alpha=1", "7", "57.1", "71.4", "+14.3",
                                            "[-36.0, +57.5]", "1.0000", "2", "1"}));
  EXPECT_EQ(tables[2].columns.size(), tables[2].rows[1].cells.size());
  EXPECT_EQ(tables[2].rows[1].cells[0], "anatomy");
  EXPECT_EQ(tables[2].rows[1].cells[7], "1.0000") << "Holm's";
  EXPECT_THAT(tables[1].note,
              AllOf(HasSubstr("Tango 1998"), HasSubstr("McNemar"), HasSubstr("not corrected")));
  EXPECT_THAT(tables[2].note, HasSubstr("corrected over the subjects of this table (Holm 1979)"));
  EXPECT_EQ(tables[2].label, "mmlu-subjects-1");
  const std::string latex = comparison_latex(comparison, {});
  EXPECT_THAT(latex,
              AllOf(HasSubstr("% Needs \\usepackage{booktabs}."), HasSubstr("$+14.3$ & [$-36.0$, & $+57.5$]"),
                    HasSubstr("%   rebalance alpha=1: cot, rebalance:alpha=1")));
  EXPECT_THAT(comparison_markdown(comparison, {}),
              HasSubstr("| none | rebalance alpha=1 | 7 | 57.1 | 71.4 | +14.3 |"));
}

}  // namespace
}  // namespace refocus
