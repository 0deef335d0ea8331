#include "eval/journal/journal.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include <fstream>
#include <map>

#include "base/text_file.h"
#include "eval/recording_support.h"

namespace refocus {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using testing::response;
using testing::settings;
using testing::TempDir;

RunDirectory open_run(const TempDir& dir) { return RunDirectory::open(dir / "run", settings()); }

std::vector<Response> all(const Journal& journal, const std::string& arm) {
  std::vector<Response> out;
  journal.for_each(arm, [&](Response r) { out.push_back(std::move(r)); });
  return out;
}

void execute(const std::filesystem::path& path, const std::string& sql) {
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &handle), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
      << sqlite3_errmsg(handle);
  sqlite3_close(handle);
}

TEST(Journal, KeepsAnswersByArmAndItem) {
  TempDir dir;
  {
    Journal journal(open_run(dir));
    EXPECT_EQ(journal.count(), 0);
    journal.put(response("direct-none", "b", 1, "B"));
    journal.put(response("cot-none", "b", 10, "ten"));
    journal.put(response("cot-none", "b", 2, "two"));
    journal.put(response("cot-none", "a", 7, "seven"));
  }
  Journal journal(open_run(dir));
  EXPECT_EQ(journal.count(), 4);
  EXPECT_EQ(journal.count("cot-none"), 3);
  EXPECT_EQ(journal.count("other"), 0);
  EXPECT_EQ(journal.arms(), (std::vector<std::string>{"cot-none", "direct-none"}));
  EXPECT_EQ(journal.done("cot-none"), (std::set<ItemKey>{{"a", 7}, {"b", 2}, {"b", 10}}));
  const std::vector<Response> kept = all(journal, "cot-none");
  ASSERT_EQ(kept.size(), 3u);
  EXPECT_EQ(kept[0].text, "seven");
  EXPECT_EQ(kept[1].index, 2);
  EXPECT_EQ(kept[2].index, 10);
  EXPECT_EQ(kept[2].arm, "cot-none");
  EXPECT_EQ(kept[2].prompt, "Question 10");
  EXPECT_EQ(kept[2].finish_reason, "eos");
  EXPECT_EQ(kept[2].prompt_tokens, 10);
  EXPECT_EQ(kept[2].generated_tokens, 3);
}

TEST(Journal, KeepsEveryByte) {
  TempDir dir;
  std::string every;
  for (int c = 0; c < 256; ++c) every += static_cast<char>(c);
  const std::string texts[] = {"",
                               std::string("\0", 1),
                               std::string("nul\0inside", 10),
                               "cut \xf0\x9f\x98",
                               every,
                               "'; DROP TABLE responses; --",
                               "CR\r\nLF",
                               std::string(3'000'000, 'x')};
  Journal journal(open_run(dir));
  int index = 0;
  for (const std::string& text : texts) {
    Response r = response("cot-none", "s", index++, text);
    r.prompt = text;
    journal.put(r);
  }
  const SqliteDatabase file(dir / "run" / "journal.db", SqliteDatabase::Mode::kReadOnly);
  EXPECT_EQ(
      file.text(
          "SELECT group_concat(typeof(response), ' ') FROM (SELECT response FROM responses ORDER BY item)"),
      "text blob blob blob blob text text text");
  const std::vector<Response> kept = all(journal, "cot-none");
  ASSERT_EQ(kept.size(), std::size(texts));
  for (std::size_t i = 0; i < kept.size(); ++i) {
    EXPECT_TRUE(kept[i].text == texts[i]) << i;
    EXPECT_TRUE(kept[i].prompt == texts[i]) << i;
  }
}

TEST(Journal, RefusesASecondAnswerToAnItem) {
  TempDir dir;
  Journal journal(open_run(dir));
  journal.put(response("cot-none", "a", 1, "first"));
  EXPECT_THAT(error_of([&] { journal.put(response("cot-none", "a", 1, "second")); }),
              HasSubstr("got a second one for arm 'cot-none', subject 'a', item 1"));
  journal.put(response("cot-none", "a", 2, "goes on"));
  EXPECT_EQ(all(journal, "cot-none")[0].text, "first");
  EXPECT_EQ(journal.count(), 2);
}

TEST(Journal, ReadsFromADirectoryThatItMayNotWrite) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become a user";
  TempDir dir;
  {
    Journal journal(open_run(dir));
    journal.put(response("cot-none", "a", 1, "one"));
  }
  ::chmod(dir.path().c_str(), 0755);
  ASSERT_FALSE(std::filesystem::exists(dir / "run/journal.db-wal"));
  EXPECT_EQ(testing::in_child_of_nobody(
                [&] { return static_cast<int>(Journal::open_read_only(dir / "run").count()); }),
            1);
}

