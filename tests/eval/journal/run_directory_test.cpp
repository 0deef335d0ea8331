#include "eval/journal/run_directory.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <fstream>

#include "base/text_file.h"
#include "eval/recording_support.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;
using testing::error_of;
using ::testing::HasSubstr;
using testing::in_child;
using testing::limit_file_size;
using testing::settings;
using testing::TempDir;

std::vector<std::string> names_in(const std::filesystem::path& path) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(path))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

TEST(RunDirectory, BeginsAndResumes) {
  TempDir dir;
  const std::filesystem::path path = dir / "a/b/run";
  {
    const RunDirectory run = RunDirectory::open(path, settings());
    EXPECT_FALSE(run.resumed());
    const auto file = ordered_json::parse(read_text_file(path / "run.json"));
    EXPECT_EQ(file["format"], "refocus-run");
    EXPECT_EQ(file["version"], 1);
    EXPECT_EQ(file["identity"], settings().identity);
    ASSERT_EQ(file["sessions"].size(), 1u);
    EXPECT_EQ(file["sessions"][0]["threads"], 2);
    EXPECT_THAT(file["sessions"][0]["started"].get<std::string>(),
                ::testing::MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"));
    EXPECT_EQ(run.arm_directory("cot-none"), path / "arms" / "cot-none");
    EXPECT_TRUE(std::filesystem::is_directory(path / "arms" / "cot-none"));
  }
  RunSettings other = settings();
  other.details = {{"program_version", "0.2.0"}, {"threads", 64}};
  RunDirectory run = RunDirectory::open(path, other);
  EXPECT_TRUE(run.resumed());
  ASSERT_EQ(run.record().sessions.size(), 2u);
  run.note("to_ask", 3);
  EXPECT_EQ(run.record().sessions[1]["to_ask"], 3);
  EXPECT_EQ(read_run_record(path).sessions[1], run.record().sessions[1]);
  EXPECT_EQ(read_run_record(path).sessions[0].contains("to_ask"), false);
  EXPECT_EQ(read_run_record(path).sessions.size(), 2u);
  EXPECT_EQ(read_run_record(path).identity, settings().identity);
}

TEST(RunDirectory, TheOrderOfKeysAndOddTextAreNoDifference) {
  TempDir dir;
  RunSettings first = settings();
  first.identity["model"]["path"] = "odd\xff name \"\n";
  first.identity["alpha"] = 0.1 + 0.2;
  { RunDirectory::open(dir / "run", first); }
  RunSettings again = first;
  again.identity = ordered_json::object();
  for (auto it = first.identity.rbegin(); it != first.identity.rend(); ++it)
    again.identity[it.key()] = it.value();
  EXPECT_TRUE(RunDirectory::open(dir / "run", again).resumed());
}

TEST(RunDirectory, RefusesAnyOtherIdentity) {
  TempDir dir;
  const std::filesystem::path path = dir / "run";
  { RunDirectory::open(path, settings()); }
  const std::string before = read_text_file(path / "run.json");
  const auto refusal = [&](const char* pointer, const ordered_json& value) {
    RunSettings changed = settings();
    changed.identity[ordered_json::json_pointer(pointer)] = value;
    return error_of([&] { RunDirectory::open(path, changed); });
  };
  const struct {
    const char* pointer;
    ordered_json value;
    const char* expected;
  } cases[] = {
      {"/model/path", "big.gguf",
       "expected model.path to be \"models/tiny.gguf\" as in its run.json, got \"big.gguf\";"},
      {"/model/fingerprint", "abd", "expected model.fingerprint to be \"abc\""},
      {"/tasks", {"mmlu"}, "expected tasks to be [\"mmlu\",\"piqa\"] as in its run.json, got [\"mmlu\"];"},
      {"/tasks/1", "siqa", "expected tasks[1] to be \"piqa\" as in its run.json, got \"siqa\";"},
      {"/data", "other", "expected data to be \"d41d8c\""},
      {"/profile/name", "published", "expected profile.name to be \"default\""},
      {"/profile/sha256", "0000", "expected profile.sha256 to be \"e3b0\""},
      {"/arms/0", "cot-x", "expected arms[0] to be \"cot-none\""},
      {"/limit", 10, "expected limit to be null as in its run.json, got 10;"},
      {"/generation/max_new_tokens", 16,
       "expected generation.max_new_tokens to be 2048 as in its run.json, got 16;"},
      {"/generation/temperature", 0.5,
       "expected generation.temperature to be 0.0 as in its run.json, got 0.5;"},
      {"/generation/seed", 1, "expected generation.seed to be nothing as in its run.json, got 1;"},
  };
  for (const auto& c : cases) {
    const std::string message = refusal(c.pointer, c.value);
    EXPECT_THAT(message, HasSubstr(c.expected));
    EXPECT_THAT(message, HasSubstr("choose another -o directory"));
  }
  RunSettings fewer = settings();
  fewer.identity.erase("limit");
  EXPECT_THAT(error_of([&] { RunDirectory::open(path, fewer); }),
              HasSubstr("limit to be null as in its run.json, got nothing"));
  EXPECT_EQ(read_text_file(path / "run.json"), before);
}

TEST(RunDirectory, OfAnotherModelNamesTheFilesAndAnotherNameOfWeightsIsTheSameModel) {
  TempDir dir;
  const auto with = [](const ordered_json& files) {
    RunSettings out = settings();
    out.identity["model_files"] = files;
    return out;
  };
  const ordered_json files = {{"tokenizer", {{"tokenizer.model", "aa"}}},
                              {"weights", {{"a.safetensors", "bb"}}}};
  { RunDirectory::open(dir / "run", with(files)); }
  EXPECT_THAT(
      error_of([&] {
        RunDirectory::open(dir / "run", with({{"weights", {{"a.safetensors", "bc"}}}}));
      }),
      HasSubstr("got another: tokenizer.model is gone, a.safetensors differs; choose another -o directory"));
  const ordered_json renamed = {{"weights", {{"b.safetensors", "bb"}}},
                                {"tokenizer", {{"tokenizer.model", "aa"}}}};
  const RunDirectory run = RunDirectory::open(dir / "run", with(renamed));
  EXPECT_TRUE(run.resumed());
  EXPECT_EQ(run.record().identity["model_files"], files);
}

TEST(RunDirectory, OfAnEarlierVersionIsNotResumed) {
  TempDir dir;
  RunSettings old = settings(), now = settings();
  old.identity["model_fingerprint"] = "0123";
  now.identity["model_files"] = {{"weights", {{"a.safetensors", "bb"}}}};
  { RunDirectory::open(dir / "run", old); }
  EXPECT_THAT(error_of([&] { RunDirectory::open(dir / "run", now); }),
              HasSubstr("a run of an earlier version"));
  EXPECT_EQ(read_run_record(dir / "run").identity, old.identity);
}

TEST(RunDirectory, RefusesADirectoryOfSomethingElse) {
  TempDir dir;
  std::ofstream(dir / "thesis.tex") << "text";
  EXPECT_THAT(
      error_of([&] { RunDirectory::open(dir.path(), settings()); }),
      HasSubstr("expected a new, an empty or a run directory, got one with 'thesis.tex' and no run.json"));
  EXPECT_EQ(names_in(dir.path()), std::vector<std::string>{"thesis.tex"});
  EXPECT_THAT(error_of([&] { RunDirectory::open(dir / "thesis.tex", settings()); }),
              HasSubstr("expected a directory, got a file"));
  EXPECT_THAT(error_of([&] { RunDirectory::open(dir / "thesis.tex/run", settings()); }),
              HasSubstr("thesis.tex/run] cannot be made"));
  EXPECT_EQ(read_text_file(dir / "thesis.tex"), "text");
}

TEST(RunDirectory, TakesAnEmptyDirectoryAndLeftOversOfAKill) {
  TempDir dir;
  std::filesystem::create_directory(dir / "run");
  std::ofstream(dir / "run/lock") << "12\n";
  std::ofstream(dir / "run/run.json.tmp12") << "{\"form";
  EXPECT_FALSE(RunDirectory::open(dir / "run", settings()).resumed());
  EXPECT_EQ(names_in(dir / "run"), (std::vector<std::string>{"lock", "run.json"}));
  std::filesystem::create_directories(dir / "run/arms/a");
  std::ofstream(dir / "run/arms/a/x.csv.tmp99") << "half";
  std::ofstream(dir / "run/arms/a/x.csv") << "whole";
  RunDirectory::open(dir / "run", settings()).arm_directory("a");
  EXPECT_EQ(names_in(dir / "run/arms/a"), std::vector<std::string>{"x.csv"});
}

TEST(RunDirectory, LeavesNothingWhereItCannotWrite) {
  TempDir dir;
  const auto full = [&](const std::filesystem::path& path) {
    return in_child([&] {
      limit_file_size(20);
      const std::string message = error_of([&] { RunDirectory::open(path, settings()); });
      return message.find("run.json] cannot be written: ") != std::string::npos ? 7 : 8;
    });
  };
  EXPECT_EQ(full(dir / "new/run"), 7);
  EXPECT_FALSE(std::filesystem::exists(dir / "new"));
  std::filesystem::create_directory(dir / "empty");
  EXPECT_EQ(full(dir / "empty"), 7);
  EXPECT_TRUE(names_in(dir / "empty").empty());

  { RunDirectory::open(dir / "run", settings()); }
  const std::string before = read_text_file(dir / "run/run.json");
  EXPECT_EQ(full(dir / "run"), 7);
  EXPECT_EQ(read_text_file(dir / "run/run.json"), before);
  EXPECT_EQ(names_in(dir / "run"), (std::vector<std::string>{"lock", "run.json"}));
}

TEST(RunDirectory, SaysThatItMayNotWrite) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  TempDir dir;
  std::filesystem::create_directory(dir / "closed");
  ::chmod((dir / "closed").c_str(), 0555);
  EXPECT_THAT(error_of([&] { RunDirectory::open(dir / "closed", settings()); }),
              HasSubstr("Permission denied"));
  EXPECT_THAT(error_of([&] { RunDirectory::open(dir / "closed/run", settings()); }),
              HasSubstr("Permission denied"));
}

