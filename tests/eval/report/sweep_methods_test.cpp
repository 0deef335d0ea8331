// Sweeps of several methods, of texts and of two keys at once, with answers that are known.
#include <sstream>

#include "base/json_node.h"
#include "base/text_file.h"
#include "eval/report/html_sweep.h"
#include "eval/report/sweep/sweep_figure.h"
#include "eval/report/sweep/sweep_files.h"
#include "eval/report/sweep/sweep_grid.h"
#include "eval/report/sweep/sweep_report.h"
#include "eval/report/sweep/sweep_table.h"
#include "eval/text/display_width.h"
#include "eval/toy_run.h"
#include "stats/mcnemar.h"
#include "support.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TempDir;
using testing::ToyRun;

// Half 0 is anatomy 0, 3, 4 and philosophy 0, half 1 anatomy 1, 2, 5 and philosophy 1, 2; B is right.
std::map<std::string, std::string> answers(const char* anatomy, const char* philosophy) {
  return {{"anatomy", anatomy}, {"philosophy", philosophy}};
}

class SweepMethodsTest : public ::testing::Test {
 protected:
  SweepReport report(const std::vector<std::string>& sweeps, const std::vector<std::string>& interventions,
                     const std::vector<std::map<std::string, std::string>>& of_points,
                     std::optional<std::size_t> budget = std::nullopt) {
    const ExpandedSweep sweep = expand_sweep(parse_sweep(sweeps, budget), interventions);
    ToyRun run;
    run.tasks = {testing::toy_mmlu({{"anatomy", 6}, {"philosophy", 3}})};
    run.arms = {{PromptKind::kCot, "none", answers("BBAAAA", "BAA")}};
    EXPECT_EQ(sweep.points.size(), of_points.size());
    for (std::size_t i = 0; i < of_points.size(); ++i) {
      run.arms.push_back({PromptKind::kCot, sweep.points[i].intervention.spec.canonical(4), of_points[i]});
    }
    directory = dir / ("run" + std::to_string(++runs_));
    testing::write_toy_run(directory, run);
    comparison = compare_runs(read_finished_run(directory), {}, {});
    return sweep_report(sweep, 4, comparison);
  }
  // pasta:alpha=0.1 is best on half 0, and boost:factor=3; the second is also best on half 1.
  SweepReport two_methods() {
    return report({"boost:factor=2,3", "pasta:alpha=0.1,0.5,1"}, {"boost:keys=bos", "nosink+pasta:keys=bos"},
                  {answers("BBAABA", "BAA"), answers("BBAAAA", "BAA"), answers("BAAAAA", "BAA"),
                   answers("BBAAAA", "BAA"), answers("BBBBBB", "BBB")});
  }

  TempDir dir;
  std::filesystem::path directory;
  Comparison comparison;

 private:
  int runs_ = 0;
};

TEST_F(SweepMethodsTest, NamedInterventionsOfOneMethodAreChosenFromEachByItself) {
  // "mine" is best at 3, its control at 2 on half 0, and never better than mine.
  const SweepReport both = report({"boost:factor=2,3"}, {"mine=boost:keys=bos", "control=boost:keys=sinks"},
                                  {answers("BBAAAA", "BAA"), answers("BBBBBB", "BBB"),
                                   answers("BBABAA", "BAA"), answers("BBAAAA", "AAA")});
  const SweepTask& task = both.tasks.at(0);
  ASSERT_EQ(task.selections.size(), 2u);
  EXPECT_TRUE(task.compares_selections());
  EXPECT_EQ(both.title(task.selections[0]), "mine");
  EXPECT_EQ(both.title(task.selections[1]), "control");
  EXPECT_EQ(task.selections[1].tried, 2u);
  const HeldOutBest &mine = task.selections[0].best[0], &control = task.selections[1].best[0];
  EXPECT_EQ(task.curves[mine.curve].points[mine.point].x, 3);
  EXPECT_EQ(task.curves[control.curve].points[control.point].x, 2);
  EXPECT_EQ(mine.difference.fixed, 4);
  EXPECT_EQ(control.difference.fixed, 0);
  EXPECT_DOUBLE_EQ(mine.difference.p_holm.value(), 2 * mcnemar_exact_p(4, 0)) << "over the two";
  const ordered_json json = sweep_json(both);
  EXPECT_EQ(json["tasks"][0]["selection"][1]["name"], "control");
  EXPECT_EQ(json["tasks"][0]["selection"][1]["tried"], 2);
  EXPECT_THAT(sweep_table(both),
              AllOf(HasSubstr("cot, control: best on one half"), HasSubstr("Each had 2 tries.")));
}

