// comparison.json and the CSV of a comparison: the same numbers, in every place.
#include "eval/report/comparison_files.h"

#include <sstream>

#include "base/text_file.h"
#include "eval/recording_support.h"
#include "eval/toy_run.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;
using testing::TempDir;
using testing::ToyRun;
namespace fs = std::filesystem;

class ComparisonFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    ToyRun toy;
    toy.tasks = {testing::toy_mmlu({{"anatomy", 4}, {"philosophy", 2}})};
    toy.arms = {{PromptKind::kCot, "none", {{"anatomy", "ABBA"}, {"philosophy", "B?"}}},
                {PromptKind::kCot, "rebalance:alpha=1", {{"anatomy", "BBAa"}, {"philosophy", "BB"}}}};
    testing::write_toy_run(run, toy);
  }
  TempDir dir;
  const fs::path run = dir / "run";
};

TEST_F(ComparisonFiles, JsonHasEveryNumberAndFlip) {
  const ordered_json file = comparison_json(write_comparison(run));
  EXPECT_EQ(file["format"], "refocus-comparison");
  EXPECT_EQ(file["version"], 1);
  EXPECT_EQ(file["confidence"], 0.95);
  EXPECT_EQ(file["resamples"], 10000);
  EXPECT_EQ(file["seed"], 0);
  EXPECT_FALSE(file.contains("runs"));
  EXPECT_EQ(file["arms"], ordered_json::parse(
                              R"([{"name":"cot-none","prompt":"cot","intervention":"none"},
          {"name":"cot-rebalance_alpha=1","prompt":"cot","intervention":"rebalance:alpha=1"}])"));
  const ordered_json& task = file["tasks"][0];
  EXPECT_EQ(task["task"], "mmlu");
  const ordered_json& anatomy = task["sets"][0];
  EXPECT_EQ(anatomy["set"], "anatomy");
  EXPECT_EQ(anatomy["kind"], "subject");
  EXPECT_EQ(anatomy["category"], "stem");
  EXPECT_EQ(anatomy["arms"][0]["accuracy"], 0.5);
  EXPECT_EQ(anatomy["arms"][1]["truncated_rate"], 0.25);
  EXPECT_EQ(anatomy["arms"][1]["stopped"], 0);
  EXPECT_EQ(anatomy["arms"][1]["stopped_rate"], 0.0);
  EXPECT_EQ(anatomy["arms"][1]["read_unfinished"], 1);
  EXPECT_EQ(anatomy["arms"][1]["read_unfinished_correct"], 0);
  EXPECT_EQ(file["difference_interval"], "tango");
  EXPECT_EQ(anatomy["arms"][1]["mean_generated_tokens"], 3.0);
  EXPECT_EQ(task["sets"][1]["arms"][0]["unparsed_rate"], 0.5);
  const ordered_json& pair = task["comparisons"][0];
  EXPECT_EQ(pair["baseline"], 0);
  EXPECT_EQ(pair["arm"], 1);
  EXPECT_EQ(pair["sets"].size(), task["sets"].size());
  EXPECT_EQ(pair["sets"].back()["set"], "all");
  EXPECT_EQ(pair["sets"].back()["fixed"], 2);
  EXPECT_EQ(pair["sets"].back()["broken"], 1);
  EXPECT_EQ(pair["sets"].back()["p"], 1.0);
  EXPECT_FALSE(pair["sets"].back().contains("p_holm"));
  EXPECT_EQ(pair["sets"][0]["p_holm"], 1.0);
  EXPECT_EQ(pair["flips"],
            ordered_json::parse(
                R"([{"subject":"anatomy","item":0,"label":"B","baseline":"A","arm":"B","fixed":true},
          {"subject":"anatomy","item":2,"label":"B","baseline":"B","arm":"A","fixed":false},
          {"subject":"philosophy","item":1,"label":"B","baseline":null,"arm":"B","fixed":true}])"));
}

TEST_F(ComparisonFiles, ResponsesAndRunsWhereAskedFor) {
  const Comparison two = compare_runs(read_finished_run(run), read_finished_run(run), {});
  const ordered_json file = comparison_json(two, {{"a", "b"}, true});
  EXPECT_EQ(file["runs"], ordered_json({"a", "b"}));
  EXPECT_EQ(file["arms"][2]["run"], 1);
  EXPECT_EQ(file["tasks"][0]["comparisons"][0]["flips"].size(), 0u) << "a run does not differ from itself";
  const Comparison one = compare_runs(read_finished_run(run), {}, {});
  const ordered_json flip = comparison_json(one, {{}, true})["tasks"][0]["comparisons"][0]["flips"][0];
  EXPECT_EQ(flip["baseline_response"], "A because of cot-none");
  EXPECT_EQ(flip["arm_response"], "B because of cot-rebalance_alpha=1");
}

TEST_F(ComparisonFiles, TheRunDirectorysFileIsTheSameEachTime) {
  const ordered_json file = comparison_json(write_comparison(run));
  const std::string first = read_text_file(run / "comparison.json");
  EXPECT_EQ(ordered_json::parse(first), file);
  write_comparison(run);
  EXPECT_EQ(read_text_file(run / "comparison.json"), first);
}

TEST_F(ComparisonFiles, AFailedWriteLeavesTheOldFile) {
  write_file_atomically(run / "comparison.json", "old");
  EXPECT_EQ(testing::in_child([&] {
              testing::limit_file_size(300);
              write_comparison(run);
              return 0;
            }),
            99);
  EXPECT_EQ(read_text_file(run / "comparison.json"), "old");
}

TEST_F(ComparisonFiles, CsvHasARowForEachPairAndSet) {
  std::istringstream in(comparison_csv(compare_runs(read_finished_run(run), {}, {})));
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  ASSERT_EQ(lines.size(), 1u + 6);  // 2 subjects, 2 categories, non-STEM, all
  EXPECT_EQ(lines[0],
            "task,set,kind,category,baseline,arm,n,"
            "baseline_accuracy,baseline_accuracy_low,baseline_accuracy_high,baseline_unparsed_rate,"
            "baseline_truncated_rate,baseline_mean_generated_tokens,baseline_mean_response_characters,"
            "arm_accuracy,arm_accuracy_low,arm_accuracy_high,arm_unparsed_rate,arm_truncated_rate,"
            "arm_mean_generated_tokens,arm_mean_response_characters,"
            "fixed,broken,difference,difference_low,difference_high,p,p_holm,"
            "f1_difference,f1_difference_low,f1_difference_high,"
            "baseline_stopped_rate,baseline_read_unfinished,baseline_read_unfinished_correct,"
            "arm_stopped_rate,arm_read_unfinished,arm_read_unfinished_correct");
  EXPECT_TRUE(lines[1].starts_with("mmlu,anatomy,subject,stem,cot-none,cot-rebalance_alpha=1,4,0.5,0.15"))
      << lines[1];
  EXPECT_TRUE(lines[1].ends_with(",1.0,1.0,,,,0.0,0,0,0.0,1,0")) << lines[1];
  EXPECT_TRUE(lines[6].starts_with("mmlu,all,all,,cot-none,cot-rebalance_alpha=1,6,0.5,")) << lines[6];
  EXPECT_TRUE(lines[6].ends_with(",1.0,,,,,0.0,0,0,0.0,1,0")) << lines[6];
  for (const std::string& line : lines) EXPECT_EQ(std::count(line.begin(), line.end(), ','), 36) << line;
}

}  // namespace
}  // namespace refocus
