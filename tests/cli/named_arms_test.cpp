// Arms with names of their own, from the command line to every file, with the bundled model.
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
namespace fs = std::filesystem;

constexpr const char* kStrong = "boost:factor=9,keys=field:question";

class NamedArms : public ::testing::Test {
 protected:
  void SetUp() override {
    const fs::path source = REFOCUS_SOURCE;
    model = (source / "models/small-worlds").string();
    data = (source / "data").string();
    if (!fs::exists(model) || !fs::exists(source / "data/worlds/test")) {
      GTEST_SKIP() << "needs models/small-worlds and data/worlds, which are absent";
    }
  }
  Arguments arguments(const Arguments& interventions) const {
    Arguments out = {"eval",
                     "-m",
                     model,
                     "--data",
                     data,
                     "-o",
                     (dir / "run").string(),
                     "--direct",
                     "--limit",
                     "1",
                     "--subjects",
                     "tables,jobs",
                     "--max-new-tokens",
                     "8"};
    for (const std::string& text : interventions) out = plus(out, {"--intervene", text});
    return out;
  }
  Json json(const std::string& file) const { return Json::parse(file_text(dir / file)); }

  TempDir dir;
  std::string model, data;
};

TEST_F(NamedArms, TheNameIsTheArmsAndTheSpecificationStandsBeside) {
  const ProcessResult result = testing::refocus(
      plus(arguments({"none", std::string("strong=") + kStrong, "temperature:tau=2"}), {"--cot"}));
  ASSERT_EQ(result.status, 0) << result.err;
  const Json identity = json("run/run.json")["identity"];
  EXPECT_EQ(identity["arms"][1], "cot-strong");
  EXPECT_EQ(identity["arms"][4], "direct-strong");
  EXPECT_EQ(identity["named_arms"], (Json{{"strong", kStrong}}));
  EXPECT_TRUE(fs::exists(dir / "run/arms/cot-strong/results_refocus.json"));
  EXPECT_TRUE(fs::exists(dir / "run/arms/direct-strong/tables.csv"));
  EXPECT_EQ(json("run/arms/cot-strong/results_refocus.json")["config"]["intervention"], kStrong);
  const Json comparison = json("run/comparison.json");
  EXPECT_EQ(comparison["arms"][1]["name"], "cot-strong");
  EXPECT_EQ(comparison["arms"][1]["intervention"], kStrong);
  EXPECT_THAT(result.out, HasSubstr(std::string("  2  cot-strong  ") + kStrong + "\n"));
  const std::string report = file_text(dir / "run/report.html");
  EXPECT_THAT(report, HasSubstr("cot, strong"));
  EXPECT_THAT(report, HasSubstr(kStrong));
  const ProcessResult compared =
      testing::refocus({"compare", (dir / "run").string(), "--baseline", "cot-strong"});
  ASSERT_EQ(compared.status, 0) << compared.err;
  EXPECT_THAT(compared.out, HasSubstr(std::string("  2  cot-strong  ") + kStrong + "\n"));
  const ProcessResult rescored = testing::refocus({"rescore", (dir / "run").string(), "--rules", "anchored"});
  ASSERT_EQ(rescored.status, 0) << rescored.err;
  EXPECT_THAT(rescored.out, HasSubstr(std::string("cot-strong  ") + kStrong));
}

TEST_F(NamedArms, ARunGoesOnWithItsNamesAndNeverWithAnotherMeaning) {
  const Arguments named = arguments({"none", std::string("strong=") + kStrong});
  ASSERT_EQ(testing::refocus(named).status, 0);
  const auto answers = testing::answers_of_run(dir / "run");
  const ProcessResult again = testing::refocus(named);
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_THAT(again.err, HasSubstr("going on with the run"));
  EXPECT_EQ(testing::answers_of_run(dir / "run"), answers);
  expect_failure(
      testing::refocus(arguments({"none", "strong=boost:factor=3,keys=field:question"})), 1,
      {"expected named_arms.strong to be \"boost:factor=9,keys=field:question\" as in its run.json, "
       "got \"boost:factor=3,keys=field:question\""});
  expect_failure(testing::refocus(arguments({"none", kStrong})), 1, {"got none called direct-strong;"});
  expect_failure(testing::refocus(arguments({"none", std::string("other=") + kStrong})), 1,
                 {"got none called direct-strong;"});
}

TEST_F(NamedArms, WhatCannotBeToldApartIsRefused) {
  const std::vector<std::pair<Arguments, std::string>> cases = {
      {{std::string("a=") + kStrong, std::string("b=") + kStrong},
       "expected different arms, got boost:factor=9,keys=field:question twice (as direct-a and direct-b)"},
      {{std::string("a=") + kStrong, kStrong}, "twice (as direct-a and direct-boost"},
      {{"a=zero", "a=uniform"}, "expected a name for one arm, got a for two"},
      {{"boost=factor=9,keys=field:question"}, "write boost:factor=9,keys=field:question (column 1)"},
  };
  for (const auto& [interventions, part] : cases) {
    expect_failure(testing::refocus(arguments(interventions)), 2, {part});
    EXPECT_FALSE(fs::exists(dir / "run"));
  }
}

TEST_F(NamedArms, AFileMayHaveANameBeforeIt) {
  testing::write_file(dir / "strong.yaml", "- boost: {factor: 9, keys: field:question}\n");
  ASSERT_EQ(testing::refocus(arguments({"none", "strong=@" + (dir / "strong.yaml").string()})).status, 0);
  EXPECT_EQ(json("run/run.json")["identity"]["named_arms"], (Json{{"strong", kStrong}}));
}

TEST_F(NamedArms, OtherCommandsTakeThemToo) {
  const Arguments prompt = {"-m", model,    "-p",         "Question: a", "--max-new-tokens",
                            "4",  "--json", "--intervene"};
  const ProcessResult plain = testing::refocus(plus({"generate"}, plus(prompt, {"temperature:tau=2"})));
  const ProcessResult named = testing::refocus(plus({"generate"}, plus(prompt, {"hot=temperature:tau=2"})));
  ASSERT_EQ(named.status, 0) << named.err;
  EXPECT_EQ(testing::one_json_line(named)["text"], testing::one_json_line(plain)["text"]);
  EXPECT_EQ(testing::one_json_line(named)["intervention"], "temperature:tau=2")
      << "a name means nothing here";

  testing::write_file(dir / "text.txt", "Question: what is in the box? The box has a ball and a key.");
  const Arguments perplexity = {
      "eval", "perplexity", "-m", model, (dir / "text.txt").string(), "--intervene", "hot=temperature:tau=2"};
  const ProcessResult table = testing::refocus(perplexity);
  ASSERT_EQ(table.status, 0) << table.err;
  EXPECT_THAT(table.out, HasSubstr("hot: temperature:tau=2"));
  EXPECT_EQ(testing::one_json_line(testing::refocus(plus(perplexity, {"--json"})))["arms"][1]["name"], "hot");

  const ProcessResult maps =
      testing::refocus({"attention", "-m", model, "-p", "Question: a", "-o", (dir / "maps").string(),
                        "--intervene", "none", "--intervene", "hot=temperature:tau=2"});
  ASSERT_EQ(maps.status, 0) << maps.err;
  EXPECT_TRUE(fs::is_directory(dir / "maps/hot"));
  const Json attention = Json::parse(file_text(dir / "maps/attention.json"));
  EXPECT_EQ(attention["arms"][1]["name"], "hot");
  EXPECT_EQ(attention["arms"][1]["intervention"], "temperature:tau=2");
}

}  // namespace
}  // namespace refocus
