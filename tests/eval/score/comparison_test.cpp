// Comparing arms whose answers are known: every number, every flip, and what is refused.
#include "eval/score/comparison.h"

#include <sstream>

#include "base/text_file.h"
#include "eval/recording_support.h"
#include "eval/report/comparison_files.h"
#include "eval/report/comparison_table.h"
#include "eval/task/task_kind.h"
#include "eval/text/display_width.h"
#include "eval/toy_run.h"
#include "stats/bootstrap.h"
#include "stats/holm.h"
#include "stats/mcnemar.h"
#include "stats/tango.h"
#include "stats/wilson.h"

namespace refocus {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using testing::TempDir;
using testing::ToyArm;
using testing::ToyRun;
using testing::write_toy_run;
namespace fs = std::filesystem;

constexpr const char* kComparedRebalance = "rebalance:alpha=0.2";
constexpr const char* kChanged = "cot-rebalance_alpha=0.2";

// The right letter is B everywhere. From the first arm to the second: anatomy has item 0 fixed (it was wrong)
// and item 3 (nothing was found), item 2 broken (now nothing is found) and item 4 wrong in another way;
// astronomy has none changed; philosophy has item 1 broken.
ToyRun compared_toy() {
  ToyRun run;
  run.tasks = {testing::toy_mmlu({{"anatomy", 6}, {"astronomy", 2}, {"philosophy", 3}})};
  run.arms = {{PromptKind::kCot, "none", {{"anatomy", "ABB?AB"}, {"astronomy", "BA"}, {"philosophy", "BBB"}}},
              {PromptKind::kCot,
               kComparedRebalance,
               {{"anatomy", "BB?BCb"}, {"astronomy", "BA"}, {"philosophy", "BAB"}}}};
  return run;
}

class ComparisonTest : public ::testing::Test {
 protected:
  std::vector<FinishedArm> finished(const std::string& name, const ToyRun& run) {
    write_toy_run(dir / name, run);
    return read_finished_run(dir / name);
  }
  Comparison compare(const ToyRun& run, const ComparisonOptions& options = {}) {
    return compare_runs(finished("run" + std::to_string(++runs_), run), {}, options);
  }
  TempDir dir;

