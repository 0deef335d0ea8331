#include "base/used_file.h"

#include <chrono>
#include <fstream>
#include <thread>

#include "base/hash_cache.h"
#include "base/text_file.h"
#include "base/thread_pool.h"
#include "support.h"

namespace refocus {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using testing::TempDir;
namespace fs = std::filesystem;

const std::string kWrong = "ffffffffffffffffffffffffffffffff";

// Hashes a folder's file "weights" with a cache.
class UsedFiles : public ::testing::Test {
 protected:
  FileHashes hash(const fs::path& path) {
    HashCache cache(dir / "cache");
    const UsedFile file = used_file("weights", path);
    return hash_files({&file, 1}, pool, cache);
  }
  // Lets the cache say something wrong about the file as it is now, which shows whether it was asked.
  void mislead(const fs::path& path) {
    HashCache cache(dir / "cache");
    cache.add(fs::canonical(path), stamp_of(path), kWrong, file_clock_now() + 10'000'000'000);
    cache.save();
  }
  TempDir dir;
  ThreadPool pool{2};
};

TEST_F(UsedFiles, AreReadOnceAndAgainWhenTouched) {
  const fs::path path = dir / "weights";
  std::ofstream(path) << "some weights";
  const FileHashes first = hash(path);
  EXPECT_FALSE(fs::exists(dir / "cache")) << "it was written just now";
  mislead(path);
  EXPECT_EQ(hash(path).at("weights").at("weights"), kWrong) << "the file was read though it is known";
  fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(1));
  EXPECT_EQ(hash(path), first);
  mislead(path);
  std::ofstream(path) << "same weights";
  EXPECT_NE(hash(path), first);
  EXPECT_NE(hash(path).at("weights").at("weights"), kWrong);
}

// Written in place, of the same size, with its old time put back.
TEST_F(UsedFiles, AChangeThatHidesItsTimeIsSeen) {
  const fs::path path = dir / "weights";
  std::ofstream(path) << "some weights";
  const auto time = fs::last_write_time(path);
  const FileHashes first = hash(path);
  mislead(path);
  std::this_thread::sleep_for(std::chrono::milliseconds(30));  // the clock of files ticks slowly
  std::ofstream(path) << "same weights";
  fs::last_write_time(path, time);
  const FileHashes second = hash(path);
  EXPECT_NE(second, first);
  EXPECT_NE(second.at("weights").at("weights"), kWrong);
}

TEST_F(UsedFiles, ALinkIsKnownByWhatItLeadsTo) {
  fs::create_directories(dir / "blobs");
  fs::create_directories(dir / "snapshot");
  std::ofstream(dir / "blobs/one") << "some weights";
  std::ofstream(dir / "blobs/two") << "same weights";
  const fs::path link = dir / "snapshot/model.safetensors";
  fs::create_symlink("../blobs/one", link);
  const FileHashes first = hash(link);
  EXPECT_EQ(first.at("weights").count("model.safetensors"), 1u);
  EXPECT_EQ(first.at("weights").at("model.safetensors"), hash(dir / "blobs/one").at("weights").at("one"));
  mislead(dir / "blobs/one");
  EXPECT_EQ(hash(link).at("weights").at("model.safetensors"), kWrong);
  fs::remove(link);
  fs::create_symlink("../blobs/two", link);
  EXPECT_EQ(hash(link).at("weights").at("model.safetensors"),
            hash(dir / "blobs/two").at("weights").at("two"));
}

TEST_F(UsedFiles, AFileThatChangedSinceItWasOpenedIsRefusedThoughTheCacheKnowsIt) {
  const fs::path path = dir / "weights";
  std::ofstream(path) << "some weights";
  const UsedFile file = used_file("weights", path);
  mislead(path);
  std::ofstream(path) << "other weights";
  HashCache cache(dir / "cache");
  EXPECT_THAT(error_of([&] { hash_files({&file, 1}, pool, cache); }), HasSubstr("has changed"));
}

TEST_F(UsedFiles, TellOfWhatIsReadAlone) {
  std::ofstream(dir / "known") << "12345";
  std::ofstream(dir / "unknown") << "123";
  mislead(dir / "known");
  const std::vector<UsedFile> files = {used_file("weights", dir / "known"),
                                       used_file("weights", dir / "unknown")};
  HashCache cache(dir / "cache");
  std::vector<std::pair<std::int64_t, std::int64_t>> told;
  hash_files(files, pool, cache,
             [&](std::int64_t done, std::int64_t total) { told.emplace_back(done, total); });
  EXPECT_THAT(told, ::testing::ElementsAre(std::pair(3, 3)));
}

TEST_F(UsedFiles, WeightsThatAreWrittenToWhileInUseAreRefusedOthersNot) {
  const fs::path path = dir / "weights";
  std::ofstream(path) << "some weights";
  const std::vector<UsedFile> files = {used_file("gguf", path)};
  EXPECT_NO_THROW(expect_not_overwritten(files));
  fs::rename(path, dir / "moved");
  EXPECT_NO_THROW(expect_not_overwritten(files));
  std::ofstream(path) << "another file in its place";
  EXPECT_NO_THROW(expect_not_overwritten(files));
  fs::rename(dir / "moved", path);
  EXPECT_NO_THROW(expect_not_overwritten(files));
  std::ofstream(path, std::ios::app) << "x";
  EXPECT_THAT(error_of([&] { expect_not_overwritten(files); }),
              HasSubstr("weights] expected a file that stays"));
  const UsedFile config = used_file("config", path);
  std::ofstream(path, std::ios::app) << "x";
  EXPECT_NO_THROW(expect_not_overwritten({&config, 1})) << "it was read as a whole";
}

TEST(FileHashes, DifferencesAreNamed) {
  const FileHashes before = {{"config", {{"config.json", "1"}}},
                             {"tokenizer", {{"tokenizer.model", "2"}, {"added_tokens.json", "3"}}},
                             {"weights", {{"model.safetensors", "4"}}}};
  EXPECT_EQ(difference_of(before, before), "");
  const auto changed = [&](const auto& change) {
    FileHashes now = before;
    change(now);
    return difference_of(before, now);
  };
  EXPECT_EQ(changed([](FileHashes& h) { h["weights"]["model.safetensors"] = "5"; }),
            "model.safetensors differs");
  EXPECT_EQ(changed([](FileHashes& h) { h["config"]["config.json"] = "5"; }), "config.json differs");
  EXPECT_EQ(changed([](FileHashes& h) { h["tokenizer"].erase("added_tokens.json"); }),
            "added_tokens.json is gone");
  EXPECT_EQ(changed([](FileHashes& h) { h["tokenizer"]["special_tokens_map.json"] = "3"; }),
            "special_tokens_map.json is new");
  EXPECT_EQ(changed([](FileHashes& h) { h["adapter"]["adapter_model.safetensors"] = "3"; }),
            "adapter adapter_model.safetensors is new");
  EXPECT_EQ(changed([](FileHashes& h) {
              h["config"]["config.json"] = "5";
              h["weights"] = {};
              h["gguf"]["a.gguf"] = "9";
            }),
            "config.json differs, a.gguf is new, model.safetensors is gone");
  EXPECT_EQ(changed([](FileHashes& h) {
              h = {{"adapter", {{"a", "1"}, {"b", "1"}, {"c", "1"}}}};
            }),
            "adapter a is new, adapter b is new, adapter c is new, config.json is gone and 3 more");
}

TEST(FileHashes, AFileOfWeightsMayHaveAnotherNameNoOtherFile) {
  EXPECT_EQ(difference_of({{"gguf", {{"a.gguf", "1"}}}}, {{"gguf", {{"b.gguf", "1"}}}}), "");
  EXPECT_EQ(difference_of({{"gguf", {{"a.gguf", "1"}}}}, {{"gguf", {{"b.gguf", "2"}}}}),
            "a.gguf is gone, b.gguf is new");
  EXPECT_EQ(difference_of({{"weights", {{"a", "1"}, {"b", "2"}}}}, {{"weights", {{"a", "2"}, {"b", "1"}}}}),
            "a differs, b differs");
  EXPECT_EQ(difference_of({{"weights", {{"a", "1"}, {"b", "1"}}}}, {{"weights", {{"c", "1"}}}}), "b is gone");
  EXPECT_EQ(difference_of({{"tokenizer", {{"added_tokens.json", "1"}}}},
                          {{"tokenizer", {{"special_tokens_map.json", "1"}}}}),
            "added_tokens.json is gone, special_tokens_map.json is new");
}

}  // namespace
}  // namespace refocus
