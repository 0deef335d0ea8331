// The questions of small worlds: that they can be answered, in one way only, and are the same everywhere.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "dataset/world_data.h"
#include "dataset/world_solver.h"

namespace refocus {
namespace {

// Questions of every subject, seen and held out.
template <class Use>
void for_worlds(int worlds, const Use& use) {
  for (const WorldSubject& subject : world_subjects()) {
    for (int i = 0; i < worlds; ++i) {
      WordDraw draw(static_cast<std::uint64_t>(i), i % 3 == 2 ? Pairs::kHeldOut : Pairs::kSeen);
      const World world = subject.make(draw, {3, 1, 4});
      ASSERT_EQ(world.questions.size(), 3u);
      for (const WorldQuestion& question : world.questions) use(std::string(subject.name), world, question);
    }
  }
}

TEST(Worlds, FourteenSubjectsInFourCategories) {
  std::map<std::string_view, int> categories;
  for (const WorldSubject& subject : world_subjects()) ++categories[subject.category];
  EXPECT_THAT(categories,
              ::testing::UnorderedElementsAre(::testing::Pair("stem", 4), ::testing::Pair("humanities", 3),
                                              ::testing::Pair("social", 3), ::testing::Pair("other", 4)));
  EXPECT_TRUE(std::ranges::is_sorted(world_subjects(), {}, &WorldSubject::name));
}

TEST(Worlds, AnswersFollowFromTheTextAlone) {
  for_worlds(150, [](const std::string& subject, const World& world, const WorldQuestion& q) {
    const std::string told = told_question(world, q);
    EXPECT_EQ(solve_world(subject, told, q.choices), q.choices[q.answer]) << told << listed_choices(q);
  });
}

TEST(Worlds, OneChoiceIsRightAndAllDiffer) {
  for_worlds(150, [](const std::string&, const World& world, const WorldQuestion& q) {
    EXPECT_EQ(std::set<std::string>(q.choices.begin(), q.choices.end()).size(), 4u)
        << told_question(world, q);
    EXPECT_GE(q.facts, 1);
    EXPECT_LE(q.facts, 4);
  });
}

// Every step is a fact of the world, numbered or not, a cell of a table's row, or a true sum; the last ends
// with the answer.
TEST(Worlds, StepsAreFactsOrTrueSums) {
  for_worlds(100, [](const std::string& subject, const World& world, const WorldQuestion& q) {
    int facts = 0;
    for (std::string step : q.steps) {
      int left, right, result;
      char sign;
      if (std::sscanf(step.c_str(), "%d %c %d = %d.", &left, &sign, &right, &result) == 4) {
        EXPECT_EQ(sign == '+' ? left + right : left - right, result) << step;
        continue;
      }
      if (step[1] == ':') step = step.substr(3);
      ++facts;
      const bool told = std::ranges::any_of(world.facts, [&](const std::string& fact) {
        if (subject != "tables") return fact == step;
        const std::size_t colon = step.find(": ");
        return fact.starts_with(step.substr(0, colon)) &&
               fact.find(step.substr(colon + 1, step.size() - colon - 2)) != std::string::npos;
      });
      EXPECT_TRUE(told) << step << " in " << told_question(world, q);
    }
    EXPECT_EQ(facts, q.facts);
    const std::string& answer = q.choices[q.answer];
    if (subject == "codes") {
      const std::string& last = q.steps.back();
      const std::size_t word = last.rfind(' ') + 1;
      EXPECT_TRUE(answer.ends_with(last.substr(word, last.size() - word - 1))) << last << " / " << answer;
    } else {
      EXPECT_NE(q.steps.back().find(answer), std::string::npos) << q.steps.back() << " / " << answer;
    }
  });
}

TEST(Worlds, AnalysisExaminesEachChoiceAndNamesTheRightOne) {
  WorldQuestion q;
  q.steps = {"the red key is in the old box.", "the old box is in the hall."};
  q.choices = {"attic", "hall", "cellar", "study"};
  q.answer = 1;
  EXPECT_EQ(listed_choices(q), "\nA. attic\nB. hall\nC. cellar\nD. study");
  EXPECT_EQ(analysis(q),
            " the red key is in the old box. the old box is in the hall. so hall. A. attic: no. B. hall: yes."
            " C. cellar: no. D. study: no.\nResponse: B");
  EXPECT_EQ(response_letter(q), " B");
}

TEST(Worlds, EverySubjectHasQuestionsOfManyDepthsAndWordings) {
  std::map<std::string, std::set<int>> depths;
  std::map<std::string, std::set<std::string>> openings;  // first two words of questions, of facts
  for_worlds(200, [&](const std::string& subject, const World& world, const WorldQuestion& q) {
    depths[subject].insert(q.facts);
    openings[subject].insert(q.text.substr(0, q.text.find(' ', q.text.find(' ') + 1)));
    std::string shape = world.facts.front();  // without its nouns: what stands between them
    std::erase_if(shape, [](char c) { return c >= 'A' && c <= 'Z'; });
    openings[subject].insert("fact " + shape.substr(0, 3));
  });
  for (const WorldSubject& subject : world_subjects()) {
    const std::string name(subject.name);
    EXPECT_TRUE(depths[name].contains(1)) << name;
    EXPECT_GE(*depths[name].rbegin(), 2) << name;
    EXPECT_GE(openings[name].size(), 3u) << name;
  }
  EXPECT_TRUE(depths["remedies"].contains(4));
}

TEST(Worlds, AnswersStandAnywhere) {
  std::array<int, 4> counts{};
  int all = 0;
  for_worlds(300, [&](const std::string&, const World&, const WorldQuestion& q) {
    ++counts[q.answer];
    ++all;
  });
  for (const int count : counts) EXPECT_NEAR(count, all / 4.0, 4 * std::sqrt(all * 3 / 16.0));
}

TEST(Worlds, LeastAndMostFactsHold) {
  for (const WorldSubject& subject : world_subjects()) {
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
      WordDraw draw(seed, Pairs::kSeen);
      for (const WorldQuestion& q : subject.make(draw, {4, 2, 2}).questions) EXPECT_EQ(q.facts, 2);
      for (const WorldQuestion& q : subject.make(draw, {4, 1, 1}).questions) EXPECT_EQ(q.facts, 1);
    }
  }
}

// What one seed gives, written down: a change of any draw shows here. Data of earlier versions is then lost.
TEST(WorldData, IsTheSameEverywhere) {
  WorldDataOptions options;
  options.seed = 7;
  std::string all;
  WorldData one(options);
  for (int i = 0; i < 300; ++i) all += one.next(1).json;
  options.questions_per_world = 5;
  WorldData many(options);
  for (int i = 0; i < 300; ++i) all += many.next(5).json;
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (const char c : all) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  EXPECT_EQ(hash, 15684183726744937883u) << "bytes: " << all.size();
}

TEST(WorldData, FormsAndLosses) {
  WorldDataOptions options;
  options.forms = {WorldForm::kCot};
  const auto first = [&] { return nlohmann::json::parse(WorldData(options).next(1).json); };
  EXPECT_TRUE(first()["prompt"].get<std::string>().ends_with("\nAnalysis:"));
  EXPECT_NE(first()["response"].get<std::string>().find("\nResponse: "), std::string::npos);
  options.forms = {WorldForm::kDirect};
  EXPECT_TRUE(first()["prompt"].get<std::string>().ends_with("\nResponse:"));
  EXPECT_EQ(first()["response"].get<std::string>().size(), 2u);
  options.count_prompt = true;
  EXPECT_TRUE(first().contains("text"));
  options.forms = {WorldForm::kDrill};
  EXPECT_TRUE(first()["prompt"].get<std::string>().starts_with("repeat. "));
  options.count_prompt = false;
  options.forms = {WorldForm::kMixed};
  WorldData mixed(options);
  int direct = 0;
  for (int i = 0; i < 900; ++i) {
    direct += nlohmann::json::parse(mixed.next(1).json)["prompt"].get<std::string>().ends_with("Response:");
  }
  EXPECT_NEAR(direct, 300, 60);
}

TEST(WorldData, RepetitionsHaveTheirPartsInOtherOrders) {
  for (const WorldForm form : {WorldForm::kPairs, WorldForm::kDrill}) {
    WorldDataOptions options;
    options.forms = {form};
    WorldData data(options);
    int moved = 0;
    for (int i = 0; i < 50; ++i) {
      const auto line = nlohmann::json::parse(data.next(1).json);
      const std::string prompt = line["prompt"], response = line["response"];
      const std::string shown = prompt.substr(8, prompt.rfind(" next:") - 8);  // behind "repeat. "
      std::set<std::string> parts, again;
      const auto split = [](std::string text, std::set<std::string>& into) {
        for (std::size_t at; (at = text.find(" next: ")) != std::string::npos;) text.erase(at, 6);
        for (std::size_t at = 0, end; (end = text.find('.', at)) != std::string::npos; at = end + 1) {
          into.insert(text.substr(text.find_first_not_of(' ', at), end - text.find_first_not_of(' ', at)));
        }
      };
      split(shown, parts);
      split(response, again);
      EXPECT_EQ(parts, again) << prompt << response;
      moved += !response.starts_with(" " + shown);
    }
    EXPECT_GT(moved, 30);
  }
}

TEST(WorldData, UnknownSubjectListsTheKnownOnes) {
  WorldDataOptions options;
  options.subjects = {"magic"};
  try {
    WorldData data(options);
    FAIL();
  } catch (const UsageError& e) {
    EXPECT_THAT(e.what(), ::testing::HasSubstr("unknown subject 'magic'; known subjects: codes, containers"));
  }
}

}  // namespace
}  // namespace refocus
