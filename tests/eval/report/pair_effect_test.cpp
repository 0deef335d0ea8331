// Which comparisons come first and which are folded, and how the report shows it.
#include "eval/report/pair_effect.h"

#include "eval/recording_support.h"
#include "eval/report/html_accuracies.h"
#include "eval/report/html_comparisons.h"
#include "eval/toy_run.h"

namespace refocus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::TempDir;
using testing::ToyRun;

PairedNumbers numbers(std::int64_t fixed, std::int64_t broken, std::int64_t items = 100) {
  PairedNumbers out;
  out.items = items;
  out.fixed = fixed;
  out.broken = broken;
  out.difference = static_cast<double>(fixed - broken) / static_cast<double>(items);
  out.p = 1.0 / static_cast<double>(1 + fixed + broken);
  return out;
}

TEST(PairEffect, NeedsIntervalAndTestToAgree) {
  PairedNumbers all = numbers(9, 1);
  EXPECT_EQ(pair_effect(all), PairEffect::kUnknown) << "without an interval";
  all.interval = Interval{0.01, 0.15};
  all.p = 0.049;
  EXPECT_EQ(pair_effect(all), PairEffect::kBetter);
  all.p = 0.05;
  EXPECT_EQ(pair_effect(all), PairEffect::kUnclear);
  all.p = 0.001;
  all.interval = Interval{-0.15, -0.01};
  EXPECT_EQ(pair_effect(all), PairEffect::kWorse);
  all.interval = Interval{0, 0.15};
  EXPECT_EQ(pair_effect(all), PairEffect::kUnclear);
}

TEST(PairEffect, PutsTheLargestDifferenceFirstAndPromptsLast) {
  Comparison comparison;
  for (const char* prompt : {"cot", "cot", "direct"}) comparison.arms.emplace_back().arm.prompt = prompt;
  TaskComparison task;
  const auto add = [&](std::size_t baseline, std::size_t arm, const PairedNumbers& all) {
    task.pairs.push_back({{baseline, arm}, {numbers(50, 0), all}, {}});  // the last set is the whole
  };
  add(0, 1, numbers(1, 0));    // 0: +1
  add(0, 1, numbers(0, 0));    // 1: unchanged
  add(2, 0, numbers(60, 0));   // 2: prompts, +60
  add(0, 1, numbers(2, 10));   // 3: -8
  add(0, 1, numbers(10, 2));   // 4: +8, the same p as 3
  add(0, 1, numbers(28, 20));  // 5: +8, a smaller p
  add(2, 0, numbers(0, 0));    // 6: unchanged
  add(0, 1, PairedNumbers{});  // 7: nothing is known
  const PairOrder order = order_by_effect(comparison, task);
  EXPECT_THAT(order.same_prompt, ElementsAre(5, 3, 4, 0, 7));
  EXPECT_THAT(order.prompts, ElementsAre(2));
  EXPECT_THAT(order.unchanged, ElementsAre(1, 6));
  EXPECT_THAT(order.all(), ElementsAre(5, 3, 4, 0, 7, 2, 1, 6));
  task.pairs.resize(2);
  task.pairs[1].numbers.back().f1_difference = 0.1;  // the same letters, other texts
  EXPECT_THAT(order_by_effect(comparison, task).unchanged, IsEmpty());
}

// none 3 of 5 right; alpha=1 as none; alpha=2 as none; alpha=3 all right.
class EffectReport : public ::testing::Test {
 protected:
  EffectReport() {
    ToyRun run;
    run.tasks.push_back(testing::toy_mmlu({{"anatomy", 5}}));
    run.arms.push_back({PromptKind::kCot, "none", {{"anatomy", "BBBAA"}}});
    for (const char* alpha : {"1", "2", "3"}) {
      run.arms.push_back({PromptKind::kCot,
                          std::string("rebalance:alpha=") + alpha,
                          {{"anatomy", *alpha == '3' ? "BBBBB" : "BBBAA"}}});
    }
    testing::write_toy_run(dir_ / "run", run);
    comparison_ = compare_runs(read_finished_run(dir_ / "run", {.documents = true}), {}, {});
  }
  ReportView view() const { return report_view(comparison_, {"run"}, {read_run_record(dir_ / "run")}); }

