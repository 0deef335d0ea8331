#include "eval/score/summary_table.h"

#include <sstream>

#include "eval/recording_support.h"
#include "eval/text/display_width.h"

namespace refocus {
namespace {

using testing::first_letter;
using ::testing::HasSubstr;
using testing::mmlu_item;
using testing::response;

std::vector<std::string> lines(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> out;
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

Task small_task() {
  Task task{"mmlu", {"anatomy", "philosophy"}, {}, testing::categories()};
  for (int i = 0; i < 4; ++i) task.items.push_back(mmlu_item("anatomy", i, "Q", 'A'));
  task.items.push_back(mmlu_item("philosophy", 0, "Q", 'A'));
  return task;
}

ArmScores arm(const std::vector<Task>& tasks, const std::string& name, const std::string& anatomy,
              const std::string& philosophy) {
  std::vector<Response> given;
  for (std::size_t i = 0; i < anatomy.size(); ++i) {
    given.push_back(response(name, "anatomy", static_cast<int>(i), anatomy.substr(i, 1)));
  }
  if (!philosophy.empty()) given.push_back(response(name, "philosophy", 0, philosophy));
  ArmScores scores{name, {}};
  for (const TaskAnswers& answers : judge(tasks, given, first_letter)) scores.tasks.push_back(score(answers));
  return scores;
}

TEST(SummaryTable, OneArmHasItsCountsInEveryRow) {
  const std::vector<Task> tasks = {small_task()};
  EXPECT_EQ(summary_table({arm(tasks, "cot-none", "AAB?", "A")}),
            "mmlu: 5 questions; accuracy in %, ± one standard error\n"
            "\n"
            "  cot-none\n"
            "\n"
            "                   n    accuracy   unparsed  truncated  empty   tokens\n"
            "STEM\n"
            "  anatomy          4 50.0 ± 28.9          1          0      0      3.0\n"
            "Humanities\n"
            "  philosophy       1   100.0 ± -          0          0      0      3.0\n"
            "----------------------------------------------------------------------\n"
            "                   n    accuracy   unparsed  truncated  empty   tokens\n"
            "STEM               4 50.0 ± 28.9          1          0      0      3.0\n"
            "Humanities         1   100.0 ± -          0          0      0      3.0\n"
            "non-STEM           1   100.0 ± -          0          0      0      3.0\n"
            "all                5 60.0 ± 24.5          1          0      0      3.0\n");
}

TEST(SummaryTable, SeveralArmsAreColumns) {
  const std::vector<Task> tasks = {small_task()};
  const std::string table =
      summary_table({arm(tasks, "cot-none", "AAB?", "A"), arm(tasks, "direct-none", "AAA", "")});
  EXPECT_EQ(table,
            "mmlu: 5 questions, 2 arms; accuracy in %, ± one standard error\n"
            "\n"
            "  1  cot-none\n"
            "  2  direct-none\n"
            "\n"
            "                   n           1            2\n"
            "STEM\n"
            "  anatomy          4 50.0 ± 28.9  100.0 ± 0.0*\n"
            "Humanities\n"
            "  philosophy       1   100.0 ± -            -*\n"
            "----------------------------------------------\n"
            "                   n           1            2\n"
            "STEM               4 50.0 ± 28.9  100.0 ± 0.0*\n"
            "Humanities         1   100.0 ± -            -*\n"
            "non-STEM           1   100.0 ± -            -*\n"
            "all                5 60.0 ± 24.5  100.0 ± 0.0*\n"
            "answered                       5            3\n"
            "unparsed                       1            0\n"
            "truncated                      0            0\n"
            "empty                          0            0\n"
            "mean tokens                  3.0          3.0\n"
            "* some questions are not answered yet; their count is left out of n and of the accuracy\n");
}

TEST(SummaryTable, ShowsAnswersThatUntilEndedAndThoseReadThoughUnfinished) {
  const std::vector<Task> tasks = {small_task()};
  const auto scores = [&](const char* finish) {
    std::vector<Response> given;
    for (int i = 0; i < 4; ++i) given.push_back(response("a", "anatomy", i, i < 3 ? "A" : "B"));
    for (int i = 1; i < 4; ++i) given[static_cast<std::size_t>(i)].finish_reason = finish;
    return score(judge(tasks, given, first_letter)[0]);
  };
  const TaskScores cut = scores("length"), stopped = scores("stop");
  const std::string both = summary_table({{"cot-none", {cut}}, {"direct-none", {stopped}}});
  EXPECT_THAT(both, HasSubstr("unparsed                       0            0\n"
                              "truncated                      3            0\n"
                              "stopped                        0            3\n"
                              "read, unfinished               3            0\n"
                              "  of these right               2            0\n"
                              "empty                          0            0\n"));
  EXPECT_THAT(summary_table({{"cot-none", {cut}}}),
              HasSubstr("3 answers were read though unfinished; 2 right\n"));
  EXPECT_THAT(summary_table({{"cot-none", {stopped}}}),
              HasSubstr("3 answers were ended by a text of until\n"));
}

TEST(SummaryTable, SumsUpWhatIsSeenAndUnseenBesideTheCategories) {
  Task task{"worlds", {"keys", "keys_unseen", "sums", "sums_unseen"}, {}, {}};
  for (const std::string& subject : task.subjects) {
    task.categories[subject] = subject.starts_with("keys") ? "humanities" : "stem";
    for (int i = 0; i < 2; ++i) task.items.push_back(mmlu_item(subject, i, "Q", 'A'));
  }
  const std::vector<Task> tasks = {task};
  std::vector<Response> given;
  for (const Item& item : task.items) {
    const bool right = item.subject == "keys" || item.index == 0;
    given.push_back(response("a", item.subject, item.index, right ? "A" : "B"));
  }
  const TaskScores scores = score(judge(tasks, given, first_letter)[0]);
  EXPECT_EQ(summary_table({{"cot-none", {scores}}, {"direct-none", {scores}}}),
            "worlds: 8 questions, 2 arms; accuracy in %, ± one standard error\n"
            "\n"
            "  1  cot-none\n"
            "  2  direct-none\n"
            "\n"
            "                    n           1            2\n"
            "STEM\n"
            "  sums              2 50.0 ± 50.0  50.0 ± 50.0\n"
            "  sums_unseen       2 50.0 ± 50.0  50.0 ± 50.0\n"
            "Humanities\n"
            "  keys              2 100.0 ± 0.0  100.0 ± 0.0\n"
            "  keys_unseen       2 50.0 ± 50.0  50.0 ± 50.0\n"
            "-----------------------------------------------\n"
            "                    n           1            2\n"
            "STEM                4 50.0 ± 28.9  50.0 ± 28.9\n"
            "Humanities          4 75.0 ± 25.0  75.0 ± 25.0\n"
            "non-STEM            4 75.0 ± 25.0  75.0 ± 25.0\n"
            "seen                4 75.0 ± 25.0  75.0 ± 25.0\n"
            "unseen              4 50.0 ± 28.9  50.0 ± 28.9\n"
            "all                 8 62.5 ± 18.3  62.5 ± 18.3\n"
            "unparsed                        0            0\n"
            "truncated                       0            0\n"
            "empty                           0            0\n"
            "mean tokens                   3.0          3.0\n");
}

TEST(SummaryTable, StaysWithinItsColumns) {
  Task task{"mmlu", {}, {}};
  for (int s = 0; s < 57; ++s) {
    task.subjects.push_back("high_school_government_and_politic" + std::to_string(s));
    for (int i = 0; i < 2; ++i)
      task.items.push_back(mmlu_item(task.subjects.back(), i, "Q", i == 0 ? 'A' : 'B'));
  }
  task.subjects.push_back("\xe4\xb8\xad\xe6\x96\x87\n\x1b[31m");
  task.items.push_back(mmlu_item(task.subjects.back(), 0, "Q", 'A'));
  for (const std::string& subject : task.subjects) task.categories[subject] = "STEM";
  const std::vector<Task> tasks = {task};
  std::vector<Response> given;
  for (const Item& item : task.items) given.push_back(response("x", item.subject, item.index, "A"));
  for (const int columns : {80, 100, 140}) {
    for (const int arms : {1, 2, 4, 5, 9}) {
      std::vector<ArmScores> scores;
      for (int a = 0; a < arms; ++a) {
        const std::string name =
            "direct-rebalance_alpha=0.2_threshold=0.01_depth=31_mode=mask" + std::to_string(a);
        scores.push_back({name, {score(judge(tasks, given, first_letter)[0])}});
      }
      const std::string table = summary_table(scores, columns);
      int subject_lines = 0;
      for (const std::string& line : lines(table)) {
        EXPECT_LE(display_width(line), arms == 1 ? 97 : columns) << line;
        EXPECT_EQ(line.find('\x1b'), std::string::npos);
        subject_lines += line.find("politic56") != std::string::npos ? 1 : 0;
      }
      const int fitting = (columns - 38 - 8) / 13;
      EXPECT_EQ(subject_lines, arms == 1 ? 1 : (arms + fitting - 1) / fitting);
      for (int a = 0; a < arms; ++a) EXPECT_THAT(table, HasSubstr("mode=mask" + std::to_string(a) + "\n"));
    }
  }
}

TEST(SummaryTable, IsEmptyWithoutArms) { EXPECT_EQ(summary_table({}), ""); }

}  // namespace
}  // namespace refocus
