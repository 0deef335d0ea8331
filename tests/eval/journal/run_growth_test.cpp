#include "eval/journal/run_growth.h"

#include <nlohmann/json.hpp>

#include "eval/recording_support.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;
using ::testing::HasSubstr;

Task task_of(const std::string& name, const std::string& subject, int items, const std::string& text = "q") {
  Task out{name, {subject}, {}};
  for (int i = 0; i < items; ++i) {
    Item item;
    item.subject = subject;
    item.index = i;
    item.fields = {{"question", text + std::to_string(i)}};
    item.choices = {"x", "y"};
    item.label = 'A';
    out.items.push_back(item);
  }
  return out;
}

// What a run of one task of one subject records, with an instruction of that task.
ordered_json identity_of(const std::vector<Task>& tasks, const std::vector<std::string>& arms) {
  ordered_json out = {{"tasks", ordered_json::array()},
                      {"subjects", ordered_json::array()},
                      {"items", 0},
                      {"questions", questions_json(question_hashes(tasks))},
                      {"prompts", ordered_json::object()},
                      {"arms", arms},
                      {"generation", {{"max_new_tokens", 8}}}};
  for (const Task& task : tasks) {
    out["tasks"].push_back(task.name);
    out["subjects"].push_back(task.subjects.front());
    out["items"] = out["items"].get<std::int64_t>() + std::ssize(task.items);
    out["prompts"][task.name] = "Think.";
  }
  return out;
}

std::optional<std::string> refusal(const ordered_json& kept, const ordered_json& now,
                                   const std::vector<Task>& tasks) {
  return hindrance(kept, now, question_hashes(tasks));
}

TEST(RunGrowth, MoreOfEverythingGoesOn) {
  const std::vector<Task> few = {task_of("t", "s", 2)}, many = {task_of("u", "v", 1), task_of("t", "s", 5)};
  const ordered_json kept = identity_of(few, {"a"}), now = identity_of(many, {"b", "a"});
  EXPECT_EQ(refusal(kept, now, many), std::nullopt);
  EXPECT_EQ(growth_text(kept, now), "1 arm, 1 task, 1 subject, 4 questions");
  EXPECT_EQ(refusal(kept, kept, few), std::nullopt);
  EXPECT_EQ(growth_text(kept, kept), "");
  EXPECT_EQ(without_growth(kept), without_growth(now));
}

TEST(RunGrowth, LessOfAnythingIsRefused) {
  const std::vector<Task> few = {task_of("t", "s", 2)}, many = {task_of("t", "s", 5), task_of("u", "v", 1)};
  const ordered_json kept = identity_of(many, {"a", "b"});
  EXPECT_THAT(refusal(kept, identity_of(many, {"b"}), many).value(), HasSubstr("got none called a;"));
  EXPECT_THAT(refusal(kept, identity_of(few, {"a", "b"}), few).value(), HasSubstr("got none called u;"));
  const std::vector<Task> fewer = {task_of("t", "s", 4), task_of("u", "v", 1)};
  EXPECT_THAT(refusal(kept, identity_of(fewer, {"a", "b"}), fewer).value(),
              HasSubstr("expected at least the 5 items of s that the run has, got 4;"));
}

TEST(RunGrowth, WhatWasAskedStaysAsItWas) {
  const std::vector<Task> two = {task_of("t", "s", 2)};
  const ordered_json kept = identity_of(two, {"a"});
  const std::vector<Task> others = {task_of("t", "s", 5, "other ")};
  EXPECT_THAT(refusal(kept, identity_of(others, {"a"}), others).value(), HasSubstr("the data have changed"));
  std::vector<Task> relabelled = two;
  relabelled[0].items[1].label = 'B';
  EXPECT_THAT(refusal(kept, identity_of(relabelled, {"a"}), relabelled).value(),
              HasSubstr("the first 2 items of s"));
  const std::vector<Task> of_another_task = {task_of("u", "s", 2)};
  EXPECT_NE(question_hashes(two).at("s"), question_hashes(of_another_task).at("s"));
  ordered_json reworded = identity_of(two, {"a"});
  reworded["prompts"]["t"] = "Go.";
  EXPECT_THAT(refusal(kept, reworded, two).value(), HasSubstr("expected prompts.t to be \"Think.\""));
  ordered_json longer = identity_of(two, {"a"});
  longer["generation"]["max_new_tokens"] = 9;
  EXPECT_THAT(refusal(kept, longer, two).value(), HasSubstr("generation.max_new_tokens"));
  EXPECT_NE(without_growth(kept), without_growth(longer));
}

