#include "eval/task/scoring.h"

#include <cmath>

#include "eval/recording_support.h"

namespace refocus {
namespace {

using testing::error_of;
using testing::first_letter;
using ::testing::HasSubstr;
using testing::mmlu_item;
using testing::response;

// anatomy: 5 items, astronomy: 1, philosophy: 4, sociology: 2, marketing: 2; the right letter is always B.
Task mmlu_task() {
  Task task{
      "mmlu", {"anatomy", "astronomy", "marketing", "philosophy", "sociology"}, {}, testing::categories()};
  const int sizes[] = {5, 1, 2, 4, 2};
  for (std::size_t s = 0; s < 5; ++s) {
    for (int i = 0; i < sizes[s]; ++i) task.items.push_back(mmlu_item(task.subjects[s], i, "Q", 'B'));
  }
  return task;
}

// One answer an item, by the letters of a subject: '-' is an answer without a letter, '0' an empty one.
std::vector<Response> answers(const std::vector<std::pair<std::string, std::string>>& letters) {
  std::vector<Response> out;
  for (const auto& [subject, text] : letters) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      Response r =
          response("arm", subject, static_cast<int>(i), text[i] == '0' ? "" : std::string(1, text[i]));
      r.generated_tokens = static_cast<int>(i) + 1;
      if (text[i] == '-') r.finish_reason = "length";
      out.push_back(r);
    }
  }
  return out;
}

TaskScores scores(const std::vector<Task>& tasks, std::vector<Response> responses) {
  return score(judge(tasks, std::move(responses), first_letter)[0]);
}

// Cut off, ended by a text of `until` inside the analysis, and whole; of the former two one is right each.
TEST(Scoring, CountsWhatWasReadFromUnfinishedAnswers) {
  const std::vector<Task> tasks = {mmlu_task()};
  std::vector<Response> given = answers({{"anatomy", "BAB-0"}});
  for (Response& r : given) r.prompt = "Q\nAnalysis:";
  given[0].finish_reason = "length";
  given[1].finish_reason = "stop";
  given[2].finish_reason = "stop";
  given[2].text = "B\nResponse: B";
  const Tally all = scores(tasks, given).all;
  EXPECT_EQ(all.truncated, 2);  // the unparsed one too
  EXPECT_EQ(all.stopped, 2);
  EXPECT_EQ(all.unparsed, 2);
  EXPECT_EQ(all.read_unfinished, 2);
  EXPECT_EQ(all.read_unfinished_correct, 1);
  Tally twice = all;
  twice.add(all);
  EXPECT_EQ(twice.stopped, 4);
  EXPECT_EQ(twice.read_unfinished, 4);
  EXPECT_EQ(twice.read_unfinished_correct, 2);
}

TEST(Scoring, WhatAPersonReadIsNoReadingOfTheRules) {
  Answer answer;
  answer.unfinished = true;
  answer.extraction.letter = 'B';
  answer.extraction.rule = kManualRule;
  EXPECT_FALSE(is_read_unfinished(answer));
  answer.extraction.rule = "header";
  EXPECT_TRUE(is_read_unfinished(answer));
}

