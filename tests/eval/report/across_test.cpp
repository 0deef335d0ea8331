// One comparison in several runs: whose rows they are, and that they are one family of tests.
#include "eval/report/across.h"

#include <gmock/gmock.h>

#include "eval/toy_run.h"
#include "figure/svg_reader.h"
#include "stats/mcnemar.h"
#include "stats/tango.h"
#include "support.h"

namespace refocus {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::ToyRun;

// Answers of `right` right ones, which are B, and then wrong ones.
std::string answers_of(int right, int items) {
  return std::string(static_cast<std::size_t>(right), 'B') +
         std::string(static_cast<std::size_t>(items - right), 'A');
}

class AcrossRuns : public ::testing::Test {
 protected:
  // A run of one subject; arms none, weak and strong with so many right answers.
  std::string put(const std::string& name, int items, int none, int weak, int strong,
                  PromptKind prompt = PromptKind::kDirect) {
    ToyRun toy;
    toy.tasks = {testing::toy_mmlu({{"anatomy", items}})};
    toy.arms = {{prompt, "none", {{"anatomy", answers_of(none, items)}}},
                {prompt, "rebalance:alpha=1", {{"anatomy", answers_of(weak, items)}}},
                {prompt, "rebalance:alpha=2", {{"anatomy", answers_of(strong, items)}}}};
    testing::write_toy_run(dir / name, toy);
    return (dir / name).string();
  }
  static std::vector<std::string> labels(const std::vector<AcrossRow>& rows) {
    std::vector<std::string> out;
    for (const AcrossRow& row : rows)
      out.push_back(row.compared() + ": " + std::to_string(row.numbers.items));
    return out;
  }
  testing::TempDir dir;
};

TEST_F(AcrossRuns, HaveARowEachAndOneFamily) {
  const std::vector<std::string> runs = {put("a", 20, 15, 5, 15), put("b", 30, 10, 12, 18)};
  const std::vector<AcrossRow> rows = compare_across(runs, {});
  EXPECT_THAT(labels(rows),
              ElementsAre("rebalance alpha=1 against none: 20", "rebalance alpha=1 against none: 30",
                          "rebalance alpha=2 against none: 20", "rebalance alpha=2 against none: 30"))
      << "rows of a pair of arms stand together";
  EXPECT_EQ(rows[0].numbers.broken, 10);
  EXPECT_EQ(rows[0].before, 0.75);
  EXPECT_EQ(rows[0].after, 0.25);
  EXPECT_EQ(rows[0].numbers.p, mcnemar_exact_p(0, 10));
  EXPECT_EQ(rows[0].numbers.interval->low, tango_interval(0, 10, 20).low);
  EXPECT_EQ(*rows[0].numbers.p_holm, 4 * mcnemar_exact_p(0, 10)) << "the smallest of four";
  EXPECT_EQ(*rows[3].numbers.p_holm, 3 * mcnemar_exact_p(8, 0)) << "the next of the three others";
  EXPECT_EQ(*rows[1].numbers.p_holm, 1);
  const auto json = across_json(rows);
  EXPECT_EQ(json["rows"].size(), 4u);
  EXPECT_EQ(json["rows"][3]["fixed"], 8);
  EXPECT_EQ(json["rows"][3]["run"], runs[1]);
  EXPECT_EQ(json["rows"][0]["difference"], -0.5);
}

TEST_F(AcrossRuns, ShowTheArmsThatAreAskedFor) {
  const std::vector<std::string> runs = {put("a", 20, 15, 5, 15), put("b", 30, 10, 12, 18)};
  EXPECT_THAT(labels(compare_across(runs, {{"direct-rebalance_alpha=2"}, ""})),
              ElementsAre("rebalance alpha=2 against none: 20", "rebalance alpha=2 against none: 30"));
  EXPECT_THAT(labels(compare_across(runs, {{"rebalance_alpha=2"}, "none"})),
              ElementsAre("rebalance alpha=2 against none: 20", "rebalance alpha=2 against none: 30"))
      << "without their prompts";
  const auto against = compare_across(runs, {{}, "direct-rebalance_alpha=1"});
  EXPECT_THAT(labels(against),
              ElementsAre("none against rebalance alpha=1: 20", "none against rebalance alpha=1: 30",
                          "rebalance alpha=2 against rebalance alpha=1: 20",
                          "rebalance alpha=2 against rebalance alpha=1: 30"));
  EXPECT_EQ(against[0].numbers.fixed, 10);
  EXPECT_THAT(error_of([&] {
                compare_across(runs, {{"strong"}, ""});
              }),
              HasSubstr("[--arms] expected an arm of these runs, got 'strong'"));
  EXPECT_THAT(error_of([&] {
                compare_across(runs, {{}, "strong"});
              }),
              HasSubstr("[--baseline] expected an arm"));
}

TEST_F(AcrossRuns, CompareNoKindsOfPromptWithEachOther) {
  ToyRun toy;
  toy.tasks = {testing::toy_mmlu({{"anatomy", 6}})};
  for (const PromptKind prompt : {PromptKind::kCot, PromptKind::kDirect}) {
    toy.arms.push_back({prompt, "none", {{"anatomy", answers_of(3, 6)}}});
    toy.arms.push_back({prompt, "rebalance:alpha=1", {{"anatomy", answers_of(4, 6)}}});
  }
  testing::write_toy_run(dir / "both", toy);
  const auto rows = compare_across({(dir / "both").string()}, {});
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].compared(), "rebalance alpha=1 against none");
  EXPECT_EQ(rows[0].label, "mmlu, cot");
  EXPECT_EQ(rows[1].label, "mmlu, direct");
}

