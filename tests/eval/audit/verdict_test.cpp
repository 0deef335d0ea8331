// Verdicts: which one counts, how two reviewers agree, and how the journal keeps them.
#include "eval/task/verdict.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include <fstream>

#include "eval/audited_run.h"
#include "eval/journal/verdict_file.h"
#include "eval/recording_support.h"

namespace refocus {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using testing::TempDir;

const Item kItem = testing::mmlu_item("anatomy", 1, "question", 'B');

Verdict verdict(const std::string& reviewer, std::optional<char> letter, int second,
                const std::string& text = "text") {
  Verdict v;
  v.arm = "cot-none";
  v.subject = kItem.subject;
  v.index = kItem.index;
  v.letter = letter;
  v.anchored = 'A';
  v.reviewer = reviewer;
  v.time = fmt::format("2026-01-31T12:00:{:02}Z", second);
  v.response_hash = response_hash(text);
  return v;
}

std::string letter_of(const Verdict* found) {
  return found == nullptr ? "nothing" : found->letter ? std::string(1, *found->letter) : "no answer";
}

TEST(Verdicts, TheNewestCounts) {
  EXPECT_EQ(letter_of(Verdicts().find(kItem, "text")), "nothing");
  const Verdicts verdicts({verdict("anna", 'C', 5), verdict("ben", 'D', 9), verdict("anna", 'B', 7)});
  EXPECT_EQ(letter_of(verdicts.find(kItem, "text")), "D");
  EXPECT_EQ(letter_of(verdicts.find(kItem, "text", "anna")), "B");
  EXPECT_EQ(letter_of(verdicts.find(kItem, "text", "cleo")), "nothing");
  // Within one second the one that was kept last.
  EXPECT_EQ(letter_of(Verdicts({verdict("anna", 'C', 5), verdict("anna", 'D', 5)}).find(kItem, "text")), "D");
  EXPECT_EQ(letter_of(Verdicts({verdict("anna", std::nullopt, 5)}).find(kItem, "text")), "no answer");
}

TEST(Verdicts, CountOnTheirTextAlone) {
  const Verdicts verdicts({verdict("anna", 'C', 5, "text"), verdict("anna", 'D', 6, "other")});
  EXPECT_EQ(letter_of(verdicts.find(kItem, "text")), "C");
  EXPECT_EQ(letter_of(verdicts.find(kItem, "other")), "D");
  EXPECT_EQ(letter_of(verdicts.find(kItem, "text ")), "nothing");
  Item next = kItem;
  next.index = 2;
  EXPECT_EQ(letter_of(verdicts.find(next, "text")), "nothing");
  // What is no UTF-8 is read as reports show it.
  EXPECT_EQ(response_hash("a\xff"), response_hash("a\xEF\xBF\xBD"));
}

TEST(Verdicts, AreTakenBackByTheirReviewerAlone) {
  Verdict back = verdict("anna", std::nullopt, 8);
  back.withdrawn = true;
  EXPECT_EQ(letter_of(Verdicts({verdict("anna", 'C', 5), back}).find(kItem, "text")), "nothing");
  EXPECT_EQ(letter_of(Verdicts({verdict("ben", 'D', 4), verdict("anna", 'C', 5), back}).find(kItem, "text")),
            "D");
  EXPECT_EQ(letter_of(Verdicts({back, verdict("anna", 'C', 9)}).find(kItem, "text")), "C");
}

TEST(Verdicts, AgreementOfTwoReviewers) {
  // 4 texts: A A, A B, B B, none none. Observed 3/4; by chance (2/4)(1/4) + (1/4)(2/4) + (1/4)(1/4) = 5/16.
  std::vector<Verdict> kept;
  const std::pair<std::optional<char>, std::optional<char>> said[] = {
      {'A', 'A'}, {'A', 'B'}, {'B', 'B'}, {std::nullopt, std::nullopt}};
  for (int i = 0; i < 4; ++i) {
    kept.push_back(verdict("anna", said[i].first, i, std::to_string(i)));
    kept.push_back(verdict("ben", said[i].second, i, std::to_string(i)));
  }
  kept.push_back(verdict("cleo", 'A', 0, "none of theirs"));
  const auto pairs = Verdicts(kept).reviewer_pairs();
  ASSERT_EQ(pairs.size(), 1u);
  EXPECT_EQ(pairs[0].first, "anna");
  EXPECT_EQ(pairs[0].second, "ben");
  EXPECT_EQ(pairs[0].both, 4);
  EXPECT_EQ(pairs[0].agree, 3);
  EXPECT_DOUBLE_EQ(pairs[0].kappa.value(), (3.0 / 4 - 5.0 / 16) / (1 - 5.0 / 16));
  // Where both always say the same one thing, chance would agree too.
  EXPECT_FALSE(Verdicts({verdict("anna", 'A', 0), verdict("ben", 'A', 0)}).reviewer_pairs()[0].kappa);
}

class VerdictJournal : public ::testing::Test {
 protected:
  void SetUp() override { testing::write_audited_run(run); }
  Verdict on_cot(char letter) const {
    Verdict v = verdict("anna", letter, 1, "Option A: no. Response: C");
    v.published = 'A';
    return v;
  }
  TempDir dir;
  const std::filesystem::path run = dir / "run";
};

TEST_F(VerdictJournal, KeepsAllOfThem) {
  Verdict back = on_cot('C');
  back.letter = std::nullopt;
  back.withdrawn = true;
  back.reviewer = "zoë; DROP TABLE verdicts";
  const std::vector<Verdict> given = {on_cot('C'), back, on_cot('D')};
  {
    Journal journal(RunDirectory::reopen(run));
    EXPECT_TRUE(journal.verdicts().empty());
    journal.put(std::span(given).first(1));
    journal.put(std::span(given).subspan(1));
  }
  EXPECT_EQ(Journal::open_read_only(run).verdicts(), given);
}

TEST_F(VerdictJournal, StaysReadableForProgramsOfBefore) {
  {
    Journal journal(RunDirectory::reopen(run));
    journal.put({{on_cot('C')}});
  }
  const SqliteDatabase file(run / "journal.db", SqliteDatabase::Mode::kReadOnly);
  EXPECT_EQ(file.integer("PRAGMA user_version"), 1);
  EXPECT_EQ(file.text("SELECT group_concat(name) FROM pragma_table_info('responses')"),
            "arm,subject,item,prompt,response,finish_reason,prompt_tokens,generated_tokens");
}

TEST_F(VerdictJournal, AsksForTheLock) {
  const RunDirectory open = RunDirectory::reopen(run);
  EXPECT_THAT(error_of([&] { RunDirectory::reopen(run); }),
              HasSubstr("is in use by another refocus (process "));
  EXPECT_THAT(error_of([&] { RunDirectory::reopen(run); }), HasSubstr("or work on a copy of the run"));
}

TEST_F(VerdictJournal, NeedsADirectoryThatItMayWrite) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become a user";
  ::chmod(dir.path().c_str(), 0755);
  EXPECT_EQ(testing::in_child_of_nobody([&] {
              const std::string message = error_of([&] { RunDirectory::reopen(run); });
              return message.find("check its permissions or work on a copy of the run") != std::string::npos
                         ? 0
                         : 1;
            }),
            0);
}