TEST(Scoring, MatchesHandWorkedNumbers) {
  const std::vector<Task> tasks = {mmlu_task()};
  // Given out of order: judging sorts.
  std::vector<Response> given = answers({{"sociology", "BB"},
                                         {"anatomy", "BAB-0"},
                                         {"philosophy", "BBBC"},
                                         {"astronomy", "B"},
                                         {"marketing", "AC"}});
  const TaskScores s = scores(tasks, given);

  ASSERT_EQ(s.subjects.size(), 5u);
  const SubjectScore& anatomy = s.subjects[0];
  EXPECT_EQ(anatomy.subject, "anatomy");
  EXPECT_EQ(anatomy.category, "stem");
  EXPECT_EQ(anatomy.tally.items, 5);
  EXPECT_EQ(anatomy.tally.answered, 5);
  EXPECT_EQ(anatomy.tally.correct, 2);
  EXPECT_EQ(anatomy.tally.unparsed, 2);
  EXPECT_EQ(anatomy.tally.truncated, 1);
  EXPECT_EQ(anatomy.tally.empty, 1);
  EXPECT_EQ(anatomy.tally.generated_tokens, 15);
  EXPECT_DOUBLE_EQ(*anatomy.tally.mean_generated_tokens(), 3.0);
  EXPECT_DOUBLE_EQ(*anatomy.tally.accuracy(), 0.4);
  // Scores 1 0 1 0 0: squared deviations 2 * 0.36 + 3 * 0.16 = 1.2; variance 1.2 / 4 = 0.3; sqrt(0.3 / 5).
  EXPECT_DOUBLE_EQ(*anatomy.tally.standard_error(), std::sqrt(0.06));

  const SubjectScore& astronomy = s.subjects[1];
  EXPECT_DOUBLE_EQ(*astronomy.tally.accuracy(), 1.0);
  EXPECT_FALSE(astronomy.tally.standard_error().has_value()) << "one question has no standard deviation";
  EXPECT_DOUBLE_EQ(*s.subjects[4].tally.standard_error(), 0.0);

  ASSERT_EQ(s.groups.size(), 5u);
  EXPECT_EQ(s.groups[0].name, "stem");
  EXPECT_EQ(s.groups[1].name, "humanities");
  EXPECT_EQ(s.groups[2].name, "social_sciences");
  EXPECT_EQ(s.groups[3].name, "other");
  EXPECT_EQ(s.groups[4].name, "non_stem");
  EXPECT_EQ(s.groups[0].subjects, (std::vector<std::string>{"anatomy", "astronomy"}));
  EXPECT_EQ(s.groups[4].subjects, (std::vector<std::string>{"marketing", "philosophy", "sociology"}));
  EXPECT_DOUBLE_EQ(*s.groups[0].tally.accuracy(), 0.5);  // 3 of 6 questions, not the mean of 0.4 and 1.0
  // Variance 6 * 0.25 / 5 = 0.3; sqrt(0.3 / 6).
  EXPECT_DOUBLE_EQ(*s.groups[0].tally.standard_error(), std::sqrt(0.05));
  EXPECT_DOUBLE_EQ(*s.groups[4].tally.accuracy(), 5.0 / 8.0);
  EXPECT_EQ(s.all.answered, 14);
  EXPECT_EQ(s.all.correct, 8);
  EXPECT_DOUBLE_EQ(*s.all.accuracy(), 8.0 / 14.0);
  // p = 4/7: variance 14 * (4/7) * (3/7) / 13; over 14 under the root: (12/49) / 13.
  EXPECT_NEAR(*s.all.standard_error(), std::sqrt(12.0 / 49.0 / 13.0), 1e-15);
}

TEST(Scoring, GroupsByNoveltyWhereThereAreUnseenSubjects) {
  Task task{"worlds", {"keys", "keys_unseen", "sums", "unseen_keys"}, {}, {}};
  for (const std::string& subject : task.subjects) {
    for (int i = 0; i < 3; ++i) task.items.push_back(mmlu_item(subject, i, "Q", 'B'));
  }
  const auto given =
      answers({{"keys", "BBB"}, {"keys_unseen", "BAA"}, {"sums", "BAA"}, {"unseen_keys", "BBA"}});
  const TaskScores s = scores({task}, given);
  ASSERT_EQ(s.groups.size(), 2u) << "no categories";
  EXPECT_EQ(s.groups[0].name, "seen");
  EXPECT_EQ(s.groups[0].kind, GroupKind::kNovelty);
  EXPECT_EQ(s.groups[0].subjects, (std::vector<std::string>{"keys", "sums", "unseen_keys"}));
  EXPECT_DOUBLE_EQ(*s.groups[0].tally.accuracy(), 6.0 / 9.0);
  EXPECT_EQ(s.groups[1].name, "unseen");
  EXPECT_EQ(s.groups[1].subjects, (std::vector<std::string>{"keys_unseen"}));
  EXPECT_DOUBLE_EQ(*s.groups[1].tally.accuracy(), 1.0 / 3.0);
}