TEST_F(AcrossRuns, RunsOfOneTaskAreToldApartByTheirDirectories) {
  const std::string a = put("a", 20, 15, 5, 15), b = put("b", 30, 10, 12, 18);
  const auto rows = compare_across({a, b}, {{"direct-rebalance_alpha=1"}, ""});
  EXPECT_EQ(rows[0].label, "mmlu, direct (" + a + ")");
  EXPECT_EQ(rows[1].label, "mmlu, direct (" + b + ")");
}

TEST_F(AcrossRuns, AreATableAndAFigure) {
  const auto rows = compare_across({put("a", 20, 15, 5, 15), put("b", 30, 10, 12, 18)}, {});
  const std::string table = across_table(rows);
  EXPECT_THAT(table, AllOf(HasSubstr("Holm over all 4 rows"), HasSubstr("rebalance alpha=1 against none\n"),
                           HasSubstr("-50.0 ["), HasSubstr("0.0078")));
  EXPECT_THAT(markdown_text(across_printed(rows)),
              AllOf(HasSubstr("| -50.0 |"), HasSubstr("*rebalance alpha=2 against none*")));
  figure::Style style;
  style.width = 174 * figure::kMillimetre;
  const figure::Picture picture = across_forest(rows, style);
  EXPECT_THAT(picture.svg, HasSubstr("rebalance alpha=1 against none"));
  EXPECT_THAT(picture.caption, HasSubstr("after Holm over all 4 rows: 2 of them at most 0.05."));
  EXPECT_TRUE(testing::collisions(picture.svg).empty());
}

TEST_F(AcrossRuns, ARunOfOneArmIsRefused) {
  ToyRun toy;
  toy.tasks = {testing::toy_mmlu({{"anatomy", 6}})};
  toy.arms = {{PromptKind::kCot, "none", {{"anatomy", answers_of(3, 6)}}}};
  testing::write_toy_run(dir / "one", toy);
  EXPECT_THAT(error_of([&] { compare_across({(dir / "one").string()}, {}); }),
              HasSubstr("expected arms that can be compared"));
}

}  // namespace
}  // namespace refocus
