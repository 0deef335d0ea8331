// A sweep whose answers are known: every number, the held-out choice, the table, the file and the picture.
#include "eval/report/sweep/sweep_report.h"

#include <algorithm>
#include <sstream>

#include "base/text_file.h"
#include "eval/recording_support.h"
#include "eval/report/sweep/sweep_figure.h"
#include "eval/report/sweep/sweep_files.h"
#include "eval/report/sweep/sweep_table.h"
#include "eval/score/held_out.h"
#include "eval/text/display_width.h"
#include "eval/toy_run.h"
#include "figure/svg_reader.h"
#include "stats/tango.h"
#include "stats/wilson.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TempDir;
using testing::ToyRun;

std::string rebalance(const std::string& alpha, const std::string& threshold = "0.01",
                      const std::string& mode = "mask") {
  return "rebalance:alpha=" + alpha + ",threshold=" + threshold + ",depth=3,mode=" + mode;
}

// The right letter is B everywhere. Half 0 is anatomy 0, 3, 4 and philosophy 0, half 1 anatomy 1, 2, 5 and
// philosophy 1, 2. Right answers of half 0 and half 1:
//
//   cot      none 2, 1    alpha 0: the same    0.1: 4, 1    0.2: 3, 5
//   direct   none 1, 0    alpha 0: the same    0.1 and 0.2: the same
//
// 0.2 has most right answers in all, but half 0 chooses 0.1.
ToyRun swept_toy() {
  ToyRun run;
  run.tasks = {testing::toy_mmlu({{"anatomy", 6}, {"philosophy", 3}})};
  run.arms = {
      {PromptKind::kCot, "none", {{"anatomy", "BBAAAA"}, {"philosophy", "BAA"}}},
      {PromptKind::kCot, rebalance("0.2"), {{"anatomy", "BBBABB"}, {"philosophy", "BBB"}}},
      {PromptKind::kCot, rebalance("0"), {{"anatomy", "BBAAAA"}, {"philosophy", "BAA"}}},
      {PromptKind::kCot, rebalance("0.1"), {{"anatomy", "BBABBA"}, {"philosophy", "BA?"}}},
      {PromptKind::kDirect, "none", {{"anatomy", "BAAAAA"}, {"philosophy", "AAA"}}},
  };
  for (const char* alpha : {"0", "0.1", "0.2"}) {
    run.arms.push_back(
        {PromptKind::kDirect, rebalance(alpha), {{"anatomy", "BAAAAA"}, {"philosophy", "AAA"}}});
  }
  return run;
}

class SweepReportTest : public ::testing::Test {
 protected:
  SweepReport report(const ToyRun& run, const std::vector<std::string>& sweep) {
    directory = dir / ("run" + std::to_string(++runs_));
    testing::write_toy_run(directory, run);
    comparison = compare_runs(read_finished_run(directory), {}, {});
    return sweep_report(expand_sweep(parse_sweep(sweep), {}), 4, comparison);
  }
  SweepReport report() { return report(swept_toy(), {"alpha=0:0.2:0.1"}); }

  TempDir dir;
  std::filesystem::path directory;
  Comparison comparison;

 private:
  int runs_ = 0;
};

TEST_F(SweepReportTest, CurvesHaveTheirPointsInOrderWithTheirNumbers) {
  const SweepTask task = report().tasks.at(0);
  ASSERT_EQ(task.curves.size(), 2u);
  const SweepCurve& cot = task.curves[0];
  EXPECT_EQ(cot.prompt, "cot");
  EXPECT_EQ(task.curves[1].prompt, "direct");
  EXPECT_EQ(cot.baseline_tally.correct, 3);
  ASSERT_EQ(cot.points.size(), 3u);
  const std::vector<std::int64_t> right = {3, 5, 8}, fixed = {0, 2, 5};
  const std::vector<double> p = {1, 0.5, 0.0625}, holm = {1, 1, 6 * 0.0625};  // six points, three of direct
  for (std::size_t i = 0; i < 3; ++i) {
    const SweepPoint& point = cot.points[i];
    EXPECT_DOUBLE_EQ(point.x, 0.1 * static_cast<double>(i));
    EXPECT_EQ(point.tally.correct, right[i]);
    EXPECT_EQ(point.tally.labelled, 9);
    EXPECT_EQ(point.difference.fixed, fixed[i]);
    EXPECT_EQ(point.difference.broken, 0);
    EXPECT_DOUBLE_EQ(point.difference.p.value(), p[i]);
    EXPECT_DOUBLE_EQ(point.difference.p_holm.value(), holm[i]);
  }
}

