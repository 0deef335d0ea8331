#include "base/file_hash.h"

#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/text_file.h"
#include "base/thread_pool.h"
#include "support.h"

namespace refocus {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using testing::TempDir;
namespace fs = std::filesystem;

// As tests/golden/base/make_goldens.py has it.
std::string content(std::size_t size) {
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>(i * i / 7 + i);
  return out;
}

void write(const fs::path& path, std::string_view text) { std::ofstream(path, std::ios::binary) << text; }

TEST(FileHash, IsThatOfTheReferenceWithAnyNumberOfThreads) {
  const TempDir dir;
  const fs::path path = dir / "file";
  const auto goldens = nlohmann::json::parse(read_text_file(testing::golden("base") / "file_hashes.json"));
  ASSERT_EQ(goldens.size(), 7u);
  for (const auto& golden : goldens) {
    const std::size_t bytes = golden["bytes"];
    write(path, content(bytes));
    for (const int threads : {1, 2, 5}) {
      ThreadPool pool(threads);
      std::int64_t told = 0;
      EXPECT_EQ(hash_file(path, stamp_of(path), pool, [&](std::int64_t more) { told += more; }),
                golden["hash"])
          << bytes << " bytes, " << threads << " threads";
      EXPECT_EQ(told, static_cast<std::int64_t>(bytes));
    }
  }
}

TEST(FileHash, EveryByteCounts) {
  const TempDir dir;
  ThreadPool pool(2);
  const std::string text = content(2 * kHashedStretch + 100);
  write(dir / "file", text);
  const std::string before = hash_file(dir / "file", stamp_of(dir / "file"), pool);
  for (const std::size_t at :
       {std::size_t{0}, kHashedStretch - 1, kHashedStretch, kHashedStretch + 70'001, text.size() - 1}) {
    const auto put = [&](char byte) {
      std::fstream(dir / "file", std::ios::in | std::ios::out | std::ios::binary)
          .seekp(static_cast<std::streamoff>(at))
          .put(byte);
    };
    put(static_cast<char>(text[at] ^ 1));
    EXPECT_NE(hash_file(dir / "file", stamp_of(dir / "file"), pool), before) << at;
    put(text[at]);
    EXPECT_EQ(hash_file(dir / "file", stamp_of(dir / "file"), pool), before) << at;
  }
  // Two stretches exchanged.
  write(dir / "file", text.substr(kHashedStretch, kHashedStretch) + text.substr(0, kHashedStretch) +
                          text.substr(2 * kHashedStretch));
  EXPECT_NE(hash_file(dir / "file", stamp_of(dir / "file"), pool), before);
}

TEST(FileHash, RefusesAFileThatIsNoLongerWhatWasOpened) {
  const TempDir dir;
  ThreadPool pool(1);
  const fs::path path = dir / "file";
  write(path, content(1000));
  const FileStamp stamp = stamp_of(path);
  EXPECT_EQ(stamp.bytes, 1000u);
  write(path, content(1001));
  EXPECT_THAT(error_of([&] { hash_file(path, stamp, pool); }), HasSubstr("has changed"));
  EXPECT_THAT(error_of([&] { stamp_of(dir / "none"); }), HasSubstr("none] cannot be read"));
  EXPECT_THAT(error_of([&] { hash_file(dir / "none", stamp, pool); }), HasSubstr("none] cannot be opened"));
}

// While it is read it grows, shrinks, or gets other bytes.
TEST(FileHash, RefusesAFileThatChangesWhileItIsRead) {
  const TempDir dir;
  ThreadPool pool(1);
  const fs::path path = dir / "file";
  const auto refused = [&](const std::function<void()>& change) {
    write(path, content(2 * kHashedStretch));
    fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(1));
    bool changed = false;
    return error_of([&] {
      hash_file(path, stamp_of(path), pool, [&](std::int64_t) {
        if (!std::exchange(changed, true)) change();
      });
    });
  };
  EXPECT_THAT(refused([&] { std::ofstream(path, std::ios::app) << "x"; }), HasSubstr("has changed"));
  EXPECT_THAT(refused([&] { fs::resize_file(path, kHashedStretch + 5); }), HasSubstr("has changed"));
  EXPECT_THAT(refused([&] { std::fstream(path, std::ios::in | std::ios::out).seekp(9) << "x"; }),
              HasSubstr("has changed"));
}

}  // namespace
}  // namespace refocus
