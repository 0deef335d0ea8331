// The benchmark: that training never shows it, what it is made of, and that the files of data/worlds are it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/text_file.h"
#include "dataset/world_data.h"
#include "dataset/world_solver.h"
#include "eval/tasks/task_data.h"
#include "support.h"

namespace refocus {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::uint64_t kPublishedSeed = 2026;
constexpr int kSeen = 30, kUnseen = 15;

// Lines of training data of several kinds and seeds.
std::vector<std::string> training_texts() {
  std::vector<std::string> texts;
  for (const int questions : {1, 5}) {
    for (const std::uint64_t seed : {std::uint64_t{3}, kPublishedSeed}) {
      WorldDataOptions options;
      options.seed = seed;
      options.questions_per_world = questions;
      WorldData data(options);
      for (int i = 0; i < 4000; ++i) {
        const json line = json::parse(data.next(questions).json);
        texts.push_back(line.contains("text")
                            ? line["text"].get<std::string>()
                            : line["prompt"].get<std::string>() + line["response"].get<std::string>());
      }
    }
  }
  WorldDataOptions options;
  options.forms = {WorldForm::kDrill, WorldForm::kCopy, WorldForm::kPairs};
  WorldData drills(options);
  for (int i = 0; i < 4000; ++i) {
    const json line = json::parse(drills.next(1).json);
    texts.push_back(line["prompt"].get<std::string>() + line["response"].get<std::string>());
  }
  return texts;
}

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words(1);
  for (const char c : text) {
    if (std::isalpha(static_cast<unsigned char>(c)) != 0) {
      words.back() += c;
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
    if (c == '.' || c == '\n' || c == ',' || c == ':') words.emplace_back("|");
    if (words.back() == "|") words.emplace_back();
  }
  return words;
}

bool in(WordList list, const std::string& word) { return std::ranges::find(list, word) != list.end(); }

TEST(Benchmark, TrainingNeverShowsHeldOutPairs) {
  int names = 0, described = 0;
  for (const std::string& text : training_texts()) {
    const std::vector<std::string> words = words_of(text);
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
      const bool name = in(words::kFirstNames, words[i]) && in(words::kFamilyNames, words[i + 1]);
      bool noun = false;
      for (const WordList list : {words::kSmallThings, words::kBoxes, words::kBags, words::kPlaces,
                                  words::kEvents, words::kGoods}) {
        noun = noun || (in(words::kAdjectives, words[i]) && in(list, words[i + 1]));
      }
      names += name;
      described += noun;
      EXPECT_FALSE((name || noun) && is_held_out(words[i], words[i + 1])) << words[i] << " " << words[i + 1];
      const bool code = i + 2 < words.size() && in(words::kCodes, words[i]) &&
                        (words[i + 1] == "means" || words[i + 1] == "stands");
      EXPECT_FALSE(code && is_held_out(words[i], words[words[i + 1] == "means" ? i + 2 : i + 3])) << words[i];
    }
  }
  EXPECT_GT(names, 10000);
  EXPECT_GT(described, 10000);
}

TEST(Benchmark, TrainingNeverShowsItsQuestions) {
  std::set<std::string> worlds;  // the facts of each question
  for (const BenchmarkQuestion& q : make_world_benchmark(kPublishedSeed, kSeen, kUnseen)) {
    EXPECT_EQ(split_of(q.told), WorldSplit::kTest);
    EXPECT_TRUE(worlds.insert(q.told.substr(0, q.told.size() - q.question.text.size() - 1)).second);
  }
  for (const std::string& text : training_texts()) {
    const std::size_t begin = text.starts_with("several questions. ") ? 19 : 0;
    for (std::size_t end = text.find(". ", begin); end != std::string::npos; end = text.find(". ", end + 1)) {
      EXPECT_FALSE(worlds.contains(text.substr(begin, end + 1 - begin))) << text;
    }
  }
}

TEST(Benchmark, SplitsAreApart) {
  for (const WorldSplit split : {WorldSplit::kTrain, WorldSplit::kValidation}) {
    WorldDataOptions options;
    options.split = split;
    WorldData data(options);
    for (int i = 0; i < 500; ++i) {
      const std::string prompt = json::parse(data.next(1).json)["prompt"];
      EXPECT_EQ(split_of(prompt.substr(0, prompt.find('\n'))), split);
    }
  }
}

TEST(Benchmark, UnseenQuestionsAreMadeOfHeldOutPairs) {
  int pairs = 0;
  for (const BenchmarkQuestion& q : make_world_benchmark(11, 5, 20)) {
    const bool unseen = q.subject.ends_with("_unseen");
    const std::vector<std::string> words = words_of(q.told);
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
      if (!in(words::kFirstNames, words[i]) || !in(words::kFamilyNames, words[i + 1])) continue;
      EXPECT_EQ(is_held_out(words[i], words[i + 1]), unseen) << words[i] << " " << words[i + 1];
      ++pairs;
    }
  }
  EXPECT_GT(pairs, 1000);
}

TEST(Benchmark, PublishedFilesAreWhatTheGeneratorWrites) {
  const testing::TempDir dir;
  const fs::path fresh = dir / "worlds";
  write_world_benchmark(fresh, make_world_benchmark(kPublishedSeed, kSeen, kUnseen));
  const fs::path published = fs::path(REFOCUS_SOURCE) / "data" / "worlds";
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(fresh)) {
    if (!entry.is_regular_file()) continue;
    EXPECT_EQ(read_text_file(entry.path()), read_text_file(published / fs::relative(entry.path(), fresh)));
    ++files;
  }
  EXPECT_EQ(files, 2 * static_cast<int>(world_subjects().size()) + 1);
}

// Read back by the evaluation's own loader.
TEST(Benchmark, FilesRoundTripThroughTheLoader) {
  const fs::path published = fs::path(REFOCUS_SOURCE) / "data" / "worlds";
  const Task task = load_mmlu(published);
  const std::vector<BenchmarkQuestion> questions = make_world_benchmark(kPublishedSeed, kSeen, kUnseen);
  ASSERT_EQ(task.items.size(), questions.size());
  EXPECT_GE(questions.size(), 600u);
  const json categories = json::parse(read_text_file(published / "categories.json"));
  EXPECT_EQ(categories.size(), task.subjects.size());
  std::map<std::string, std::vector<const BenchmarkQuestion*>> by_subject;
  for (const BenchmarkQuestion& q : questions) by_subject[q.subject].push_back(&q);
  for (const Item& item : task.items) {
    const BenchmarkQuestion& q = *by_subject.at(item.subject).at(static_cast<std::size_t>(item.index));
    EXPECT_EQ(item.fields.front().second, q.told);
    EXPECT_TRUE(std::ranges::equal(item.choices, q.question.choices));
    EXPECT_EQ(item.label, 'A' + q.question.answer);
    const std::string subject = item.subject.substr(0, item.subject.find('_'));
    EXPECT_EQ(categories[item.subject], world_subject(subject).category);
    EXPECT_EQ(solve_world(subject, q.told, q.question.choices), q.question.choices[q.question.answer]);
  }
}

}  // namespace
}  // namespace refocus