TEST(RunGrowth, ArmsGetNamesAndTasksGetEndsOnlyWithThem) {
  const std::vector<Task> two = {task_of("t", "s", 2)};
  const ordered_json kept = identity_of(two, {"a"});
  ordered_json now = identity_of(two, {"a", "b"});
  now["named_arms"]["b"] = "scale";
  now["generation"]["until_tokens"]["u"] = {{"<end>", 3}};
  EXPECT_EQ(refusal(kept, now, two), std::nullopt);
  ordered_json renamed = now;
  renamed["named_arms"]["b"] = "boost";
  EXPECT_THAT(refusal(now, renamed, two).value(), HasSubstr("named_arms.b"));
  EXPECT_THAT(refusal(now, identity_of(two, {"a", "b"}), two).value(),
              HasSubstr("as in its run.json, got nothing"));
}

TEST(RunGrowth, RunsOfEarlierVersionsAreNamedAsSuch) {
  const std::vector<Task> two = {task_of("t", "s", 2)};
  ordered_json old = identity_of(two, {"a"});
  old.erase("questions");
  old["data_fingerprint"] = "0123";
  EXPECT_THAT(refusal(old, identity_of(two, {"a"}), two).value(), HasSubstr("a run of an earlier version"));
}

TEST(RunGrowth, ADamagedRecordIsADifferenceOrNone) {
  const std::vector<Task> two = {task_of("t", "s", 2)};
  const ordered_json now = identity_of(two, {"a"});
  const ordered_json damaged[] = {-3,    "two",           nullptr,       ordered_json::array(),
                                  1e300, {{"items", -3}}, {{"items", 1}}};
  for (const ordered_json& value : damaged) {
    ordered_json kept = now;
    kept["questions"]["s"] = value;
    EXPECT_NO_THROW(refusal(kept, now, two));
    kept["questions"] = value;
    EXPECT_NO_THROW(refusal(kept, now, two));
    kept = now;
    kept["arms"] = value;
    kept["prompts"] = value;
    kept["generation"] = value;
    EXPECT_TRUE(refusal(kept, now, two).has_value()) << value.dump();
  }
}

TEST(RunGrowth, TheJournalKeepsWhatTheRunHasGrownTo) {
  testing::TempDir dir;
  const auto questions = [](std::vector<Task> tasks, std::vector<std::string> arms) {
    Questions out{{}, std::move(tasks)};
    for (const std::string& arm : arms) out.arms.push_back({arm, Arm{PromptKind::kDirect, arm}});
    return out;
  };
  const RunDirectory run = RunDirectory::open(dir / "run", testing::settings());
  Journal journal(run);
  journal.put(testing::response("a", "s", 0, "A"));
  journal.keep(questions({task_of("t", "s", 2)}, {"a"}));
  journal.keep(questions({task_of("t", "s", 3), task_of("u", "v", 1)}, {"a", "b"}));
  const Questions kept = journal.questions().value();
  ASSERT_EQ(kept.arms.size(), 2u);
  EXPECT_EQ(kept.arms[1].name, "b");
  ASSERT_EQ(kept.tasks.size(), 2u);
  EXPECT_EQ(kept.tasks[0].items.size(), 3u);
  EXPECT_EQ(kept.tasks[1].items.size(), 1u);
  EXPECT_EQ(journal.count(), 1);
}

}  // namespace
}  // namespace refocus