TEST_F(VerdictJournal, QuestionsComeBack) {
  const Questions kept = Journal::open_read_only(run).questions().value();
  const Questions given = testing::audited_questions();
  ASSERT_EQ(kept.arms.size(), 2u);
  EXPECT_EQ(kept.arms[1].name, "direct-none");
  EXPECT_EQ(kept.arms[1].arm.prompt, PromptKind::kDirect);
  EXPECT_EQ(kept.arms[1].arm.intervention, "none");
  ASSERT_EQ(kept.tasks.size(), 1u);
  EXPECT_EQ(kept.tasks[0].name, "mmlu");
  EXPECT_EQ(kept.tasks[0].subjects, given.tasks[0].subjects);
  EXPECT_EQ(kept.tasks[0].categories, given.tasks[0].categories);
  ASSERT_EQ(kept.tasks[0].items.size(), 5u);
  for (std::size_t i = 0; i < 5; ++i) {
    const Item &a = kept.tasks[0].items[i], &b = given.tasks[0].items[i];
    EXPECT_EQ(a.subject, b.subject);
    EXPECT_EQ(a.index, b.index);
    EXPECT_EQ(a.fields, b.fields);
    EXPECT_EQ(a.choices, b.choices);
    EXPECT_EQ(a.label, b.label);
  }
}

