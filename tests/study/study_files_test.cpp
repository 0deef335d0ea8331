// The files and the table of a study made by hand.
#include "study/study_files.h"

#include <fstream>
#include <sstream>

#include "study/directory_figures.h"
#include "study/study_figures.h"
#include "study/study_table.h"
#include "study_support.h"
#include "support.h"

namespace refocus {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
namespace fs = std::filesystem;

TEST(StudyFiles, CsvHasALineATextAndLayer) {
  const Study study = testing::study_by_hand(true);
  std::istringstream in(study_csv(study));
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  ASSERT_EQ(lines.size(), 1u + 4 * 40 * 2 * 2);
  EXPECT_THAT(
      lines[0],
      StartsWith("arm,model,subject,index,answer,correct,prompt_tokens,generated_tokens,layer,entropy,"));
  EXPECT_EQ(lines[1], "cot-none,after,s,0,B,False,5,2,0,5,6,7,8,9,10,11,12,13");
  EXPECT_EQ(lines[3], "cot-none,before,s,0,B,False,5,2,0,2,3,4,5,6,7,8,9,10");
  EXPECT_EQ(lines[1 + 4 * 27], "cot-none,after,s,27,B,True,5,2,0,1,2,3,4,5,6,7,8,") << "no value: nothing";
}

TEST(StudyFiles, JsonHasTheNumbersOfTheComparisons) {
  const Study study = testing::study_by_hand(false);
  const auto comparisons = compare_texts(study);
  const auto json = study_json(study, comparisons, {{"task", "worlds"}});
  EXPECT_EQ(json["format"], "refocus-study");
  EXPECT_EQ(json["settings"]["task"], "worlds");
  EXPECT_EQ(json["arms"][2]["means"]["entropy"].size(), 2u);
  EXPECT_EQ(json["arms"][0]["right"], 24);
  ASSERT_EQ(json["comparisons"].size(), comparisons.size());
  const auto& row = json["comparisons"][0]["differences"][0];
  EXPECT_EQ(row["statistic"], "entropy");
  EXPECT_DOUBLE_EQ(row["difference"], -5);
  EXPECT_EQ(json["comparisons"][0]["question"], "right_or_wrong");
}

TEST(StudyFiles, WritesAPictureAComparisonThatHasNumbers) {
  testing::TempDir dir;
  Study study = testing::study_by_hand(false);
  for (StudiedText& text : study.arms[0].texts) text.correct = true;
  const auto comparisons = compare_texts(study);
  write_study(study, comparisons, study_json(study, comparisons, {}), dir / "");
  EXPECT_FALSE(fs::exists(dir / "wrong_right-cot-none.svg"));
  for (const char* name :
       {"study.json", "texts.csv", "arms.svg", "wrong_right-direct-none.svg", "direct_cot-none.svg"}) {
    EXPECT_TRUE(fs::exists(dir / name)) << name;
  }
  EXPECT_THAT(arms_svg(study), HasSubstr("direct-rebalance"));
}

TEST(StudyTable, NamesWhatDiffersAndStaysNarrow) {
  Study study = testing::study_by_hand(false);
  for (StudiedText& text : study.arms[0].texts) text.correct = true;
  const std::string table = study_table(study, compare_texts(study));
  EXPECT_THAT(table, HasSubstr("a group has fewer than 10 texts"));
  EXPECT_THAT(table, HasSubstr("18 of 18 statistics and layers differ"));
  EXPECT_THAT(table, HasSubstr("right 60.0 % [44.6, 73.7]"));
  std::istringstream in(table);
  for (std::string line; std::getline(in, line);) EXPECT_LE(line.size(), 110u) << line;
}

TEST(StudyFiles, FiguresOfAPaperHaveTheNumbersOfTheFiles) {
  testing::TempDir dir;
  const Study study = testing::study_by_hand(true);
  const auto comparisons = compare_texts(study);
  write_study(study, comparisons, study_json(study, comparisons, {}), dir / "");
  figure::Style style;
  style.width = figure::kTwoColumns;
  const figure::Picture forest = study_forest_figure(dir.path(), "entropy", {}, style);
  EXPECT_THAT(forest.svg, ::testing::AllOf(HasSubstr("cot-none: right against wrong"), HasSubstr(">layer 1<"),
                                           HasSubstr("Difference in entropy (nats)")));
  EXPECT_THAT(forest.caption, HasSubstr("95% intervals"));
  EXPECT_THAT(testing::error_of([&] { study_forest_figure(dir.path(), "entropie", {}, style); }),
              ::testing::AllOf(HasSubstr("[--value] expected a statistic that was compared, got 'entropie'"),
                               HasSubstr("entropy")));
  const figure::Picture accuracy = study_accuracy_figure(dir.path(), {}, style);
  EXPECT_THAT(accuracy.svg, HasSubstr(">60.0 [44.6, 73.7]<")) << "24 of 40";
  const figure::Picture lengths = study_lengths_figure(dir.path(), {}, style);
  EXPECT_THAT(lengths.svg, HasSubstr(">direct-none<"));
  EXPECT_THAT(lengths.caption, HasSubstr("(40 texts)"))
      << "a text counts once, whatever layers and models it has";
  // Some arms alone, by their names with the prompt's or without.
  const std::string some = study_forest_figure(dir.path(), "entropy", {"cot-none"}, style).svg;
  EXPECT_THAT(some, HasSubstr("cot-none: right against wrong"));
  EXPECT_LT(std::ranges::count(some, '\n'), std::ranges::count(forest.svg, '\n'));
  EXPECT_THAT(study_lengths_figure(dir.path(), {"none"}, style).svg, HasSubstr(">direct-none<"));
  EXPECT_THAT(study_accuracy_figure(dir.path(), {"direct-rebalance"}, style).svg,
              ::testing::Not(HasSubstr(">direct-none<")));
  EXPECT_THAT(testing::error_of([&] {
                study_accuracy_figure(dir.path(), {"none", "rebalnce"}, style);
              }),
              HasSubstr("[--arms] expected an arm of the study, got 'rebalnce'; the arms are "));
  Study alone = study;
  alone.arms.resize(1);
  const auto within = compare_texts(alone);
  testing::TempDir other;
  write_study(study, within, study_json(study, within, {}), other / "");
  EXPECT_THAT(
      testing::error_of([&] { study_forest_figure(other.path(), "entropy", {"direct-rebalance"}, style); }),
      HasSubstr("[--arms] expected an arm that was compared with another one, got 'direct-rebalance'"));
}

}  // namespace
}  // namespace refocus
