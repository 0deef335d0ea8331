// --intervene in the commands: parts and selectors on the bundled model, files, and what is said of them.
#include <fstream>

#include "cli/cli_support.h"

namespace refocus {
namespace {

using testing::Arguments;
using ::testing::HasSubstr;
using testing::Json;
using testing::ProcessResult;
using testing::TempDir;

constexpr const char* kPrompt = "<<Anna>> lives in Rome. Where does Anna live?";

ProcessResult generate(const std::string& spec) {
  return testing::refocus(
      {"generate", "-m", "small-worlds", "-p", kPrompt, "-n", "8", "--json", "--intervene", spec});
}

TEST(Interventions, TokenizeShowsWhatWouldBeTouched) {
  const ProcessResult result =
      testing::refocus({"tokenize", "-m", "small-worlds", "-p", kPrompt, "--pieces", "--intervene",
                        "boost:keys=marked,layers=last:2+zero:heads=1.0,rows=last"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out,
              HasSubstr("# 1: boost:factor=3,keys=marked,layers=last:2\n# 2: zero:heads=1.0,rows=last\n"));
  EXPECT_THAT(result.out, HasSubstr("marked\t1k 1r\n"));
  EXPECT_THAT(result.out, ::testing::EndsWith("1r 2r\n"));
  EXPECT_EQ(result.out.find("<<"), std::string::npos) << "marks are no text";
}

TEST(Interventions, FilesSayWhatCommandLinesSay) {
  const TempDir dir;
  std::ofstream(dir / "i.yaml")
      << "- boost:\n    factor: 2\n    keys: [marked, 'text:\"Rome\"']\n"
         "    heads: {0: [1], 1: [0, 1]}\n- temperature: {tau: 0.9, layers: [0, 2-3]}\n- nosink\n";
  const Json written = testing::one_json_line(generate(
      "boost:factor=2,keys=marked|text:\"Rome\",heads=0.1;1.0-1+temperature:tau=0.9,layers=0;2-3+nosink"));
  const Json read = testing::one_json_line(generate("@" + (dir / "i.yaml").string()));
  EXPECT_EQ(read["intervention"], written["intervention"]);
  EXPECT_EQ(read["tokens"], written["tokens"]);
  std::ofstream(dir / "bad.yaml") << "- boost: {factor: {a: 1}}\n";
  testing::expect_failure(generate("@" + (dir / "bad.yaml").string()), 1,
                          {"bad.yaml:1", "expected a value of factor, got a map"});
  std::ofstream(dir / "none.yaml") << "[]\n";
  testing::expect_failure(generate("@" + (dir / "none.yaml").string()), 1, {"expected a list of parts"});
}

TEST(Interventions, KeysThatChooseNothingAreSaid) {
  EXPECT_THAT(
      generate("boost:keys=text:\"Paris\"").err,
      HasSubstr("warning: keys=text:\"Paris\" chooses nothing of this prompt, so its part changes nothing"));
  EXPECT_EQ(generate("boost:keys=text:\"Rome\"").err.find("warning"), std::string::npos);
}

TEST(Interventions, DrawnHeadsAreThoseThatAreSaid) {
  const Json shown =
      testing::one_json_line(testing::refocus({"tokenize", "-m", "small-worlds", "-p", "Hi", "--json",
                                               "--intervene", "nosink+zero:heads=random:5:1"}));
  const std::string heads = shown["drawn_heads"]["2"];
  const ProcessResult drawn = generate("zero:heads=random:5:1"), named = generate("zero:heads=" + heads);
  EXPECT_THAT(drawn.err, HasSubstr("zero:heads=random:5:1 has drawn the heads " + heads));
  EXPECT_EQ(testing::one_json_line(drawn)["tokens"], testing::one_json_line(named)["tokens"]);
  EXPECT_NE(testing::one_json_line(drawn)["tokens"], testing::one_json_line(generate("none"))["tokens"]);
  testing::expect_failure(generate("zero:heads=random:21:0"), 2, {"to draw from 1 to 20 heads", "got 21"});
}

// Draws of keys and of masks: alone and in company, as a prompt's tokens say.
TEST(Interventions, RandomControlsAreTheSameInEveryBatch) {
  const TempDir dir;
  const Arguments common = {"eval",
                            "-m",
                            "small-worlds",
                            "--subjects",
                            "jobs",
                            "--limit",
                            "9",
                            "--loglikelihood",
                            "--intervene",
                            "k=boost:factor=20,keys=random:0:field:question",
                            "--intervene",
                            "l=boost:factor=20,keys=random:1:field:question",
                            "--intervene",
                            "m=rebalance:alpha=3,threshold=0.05,mode=random,seed=4"};
  const auto answers = [&](const char* batch, const char* threads, const char* arm) {
    const std::filesystem::path run = dir / (std::string(batch) + threads);
    if (!std::filesystem::exists(run)) {
      const ProcessResult result =
          testing::refocus(plus(common, {"--batch", batch, "--threads", threads, "-o", run.string()}));
      EXPECT_EQ(result.status, 0) << result.err;
    }
    return testing::file_text(run / "arms" / (std::string("loglikelihood-") + arm) /
                              "samples_worlds_jobs_refocus.jsonl");
  };
  for (const char* arm : {"k", "l", "m"}) {
    EXPECT_EQ(answers("1", "1", arm), answers("16", "2", arm)) << arm;
  }
  EXPECT_NE(answers("1", "1", "k"), answers("1", "1", "l")) << "by the seed";
}

TEST(Interventions, AnEvaluationChoosesByFieldAndCountsWhatIsNotThere) {
  const TempDir dir;
  const auto eval = [&](const std::string& spec, const char* run, const char* kind) {
    return testing::refocus({"eval", "-m", "small-worlds", "--subjects", "jobs", "--limit", "3", kind,
                             "--intervene", "none", "--intervene", spec, "-o", (dir / run).string()});
  };
  const ProcessResult found = eval("boost:factor=20,keys=field:question", "a", "--direct");
  EXPECT_EQ(found.status, 0) << found.err;
  EXPECT_EQ(found.err.find("chose nothing"), std::string::npos) << found.err;
  for (const char* kind : {"--direct", "--loglikelihood"}) {
    const ProcessResult lost = eval("boost:keys=field:nowhere", kind, kind);
    EXPECT_EQ(lost.status, 0) << lost.err;
    EXPECT_THAT(lost.err, HasSubstr("warning: keys=field:nowhere chose nothing in 3 of 3 questions"));
    EXPECT_THAT(lost.out, HasSubstr("keys unmatched"));
    const auto report = testing::file_text(dir / kind / "report.html");
    EXPECT_THAT(report, HasSubstr("keys= chose nothing"));
    // A finished run that asks nothing says it again, and so does a table made of its files.
    const ProcessResult again = eval("boost:keys=field:nowhere", kind, kind);
    EXPECT_THAT(again.err, HasSubstr("6 answers are there"));
    EXPECT_THAT(again.err, HasSubstr("chose nothing in 3 of 3 questions"));
  }
  testing::expect_failure(eval("boost:keys=marked", "c", "--direct"), 2, {"expected keys that items have"});
}

}  // namespace
}  // namespace refocus
