// That a run goes on with the same model only, to the last byte, and says what differs.
#include <chrono>

#include "base/hash_cache.h"
#include "base/used_file.h"
#include "cli/cli_support.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::expect_failure;
using testing::file_text;
using ::testing::HasSubstr;
using testing::Json;
using testing::plus;
using testing::ProcessResult;
using testing::TempDir;
using testing::write_file;
namespace fs = std::filesystem;

// A copy of the bundled model, and an evaluation of one question.
class SameModel : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::copy(fs::path(REFOCUS_SOURCE) / "models/small-worlds", model);
    for (const auto& entry : fs::directory_iterator(model)) {
      fs::permissions(entry.path(), fs::perms::owner_write, fs::perm_options::add);
    }
  }
  ProcessResult eval(const fs::path& with, const Arguments& more = {}, const std::string& run = "run") const {
    return testing::refocus(plus({"eval", "worlds", "-m", with.string(), "--subjects", "codes", "--limit",
                                  "1", "--direct", "--max-new-tokens", "2", "-o", (dir / run).string()},
                                 more),
                            {.cache = dir / "cache"});
  }
  void begin(const fs::path& with) const {
    const ProcessResult result = eval(with);
    ASSERT_EQ(result.status, 0) << result.err;
  }
  void expect_resumed(const fs::path& with) const {
    const ProcessResult result = eval(with);
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_THAT(result.err, HasSubstr("going on with the run"));
  }
  void expect_refused(const fs::path& with, const std::string& difference) const {
    expect_failure(eval(with), 1,
                   {"run] expected the model that the run was begun with, got another: " + difference + ";",
                    "choose another -o directory"});
  }
  // Changes one byte; the file keeps its size.
  static void flip(const fs::path& path, std::size_t at) {
    std::string text = file_text(path);
    text.at(at) = static_cast<char>(text[at] ^ 1);
    write_file(path, text);
  }
  Json run_file() const { return Json::parse(file_text(dir / "run/run.json")); }

  TempDir dir;
  fs::path model = dir / "model";
};

TEST_F(SameModel, ALaterStartIsRefusedForAnyByteThatDecidesAnAnswer) {
  begin(model);
  const struct {
    const char* file;
    std::optional<std::string> text;  // nothing: a byte in its middle is changed
    const char* difference;
  } cases[] = {{"model.safetensors", std::nullopt, "model.safetensors differs"},
               {"special_tokens_map.json", "{}", "special_tokens_map.json is new"},
               {"added_tokens.json", "{}", "added_tokens.json is new"},
               {"generation_config.json", "{}", "generation_config.json is new"},
               {"tokenizer_config.json", file_text(model / "tokenizer_config.json") + " ",
                "tokenizer_config.json differs"},
               {"config.json", file_text(model / "config.json") + "\n", "config.json differs"}};
  for (const auto& c : cases) {
    const fs::path path = model / c.file;
    const bool was_there = fs::exists(path);
    const std::string before = was_there ? file_text(path) : "";
    if (c.text) {
      write_file(path, *c.text);
    } else {
      flip(path, before.size() / 2);
    }
    expect_refused(model, c.difference);
    if (was_there) {
      write_file(path, before);
    } else {
      fs::remove(path);
    }
    expect_resumed(model);
  }
  fs::remove(model / "tokenizer_config.json");
  write_file(model / "added_tokens.json", "{}");
  expect_refused(model, "tokenizer_config.json is gone, added_tokens.json is new");
}

TEST_F(SameModel, WhatDecidesNothingMayChange) {
  begin(model);
  write_file(model / "README.md", "another text");
  write_file(model / "vocab.txt", "not read where there is a tokenizer.model");
  expect_resumed(model);
  for (const auto& entry : fs::directory_iterator(model)) {
    fs::last_write_time(entry.path(), fs::file_time_type::clock::now() - std::chrono::hours(5));
  }
  expect_resumed(model);
  fs::copy(model, dir / "copy");
  expect_resumed(dir / "copy");
  fs::rename(model / "model.safetensors", model / "weights.safetensors");
  expect_resumed(model);
  EXPECT_EQ(run_file()["identity"]["model_files"]["weights"].begin().key(), "model.safetensors");
}