TEST_F(SweepReportTest, TheBestOfOneHalfIsMeasuredOnTheOther) {
  const SweepTask task = report().tasks.at(0);
  ASSERT_EQ(task.selections.size(), 2u);
  const SweepSelection& cot = task.selections[0];
  const HeldOutBest &first = cot.best[0], &second = cot.best[1];
  EXPECT_EQ(task.curves[first.curve].points[first.point].x, 0.1);
  EXPECT_EQ(first.tied, 0);
  EXPECT_EQ(first.chosen_on.correct, 4);
  EXPECT_EQ(first.chosen_on.labelled, 4);
  EXPECT_EQ(first.reported_on.correct, 1);
  EXPECT_EQ(first.reported_on.labelled, 5);
  EXPECT_EQ(first.baseline.correct, 1);
  EXPECT_EQ(first.difference.difference, 0.0);
  EXPECT_EQ(first.difference.p, 1.0);

  EXPECT_EQ(task.curves[second.curve].points[second.point].x, 0.2);
  EXPECT_EQ(second.chosen_on.correct, 5);
  EXPECT_EQ(second.reported_on.correct, 3);
  EXPECT_EQ(second.baseline.correct, 2);
  EXPECT_EQ(second.difference.items, 4);
  EXPECT_EQ(second.difference.fixed, 1);
  EXPECT_EQ(second.difference.difference, 0.25);

  EXPECT_EQ(cot.crossed.correct, 1 + 3);
  EXPECT_EQ(cot.crossed.labelled, 9);
  EXPECT_EQ(cot.crossed_baseline.correct, 3);
  EXPECT_EQ(cot.crossed_difference.fixed, 1);
  EXPECT_EQ(cot.crossed_difference.broken, 0);
  EXPECT_DOUBLE_EQ(cot.crossed_difference.difference.value(), 1.0 / 9);
  const Interval interval = tango_interval(1, 0, 9);
  EXPECT_EQ(cot.crossed_difference.interval->low, interval.low);
  EXPECT_EQ(cot.crossed_difference.interval->high, interval.high);
}

TEST_F(SweepReportTest, TiesGoToTheSmallestValue) {
  const SweepTask task = report().tasks.at(0);
  for (const HeldOutBest& best : task.selections[1].best) {
    EXPECT_EQ(task.curves[best.curve].prompt, "direct");
    EXPECT_EQ(task.curves[best.curve].points[best.point].x, 0.0);
    EXPECT_EQ(best.tied, 2);
  }
  ToyRun two;
  two.tasks = swept_toy().tasks;
  const std::map<std::string, std::string> bad = {{"anatomy", "AAAAAA"}, {"philosophy", "AAA"}};
  const std::map<std::string, std::string> good = {{"anatomy", "BBBBBB"}, {"philosophy", "BBB"}};
  two.arms = {{PromptKind::kCot, "none", bad},
              {PromptKind::kCot, rebalance("0.05", "0.01"), bad},
              {PromptKind::kCot, rebalance("0.1", "0.01"), bad},
              {PromptKind::kCot, rebalance("0.5", "0.01"), good},
              {PromptKind::kCot, rebalance("0.1", "0.05"), good},
              {PromptKind::kCot, rebalance("0.5", "0.05"), good}};
  const SweepTask over_two = report(two, {"alpha=0.05,0.1,0.5", "threshold=0.01,0.05"}).tasks.at(0);
  ASSERT_EQ(over_two.curves.size(), 2u);
  ASSERT_EQ(over_two.selections.size(), 1u);
  const HeldOutBest& best = over_two.selections[0].best[0];
  EXPECT_EQ(best.curve, 1u) << "the best overall, whichever curve it is on";
  EXPECT_EQ(over_two.curves[1].points[best.point].x, 0.1) << "though a larger value was seen first";
  EXPECT_EQ(best.tied, 2) << "the worse ones that tied before do not count";
}