 private:
  int runs_ = 0;
};

std::size_t set_of(const TaskComparison& task, const std::string& name) {
  for (std::size_t s = 0; s < task.sets.size(); ++s) {
    if (task.sets[s].name == name) return s;
  }
  ADD_FAILURE() << "no set " << name;
  return 0;
}

std::string pairs_text(const Comparison& comparison) {
  std::string out;
  for (const PairComparison& pair : comparison.tasks.front().pairs) {
    const auto name = [&](std::size_t a) {
      const ComparedArm& arm = comparison.arms[a];
      return arm.arm.name + (arm.run == 1 ? "'" : "");
    };
    out += name(pair.pair.baseline) + " > " + name(pair.pair.arm) + "\n";
  }
  return out;
}

TEST_F(ComparisonTest, FindsExactlyTheItemsThatChanged) {
  const Comparison comparison = compare(compared_toy());
  ASSERT_EQ(comparison.tasks.size(), 1u);
  ASSERT_EQ(comparison.tasks[0].pairs.size(), 1u);
  EXPECT_EQ(flip_list(comparison, {}, false), std::string("mmlu: ") + kChanged +
                                                  " against cot-none: 2 fixed, 2 broken\n"
                                                  "  fixed   anatomy 0: right B, A -> B\n"
                                                  "  broken  anatomy 2: right B, B -> -\n"
                                                  "  fixed   anatomy 3: right B, - -> B\n"
                                                  "  broken  philosophy 1: right B, B -> A\n"
                                                  "\n");
}

TEST_F(ComparisonTest, ShowsBothResponsesOfAFlip) {
  const std::string list = flip_list(compare(compared_toy()), {}, true);
  EXPECT_THAT(list, HasSubstr(std::string("  broken  philosophy 1: right B, B -> A\n"
                                          "    cot-none:\n"
                                          "    | B because of cot-none\n"
                                          "    ") +
                              kChanged + ":\n    | A because of " + kChanged + "\n"));
}

TEST_F(ComparisonTest, CountsEverySet) {
  const Comparison comparison = compare(compared_toy());
  const TaskComparison& task = comparison.tasks[0];
  struct Expected {
    const char* set;
    std::int64_t items, fixed, broken, before, after;
  };
  const std::vector<Expected> expected = {{"anatomy", 6, 2, 1, 3, 4},    {"astronomy", 2, 0, 0, 1, 1},
                                          {"philosophy", 3, 0, 1, 3, 2}, {"stem", 8, 2, 1, 4, 5},
                                          {"humanities", 3, 0, 1, 3, 2}, {"non_stem", 3, 0, 1, 3, 2},
                                          {"all", 11, 2, 2, 7, 7}};
  ASSERT_EQ(task.sets.size(), expected.size());
  for (const Expected& e : expected) {
    const std::size_t s = set_of(task, e.set);
    const PairedNumbers& numbers = task.pairs[0].numbers[s];
    EXPECT_EQ(numbers.items, e.items) << e.set;
    EXPECT_EQ(numbers.fixed, e.fixed) << e.set;
    EXPECT_EQ(numbers.broken, e.broken) << e.set;
    EXPECT_EQ(task.tallies[0][s].correct, e.before) << e.set;
    EXPECT_EQ(task.tallies[1][s].correct, e.after) << e.set;
    EXPECT_EQ(numbers.p, mcnemar_exact_p(e.fixed, e.broken)) << e.set;
    EXPECT_DOUBLE_EQ(*numbers.difference, double(e.fixed - e.broken) / double(e.items)) << e.set;
  }
}

TEST_F(ComparisonTest, IntervalsAndCorrectionsAreThoseOfTheStatistics) {
  const Comparison comparison = compare(compared_toy());
  const TaskComparison& task = comparison.tasks[0];
  const auto expect_interval = [&](const char* set, int fixed, int broken, int items) {
    const Interval expected = tango_interval(fixed, broken, items);
    const PairedNumbers& numbers = task.pairs[0].numbers[set_of(task, set)];
    EXPECT_EQ(numbers.interval->low, expected.low) << set;
    EXPECT_EQ(numbers.interval->high, expected.high) << set;
  };
  expect_interval("anatomy", 2, 1, 6);
  expect_interval("astronomy", 0, 0, 2);
  expect_interval("philosophy", 0, 1, 3);
  expect_interval("stem", 2, 1, 8);
  expect_interval("all", 2, 2, 11);
  // Nothing changed in astronomy, which two questions cannot tell from a large difference.
  const Interval& nothing = *task.pairs[0].numbers[set_of(task, "astronomy")].interval;
  EXPECT_NEAR(nothing.high, 3.8414588206941236 / (2 + 3.8414588206941236), 1e-9);
  EXPECT_EQ(nothing.low, -nothing.high);
  const Interval accuracy = *accuracy_interval(task.tallies[1][set_of(task, "stem")]);
  EXPECT_EQ(accuracy.low, wilson_interval(5, 8).low);
  EXPECT_EQ(accuracy.high, wilson_interval(5, 8).high);
}

TEST_F(ComparisonTest, HolmIsOverTheSubjects) {
  ToyRun run;
  run.tasks = {testing::toy_mmlu({{"anatomy", 8}, {"astronomy", 8}, {"philosophy", 8}})};
  run.arms = {{PromptKind::kCot,
               "none",
               {{"anatomy", "AAAAAAAA"}, {"astronomy", "AAAAAABB"}, {"philosophy", "BBBBBBBB"}}},
              {PromptKind::kCot,
               kComparedRebalance,
               {{"anatomy", "BBBBBBBB"}, {"astronomy", "BBBBBBBB"}, {"philosophy", "BBBBBBBA"}}}};
  const Comparison comparison = compare(run);
  const TaskComparison& task = comparison.tasks[0];
  const std::vector<PairedNumbers>& numbers = task.pairs[0].numbers;
  // p: 2/2^8, 2/2^6, 1 for three subjects.
  EXPECT_DOUBLE_EQ(*numbers[set_of(task, "anatomy")].p_holm, 3 * 2 / 256.);
  EXPECT_DOUBLE_EQ(*numbers[set_of(task, "astronomy")].p_holm, 2 * 2 / 64.);
  EXPECT_DOUBLE_EQ(*numbers[set_of(task, "philosophy")].p_holm, 1);
  for (const char* set : {"stem", "non_stem", "all"}) EXPECT_FALSE(numbers[set_of(task, set)].p_holm) << set;
}

TEST_F(ComparisonTest, CountsWhatWasCutOffOrNotFoundAndHowLongAnswersAre) {
  const Comparison comparison = compare(compared_toy());
  const TaskComparison& task = comparison.tasks[0];
  const std::size_t anatomy = set_of(task, "anatomy");
  const Tally &before = task.tallies[0][anatomy], &after = task.tallies[1][anatomy];
  EXPECT_EQ(before.unparsed, 1);
  EXPECT_EQ(before.truncated, 0);
  EXPECT_EQ(after.unparsed, 1);
  EXPECT_EQ(after.truncated, 1);
  EXPECT_EQ(*before.mean_generated_tokens(), 3);
  EXPECT_EQ(*before.mean_characters(), double(std::string("B because of cot-none").size()));
}

// A run of one short-answer task of metric f1, an arm an F1 for each item.
FinishedArm f1_arm(const std::string& name, const std::vector<double>& f1) {
  FinishedArm arm;
  arm.name = name;
  arm.prompt = "direct";
  arm.intervention = name == "direct-none" ? "none" : kComparedRebalance;
  arm.rules = "anchored";
  TaskKind kind;
  kind.name = "quiz";
  kind.type = AnswerType::kShort;
  kind.short_answer.metric = ShortMetric::kF1;
  kind.definition = "{}";
  auto task = std::make_unique<Task>(Task{"quiz", {"quiz"}, {}});
  task->own = std::make_shared<const TaskKind>(kind);
  FinishedTask finished;
  for (std::size_t i = 0; i < f1.size(); ++i) {
    Item item;
    item.subject = "quiz";
    item.index = static_cast<int>(i);
    item.answers = {"x"};
    task->items.push_back(item);
    Answer answer;
    answer.extraction.text = "y";
    answer.correct = f1[i] == 1;
    answer.f1 = f1[i];
    finished.answers.answers.push_back(std::move(answer));
    finished.hashes.push_back(std::to_string(i));
  }
  for (std::size_t i = 0; i < f1.size(); ++i) finished.answers.answers[i].item = &task->items[i];
  finished.answers.task = task.get();
  finished.task = std::move(task);
  arm.tasks.push_back(std::move(finished));
  return arm;
}

Comparison compare_f1(const std::vector<double>& before, const std::vector<double>& after,
                      std::uint64_t seed = 3) {
  std::vector<FinishedArm> arms;
  arms.push_back(f1_arm("direct-none", before));
  arms.push_back(f1_arm(kChanged, after));
  ComparisonOptions options;
  options.seed = seed;
  return compare_runs(std::move(arms), {}, options);
}

TEST_F(ComparisonTest, DifferencesOfF1HaveBootstrapIntervals) {
  const std::vector<double> before = {0, 0.5, 1, 0.25, 0.75}, after = {0.5, 0.5, 0.75, 0.5, 1};
  const Comparison comparison = compare_f1(before, after);
  const PairedNumbers& all = comparison.tasks[0].pairs[0].numbers.back();
  EXPECT_DOUBLE_EQ(*all.f1_difference, 0.15);
  const std::vector<double> changes = {0.5, 0, -0.25, 0.25, 0.25};
  const Interval expected = paired_bootstrap_interval(changes, 10'000, 3).value();
  EXPECT_EQ(all.f1_interval->low, expected.low);
  EXPECT_EQ(all.f1_interval->high, expected.high);
  EXPECT_EQ(all.interval->high, tango_interval(1, 1, 5).high);  // of exact matches
  const std::string table = comparison_table(comparison, {});
  EXPECT_THAT(table,
              HasSubstr("\n  F1: +15.0 [-10.0, +35.0] points with 95% interval (bootstrap, seed 3)\n"));
  const auto set = comparison_json(comparison)["tasks"][0]["comparisons"][0]["sets"].back();
  EXPECT_EQ(set["f1_difference"], 0.15);
  EXPECT_EQ(set["f1_difference_interval"][0], expected.low);
  EXPECT_THAT(comparison_csv(comparison), HasSubstr(",f1_difference,f1_difference_low,f1_difference_high,"));
}

TEST_F(ComparisonTest, AnF1ThatIsTheSameEverywhereHasNoInterval) {
  const Comparison comparison = compare_f1({0.25, 0.5, 0.75}, {0.25, 0.5, 0.75});
  const PairedNumbers& all = comparison.tasks[0].pairs[0].numbers.back();
  EXPECT_EQ(all.f1_difference, 0.0);
  EXPECT_FALSE(all.f1_interval);
  EXPECT_THAT(comparison_table(comparison, {}), HasSubstr("\n  F1: 0.0 [none] points with"));
  EXPECT_TRUE(comparison_json(comparison)["tasks"][0]["comparisons"][0]["sets"]
                  .back()["f1_difference_interval"]
                  .is_null());
  EXPECT_THAT(comparison_csv(comparison), ::testing::EndsWith(",0.0,,,0.0,0,0,0.0,0,0\n"));
}

TEST_F(ComparisonTest, CharactersAreCodePoints) {
  const std::vector<Task> tasks = {testing::toy_mmlu({{"anatomy", 1}})};
  const auto answers =
      judge(tasks, {testing::response("a", "anatomy", 0, "B \xC3\xA4\xE4\xB8\xAD\xF0\x9F\x98\x80")},
            testing::first_letter);
  EXPECT_EQ(*score(answers[0]).all.mean_characters(), 5);
}

TEST_F(ComparisonTest, OneTableForAllNumbers) {
  ComparisonTableOptions options;
  options.arms = false;
  const Comparison comparison = compare(compared_toy());
  EXPECT_EQ(
      comparison_table(comparison, options),
      "mmlu: paired differences in points with 95% interval (Tango's score interval), McNemar's exact p\n"
      "\n"
      "  baseline  cot-none\n"
      "  arm       cot-rebalance_alpha=0.2\n"
      "                 n  base   arm             difference      p   Holm fixed broken\n"
      "STEM\n"
      "  anatomy        6  50.0  66.7   +16.7 [-39.8, +63.0] 1.0000 1.0000     2      1\n"
      "  astronomy      2  50.0  50.0     0.0 [-65.8, +65.8] 1.0000 1.0000     0      0\n"
      "Humanities\n"
      "  philosophy     3 100.0  66.7   -33.3 [-79.2, +41.5] 1.0000 1.0000     0      1\n"
      "--------------------------------------------------------------------------------\n"
      "                 n  base   arm             difference      p   Holm fixed broken\n"
      "STEM             8  50.0  62.5   +12.5 [-32.9, +52.8] 1.0000            2      1\n"
      "Humanities       3 100.0  66.7   -33.3 [-79.2, +41.5] 1.0000            0      1\n"
      "non-STEM         3 100.0  66.7   -33.3 [-79.2, +41.5] 1.0000            0      1\n"
      "all             11  63.6  63.6     0.0 [-37.0, +37.0] 1.0000            2      2\n"
      "\n");
}

// keys (humanities) and sums (STEM), two items each, and the same with "_unseen".
ToyRun toy_worlds() {
  ToyRun run;
  Task task = testing::toy_mmlu({{"keys", 2}, {"keys_unseen", 2}, {"sums", 2}, {"sums_unseen", 2}});
  task.name = "worlds";
  task.categories = {
      {"keys", "humanities"}, {"keys_unseen", "humanities"}, {"sums", "stem"}, {"sums_unseen", "stem"}};
  run.tasks = {task};
  run.arms = {{PromptKind::kCot,
               "none",
               {{"keys", "BB"}, {"keys_unseen", "AB"}, {"sums", "BA"}, {"sums_unseen", "AA"}}},
              {PromptKind::kCot,
               kComparedRebalance,
               {{"keys", "BA"}, {"keys_unseen", "BB"}, {"sums", "BB"}, {"sums_unseen", "BA"}}}};
  return run;
}

TEST_F(ComparisonTest, ShowsWhatIsSeenAndUnseenWithTheCategoriesOfTheRun) {
  ComparisonTableOptions options;
  options.arms = false;
  const std::string table = comparison_table(compare(toy_worlds()), options);
  EXPECT_THAT(table,
              HasSubstr("STEM\n"
                        "  sums            2  50.0 100.0   +50.0 [-48.6, +90.5] 1.0000 1.0000     1      0\n"
                        "  sums_unseen     2   0.0  50.0   +50.0 [-48.6, +90.5] 1.0000 1.0000     1      0\n"
                        "Humanities\n"));
  EXPECT_THAT(table,
              HasSubstr("non-STEM          4  75.0  75.0     0.0 [-60.4, +60.4] 1.0000            1      1\n"
                        "seen              4  75.0  75.0     0.0 [-60.4, +60.4] 1.0000            1      1\n"
                        "unseen            4  25.0  75.0   +50.0 [-23.5, +85.0] 0.5000            2      0\n"
                        "all               8  50.0  75.0"));
}

TEST_F(ComparisonTest, LeavesSubjectsOutWhereTotalsAreWanted) {
  ComparisonTableOptions options;
  options.arms = options.subjects = false;
  const std::string table = comparison_table(compare(toy_worlds()), options);
  EXPECT_THAT(table, Not(HasSubstr("sums")));
  EXPECT_THAT(table, HasSubstr("\nunseen            4  25.0  75.0"));
}

TEST_F(ComparisonTest, TakesCategoriesOfTheFirstRunForBoth) {
  ToyRun second = toy_worlds();
  second.tasks[0].categories.clear();
  const Comparison comparison = compare_runs(finished("a", toy_worlds()), finished("b", second), {});
  const TaskComparison& task = comparison.tasks[0];
  ASSERT_EQ(comparison.arms.size(), 4u);
  for (std::size_t arm = 0; arm < 4; ++arm) {
    EXPECT_EQ(task.tallies[arm].size(), task.sets.size());
    EXPECT_EQ(task.tallies[arm][set_of(task, "stem")].answered, 4);
    EXPECT_EQ(task.tallies[arm][set_of(task, "unseen")].answered, 4);
    EXPECT_EQ(task.tallies[arm].back().answered, 8);
  }
  EXPECT_EQ(task.tallies[3][set_of(task, "unseen")].correct, 3);
  // Without categories there are still the subjects and what is unseen.
  const Comparison bare = compare_runs(finished("c", second), {}, {});
  ASSERT_EQ(bare.tasks[0].sets.size(), 7u);
  EXPECT_EQ(bare.tasks[0].sets[4].kind, ItemSet::Kind::kNovelty);
}

TEST_F(ComparisonTest, ArmsStandBesideEachOtherWithTheirIntervalsAndRates) {
  const std::string table = comparison_table(compare(compared_toy()), {.runs = {}});
  EXPECT_THAT(table, ::testing::StartsWith("mmlu: 2 arms; accuracy in % with 95% interval (Wilson)\n"
                                           "\n"
                                           "  1  cot-none\n"
                                           "  2  cot-rebalance_alpha=0.2\n"
                                           "\n"
                                           "                 n                    1                    2\n"
                                           "STEM\n"
                                           "  anatomy        6    50.0 [18.8, 81.2]    66.7 [30.0, 90.3]\n"));
  EXPECT_THAT(table, HasSubstr("all             11    63.6 [35.4, 84.8]    63.6 [35.4, 84.8]\n"
                               "unparsed                           9.1%                 9.1%\n"
                               "truncated                          0.0%                 9.1%\n"
                               "read, unfinished            0 (0 right)          1 (1 right)\n"
                               "mean tokens                         3.0                  3.0\n"));
}

TEST_F(ComparisonTest, TableStaysWithinItsColumns) {
  ToyRun run;
  run.tasks = {testing::toy_mmlu({{"high_school_government_and_politics", 1},
                                  {"high_school_european_history", 2},
                                  {"anatomy", 1},
                                  {"unheard_of_subject_with_a_long_name_indeed", 1}})};
  const auto arm = [&](const char* intervention, char answer) {
    ToyArm out{PromptKind::kCot, intervention, {}};
    for (const std::string& subject : run.tasks[0].subjects) out.answers[subject] = std::string(2, answer);
    return out;
  };
  run.arms = {arm("none", 'B'), arm("rebalance:alpha=0.1", 'A'), arm("rebalance:alpha=0.2", 'A')};
  std::istringstream in(comparison_table(compare(run), {.runs = {}}));
  for (std::string line; std::getline(in, line);) EXPECT_LE(display_width(line), 100) << line;
}

TEST_F(ComparisonTest, EveryArmHasItsBaseline) {
  ToyRun run = compared_toy();
  const auto answers = run.arms[0].answers;
  run.arms = {{PromptKind::kCot, "none", answers},
              {PromptKind::kCot, kComparedRebalance, answers},
              {PromptKind::kCot, "rebalance:alpha=1", answers},
              {PromptKind::kDirect, "none", answers},
              {PromptKind::kDirect, kComparedRebalance, answers}};
  EXPECT_EQ(pairs_text(compare(run)),
            "cot-none > cot-rebalance_alpha=0.2\n"
            "cot-none > cot-rebalance_alpha=1\n"
            "direct-none > direct-rebalance_alpha=0.2\n"
            "direct-none > cot-none\n"
            "direct-rebalance_alpha=0.2 > cot-rebalance_alpha=0.2\n");
  ComparisonOptions options;
  options.baseline = kChanged;
  EXPECT_EQ(pairs_text(compare(run, options)),
            "cot-rebalance_alpha=0.2 > cot-none\n"
            "cot-rebalance_alpha=0.2 > cot-rebalance_alpha=1\n"
            "cot-rebalance_alpha=0.2 > direct-none\n"
            "cot-rebalance_alpha=0.2 > direct-rebalance_alpha=0.2\n");
  options.baseline = "cot-x";
  EXPECT_THAT(error_of([&] { compare(run, options); }),
              ::testing::AllOf(HasSubstr("[--baseline]"), HasSubstr("cot-none, cot-reb")));
}

TEST_F(ComparisonTest, ArmsOfTwoRunsMeetTheirNamesakes) {
  ToyRun one = compared_toy(), two = compared_toy();
  one.arms.erase(one.arms.begin() + 1);
  two.arms[0].answers["astronomy"] = "AB";
  const auto compared = [&](const ComparisonOptions& options) {
    static int n = 0;
    const std::string name = std::to_string(++n);
    return compare_runs(finished("one" + name, one), finished("two" + name, two), options);
  };
  const Comparison comparison = compared({});
  EXPECT_EQ(pairs_text(comparison), "cot-none > cot-none'\ncot-none > cot-rebalance_alpha=0.2'\n");
  EXPECT_THAT(flip_list(comparison, {"one", "two"}, false),
              HasSubstr("mmlu: cot-none of two against cot-none of one: 1 fixed, 1 broken\n"
                        "  broken  astronomy 0: right B, B -> A\n"
                        "  fixed   astronomy 1: right B, A -> B\n"));
  two.arms.erase(two.arms.begin());
  two.arms[0].prompt = PromptKind::kDirect;
  EXPECT_EQ(pairs_text(compared({})), "cot-none > direct-rebalance_alpha=0.2'\n");
}

TEST_F(ComparisonTest, ItemsWithoutARightLetterAreLeftOut) {
  ToyRun run = compared_toy();
  for (Item& item : run.tasks[0].items) {
    if (item.subject != "anatomy" || item.index == 0) item.label.reset();
  }
  const Comparison comparison = compare(run);
  const TaskComparison& task = comparison.tasks[0];
  const std::vector<PairedNumbers>& numbers = task.pairs[0].numbers;
  EXPECT_EQ(numbers[set_of(task, "anatomy")].items, 5);
  EXPECT_EQ(numbers[set_of(task, "anatomy")].fixed, 1);
  EXPECT_FALSE(numbers[set_of(task, "philosophy")].difference);
  EXPECT_FALSE(numbers[set_of(task, "philosophy")].p_holm);
  EXPECT_EQ(*numbers[set_of(task, "anatomy")].p_holm, 1);
  EXPECT_EQ(task.pairs[0].flips.size(), 2u);
  EXPECT_THAT(comparison_table(comparison, {}), HasSubstr("philosophy"));
  EXPECT_TRUE(comparison_json(comparison)["tasks"][0]["comparisons"][0]["sets"][2]["difference"].is_null());
}

}  // namespace
}  // namespace refocus