TEST_F(SweepMethodsTest, EachMethodHasItsCurvesAndItsChoice) {
  const SweepReport two = two_methods();
  const SweepTask& task = two.tasks.at(0);
  ASSERT_EQ(task.curves.size(), 2u);
  EXPECT_EQ(two.family(task.curves[0]).method->name, "pasta");
  EXPECT_EQ(two.axis(task.curves[1]), "factor");
  ASSERT_EQ(task.selections.size(), 2u);
  const HeldOutBest &pasta = task.selections[0].best[0], &boost = task.selections[1].best[0];
  EXPECT_EQ(task.curves[pasta.curve].points[pasta.point].x, 0.1);
  EXPECT_EQ(task.curves[boost.curve].points[boost.point].x, 3);
  EXPECT_EQ(pasta.difference.fixed, 0) << "what it gained is in the half that chose";
  EXPECT_EQ(boost.difference.fixed, 4);
  EXPECT_EQ(boost.difference.broken, 0);
  const double p = mcnemar_exact_p(4, 0);
  EXPECT_DOUBLE_EQ(boost.difference.p.value(), p);
  EXPECT_DOUBLE_EQ(boost.difference.p_holm.value(), 2 * p) << "over the two methods";
  const SweepPoint& best = task.curves[1].points[1];
  EXPECT_DOUBLE_EQ(best.difference.p_holm.value(), 5 * best.difference.p.value()) << "over all five points";
}

TEST_F(SweepMethodsTest, TheTableComparesMethodsAndSaysTheirTries) {
  const std::string table = sweep_table(two_methods());
  EXPECT_THAT(table, HasSubstr("mmlu: 9 questions, 5 swept points (pasta 3, boost 2)\n"));
  EXPECT_THAT(table, HasSubstr("\ncot, boost  keys=bos\n"));
  EXPECT_THAT(table, HasSubstr("with=nosink:keys=sinks:1+pasta"));
  EXPECT_THAT(table, HasSubstr("cot, pasta: best on one half of the questions (4): alpha=0.1, 75.0%."));
  EXPECT_THAT(table,
              ::testing::ContainsRegex("\n        boost     2  100.0 \\[56.6, 100.0\\] .* 0.1250 0.2500"));
  EXPECT_THAT(table, HasSubstr("different numbers of tries (pasta 3, boost 2)"));
  EXPECT_THAT(table, HasSubstr("--budget 2 makes tries equal"));
  std::istringstream in(table);
  for (std::string line; std::getline(in, line);) EXPECT_LE(display_width(line), 100) << line;
}

TEST_F(SweepMethodsTest, FilesNameTheMethodAndWhatItHasTried) {
  const SweepReport two = two_methods();
  const ordered_json file = sweep_json(two);
  EXPECT_EQ(file["axes"], ordered_json::parse(R"([{"name":"alpha","method":"pasta","values":[0.1,0.5,1.0]},
                                                  {"name":"factor","method":"boost","values":[2.0,3.0]}])"));
  EXPECT_EQ(file["methods"], ordered_json::parse(R"([{"method":"pasta","tried":3,"grid":3},
                                                     {"method":"boost","tried":2,"grid":2}])"));
  const ordered_json& curve = file["tasks"][0]["curves"][1];
  EXPECT_EQ(curve["method"], "boost");
  EXPECT_EQ(curve["fixed"], ordered_json::parse(R"({"keys":"bos"})"));
  EXPECT_EQ(curve["points"][1]["x"], 3.0);
  EXPECT_EQ(file["tasks"][0]["selection"][1]["reported_on"]["p_holm"], 0.25);
  const SweepHtml html = html_sweep(file, "sweep.json");
  EXPECT_THAT(html.section, HasSubstr("methods at their held-out choice"));
  EXPECT_THAT(html.section, HasSubstr("different numbers of tries (pasta 3, boost 2)"));
  EXPECT_THAT(html.selections, HasSubstr("<strong>boost:factor = 3</strong> was best"));
  EXPECT_THAT(sweep_svg({file, {"sweep.json"}}), HasSubstr("mmlu, cot, boost (keys=bos)"));
  EXPECT_EQ(sweep_grid_svg(sweep_grids({file, {"sweep.json"}})), "") << "no method has two keys";
}