TEST_F(SameModel, LinksStandForWhatTheyLeadTo) {
  const fs::path snapshot = dir / "snapshot", blobs = dir / "blobs";
  fs::create_directories(snapshot);
  fs::create_directories(blobs);
  for (const char* name : {"config.json", "model.safetensors", "tokenizer.model", "tokenizer_config.json"}) {
    fs::copy(model / name, blobs / (std::string("blob-") + name));
    fs::create_symlink(fs::path("../blobs") / (std::string("blob-") + name), snapshot / name);
  }
  begin(model);
  expect_resumed(snapshot);
  flip(blobs / "blob-model.safetensors", fs::file_size(blobs / "blob-model.safetensors") / 2);
  expect_refused(snapshot, "model.safetensors differs");
  fs::remove(snapshot / "model.safetensors");
  fs::create_symlink(model / "model.safetensors", snapshot / "model.safetensors");
  expect_resumed(snapshot);
}

TEST_F(SameModel, OfAGgufFileEveryByteCounts) {
  const fs::path gguf = dir / "small.gguf";
  ASSERT_EQ(testing::refocus({"convert", "-m", model.string(), "-o", gguf.string(), "--type", "f16"}).status,
            0);
  begin(gguf);
  EXPECT_EQ(run_file()["identity"]["model_files"].size(), 1u);
  const std::string whole = file_text(gguf);
  fs::copy(gguf, dir / "renamed.gguf");
  expect_resumed(dir / "renamed.gguf");
  flip(gguf, whole.size() / 2);
  expect_refused(gguf, "small.gguf differs");
  // A letter of a token: the last one of the list that is long enough.
  std::string other = whole;
  const std::size_t letter = other.rfind('e', other.find("tokenizer.ggml.scores"));
  ASSERT_GT(letter, other.find("tokenizer.ggml.tokens"));
  other[letter] = '~';
  write_file(gguf, other);
  expect_refused(gguf, "small.gguf differs");
  write_file(gguf, whole);
  expect_resumed(gguf);
  expect_refused(model,
                 "config.json is new, small.gguf is gone, tokenizer.model is new, tokenizer_config.json is "
                 "new and 1 more");
}

TEST_F(SameModel, ARunOfAnEarlierVersionIsReadAndNotResumed) {
  begin(model);
  Json file = run_file();
  file["identity"].erase("model_files");
  file["identity"]["model_fingerprint"] = "0123456789abcdef";
  write_file(dir / "run/run.json", file.dump(2));
  expect_failure(
      eval(model), 1,
      {"run] expected the hashes of the model's files in run.json, got a run of an earlier version",
       "cannot be shown", "begin anew in another -o directory", "compare, report and rescore"});
  const std::string run = (dir / "run").string();
  EXPECT_EQ(eval(model, {"--intervene", "none", "--intervene", "rebalance"}, "two").status, 0);
  for (const Arguments& reading : {Arguments{"report", run}, Arguments{"rescore", run, "--write"},
                                   Arguments{"compare", run, (dir / "two").string()}}) {
    const ProcessResult result = testing::refocus(reading);
    EXPECT_EQ(result.status, 0) << result.err;
  }
  file["identity"].erase("model_fingerprint");
  file["identity"]["model_files"] = {{"weights", 3}};
  write_file(dir / "run/run.json", file.dump(2));
  expect_failure(eval(model), 1, {"run] expected an object", ", got", "restore a copy"});
}

