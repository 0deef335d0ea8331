#include "eval/task/shard.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <map>

#include "support.h"

namespace refocus {
namespace {

using testing::error_of;

Task task_of(const std::map<std::string, int>& items_of_subject, int turns = 1) {
  Task task{"t", {}, {}};
  for (const auto& [subject, count] : items_of_subject) {
    task.subjects.push_back(subject);
    for (int i = 0; i < count; ++i) {
      Item item;
      item.subject = subject;
      item.index = i;
      item.turn = i % turns;
      task.items.push_back(std::move(item));
    }
  }
  return task;
}

// [shards] the items as "subject index".
std::vector<std::set<std::string>> parts_of(const std::vector<Task>& tasks, std::size_t count) {
  std::vector<std::set<std::string>> out;
  for (std::size_t i = 1; i <= count; ++i) {
    std::set<std::string>& part = out.emplace_back();
    for (const Item* item : items_of_shard(tasks, {i, count})) {
      part.insert(item->subject + " " + std::to_string(item->index));
    }
  }
  return out;
}

// Subjects with 0 to 40 items each.
std::map<std::string, int> any_subjects() {
  const auto sizes = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 41));
  std::map<std::string, int> out;
  for (std::size_t s = 0; s < sizes.size(); ++s) out["subject" + std::to_string(s)] = sizes[s];
  return out;
}

TEST(Shard, EveryItemIsInOneOfThem) {
  EXPECT_TRUE(rc::check([] {
    const std::vector<Task> tasks = {task_of(any_subjects())};
    const auto parts = parts_of(tasks, *rc::gen::inRange<std::size_t>(1, 12));
    std::size_t sum = 0;
    std::set<std::string> all;
    for (const auto& part : parts) {
      sum += part.size();
      all.insert(part.begin(), part.end());
    }
    RC_ASSERT(sum == tasks[0].items.size());
    RC_ASSERT(all.size() == sum);
  }));
}

TEST(Shard, SharesOfASubjectDifferByOneAtMost) {
  EXPECT_TRUE(rc::check([] {
    const std::map<std::string, int> subjects = any_subjects();
    const std::vector<Task> tasks = {task_of(subjects)};
    const auto count = *rc::gen::inRange<std::size_t>(1, 12);
    const auto parts = parts_of(tasks, count);
    for (const auto& [subject, items] : subjects) {
      for (const auto& part : parts) {
        const auto its = std::ranges::count_if(
            part, [prefix = subject + " "](const std::string& item) { return item.starts_with(prefix); });
        RC_ASSERT(static_cast<std::size_t>(its) >= static_cast<std::size_t>(items) / count);
        RC_ASSERT(static_cast<std::size_t>(its) <= (static_cast<std::size_t>(items) + count - 1) / count);
      }
    }
  }));
}

TEST(Shard, ItemsStayInTheirsAsARunGrows) {
  EXPECT_TRUE(rc::check([] {
    const std::map<std::string, int> few = any_subjects();
    std::map<std::string, int> more = few;
    for (auto& [subject, items] : more) items += *rc::gen::inRange(0, 10);
    more["another"] = 7;
    const auto count = *rc::gen::inRange<std::size_t>(1, 12);
    const auto before = parts_of({task_of(few)}, count);
    const auto after = parts_of({task_of({{"first", 5}}), task_of(more)}, count);
    for (std::size_t i = 0; i < count; ++i) RC_ASSERT(std::ranges::includes(after[i], before[i]));
  }));
}

TEST(Shard, WhatFallsOverDoesNotAllFallToOne) {
  std::map<std::string, int> subjects;
  for (int s = 0; s < 57; ++s) subjects["subject" + std::to_string(s)] = 1;
  for (const auto& part : parts_of({task_of(subjects)}, 4)) {
    EXPECT_GT(part.size(), 6u);
    EXPECT_LT(part.size(), 24u);
  }
}

TEST(Shard, TheTurnsOfATranscriptGoTogether) {
  const auto parts = parts_of({task_of({{"chat", 12}}, 3)}, 3);
  for (const auto& part : parts) {
    ASSERT_TRUE(part.size() == 3 || part.size() == 6) << part.size();
    for (int question = 0; question < 4; ++question) {
      int turns = 0;
      for (int t = 0; t < 3; ++t) turns += part.contains("chat " + std::to_string(3 * question + t));
      EXPECT_TRUE(turns == 0 || turns == 3) << question;
    }
  }
}

TEST(Shard, IsReadFromItsText) {
  const Shard shard = parse_shard("2/4");
  EXPECT_EQ(shard.index, 2u);
  EXPECT_EQ(shard.count, 4u);
  EXPECT_EQ(shard.text(), "2/4");
  EXPECT_FALSE(shard.is_whole());
  EXPECT_TRUE(parse_shard("1/1").is_whole());
  for (const char* bad : {"0/3", "4/3", "x", "1/0", "", "/", "1/", "/2", "1/2/3", "-1/3", " 1/3", "1/3 ",
                          "1.0/3", "1/100001", "99999999999999999999/3"}) {
    EXPECT_THAT(error_of([&] { parse_shard(bad); }),
                ::testing::HasSubstr("[--shard] expected I/N with 1 <= I <= N"))
        << bad;
  }
}

}  // namespace
}  // namespace refocus