TEST_F(SweepReportTest, NoChoiceWhereAHalfIsEmpty) {
  ToyRun run = swept_toy();
  run.tasks = {testing::toy_mmlu({{"anatomy", 1}})};
  const SweepReport one = report(run, {"alpha=0:0.2:0.1"});
  EXPECT_TRUE(one.tasks[0].selections.empty());
  EXPECT_THAT(sweep_table(one), HasSubstr("no held-out choice"));
  EXPECT_EQ(sweep_json(one)["tasks"][0]["selection"], ordered_json::array());
}

TEST_F(SweepReportTest, WithoutKnownAnswersThereIsNoAccuracyAndNoPicture) {
  ToyRun run = swept_toy();
  for (Item& item : run.tasks[0].items) item.label.reset();
  const SweepReport unknown = report(run, {"alpha=0:0.2:0.1"});
  const ordered_json sweep_json_of_unknown = sweep_json(unknown);
  EXPECT_TRUE(unknown.tasks[0].selections.empty());
  EXPECT_EQ(sweep_svg({sweep_json_of_unknown, {"sweep.json"}}), "");
  const ordered_json point = sweep_json(unknown)["tasks"][0]["curves"][0]["points"][0];
  EXPECT_TRUE(point["accuracy"].is_null());
  EXPECT_TRUE(point["p"].is_null());
  EXPECT_NE(sweep_table(unknown), "");
  write_sweep(directory, unknown);
  EXPECT_FALSE(std::filesystem::exists(directory / kSweepFigure));
}

TEST_F(SweepReportTest, JsonHasTheNumbersOfTheArmsFiles) {
  const SweepReport toy_report = report();
  const ordered_json file = sweep_json(toy_report);
  EXPECT_EQ(file["format"], "refocus-sweep");
  EXPECT_EQ(file["version"], 1);
  EXPECT_EQ(file["axes"], ordered_json::parse(R"([{"name":"alpha","values":[0.0,0.1,0.2]}])"));
  const ordered_json& task = file["tasks"][0];
  EXPECT_EQ(task["task"], "mmlu");
  ASSERT_EQ(task["curves"].size(), 2u);
  const auto results = [&](const ordered_json& entry) {
    const std::string arm = entry["arm"];
    return ordered_json::parse(
        read_text_file(directory / "arms" / arm / "results_refocus.json"))["results"]["mmlu"];
  };
  for (const ordered_json& curve : task["curves"]) {
    EXPECT_EQ(curve["axis"], "alpha");
    EXPECT_EQ(curve["fixed"], ordered_json::parse(R"({"threshold":0.01,"depth":3,"mode":"mask"})"));
    EXPECT_EQ(curve["baseline"]["accuracy"], results(curve["baseline"])["acc,none"]);
    ASSERT_EQ(curve["points"].size(), 3u);
    for (const ordered_json& point : curve["points"]) {
      EXPECT_EQ(point["accuracy"], results(point)["acc,none"]);
      EXPECT_EQ(point["correct"], results(point)["correct"]);
      EXPECT_EQ(point["n"], 9);
      const Interval wilson = wilson_interval(point["correct"], 9);
      EXPECT_EQ(point["low"], wilson.low);
      EXPECT_EQ(point["high"], wilson.high);
    }
  }
  const ordered_json& cot = task["selection"][0];
  EXPECT_EQ(cot["prompt"], "cot");
  EXPECT_EQ(cot["best"]["x"], 0.1);
  EXPECT_EQ(cot["best"]["arm"], "cot-rebalance_alpha=0.1_threshold=0.01_depth=3_mode=mask");
  EXPECT_EQ(cot["chosen_on"], ordered_json::parse(R"({"n":4,"correct":4,"accuracy":1.0})"));
  EXPECT_EQ(cot["reported_on"]["n"], 5);
  EXPECT_EQ(cot["reported_on"]["accuracy"], 0.2);
  EXPECT_EQ(cot["reported_on"]["low"], wilson_interval(1, 5).low);
  EXPECT_EQ(cot["reported_on"]["baseline_accuracy"], 0.2);
  EXPECT_EQ(cot["reported_on"]["difference"], 0.0);
  EXPECT_EQ(cot["reported_on"]["p"], 1.0);
  EXPECT_EQ(cot["exchanged"]["best"]["x"], 0.2);
  EXPECT_EQ(cot["exchanged"]["reported_on"]["difference"], 0.25);
  EXPECT_EQ(cot["crossed"]["correct"], 4);
}