TEST(Journal, ReadsBesideAWriter) {
  TempDir dir;
  Journal writer(open_run(dir));
  writer.put(response("cot-none", "a", 1, "one"));
  Journal reader = Journal::open_read_only(dir / "run");
  EXPECT_EQ(reader.count(), 1);
  writer.put(response("cot-none", "a", 2, "two"));
  EXPECT_EQ(reader.count(), 2);
  EXPECT_THAT(error_of([&] { Journal::open_read_only(dir.path()); }), HasSubstr("got no such file"));
}

// Every file of a directory by its name, with its bytes.
std::map<std::string, std::string> contents(const std::filesystem::path& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    files[entry.path().filename().string()] = read_text_file(entry.path());
  }
  return files;
}

// Looks at everything in the journal of `run`, and expects the directory to be as it was.
void look(const std::filesystem::path& run, std::int64_t answers) {
  const auto before = contents(run);
  {
    const Journal journal = Journal::open_read_only(run);
    EXPECT_EQ(journal.count(), answers);
    EXPECT_EQ(std::ssize(all(journal, "cot-none")), answers);
    EXPECT_EQ(std::ssize(journal.done("cot-none")), answers);
    EXPECT_TRUE(journal.verdicts().empty());
    EXPECT_FALSE(journal.questions());
  }
  const auto after = contents(run);
  for (const auto& [name, bytes] : after) EXPECT_TRUE(before.contains(name)) << name << " was left behind";
  EXPECT_TRUE(before == after);
}

// A run of two answers whose writer was killed: the second one is in its log alone.
void make_killed_run(const TempDir& dir) {
  {
    Journal journal(open_run(dir));
    journal.put(response("cot-none", "a", 1, "one"));
  }
  EXPECT_EQ(testing::in_child([&] {
              Journal journal(open_run(dir));
              journal.put(response("cot-none", "a", 2, "two"));
              return ::kill(::getpid(), SIGKILL);
            }),
            128 + SIGKILL);
  ASSERT_GT(std::filesystem::file_size(dir / "run/journal.db-wal"), 0u);
}

TEST(Journal, ALookLeavesNothingBehind) {
  TempDir dir;
  {
    Journal journal(open_run(dir));
    journal.put(response("cot-none", "a", 1, "one"));
  }
  look(dir / "run", 1);
  // Nor does it where the run is held by a program that does not have the journal open.
  const RunDirectory held = open_run(dir);
  look(dir / "run", 1);
}

TEST(Journal, ALookAtAKilledRunReadsItsLogAndLeavesIt) {
  TempDir dir;
  make_killed_run(dir);
  look(dir / "run", 2);
  std::filesystem::remove(dir / "run/journal.db-shm");  // as in a copy of the two files that matter
  look(dir / "run", 2);
  Journal journal(open_run(dir));  // it can be resumed as before
  EXPECT_EQ(journal.count(), 2);
}

TEST(Journal, ALookAtLeftOversOfAnOldLookLeavesThem) {
  TempDir dir;
  {
    Journal journal(open_run(dir));
    journal.put(response("cot-none", "a", 1, "one"));
  }
  {
    const SqliteDatabase old(dir / "run/journal.db", SqliteDatabase::Mode::kReadOnly);
    EXPECT_EQ(old.integer("SELECT count(*) FROM responses"), 1);
  }
  ASSERT_EQ(std::filesystem::file_size(dir / "run/journal.db-wal"), 0u);
  look(dir / "run", 1);
}

TEST(Journal, ReadsAKilledRunInADirectoryThatItMayNotWrite) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become a user";
  TempDir dir;
  make_killed_run(dir);
  ::chmod(dir.path().c_str(), 0755);
  EXPECT_EQ(testing::in_child_of_nobody([&] {
              return static_cast<int>(all(Journal::open_read_only(dir / "run"), "cot-none").size());
            }),
            2);
}

TEST(Journal, SaysThatAnotherProgramWroteWhileItWasRead) {
  TempDir dir;
  {
    Journal journal(open_run(dir));
    journal.put(response("cot-none", "a", 1, "one"));
  }
  const Journal reader = Journal::open_read_only(dir / "run");
  EXPECT_EQ(reader.count(), 1);
  {
    Journal writer(open_run(dir));
    writer.put(response("cot-none", "a", 2, "two"));
    EXPECT_THAT(error_of([&] { all(reader, "cot-none"); }), HasSubstr("was written to by another program"));
  }
  EXPECT_THAT(error_of([&] { reader.count(); }), HasSubstr("run the same command again"));
  EXPECT_EQ(Journal::open_read_only(dir / "run").count(), 2);
}

