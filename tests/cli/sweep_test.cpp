// refocus eval --sweep from the command line to its files, with the bundled model; killed and resumed.
#include <chrono>
#include <csignal>
#include <sstream>
#include <thread>

#include "cli/cli_support.h"
#include "eval/text/display_width.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::expect_failure;
using testing::file_text;
using ::testing::HasSubstr;
using testing::Json;
using ::testing::Not;
using testing::plus;
using testing::Process;
using testing::ProcessResult;
using testing::TempDir;
namespace fs = std::filesystem;

class SweepCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    const fs::path source = REFOCUS_SOURCE;
    model = source / "models/small-worlds";
    data = source / "data";
    if (!fs::exists(model) || !fs::exists(data / "worlds/test")) {
      GTEST_SKIP() << "needs models/small-worlds and data/worlds, which are absent";
    }
  }
  Arguments arguments(const std::string& run, const Arguments& more) const {
    return plus({"eval", "-m", model.string(), "--data", data.string(), "-o", (dir / run).string()}, more);
  }
  ProcessResult eval(const std::string& run, const Arguments& more) const {
    ProcessResult result = testing::refocus(arguments(run, more));
    EXPECT_EQ(result.status, 0) << result.err;
    return result;
  }
  std::int64_t answers(const std::string& run) const { return testing::answers_of_run(dir / run); }
  Json json(const std::string& file) const { return Json::parse(file_text(dir / file)); }

  TempDir dir;
  fs::path model, data;
};

TEST_F(SweepCommand, EveryPointIsAnArmBesideNone) {
  const ProcessResult result = eval("run", {"--cot", "--direct", "--subjects", "tables,kinship_unseen",
                                            "--limit", "4", "--sweep", "alpha=0:1:0.1"});
  const Json sweep = json("run/sweep.json"), record = json("run/run.json");
  EXPECT_EQ(record["identity"]["arms"].size(), 2u * 12);
  EXPECT_EQ(record["identity"]["arms"][0], "cot-none");
  EXPECT_EQ(record["identity"]["arms"][4], "cot-rebalance_alpha=0.3_threshold=0.01_depth=3_mode=mask");
  EXPECT_EQ(record["sessions"][0]["sweep"]["alpha"][3], "0.3");
  EXPECT_EQ(sweep["axes"][0]["values"], Json::parse("[0.0,0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,1.0]"));
  ASSERT_EQ(sweep["tasks"][0]["curves"].size(), 2u);
  for (const Json& curve : sweep["tasks"][0]["curves"]) {
    EXPECT_EQ(curve["points"].size(), 11u);
    EXPECT_EQ(curve["points"][0]["fixed"], 0);
    EXPECT_EQ(curve["points"][0]["broken"], 0);
    for (const Json& point : curve["points"]) {
      const Json results = json("run/arms/" + point["arm"].get<std::string>() + "/results_refocus.json");
      EXPECT_EQ(point["accuracy"], results["results"]["worlds"]["acc,none"]);
      EXPECT_EQ(point["n"], 8);
    }
  }
  // Without any strength, the same bytes as without intervention.
  EXPECT_EQ(file_text(dir / "run/arms/cot-none/tables.csv"),
            file_text(dir / "run/arms/cot-rebalance_alpha=0_threshold=0.01_depth=3_mode=mask/tables.csv"));
  EXPECT_TRUE(file_text(dir / "run/sweep.svg").ends_with("</svg>\n"));
  EXPECT_TRUE(fs::exists(dir / "run/comparison.json"));
  EXPECT_THAT(result.out, HasSubstr("worlds: 8 questions, 22 swept points"));
  EXPECT_THAT(result.out, HasSubstr("Figure and numbers: " + (dir / "run/sweep.svg").string()));
  EXPECT_THAT(result.out, Not(HasSubstr("baseline")));
  const std::string table = result.out.substr(0, result.out.find("For each subject and"));
  std::istringstream in(table);
  for (std::string line; std::getline(in, line);) EXPECT_LE(display_width(line), 100) << line;
}