TEST_F(SweepReportTest, AxesAreThoseOfTheArms) {
  ToyRun run = swept_toy();
  run.arms.resize(1);
  for (const char* mode : {"self", "mask"}) {
    for (const char* threshold : {"0.05", "0.005"}) {
      run.arms.push_back({PromptKind::kCot, rebalance("0.2", threshold, mode), run.arms[0].answers});
    }
  }
  const ordered_json file = sweep_json(report(run, {"mode=self,mask", "threshold=0.05,0.005"}));
  EXPECT_EQ(file["axes"],
            ordered_json::parse(
                R"([{"name":"threshold","values":[0.005,0.05]},{"name":"mode","values":["mask","self"]}])"));
  const ordered_json& curves = file["tasks"][0]["curves"];
  ASSERT_EQ(curves.size(), 2u);
  EXPECT_EQ(curves[0]["fixed"], ordered_json::parse(R"({"alpha":0.2,"depth":3,"mode":"self"})"));
  EXPECT_EQ(curves[0]["points"][0]["x"], 0.005);
}

TEST_F(SweepReportTest, FilesAreTheSameEachTimeAndWhole) {
  const SweepReport first = report();
  directory = dir / ".";
  write_sweep(directory, first);
  const std::string json = read_text_file(dir / kSweepFile), svg = read_text_file(dir / kSweepFigure);
  write_sweep(dir / ".", report());
  EXPECT_EQ(read_text_file(dir / kSweepFile), json);
  EXPECT_EQ(read_text_file(dir / kSweepFigure), svg);
  const SweepReport again = report();
  EXPECT_EQ(testing::in_child([&] {
              testing::limit_file_size(300);
              write_sweep(dir / ".", again);
              return 0;
            }),
            99);
  EXPECT_EQ(read_text_file(dir / kSweepFile), json);
  EXPECT_EQ(read_text_file(dir / kSweepFigure), svg);
}

TEST_F(SweepReportTest, TableHasARowAPointAndSaysWhatWasHeldOut) {
  const std::string table = sweep_table(report());
  EXPECT_THAT(table, HasSubstr("mmlu: 9 questions, 6 swept points\n"));
  EXPECT_THAT(table, HasSubstr("\ncot  threshold=0.01 depth=3 mode=mask\n"));
  EXPECT_THAT(table, ::testing::ContainsRegex("\n      none    33.3 \\[12.1, 64.6\\] +0.0%"));
  EXPECT_THAT(
      table, ::testing::ContainsRegex(
                 "\n       0.2    88.9 \\[56.5, 98.0\\] +\\+55.6 \\[\\+9.0, \\+81.1\\] 0.0625 0.3750 +5 +0"));
  EXPECT_THAT(table, ::testing::ContainsRegex("\n       0.1 .* 11.1% +0.0%\n"))
      << "one answer without a letter";
  EXPECT_THAT(table, HasSubstr("cot: best on one half of the questions (4): alpha=0.1, 100.0%."));
  EXPECT_THAT(table, HasSubstr("alpha=0 (the first of 3 that tie)"));
  EXPECT_THAT(table, HasSubstr("flatters"));
  std::istringstream in(table);
  for (std::string line; std::getline(in, line);) EXPECT_LE(display_width(line), 100) << line;
}

