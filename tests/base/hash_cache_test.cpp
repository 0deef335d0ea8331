#include "base/hash_cache.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "base/text_file.h"
#include "support.h"

namespace refocus {
namespace {

using testing::TempDir;
namespace fs = std::filesystem;

constexpr std::int64_t kSecond = 1'000'000'000;
const std::string kHash = "0123456789abcdef0123456789abcdef", kOther = "00000000000000000000000000000001";
const FileStamp kStamp = {1, 2, 3, 100 * kSecond, 101 * kSecond};

// A cache file in which /models/a has the hash kHash.
fs::path cache_with_one(const TempDir& dir) {
  const fs::path file = dir / "cache/refocus/file-hashes";
  HashCache cache(file);
  cache.add("/models/a", kStamp, kHash, 200 * kSecond);
  EXPECT_EQ(cache.find("/models/a", kStamp), kHash);
  cache.save();
  return file;
}

TEST(HashCache, RemembersAFileAsLongAsNothingOfItHasChanged) {
  const TempDir dir;
  const HashCache cache(cache_with_one(dir));
  EXPECT_EQ(cache.find("/models/a", kStamp), kHash);
  EXPECT_EQ(cache.find("/models/b", kStamp), std::nullopt);
  for (int sign = 0; sign < 5; ++sign) {
    FileStamp changed = kStamp;
    ++(sign == 0 ? changed.device : sign == 1 ? changed.inode : changed.bytes);
    if (sign > 2) {
      changed = kStamp;
      ++(sign == 3 ? changed.modified : changed.changed);
    }
    EXPECT_EQ(cache.find("/models/a", changed), std::nullopt) << sign;
  }
}

TEST(HashCache, DoesNotRememberAFileThatWasJustTouched) {
  const TempDir dir;
  HashCache cache(dir / "hashes");
  cache.add("/a", kStamp, kHash, kStamp.changed + 2 * kSecond - 1);
  EXPECT_EQ(cache.find("/a", kStamp), std::nullopt);
  cache.save();
  EXPECT_FALSE(fs::exists(dir / "hashes"));
  // A time to come, of a clock that was set back.
  cache.add("/a", {1, 2, 3, 500 * kSecond, 101 * kSecond}, kHash, 200 * kSecond);
  cache.save();
  EXPECT_FALSE(fs::exists(dir / "hashes"));
  cache.add("/a", kStamp, kHash, kStamp.changed + 2 * kSecond);
  EXPECT_EQ(cache.find("/a", kStamp), kHash);
}

TEST(HashCache, AnEntryIsReplacedAndOthersStay) {
  const TempDir dir;
  const fs::path file = cache_with_one(dir);
  HashCache cache(file);
  FileStamp now = kStamp;
  now.bytes = 4;
  cache.add("/models/a", now, kOther, 200 * kSecond);
  cache.add("/with a space/and \xff", kStamp, kOther, 200 * kSecond);
  cache.add("/with\nline break", kStamp, kOther, 200 * kSecond);
  cache.save();
  const HashCache read(file);
  EXPECT_EQ(read.find("/models/a", now), kOther);
  EXPECT_EQ(read.find("/models/a", kStamp), std::nullopt);
  EXPECT_EQ(read.find("/with a space/and \xff", kStamp), kOther);
  EXPECT_EQ(read.find("/with\nline break", kStamp), std::nullopt);
}

// A changed byte anywhere makes an entry unknown and never another hash.
TEST(HashCache, ADamagedEntryIsNotTrusted) {
  const TempDir dir;
  const fs::path file = cache_with_one(dir);
  const std::string text = read_text_file(file);
  const auto write = [&](std::string_view damaged) { std::ofstream(file, std::ios::binary) << damaged; };
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (const int bit : {1, 16}) {
      std::string damaged = text;
      damaged[at] = static_cast<char>(damaged[at] ^ bit);
      write(damaged);
      EXPECT_EQ(HashCache(file).find("/models/a", kStamp), std::nullopt) << at;
    }
    write(text.substr(0, at));
    EXPECT_EQ(HashCache(file).find("/models/a", kStamp), std::nullopt) << at;
  }
  // The next save mends it.
  cache_with_one(dir);
  EXPECT_EQ(HashCache(file).find("/models/a", kStamp), kHash);
}

TEST(HashCache, WhatCannotBeReadOrWrittenIsDoneWithout) {
  const TempDir dir;
  fs::create_directories(dir / "directory");
  std::ofstream(dir / "file") << "text";
  for (const fs::path& file :
       {dir / "directory", dir / "file/hashes", fs::path("/proc/none/hashes"), fs::path()}) {
    HashCache cache(file);
    cache.add("/a", kStamp, kHash, 200 * kSecond);
    EXPECT_EQ(cache.find("/a", kStamp), kHash);
    EXPECT_NO_THROW(cache.save()) << file;
    EXPECT_EQ(HashCache(file).find("/a", kStamp), std::nullopt) << file;
  }
  ASSERT_EQ(::mkfifo((dir / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(HashCache(dir / "pipe").find("/a", kStamp), std::nullopt);
}

TEST(HashCache, KeepsTheNewestOfVeryMany) {
  const TempDir dir;
  const fs::path file = cache_with_one(dir);
  HashCache cache(file);
  for (int i = 0; i < 4096; ++i) cache.add(fmt::format("/{}", i), kStamp, kOther, 200 * kSecond);
  cache.save();
  const HashCache read(file);
  EXPECT_EQ(read.find("/models/a", kStamp), std::nullopt);
  EXPECT_EQ(read.find("/0", kStamp), kOther);
  EXPECT_EQ(read.find("/4095", kStamp), kOther);
}

TEST(HashCache, SeveralProcessesLoseNothing) {
  const TempDir dir;
  const fs::path file = dir / "hashes";
  constexpr int kProcesses = 6, kFiles = 10;
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; ++p) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      for (int i = 0; i < kFiles; ++i) {
        HashCache cache(file);
        cache.add(fmt::format("/{}/{}", p, i), kStamp, kHash, 200 * kSecond);
        cache.save();
      }
      ::_exit(0);
    }
    children.push_back(pid);
  }
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  const HashCache read(file);
  for (int p = 0; p < kProcesses; ++p) {
    for (int i = 0; i < kFiles; ++i) {
      EXPECT_EQ(read.find(fmt::format("/{}/{}", p, i), kStamp), kHash) << p << " " << i;
    }
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator()), 2);  // and the lock
}

TEST(HashCache, LiesWhereTheXdgSpecificationSays) {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const std::string before_cache = cache != nullptr ? cache : "", before_home = home != nullptr ? home : "";
  ::setenv("HOME", "/home/ann", 1);
  ::setenv("XDG_CACHE_HOME", "/caches", 1);
  EXPECT_EQ(default_hash_cache(), "/caches/refocus/file-hashes");
  ::setenv("XDG_CACHE_HOME", "relative", 1);
  EXPECT_EQ(default_hash_cache(), "/home/ann/.cache/refocus/file-hashes");
  ::unsetenv("XDG_CACHE_HOME");
  EXPECT_EQ(default_hash_cache(), "/home/ann/.cache/refocus/file-hashes");
  ::unsetenv("HOME");
  EXPECT_EQ(default_hash_cache(), "");
  if (home != nullptr) ::setenv("HOME", before_home.c_str(), 1);
  if (cache != nullptr) ::setenv("XDG_CACHE_HOME", before_cache.c_str(), 1);
}

}  // namespace
}  // namespace refocus
