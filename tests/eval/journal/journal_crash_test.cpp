// Processes killed while they write, two at once, and disks that are full.
#include <poll.h>
#include <sys/mount.h>

#include <chrono>
#include <random>
#include <thread>

#include "eval/journal/journal.h"
#include "eval/recording_support.h"

namespace refocus {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using testing::in_child;
using testing::limit_file_size;
using testing::response;
using testing::settings;
using testing::TempDir;

std::string answer_text(int index) {
  return std::string(static_cast<std::size_t>(100 + index % 3000), 'a' + index % 26);
}

// Opens the run, puts answers from the first that is missing on, and reports each to the pipe once put()
// returned.
[[noreturn]] void put_until_killed(const std::filesystem::path& path, int out) {
  Journal journal(RunDirectory::open(path, settings()));
  const std::set<ItemKey> done = journal.done("cot-none");
  for (int index = 0;; ++index) {
    if (done.contains({"s", index})) continue;
    journal.put(response("cot-none", "s", index, answer_text(index)));
    if (::write(out, &index, sizeof index) != sizeof index) ::_exit(1);
  }
}

// Starts a writer, kills it `delay` after its first answer (or after its start), and returns what it
// reported.
std::vector<int> killed_writer(const std::filesystem::path& path, bool wait_for_answer,
                               std::chrono::microseconds delay) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::runtime_error("pipe failed");
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(ends[0]);
    try {
      put_until_killed(path, ends[1]);
    } catch (...) {
      ::_exit(99);
    }
  }
  ::close(ends[1]);
  if (wait_for_answer) {
    pollfd ready = {ends[0], POLLIN, 0};
    ::poll(&ready, 1, 20000);
  }
  // The pipe holds 16,384 reports; no round gets that far before it is killed.
  std::this_thread::sleep_for(delay);
  ::kill(pid, SIGKILL);
  int status = 0;
  ::waitpid(pid, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  std::vector<int> reported;
  for (int index; ::read(ends[0], &index, sizeof index) == sizeof index;) reported.push_back(index);
  ::close(ends[0]);
  return reported;
}

TEST(JournalCrash, KillLosesNoAnswerThatPutReturnedFrom) {
  TempDir dir;
  const std::filesystem::path path = dir / "run";
  std::mt19937 random(20240917);
  std::set<int> reported;
  int rounds_with_answers = 0;
  for (int round = 0; round < 24; ++round) {
    // Every fourth round is killed while it opens the run and the journal.
    const bool wait = round % 4 != 0;
    const std::chrono::microseconds delay(random() % (wait ? 30000 : 8000));
    const std::vector<int> indices = killed_writer(path, wait, delay);
    rounds_with_answers += indices.empty() ? 0 : 1;
    for (const int index : indices) EXPECT_TRUE(reported.insert(index).second) << index << " was asked again";

    Journal journal(RunDirectory::open(path, settings()));
    const std::set<ItemKey> done = journal.done("cot-none");
    for (const int index : reported)
      EXPECT_TRUE(done.contains({"s", index})) << "round " << round << ": " << index;
    EXPECT_EQ(journal.count(), static_cast<std::int64_t>(done.size()));
    // At most the one answer whose report the kill cut off is kept without a report.
    EXPECT_LE(done.size(), reported.size() + 1);
    for (const auto& [subject, index] : done) reported.insert(index);
    journal.for_each("cot-none", [](const Response& r) { ASSERT_EQ(r.text, answer_text(r.index)); });
  }
  EXPECT_GE(rounds_with_answers, 18);
  EXPECT_GT(reported.size(), 100u);
}

TEST(JournalCrash, ASecondProcessIsRefused) {
  TempDir dir;
  const std::filesystem::path path = dir / "run";
  const auto second = [&] {
    return in_child([&] {
      const std::string message = error_of([&] { RunDirectory::open(path, settings()); });
      return message.find("is in use by another refocus (process " + std::to_string(::getppid()) +
                          "); wait") != std::string::npos
                 ? 7
                 : 8;
    });
  };
  {
    std::optional<RunDirectory> run = RunDirectory::open(path, settings());
    EXPECT_EQ(second(), 7);
    Journal journal(*run);
    run.reset();
    EXPECT_EQ(second(), 7) << "an open journal must keep the lock";
    EXPECT_THAT(error_of([&] { RunDirectory::open(path, settings()); }), HasSubstr("is in use"));
  }
  EXPECT_EQ(in_child([&] {
              Journal journal(RunDirectory::open(path, settings()));
              return 5;
            }),
            5);
}

TEST(JournalCrash, AFullDiskKeepsWhatWasKept) {
  TempDir dir;
  const std::filesystem::path path = dir / "run";
  { Journal journal(RunDirectory::open(path, settings())); }
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const int status = in_child([&] {
    Journal journal(RunDirectory::open(path, settings()));
    limit_file_size(200'000);
    for (int index = 0; index < 1000; ++index) {
      try {
        journal.put(response("cot-none", "s", index, answer_text(index)));
      } catch (const InputError& e) {
        const std::string text = e.what();
        static_cast<void>(::write(ends[1], text.data(), text.size()) < 0);
        limit_file_size(RLIM_INFINITY);
        journal.put(response("cot-none", "s", index, "after space was freed"));
        return index == 0 ? 2 : 3;
      }
    }
    return 4;
  });
  ::close(ends[1]);
  EXPECT_EQ(status, 3);
  std::string message(1000, '\0');
  message.resize(
      static_cast<std::size_t>(std::max<ssize_t>(0, ::read(ends[0], message.data(), message.size()))));
  EXPECT_THAT(message, HasSubstr("journal.db] cannot be read or written"));
  EXPECT_THAT(message, HasSubstr("free some space, then run the same command again"));
  ::close(ends[0]);

  Journal journal(RunDirectory::open(path, settings()));
  const std::set<ItemKey> done = journal.done("cot-none");
  ASSERT_GT(done.size(), 10u);
  EXPECT_EQ(done.rbegin()->second + 1, static_cast<int>(done.size()));
  journal.for_each("cot-none", [&](const Response& r) {
    const bool last = r.index + 1 == static_cast<int>(done.size());
    EXPECT_EQ(r.text, last ? "after space was freed" : answer_text(r.index));
  });
}

TEST(JournalCrash, AFullFileSystemIsReportedAsSuch) {
  TempDir dir;
  const std::filesystem::path path = dir / "disk";
  std::filesystem::create_directory(path);
  if (::mount("tmpfs", path.c_str(), "tmpfs", 0, "size=256k") != 0)
    GTEST_SKIP() << "may not mount a small file system";
  std::string message;
  int kept = 0;
  {
    Journal journal(RunDirectory::open(path / "run", settings()));
    message = error_of([&] {
      for (; kept < 10'000; ++kept) journal.put(response("cot-none", "s", kept, answer_text(kept)));
    });
  }
  std::optional<std::int64_t> count;
  try {
    count = Journal::open_read_only(path / "run").count();
  } catch (const InputError& e) {
    ADD_FAILURE() << e.what();
  }
  ::umount(path.c_str());
  EXPECT_THAT(message, HasSubstr("is full"));
  EXPECT_GT(kept, 0);
  EXPECT_EQ(count, kept);
}

}  // namespace
}  // namespace refocus