// sweep.svg of a report.
std::string picture_of(const SweepReport& report) {
  const ordered_json file = sweep_json(report);
  return sweep_svg({file, {"sweep.json"}});
}

TEST_F(SweepReportTest, PictureHasAPanelAPrompt) {
  const std::string svg = picture_of(report());
  const auto found = testing::svg_elements(svg);
  EXPECT_EQ(testing::named(found, "svg").size(), 1u);
  EXPECT_EQ(testing::named(found, "circle").size(), 2 * 3u) << "a mark a point";
  EXPECT_EQ(testing::named(found, "polygon").size(), 2u) << "a band a panel";
  for (const char* text : {"mmlu, cot (threshold=0.01 depth=3", "mmlu, direct (threshold", ">none, 33.3<",
                           ">none, 11.1<", ">alpha<", ">0.1<", ">Accuracy (%)<", "stroke-dasharray"}) {
    EXPECT_THAT(svg, HasSubstr(text));
  }
  EXPECT_THAT(testing::collisions(svg), ::testing::IsEmpty());
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf")));
}

TEST_F(SweepReportTest, PointsLieWhereTheirAccuracyIs) {
  const auto at = testing::named(testing::svg_elements(picture_of(report())), "circle");
  ASSERT_GE(at.size(), 3u);  // those of 3, 5 and 8 right answers
  const auto y = [&](std::size_t point) { return at[point].number("cy"); };
  EXPECT_NEAR((y(2) - y(1)) / (y(1) - y(0)), 3.0 / 2, 0.02);
  EXPECT_LT(y(2), y(0)) << "y grows downwards";
  EXPECT_NEAR(at[2].number("cx") - at[1].number("cx"), at[1].number("cx") - at[0].number("cx"), 0.21);
}

TEST_F(SweepReportTest, ManyCurvesAndOnePointAreDrawnToo) {
  ToyRun run = swept_toy();
  run.arms.resize(1);
  for (int i = 1; i < 15; ++i) {
    run.arms.push_back(
        {PromptKind::kCot, rebalance("0.2", "0.0" + std::to_string(10 + i)), run.arms[0].answers});
  }
  const std::string svg = picture_of(report(run, {"alpha=0.2", "threshold=0.011:0.024:0.001"}));
  testing::svg_elements(svg);
  EXPECT_THAT(svg, HasSubstr(">threshold=0.024<"));
  EXPECT_THAT(testing::collisions(svg), ::testing::IsEmpty());
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf")));
}

TEST_F(SweepReportTest, TheFigureOfAPaperHasNoTitleOfAPanelAlone) {
  ToyRun run = swept_toy();
  std::erase_if(run.arms, [](const testing::ToyArm& arm) { return arm.prompt == PromptKind::kDirect; });
  const ordered_json file = sweep_json(report(run, {"alpha=0:0.2:0.1"}));
  const figure::Picture picture = sweep_figure({file, {"sweep.json"}}, {});
  EXPECT_THAT(picture.svg, Not(HasSubstr("mmlu")));
  EXPECT_THAT(picture.caption,
              ::testing::AllOf(
                  HasSubstr("Accuracy over alpha (mmlu, cot: 9 questions, threshold=0.01 depth=3 mode=mask)"),
                  HasSubstr("Bands are 95% score intervals (Wilson 1927)")));
}

}  // namespace
}  // namespace refocus
