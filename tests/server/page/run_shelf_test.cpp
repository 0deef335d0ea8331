// Runs in a directory: which are listed, what is said of each, and how work of reports is done.
#include "server/page/run_shelf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/text_file.h"
#include "support.h"

namespace refocus::server {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class RunShelfTest : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::string& record) {
    fs::create_directories(dir_ / name);
    write_file_atomically(dir_ / name / "run.json", record);
  }
  std::vector<std::string> names() {
    std::vector<std::string> out;
    const RunShelf shelf(dir_.path());
    for (const ListedRun& run : shelf.runs()) out.push_back(run.name);
    return out;
  }

  testing::TempDir dir_;
  const std::string record_ = R"({"format":"refocus-run","version":1,"identity":{"tasks":["mmlu","piqa"],
    "arms":["cot-none"],"items":7},"sessions":[{"started":"2026-11-28T03:20:38Z"},{"started":"later"}]})";
};

TEST_F(RunShelfTest, ListsRunsByNameAndNothingElse) {
  write("b", record_);
  write("a <i>", record_);
  write("broken", "{");
  write("other", R"({"format":"something"})");
  fs::create_directories(dir_ / "empty");
  fs::create_directories(dir_ / "outside");
  write("outside/run", record_);
  fs::create_directory_symlink(dir_ / "outside" / "run", dir_ / "link");
  EXPECT_THAT(names(), ElementsAre("a <i>", "b"));
}

TEST_F(RunShelfTest, SaysWhatARunIsOf) {
  write("one", record_);
  write("little",
        R"({"format":"refocus-run","version":1,"identity":{"items":"x","tasks":"y"},"sessions":[]})");
  const RunShelf shelf(dir_.path());
  const auto list = parse_ordered_json_object(shelf.list_text(), {"list"});
  EXPECT_EQ(list["object"], "list");
  const auto& little = list["data"][0];
  const auto& one = list["data"][1];
  EXPECT_EQ(little["created"], nullptr);
  EXPECT_EQ(little["items"], 0);
  EXPECT_EQ(little["tasks"].size(), 0u);
  EXPECT_EQ(one["name"], "one");
  EXPECT_EQ(one["created"], "2026-11-28T03:20:38Z");
  EXPECT_EQ(one["items"], 7);
  EXPECT_EQ(one["tasks"][1], "piqa");
  EXPECT_EQ(one["arms"][0], "cot-none");
  EXPECT_EQ(one["report"], "/v1/runs/" + one["id"].get<std::string>() + "/report");
}

TEST_F(RunShelfTest, ARunIsFoundByItsIdentifierAlone) {
  write("one", record_);
  write("two", record_);
  const RunShelf shelf(dir_.path());
  const std::string id = shelf.runs()[1].id;
  EXPECT_EQ(id.size(), 16u);
  EXPECT_EQ(shelf.find(id), &shelf.runs()[1]);
  EXPECT_EQ(RunShelf(dir_.path()).runs()[1].id, id);  // the same address after a restart
  for (const char* name : {"", "two", "../two", "0"}) EXPECT_EQ(shelf.find(name), nullptr) << name;
}

TEST_F(RunShelfTest, AnUnfinishedRunIsRefusedInOneLine) {
  write("one", record_);
  const RunShelf shelf(dir_.path());
  EXPECT_THROW(report_of(shelf.runs()[0]), InputError);
}

TEST_F(RunShelfTest, WantsADirectory) {
  try {
    const RunShelf shelf(dir_ / "none");
    FAIL() << "no error";
  } catch (const InputError& e) {
    EXPECT_THAT(e.what(), HasSubstr("expected a directory of runs for --runs"));
  }
}

}  // namespace
}  // namespace refocus::server