TEST(Scoring, StandardErrorIsThatOfTheSampleDeviation) {
  for (int n = 2; n <= 40; ++n) {
    for (int c = 0; c <= n; ++c) {
      Tally tally;
      tally.labelled = n;
      tally.correct = c;
      const double mean = static_cast<double>(c) / n;
      const double squares = c * (1 - mean) * (1 - mean) + (n - c) * mean * mean;
      EXPECT_NEAR(*tally.standard_error(), std::sqrt(squares / (n - 1)) / std::sqrt(n), 1e-14)
          << n << " " << c;
    }
  }
}

TEST(Scoring, HasNoAccuracyWithoutLabels) {
  Task task{"piqa", {"physicaliqa"}, {}};
  for (int i = 0; i < 3; ++i) {
    Item item;
    item.subject = "physicaliqa";
    item.index = i;
    item.choices = {"x", "y"};
    task.items.push_back(item);
  }
  const std::vector<Task> tasks = {task};
  const auto judged = judge(tasks, answers({{"physicaliqa", "AB-"}}), first_letter);
  EXPECT_FALSE(judged[0].answers[0].correct.has_value());
  const TaskScores s = score(judged[0]);
  EXPECT_FALSE(s.all.accuracy().has_value());
  EXPECT_FALSE(s.all.standard_error().has_value());
  EXPECT_EQ(s.all.unparsed, 1);
  EXPECT_TRUE(s.groups.empty());
}

TEST(Scoring, ALetterMissingIsWrongNotLeftOut) {
  const std::vector<Task> tasks = {
      {"mmlu", {"anatomy"}, {mmlu_item("anatomy", 0, "Q", 'B'), mmlu_item("anatomy", 1, "Q", 'B')}}};
  const TaskScores s = scores(tasks, answers({{"anatomy", "B-"}}));
  EXPECT_DOUBLE_EQ(*s.all.accuracy(), 0.5);
}

TEST(Scoring, CountsOpenItems) {
  const std::vector<Task> tasks = {mmlu_task()};
  const TaskScores s = scores(tasks, answers({{"anatomy", "BB"}}));
  EXPECT_EQ(s.all.items, 14);
  EXPECT_EQ(s.all.answered, 2);
  EXPECT_DOUBLE_EQ(*s.all.accuracy(), 1.0);
  EXPECT_FALSE(s.groups[4].tally.accuracy().has_value());
  EXPECT_FALSE(s.groups[4].tally.mean_generated_tokens().has_value());
}

TEST(Scoring, RefusesAnswersThatFitNoItem) {
  const std::vector<Task> tasks = {mmlu_task()};
  EXPECT_THAT(error_of([&] {
                scores(tasks, answers({{"anatomy", "BBBBBB"}}));
              }),
              HasSubstr("got one for subject 'anatomy', item 5; give the data that the run used"));
  std::vector<Response> twice = answers({{"anatomy", "B"}, {"anatomy", "C"}});
  EXPECT_THAT(error_of([&] { scores(tasks, twice); }), HasSubstr("got two for subject 'anatomy', item 0"));
}

TEST(Scoring, ExtractsFromTheTextThatReportsShow) {
  const std::vector<Task> tasks = {{"mmlu", {"anatomy"}, {mmlu_item("anatomy", 0, "Q", 'B')}}};
  std::string seen;
  const auto judged = judge(tasks, {response("arm", "anatomy", 0, "B\xf0\x9f")},
                            [&](const Item& item, const std::string& text) {
                              seen = text;
                              return first_letter(item, text);
                            });
  EXPECT_EQ(seen, "B\xef\xbf\xbd");
  EXPECT_EQ(judged[0].answers[0].response.text, seen);
}

}  // namespace
}  // namespace refocus
