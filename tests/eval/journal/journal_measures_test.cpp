// What a study keeps beside answers, and what of items judging needs: it comes back bit for bit.
#include <cmath>
#include <limits>

#include "eval/journal/journal.h"
#include "eval/recording_support.h"

namespace refocus {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using testing::response;
using testing::settings;
using testing::TempDir;

std::vector<Response> kept_answers(const Journal& journal, const std::string& arm) {
  std::vector<Response> out;
  journal.for_each(arm, [&](Response r) { out.push_back(std::move(r)); });
  return out;
}

TEST(JournalMeasures, TokensComeBackWithTheirAnswers) {
  TempDir dir;
  Response with = response("cot-none", "s", 0, "text");
  with.tokens = {5, 0, 151936, 2};
  {
    Journal journal(RunDirectory::open(dir / "run", settings()));
    journal.put(with);
    journal.put(response("cot-none", "s", 1, "none kept"));
  }
  const std::vector<Response> kept = kept_answers(Journal::open_read_only(dir / "run"), "cot-none");
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[0], with);
  EXPECT_TRUE(kept[1].tokens.empty());
}

TEST(JournalMeasures, NumbersComeBackToTheLastBit) {
  TempDir dir;
  const std::vector<double> values = {0.1 + 0.2, -0.0, std::numeric_limits<double>::quiet_NaN(),
                                      std::numeric_limits<double>::denorm_min(), 1e300};
  {
    Journal journal(RunDirectory::open(dir / "run", settings()));
    EXPECT_TRUE(journal.measures("cot-none", "").empty());
    EXPECT_TRUE(journal.measure_names().empty());
    journal.keep_measure_names({"entropy", "mass"});
    journal.put(Measures{"cot-none", "s", 3, "", values});
    journal.put(Measures{"cot-none", "s", 3, "before", {1}});
    journal.put(Measures{"cot-none", "t", 3, "", {}});
    journal.put(Measures{"direct-none", "s", 4, "", {2}});
    EXPECT_THROW(journal.put(Measures{"cot-none", "s", 3, "", values}), InputError) << "a second time";
  }
  Journal journal(RunDirectory::open(dir / "run", settings()));
  const auto kept = journal.measures("cot-none", "");
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_TRUE(kept.at({"t", 3}).empty());
  const std::vector<double>& numbers = kept.at({"s", 3});
  ASSERT_EQ(numbers.size(), values.size());
  EXPECT_EQ(std::memcmp(numbers.data(), values.data(), values.size() * sizeof(double)), 0);
  EXPECT_EQ(journal.measures("cot-none", "before").at({"s", 3}), std::vector<double>{1});
  EXPECT_EQ(journal.measures("direct-none", "").size(), 1u);
  EXPECT_EQ(journal.measure_names(), (std::vector<std::string>{"entropy", "mass"}));
  journal.keep_measure_names({"entropy", "mass"});
  EXPECT_THAT(error_of([&] { journal.keep_measure_names({"entropy"}); }),
              HasSubstr("expected the 2 statistics that it was begun with, got 1"));
}

TEST(JournalMeasures, RefusesDamagedTables) {
  TempDir dir;
  Response with = response("cot-none", "s", 0, "text");
  with.tokens = {5};
  {
    Journal journal(RunDirectory::open(dir / "run", settings()));
    journal.put(with);
    journal.keep_measure_names({"entropy"});
    journal.put(Measures{"cot-none", "s", 0, "", {1}});
  }
  const auto error = [&](const char* sql, const auto& read) {
    SqliteDatabase(dir / "run" / "journal.db", SqliteDatabase::Mode::kReadWrite).run(sql);
    return error_of([&] { read(Journal::open_read_only(dir / "run")); });
  };
  const auto answers = [](const Journal& journal) { kept_answers(journal, "cot-none"); };
  EXPECT_THAT(error("UPDATE answer_tokens SET tokens = '[-1]'", answers),
              HasSubstr("expected a list of tokens in its tables, got '[-1]'; the file is damaged"));
  EXPECT_THAT(error("UPDATE answer_tokens SET tokens = '{}'", answers),
              HasSubstr("expected a list of tokens"));
  EXPECT_THAT(error("UPDATE answer_tokens SET tokens = '[1'", answers), HasSubstr("the file is damaged"));
  const auto measures = [](const Journal& journal) { journal.measures("cot-none", ""); };
  EXPECT_THAT(error("UPDATE measures SET numbers = x'00'", measures),
              HasSubstr("expected numbers of 8 bytes"));
  EXPECT_THAT(error("UPDATE measures SET numbers = x'', item = -3", measures),
              HasSubstr("expected an item index in its tables, got '-3'"));
  EXPECT_THAT(error("UPDATE measure_names SET names = '[7]'",
                    [](const Journal& journal) { journal.measure_names(); }),
              HasSubstr("expected JSON texts in its tables, got '[7]'"));
}

TEST(JournalMeasures, KindsOfOwnTasksComeBackWithTheirTasks) {
  TempDir dir;
  Questions questions;
  const auto add = [&](const std::string& name, AnswerType type, std::vector<std::string> subjects) {
    TaskKind kind;
    kind.name = name;
    kind.type = type;
    kind.has_subjects = subjects.size() > 1;
    kind.definition = "{}";
    questions.tasks.push_back({name, std::move(subjects), {}, {}, std::make_shared<const TaskKind>(kind)});
  };
  add("talks", AnswerType::kTranscript, {"rooms", "coins"});
  add("a name that is longer than a short string", AnswerType::kShort, {"all"});
  Journal journal(RunDirectory::open(dir / "run", settings()));
  journal.keep(questions);
  const std::vector<Task> kept = journal.questions()->tasks;
  ASSERT_EQ(kept.size(), 2u);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    ASSERT_TRUE(kept[i].own) << i;
    EXPECT_EQ(kept[i].own->name, questions.tasks[i].name);
    EXPECT_EQ(kept[i].own->type, questions.tasks[i].own->type);
    EXPECT_EQ(kept[i].own->has_subjects, questions.tasks[i].own->has_subjects);
  }
}

TEST(JournalMeasures, ShortAnswersAndTurnsAreKeptAndGrow) {
  TempDir dir;
  Task task{"t", {"t"}, {}};
  for (int i = 0; i < 4; ++i) {
    Item item;
    item.subject = "t";
    item.index = i;
    item.turn = i % 2;
    if (i < 2) item.answers = {"12", "twelve \"or\" so"};
    task.items.push_back(std::move(item));
  }
  Journal journal(RunDirectory::open(dir / "run", settings()));
  Task fewer = task;
  fewer.items.resize(2);
  journal.keep({{}, {fewer}});
  journal.keep({{}, {task}});
  const std::vector<Item> kept = journal.questions()->tasks.front().items;
  ASSERT_EQ(kept.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(kept[i].answers, task.items[i].answers) << i;
    EXPECT_EQ(kept[i].turn, task.items[i].turn) << i;
  }
}

}  // namespace
}  // namespace refocus