TEST_F(SweepCommand, KilledAndGivenAgainItEndsWithTheSameBytes) {
  const Arguments sweep = {"--cot",   "--limit",       "1", "--sweep", "alpha=0.5:1:0.5",
                           "--sweep", "mode=self,mask"};
  const ProcessResult whole = eval("whole", sweep);
  {
    Process process(arguments("run", plus(sweep, {"--batch", "1", "--threads", "1"})));
    while (process.running() && answers("run") < 3) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    process.send(SIGKILL);
    process.wait();
  }
  EXPECT_FALSE(fs::exists(dir / "run/sweep.json"));
  ASSERT_LT(answers("run"), answers("whole"));
  const ProcessResult resumed = eval("run", sweep);
  EXPECT_THAT(resumed.err, HasSubstr("going on with the run"));
  for (const char* file : {"sweep.json", "sweep.svg", "comparison.json"}) {
    EXPECT_EQ(file_text(dir / "run" / file), file_text(dir / "whole" / file)) << file;
  }
  EXPECT_EQ(testing::files_below(dir / "run/arms"), testing::files_below(dir / "whole/arms"));
  // Finished, the same command asks nothing and makes the files anew, in whichever order it is written.
  fs::remove(dir / "run/sweep.json");
  testing::write_file(dir / "run/sweep.svg", "mine");
  const ProcessResult again = eval("run", {"--cot", "--limit", "1", "--sweep", "mode=mask,self", "--sweep",
                                           "alpha=1,0.5", "--intervene", "rebalance"});
  EXPECT_THAT(again.err, Not(HasSubstr("a second")));
  for (const char* file : {"sweep.json", "sweep.svg"}) {
    EXPECT_EQ(file_text(dir / "run" / file), file_text(dir / "whole" / file)) << file;
  }
  const auto table = [](const std::string& text) {
    return text.substr(0, text.find("For each subject and"));
  };
  EXPECT_EQ(table(resumed.out), table(whole.out));
  EXPECT_EQ(table(again.out), table(whole.out));
}

TEST_F(SweepCommand, ByLogLikelihoodToo) {
  const ProcessResult result = eval("run", {"--loglikelihood", "--limit", "1", "--sweep", "depth=1,LAST",
                                            "--intervene", "rebalance:mode=self"});
  const Json sweep = json("run/sweep.json");
  EXPECT_EQ(sweep["axes"], Json::parse(R"([{"name":"depth","values":[1,3]}])"));
  EXPECT_EQ(sweep["extraction"], "loglikelihood");
  const Json& curve = sweep["tasks"][0]["curves"][0];
  EXPECT_EQ(curve["prompt"], "loglikelihood");
  EXPECT_EQ(curve["points"][1]["arm"], "loglikelihood-rebalance_alpha=0.2_threshold=0.01_depth=3_mode=self");
  EXPECT_EQ(curve["points"][0]["n"], 28);
  EXPECT_THAT(result.out, Not(HasSubstr("unparsed")));
}