TEST(Journal, ALookDoesNotKeepAWriterOut) {
  TempDir dir;
  { Journal journal(open_run(dir)); }
  EXPECT_FALSE(DirectoryLock::is_held(dir / "run"));
  const Journal reader = Journal::open_read_only(dir / "run");
  const RunDirectory run = open_run(dir);
  EXPECT_TRUE(DirectoryLock::is_held(dir / "run"));
}

// A path that begins with two slashes is one of the file system, not a host's name.
TEST(Journal, ReadsWhateverThePath) {
  TempDir dir;
  { Journal journal(RunDirectory::open(dir / "a?b%41#c d", settings())); }
  EXPECT_EQ(Journal::open_read_only("/" + (dir / "a?b%41#c d").string()).count(), 0);
}

TEST(Journal, RefusesOtherFormats) {
  TempDir dir;
  { Journal journal(open_run(dir)); }
  const std::filesystem::path path = dir / "run" / "journal.db";
  execute(path, "PRAGMA user_version = 2");
  EXPECT_THAT(error_of([&] { Journal journal(open_run(dir)); }),
              HasSubstr("expected journal format 1, got 2; use"));
  EXPECT_THAT(error_of([&] { Journal::open_read_only(dir / "run"); }),
              HasSubstr("expected journal format 1, got 2"));

  std::filesystem::remove(path);
  execute(path, "CREATE TABLE responses (x)");
  EXPECT_THAT(error_of([&] { Journal journal(open_run(dir)); }), HasSubstr("got another SQLite database"));

  std::ofstream(path, std::ios::trunc) << std::string(5000, 'z');
  EXPECT_THAT(error_of([&] { Journal journal(open_run(dir)); }), HasSubstr("damaged file or another format"));
  EXPECT_THAT(error_of([&] { Journal::open_read_only(dir / "run"); }),
              HasSubstr("damaged file or another format"));
}

TEST(Journal, RefusesHostileTables) {
  TempDir dir;
  { Journal journal(open_run(dir)); }
  const std::filesystem::path path = dir / "run" / "journal.db";
  execute(path,
          "INSERT INTO responses VALUES ('x', 's', 99999999999, '', '', '', 0, 0);"
          "INSERT INTO responses VALUES ('y', 's', 'text', x'00ff', 12, '', 'many', 0)");
  Journal journal(open_run(dir));
  EXPECT_THAT(error_of([&] { journal.done("x"); }), HasSubstr("expected an item index, got 99999999999"));
  EXPECT_THAT(error_of([&] { all(journal, "x"); }), HasSubstr("expected an item index"));
  EXPECT_EQ(all(journal, "y").at(0).text, "12");
}

TEST(Journal, RefusesDamagedPages) {
  TempDir dir;
  {
    Journal journal(open_run(dir));
    for (int i = 0; i < 200; ++i) journal.put(response("cot-none", "a", i, std::string(500, 'x')));
  }
  const std::filesystem::path path = dir / "run" / "journal.db";
  const auto size = std::filesystem::file_size(path);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    for (std::uintmax_t at = 4096; at + 64 < size; at += 4096) {
      file.seekp(static_cast<std::streamoff>(at));
      file << std::string(64, '\x5a');
    }
  }
  EXPECT_THAT(error_of([&] { Journal journal(open_run(dir)); }), HasSubstr("damaged"));
}

TEST(Journal, IsCutShortWithoutACrash) {
  TempDir dir;
  {
    Journal journal(open_run(dir));
    for (int i = 0; i < 50; ++i) journal.put(response("cot-none", "a", i, std::string(500, 'x')));
  }
  const std::filesystem::path path = dir / "run" / "journal.db";
  const auto size = std::filesystem::file_size(path);
  for (const std::uintmax_t cut :
       {size - 1, size / 2, std::uintmax_t{4096}, std::uintmax_t{100}, std::uintmax_t{17}}) {
    std::filesystem::resize_file(path, cut);
    EXPECT_THAT(error_of([&] { Journal journal(open_run(dir)); }), HasSubstr("journal.db]")) << cut;
  }
}

}  // namespace
}  // namespace refocus