// As root, a process without the right to override permissions sees what a user sees.
TEST(RunDirectory, SaysThatAUserMayNotWrite) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become a user";
  TempDir dir;
  ::chmod(dir.path().c_str(), 0755);
  std::filesystem::create_directory(dir / "closed");
  const auto refused = [&](const std::filesystem::path& path) {
    return testing::in_child_of_nobody([&] {
      const std::string message = error_of([&] { RunDirectory::open(path, settings()); });
      return message.find("Permission denied; check its permissions or choose another -o directory") !=
                     std::string::npos
                 ? 7
                 : 8;
    });
  };
  EXPECT_EQ(refused(dir / "closed"), 7);
  EXPECT_EQ(refused(dir / "closed/run"), 7);
  EXPECT_TRUE(names_in(dir / "closed").empty());
}

TEST(RunDirectory, RefusesBadRunFiles) {
  TempDir dir;
  std::filesystem::create_directory(dir / "run");
  const auto refusal = [&](const std::string& text) {
    std::ofstream(dir / "run/run.json", std::ios::trunc) << text;
    const std::string message = error_of([&] { RunDirectory::open(dir / "run", settings()); });
    EXPECT_EQ(read_text_file(dir / "run/run.json"), text);
    return message;
  };
  EXPECT_THAT(
      refusal(""),
      HasSubstr("run.json] expected JSON with a value at line 1, column 1, got an empty text; restore"));
  EXPECT_THAT(refusal("{\"format\": \"refocus-run\", "),
              HasSubstr("run.json] expected JSON with a key in quotes"));
  EXPECT_THAT(refusal("[]"), HasSubstr("expected \"format\": \"refocus-run\""));
  EXPECT_THAT(refusal(R"({"format": "other", "version": 1})"), HasSubstr("expected \"format\""));
  EXPECT_THAT(refusal(R"({"format": "refocus-run", "version": "1"})"), HasSubstr("expected \"format\""));
  EXPECT_THAT(refusal(R"({"format": "refocus-run", "version": 2, "identity": {}, "sessions": []})"),
              HasSubstr("expected run format 1, got 2; use the program version that wrote it"));
  EXPECT_THAT(refusal(R"({"format": "refocus-run", "version": 1})"),
              HasSubstr("expected an object \"identity\""));
  EXPECT_THAT(refusal(R"({"format": "refocus-run", "version": 1, "identity": {}, "sessions": 3})"),
              HasSubstr("a list \"sessions\""));
  EXPECT_THAT(refusal(std::string(200'000, '[')), HasSubstr("run.json] expected"));
  EXPECT_THAT(refusal(R"({"format": "refocus-run", "version": 1, "identity": {"a":)" +
                      std::string(100'000, '[') + std::string(100'000, ']') + "}, \"sessions\": []}"),
              HasSubstr("nested too deeply"));
}

TEST(RunDirectory, RefusesArmNamesThatLeaveIt) {
  TempDir dir;
  const RunDirectory run = RunDirectory::open(dir / "run", settings());
  for (const char* name : {"../x", "a/b", "", ".", "..", "a b", "a:b"}) {
    EXPECT_THAT(error_of([&] { run.arm_directory(name); }), HasSubstr("expected a name fit for a file"))
        << name;
  }
}

}  // namespace
}  // namespace refocus