TEST_F(SweepCommand, SeveralTasksHaveATableAndPanelsEach) {
  const fs::path tasks = testing::write_tasks(dir / "tasks");
  fs::remove(tasks / "piqa/dev-labels.lst");
  const ProcessResult result = testing::refocus(
      {"eval", "siqa", "piqa", "-m", model.string(), "--data", tasks.string(), "-o", (dir / "run").string(),
       "--direct", "--context", "2048", "--max-new-tokens", "4", "--sweep", "alpha=0.5,1"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("siqa: 3 questions, 2 swept points"));
  EXPECT_THAT(result.out, HasSubstr("piqa: 3 questions, 2 swept points"));
  EXPECT_THAT(result.out, HasSubstr("no held-out choice")) << "of the task without labels";
  EXPECT_THAT(file_text(dir / "run/sweep.svg"), HasSubstr("siqa, direct"));
  EXPECT_THAT(file_text(dir / "run/sweep.svg"), Not(HasSubstr("piqa")));
}

TEST_F(SweepCommand, SeveralMethodsAreComparedAtEqualTries) {
  const ProcessResult result =
      eval("run", {"--loglikelihood", "--limit", "2", "--sweep", "boost:factor=2:12:2", "--sweep",
                   "pasta:alpha=0.1,0.5,1", "--sweep", "pasta:layers=0-1,2-3", "--budget", "4", "--intervene",
                   "b=boost:keys=field:question", "--intervene", "pasta:keys=field:question"});
  const Json record = json("run/run.json"), sweep = json("run/sweep.json");
  EXPECT_EQ(record["identity"]["arms"].size(), 1u + 4 + 4);
  EXPECT_EQ(record["identity"]["arms"][5], "loglikelihood-b_factor=2");
  EXPECT_EQ(record["identity"]["named_arms"]["b:factor=12"], "boost:factor=12,keys=field:question");
  EXPECT_EQ(record["sessions"][0]["budget"], 4);
  EXPECT_EQ(record["sessions"][0]["sweep"]["pasta:layers"], Json::parse(R"(["0-1","2-3"])"));
  EXPECT_EQ(sweep["methods"], Json::parse(R"([{"method":"pasta","tried":4,"grid":6},
                                              {"method":"boost","tried":4,"grid":6}])"));
  EXPECT_EQ(sweep["budget"], 4);
  ASSERT_EQ(sweep["tasks"][0]["selection"].size(), 2u);
  double tried = 0;
  std::vector<double> p;
  for (const Json& curve : sweep["tasks"][0]["curves"]) {
    for (const Json& point : curve["points"]) {
      ++tried;
      p.push_back(point["p"]);
      EXPECT_GE(point["p_holm"], point["p"]);
    }
  }
  for (const Json& curve : sweep["tasks"][0]["curves"]) {
    for (const Json& point : curve["points"]) {
      if (point["p"] == *std::ranges::min_element(p)) {
        EXPECT_DOUBLE_EQ(point["p_holm"], std::min(1.0, tried * point["p"].get<double>()))
            << "over all methods";
      }
    }
  }
  for (const Json& selection : sweep["tasks"][0]["selection"]) {
    EXPECT_GE(selection["reported_on"]["p_holm"], selection["reported_on"]["p"]);
    EXPECT_EQ(selection["chosen_on"]["n"].get<int>() + selection["reported_on"]["n"].get<int>(), 56);
  }
  EXPECT_THAT(result.out, HasSubstr("8 swept points (pasta 4 of 6, boost 4 of 6)"));
  EXPECT_THAT(result.out, HasSubstr("Each had 4 tries."));
  EXPECT_THAT(file_text(dir / "run/report.html"), HasSubstr("methods at their held-out choice"));
  std::istringstream in(result.out.substr(0, result.out.find("For each subject and")));
  for (std::string line; std::getline(in, line);) EXPECT_LE(display_width(line), 100) << line;
  // Again in another order of flags: nothing is asked, and the file is the same.
  const std::string file = file_text(dir / "run/sweep.json");
  eval("run", {"--loglikelihood", "--limit", "2", "--budget", "4", "--sweep", "pasta:layers=0-1,2-3",
               "--sweep", "pasta:alpha=1,0.1,0.5", "--sweep", "boost:factor=2:12:2", "--intervene",
               "pasta:keys=field:question", "--intervene", "b=boost:keys=field:question"});
  EXPECT_EQ(file_text(dir / "run/sweep.json"), file);
}

TEST_F(SweepCommand, TwoKeysWithNumbersAreAHeatMapToo) {
  const ProcessResult result = eval("run", {"--loglikelihood", "--limit", "1", "--sweep", "alpha=0,0.5",
                                            "--sweep", "threshold=0.01,0.05,0.2"});
  const std::string svg = file_text(dir / "run/sweep-grid.svg");
  EXPECT_THAT(svg, HasSubstr("worlds, loglikelihood: difference to none in points"));
  EXPECT_THAT(svg, HasSubstr(">threshold<"));
  EXPECT_THAT(result.out, HasSubstr((dir / "run/sweep-grid.svg").string()));
  EXPECT_THAT(file_text(dir / "run/report.html"), HasSubstr("class=\"sweep-grid\""));
  EXPECT_EQ(json("run/sweep.json").contains("methods"), false) << "re-balancing alone is what it was";
}

TEST_F(SweepCommand, BadSweepsLeaveNothingBehind) {
  const std::vector<std::pair<Arguments, std::string>> cases = {
      {{"--sweep", "alpha=0:1"}, "[--sweep] expected begin:end:step"},
      {{"--sweep", "alpha=0:1:-0.1"}, "[--sweep] expected a step"},
      {{"--sweep", "threshold=2"}, "[--sweep] expected a threshold"},
      {{"--sweep", "alpha=0.1", "--intervene", "rebalance:alpha=0.2"}, "either swept or set"},
      {{"--sweep", "alpha=0.1", "--intervene", "none"}, "none alone"},
      {{"--sweep", "boost:factor=3,5"}, "[--sweep] expected an --intervene with boost:keys="},
      {{"--sweep", "alpha=0,1", "--budget", "0"}, "--budget"},
      {{"--budget", "3"}, "--sweep"},
      {{"--sweep", "depth=3,LAST"}, "expected different arms"},
      {{"--sweep", "alpha=0.1", "--intervene", "rebalance", "--intervene", "rebalance:mode=mask"},
       "expected different arms"},
      {{"--sweep", "alpha=0:1:0.01", "--sweep", "depth=1:3:1"}, "at most 200"},
      {{"--sweep"}, "--sweep"},
  };
  for (const auto& [more, part] : cases) {
    expect_failure(testing::refocus(arguments("run", more)), 2, {part});
    EXPECT_FALSE(fs::exists(dir / "run"));
  }
  expect_failure(testing::refocus({"eval", "--sweep", "alpha=1", "perplexity"}), 2, {"--sweep"});
}

}  // namespace
}  // namespace refocus