TEST_F(VerdictJournal, RefusesDamagedTables) {
  const auto damage = [&](const char* sql) {
    sqlite3* handle = nullptr;
    ASSERT_EQ(sqlite3_open((run / "journal.db").c_str(), &handle), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(handle, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(handle);
    sqlite3_close(handle);
  };
  const auto error = [&] { return error_of([&] { Journal::open_read_only(run).questions(); }); };
  damage("UPDATE items SET choices = '[\"one\", 2]' WHERE item = 2");
  EXPECT_THAT(error(), HasSubstr("expected JSON texts in its tables, got '[\"one\", 2]'"));
  damage("UPDATE items SET choices = '[]', label = '\x1b' WHERE item = 2");
  EXPECT_THAT(error(), HasSubstr("expected a letter in its tables, got '\\x1b'"));
  damage("UPDATE items SET label = 'A', item = -3 WHERE item = 2");
  EXPECT_THAT(error(), HasSubstr("expected an item index in its tables, got '-3'"));
  damage("UPDATE arms SET prompt = 'tot'");
  EXPECT_THAT(error(), HasSubstr("expected a kind of prompt in its tables, got 'tot'"));
}

TEST_F(VerdictJournal, GoesToAnotherCopyOnce) {
  const auto exported = dir / "verdicts.jsonl", other = dir / "other";
  testing::write_audited_run(other);
  Journal journal(RunDirectory::reopen(run));
  journal.put({{on_cot('C'), on_cot('D')}});
  export_verdicts(journal, exported);
  Journal copy(RunDirectory::reopen(other));
  const ImportedVerdicts first = import_verdicts(exported, copy);
  EXPECT_EQ(first.added, 2);
  EXPECT_EQ(first.known, 0);
  EXPECT_EQ(copy.verdicts(), journal.verdicts());
  EXPECT_EQ(import_verdicts(exported, copy).known, 2);
  EXPECT_EQ(copy.verdicts().size(), 2u);

  const auto refused = [&](const std::string& line) {
    std::ofstream(exported, std::ios::trunc)
        << verdict_line(verdict("ben", 'B', 3, "Option A: no. Response: C")) << "\n"
        << line << "\n";
    return error_of([&] { import_verdicts(exported, copy); });
  };
  EXPECT_THAT(
      refused(verdict_line(verdict("anna", 'C', 1, "another"))),
      HasSubstr("verdicts.jsonl:2] expected a verdict on a response of this run, got one on another text"));
  Verdict nowhere = on_cot('C');
  nowhere.index = 9;
  EXPECT_THAT(refused(verdict_line(nowhere)), HasSubstr("got one on no answer of 'cot-none'"));
  Verdict strange = on_cot('C');
  strange.letter = 'E';
  EXPECT_THAT(refused(verdict_line(strange)),
              HasSubstr("expected a letter of the item's 4 options, got 'E'"));
  Verdict late = on_cot('C');
  late.time = "tomorrow";
  EXPECT_THAT(refused(verdict_line(late)), HasSubstr("expected a 'time' as"));
  EXPECT_THAT(refused("\xEF\xBB\xBF" + verdict_line(on_cot('C'))),
              HasSubstr("jsonl:2] expected JSON with a value at column 1, got a byte order mark (U+FEFF)"));
  EXPECT_THAT(refused("[]"), HasSubstr("expected a JSON object, got '[]'"));
  EXPECT_THAT(refused("{\"arm\":\"\x1b[2J"), HasSubstr("verdicts.jsonl:2] expected"));
  EXPECT_EQ(copy.verdicts().size(), 2u);  // not even the good line
}

}  // namespace
}  // namespace refocus