TEST_F(SweepMethodsTest, TextsAreAnAxisInTheirOrder) {
  const SweepReport texts =
      report({"boost:rows=prompt,generated,positions:1-9;12-14"}, {"boost:keys=bos"},
             {answers("BAAAAA", "BAA"), answers("BBAABA", "BAA"), answers("BBBAAA", "BAA")});
  const SweepCurve& curve = texts.tasks[0].curves.at(0);
  ASSERT_EQ(curve.points.size(), 3u);
  EXPECT_EQ(curve.points[1].x, 1);
  EXPECT_EQ(curve.points[1].find("rows")->text, "generated");
  EXPECT_EQ(texts.tasks[0].curves.size(), 1u);
  const ordered_json file = sweep_json(texts);
  EXPECT_EQ(file["axes"][0]["values"],
            ordered_json::parse(R"(["prompt","generated","positions:1-9;12-14"])"));
  EXPECT_EQ(file["tasks"][0]["selection"][0]["best"]["x"], "generated");
  const std::string table = sweep_table(texts);
  EXPECT_THAT(table, HasSubstr("\n  rows=positions:1-9;12-14\n")) << "in a line of its own";
  EXPECT_THAT(table, HasSubstr("\n generated    44.4"));
  EXPECT_THAT(sweep_svg({file, {"sweep.json"}}), HasSubstr(">generated</text>"));
}

TEST_F(SweepMethodsTest, TwoKeysWithNumbersAreAGrid) {
  const SweepReport grid = report({"alpha=0.1,0.2", "threshold=0.01,0.05"}, {},
                                  {answers("BBAAAA", "BAA"), answers("BAAAAA", "BAA"),
                                   answers("BBAABA", "BAA"), answers("BBBBBB", "BBB")});
  const ordered_json file = sweep_json(grid);
  const std::vector<SweepGrid> grids = sweep_grids({file, {"sweep.json"}});
  ASSERT_EQ(grids.size(), 1u);
  const SweepGrid& only = grids[0];
  EXPECT_EQ(only.x_key, "alpha");
  EXPECT_EQ(only.y_key, "threshold");
  EXPECT_EQ(only.rest, "depth=3, mode=mask");
  EXPECT_THAT(only.xs, ElementsAre(0.1, 0.2));
  EXPECT_THAT(only.ys, ElementsAre(0.01, 0.05));
  ASSERT_EQ(only.cells.size(), 4u);
  EXPECT_DOUBLE_EQ(*only.cells[0]->difference, 0);
  EXPECT_DOUBLE_EQ(*only.cells[1]->difference, -1.0 / 9) << "alpha 0.2, threshold 0.01";
  EXPECT_DOUBLE_EQ(*only.cells[2]->difference, 1.0 / 9);
  EXPECT_DOUBLE_EQ(*only.cells[3]->accuracy, 1);
  EXPECT_EQ(only.best, 3u);
  write_sweep(directory, grid);
  const std::string svg = read_text_file(directory / kSweepGridFigure);
  EXPECT_EQ(svg, sweep_grid_svg(grids));
  for (const char* text : {"mmlu, cot: difference to none in points", ">−11.1<", ">0.0<", ">+66.7<",
                           "#b2182b", "none 33.3%; framed"}) {
    EXPECT_THAT(svg, HasSubstr(text));
  }
  EXPECT_THAT(html_sweep(file, "sweep.json").section, HasSubstr("<figure class=\"sweep-grid\""));
}

TEST_F(SweepMethodsTest, AGridOfABudgetHasCellsThatWereNotTried) {
  std::vector<std::map<std::string, std::string>> same(5, answers("BBAAAA", "BAA"));
  const SweepReport few = report({"alpha=0.1:0.3:0.1", "threshold=0.01,0.05,0.1"}, {}, same, 5);
  const ordered_json file = sweep_json(few);
  EXPECT_EQ(file["budget"], 5);
  EXPECT_EQ(file["methods"][0], ordered_json::parse(R"({"method":"rebalance","tried":5,"grid":9})"));
  const std::vector<SweepGrid> grids = sweep_grids({file, {"sweep.json"}});
  ASSERT_EQ(grids.size(), 1u);
  EXPECT_EQ(std::ranges::count_if(grids[0].cells, [](const auto& cell) { return cell.has_value(); }), 5);
  const std::string svg = sweep_grid_svg(grids);
  EXPECT_THAT(svg, HasSubstr("#dddddd"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(sweep_table(few), HasSubstr("5 swept points (rebalance 5 of 9)"));
}

TEST_F(SweepMethodsTest, InterventionsThatDifferElsewhereAreCurvesOfTheirOwn) {
  const SweepReport parts =
      report({"alpha=0,1"}, {"early=rebalance:layers=1", "late=rebalance:layers=2-3"},
             std::vector<std::map<std::string, std::string>>(4, answers("BBAAAA", "BAA")));
  ASSERT_EQ(parts.tasks[0].curves.size(), 2u);
  EXPECT_EQ(
      sweep_json(parts)["tasks"][0]["curves"][1]["fixed"],
      ordered_json::parse(R"({"threshold":0.01,"depth":3,"mode":"mask","layers":"2-3","name":"late"})"));
  EXPECT_THAT(sweep_table(parts),
              HasSubstr("\ncot  layers=1 name=early  threshold=0.01 depth=3 mode=mask\n"));
}

}  // namespace
}  // namespace refocus