  TempDir dir_;
  Comparison comparison_;
};

TEST_F(EffectReport, FoldsWhatDidNotChange) {
  const std::string html = html_comparisons(view());
  const std::size_t fold = html.find(
      "<details class=\"unchanged\"><summary>2 comparisons without a "
      "discordant pair</summary>");
  ASSERT_NE(fold, std::string::npos) << html;
  EXPECT_LT(html.find("<tr data-place=\"2\">"), fold) << "alpha=3 is in the table";
  for (const char* place : {"<tr data-place=\"0\">", "<tr data-place=\"1\">"}) {
    EXPECT_GT(html.find(place), fold);
  }
  EXPECT_THAT(html, Not(HasSubstr("class=\"group\""))) << "one kind of pairs needs no heading";
  EXPECT_LT(html.find("id=\"pair-0-2\""), html.find("id=\"pair-0-0\"")) << "details in the same order";
  EXPECT_THAT(html, HasSubstr("<section class=\"pair unchanged\" id=\"pair-0-0\""));
  const std::string findings = html_findings(view(), "");
  EXPECT_THAT(findings, HasSubstr("<strong>rebalance alpha=3 against none</strong>: +40.0 points"));
  EXPECT_THAT(findings, HasSubstr("2 comparisons without a discordant pair."));
  EXPECT_THAT(findings, Not(HasSubstr("alpha=1")));
  EXPECT_THAT(findings, Not(HasSubstr("the table below")));
  EXPECT_THAT(html_findings(view(), "<li>chosen</li>"), HasSubstr("3 comparisons of arms are in"));
}

TEST_F(EffectReport, DrawsAccuraciesOnOneScale) {
  const std::string html = html_accuracies(view());
  EXPECT_THAT(html,
              HasSubstr("mmlu, cot: accuracy in %, 95% interval<span class=\"hint\">; dashed: the baseline"));
  // Wilson's intervals of 3 and 5 of 5 are [23.1, 88.2] and [56.6, 100]: from 20 to 100.
  EXPECT_THAT(html, HasSubstr("<span>20</span><span class=\"unseen\"> to </span><span>100</span>"));
  EXPECT_THAT(html,
              HasSubstr("<th scope=\"row\" class=\"name\">none</th><td class=\"n\" data-value=\"0.6\">60.0 "
                        "<span class=\"interval\">[23.1, 88.2]</span></td>"));
  // 60 lies in the middle of 20 to 100; alpha=3 has its dot at the end and its baseline in the middle.
  EXPECT_THAT(html,
              HasSubstr("<i class=\"base\" style=\"left:50.00%\"></i><i class=\"bar\" "
                        "style=\"left:45.69%;width:54.31%\"></i><i class=\"dot\" style=\"left:100.00%\">"));
}

TEST_F(EffectReport, UnfoldsArmsBeyondAScreen) {
  ReportView many = view();
  std::vector<std::vector<Tally>>& tallies = comparison_.tasks[0].tallies;
  while (tallies.size() < 26) {
    tallies.push_back(std::vector<Tally>(tallies[0]));
    comparison_.arms.emplace_back().arm.prompt = "cot";
    many.labels.push_back(fmt::format("arm {}", tallies.size()));
  }
  const std::string html = html_accuracies(many);
  const std::size_t fold = html.find("<details><summary>2 more arms</summary>");
  ASSERT_NE(fold, std::string::npos);
  EXPECT_LT(html.find(">arm 24<"), fold);
  EXPECT_GT(html.find(">arm 25<"), fold);
}

TEST_F(EffectReport, HasNoPictureWhereNoAccuracyIsKnown) {
  for (std::vector<Tally>& sets : comparison_.tasks[0].tallies) sets.back().labelled = 0;
  EXPECT_EQ(html_accuracies(view()), "");
}

}  // namespace
}  // namespace refocus