TEST_F(SameModel, WeightsAreReadOnceAndAgainWhenTheyWereTouched) {
  const fs::path weights = model / "model.safetensors";
  begin(model);
  // What the cache says about the file is believed: it is not read.
  {
    HashCache cache(dir / "cache/refocus/file-hashes");
    cache.add(fs::canonical(weights), stamp_of(weights), std::string(32, 'f'),
              file_clock_now() + 5'000'000'000);
    cache.save();
  }
  expect_refused(model, "model.safetensors differs");
  fs::last_write_time(weights, fs::file_time_type::clock::now() - std::chrono::hours(1));
  expect_resumed(model);
}

TEST_F(SameModel, TheCacheKnowsAModelThatHasLainThere) {
  const fs::path bundled = fs::path(REFOCUS_SOURCE) / "models/small-worlds";
  begin(bundled);
  const HashCache cache(dir / "cache/refocus/file-hashes");
  const Json files = run_file()["identity"]["model_files"];
  EXPECT_EQ(files["tokenizer"].size(), 2u);
  for (const auto& [part, hashes] : files.items()) {
    for (const auto& [name, hash] : hashes.items()) {
      EXPECT_EQ(cache.find(fs::canonical(bundled / name), stamp_of(bundled / name)), hash.get<std::string>())
          << name;
    }
  }
}

TEST_F(SameModel, ACacheThatIsDamagedOrCannotBeWrittenIsDoneWithout) {
  begin(model);
  fs::create_directories(dir / "cache/refocus");
  write_file(dir / "cache/refocus/file-hashes", std::string("refocus file hashes 1\n\xff\0 garbage", 32));
  expect_resumed(model);
  fs::remove_all(dir / "cache");
  write_file(dir / "cache", "a file");
  expect_resumed(model);
}

TEST_F(SameModel, AStudySaysWhichModelsItIsOf) {
  const Arguments asked = {"worlds",   "--subjects",       "codes", "--limit", "1",
                           "--direct", "--max-new-tokens", "2"};
  begin(model);
  fs::copy(model, dir / "before");
  flip(dir / "before/model.safetensors", fs::file_size(model / "model.safetensors") / 2);
  const ProcessResult result = testing::refocus(
      plus(plus({"study"}, asked),
           {"-m", model.string(), "--before", (dir / "before").string(), "-o", (dir / "study").string()}));
  ASSERT_EQ(result.status, 0) << result.err;
  const Json settings = Json::parse(file_text(dir / "study/study.json"))["settings"];
  const Json identity = run_file()["identity"];
  // What was asked is an evaluation's; what was measured of it, and in which models, is a study's.
  Json studied = settings["identity"];
  EXPECT_EQ(studied["before_files"], settings["before_files"]);
  EXPECT_EQ(studied["kind"], "study");
  for (const char* of_studies : {"kind", "extraction", "rows", "window", "threshold", "before_files"}) {
    EXPECT_EQ(studied.erase(of_studies), 1u) << of_studies;
    EXPECT_FALSE(identity.contains(of_studies)) << of_studies;
  }
  EXPECT_EQ(studied, identity);
  const Json& files = identity["model_files"];
  EXPECT_EQ(settings["before_files"]["tokenizer"], files["tokenizer"]);
  EXPECT_NE(settings["before_files"]["weights"]["model.safetensors"], files["weights"]["model.safetensors"]);
}

// refocus train.
class SameBeginning : public SameModel {
 protected:
  void SetUp() override {
    SameModel::SetUp();
    std::string lines;
    for (int i = 0; i < 4; ++i) lines += "{\"text\": \"Ann gave the ball to Bob.\"}\n";
    write_file(dir / "data.jsonl", lines);
  }
  ProcessResult train(const fs::path& from, const Arguments& more) const {
    return testing::refocus(
        plus({"train", "--from", from.string(), "--data", (dir / "data.jsonl").string(), "--steps", "2",
              "--batch-tokens", "64", "--context", "32", "-o", (dir / "run").string()},
             more),
        {.cache = dir / "cache"});
  }
  static void expect_refused_late(const ProcessResult& result, const std::string& part) {
    EXPECT_EQ(result.status, 1);
    EXPECT_THAT(result.err, HasSubstr("got others: " + part + ";"));
  }
  void try_all(const Arguments& options) const {
    ASSERT_EQ(train(model, options).status, 0);
    const Arguments again = plus(options, {"--resume"});
    EXPECT_EQ(train(model, again).status, 0);
    fs::copy(model, dir / "copy");
    const ProcessResult copied = train(dir / "copy", again);
    EXPECT_EQ(copied.status, 0) << copied.err;
    flip(dir / "copy/model.safetensors", fs::file_size(model / "model.safetensors") / 2);
    expect_refused_late(train(dir / "copy", again), "model.safetensors differs");
    write_file(model / "added_tokens.json", "{}");
    expect_refused_late(train(model, again), "added_tokens.json is new");
    fs::remove(model / "added_tokens.json");
    EXPECT_EQ(train(model, again).status, 0);
    const fs::path state = dir / "run/checkpoints/step-00000002/state.json";
    Json json = Json::parse(file_text(state));
    json["settings"].erase("files");
    write_file(state, json.dump());
    const ProcessResult old = train(model, again);
    EXPECT_EQ(old.status, 1);
    EXPECT_THAT(old.err, HasSubstr("got a checkpoint of an earlier version"));
    EXPECT_THAT(old.err, HasSubstr("begin anew in another directory"));
    json["settings"]["files"] = "none";
    write_file(state, json.dump());
    EXPECT_THAT(train(model, again).err, HasSubstr("expected an object, got a text"));
  }
};

TEST_F(SameBeginning, AllWeights) { try_all({}); }

TEST_F(SameBeginning, AnAdapter) { try_all({"--lora-rank", "2"}); }

}  // namespace
}  // namespace refocus
