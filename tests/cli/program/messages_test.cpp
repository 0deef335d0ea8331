// What the program says beside results: -q, --no-color, what a command took, options without effect, former
// names, and errors of usage in one style.
#include <cstdlib>

#include "cli/cli_support.h"
#include "cli/pty_process.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::expect_failure;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using testing::plus;
using testing::ProcessResult;
using testing::PtyProcess;
using testing::TempDir;
namespace fs = std::filesystem;

const Arguments kGenerate = {"generate", "-p", "The blue crate", "-n", "2"};

TEST(Quiet, LeavesOutHintsAndKeepsWarningsAndErrors) {
  EXPECT_THAT(testing::refocus(kGenerate).err, HasSubstr("info: model "));
  EXPECT_EQ(testing::refocus(plus(kGenerate, {"-q"})).err, "");
  EXPECT_EQ(testing::refocus(plus(kGenerate, {"--quiet"})).out, testing::refocus(kGenerate).out);
  EXPECT_EQ(testing::refocus(plus({"-q"}, kGenerate)).err, "");
  EXPECT_THAT(testing::refocus(plus(kGenerate, {"-q", "--seed", "1"})).err, HasSubstr("warning: no effect"));
  expect_failure(testing::refocus({"info", "-q", "-m", "nowhere"}), 1, {"'nowhere'", "does not exist"});
}

TEST(Quiet, LeavesOutProgress) {
  const TempDir dir;
  const Arguments eval = {"eval", "worlds", "--limit", "1", "--direct", "--max-new-tokens", "8"};
  const ProcessResult told = testing::refocus(plus(eval, {"-o", (dir / "told").string()}));
  EXPECT_THAT(told.err, HasSubstr("eval: "));
  EXPECT_THAT(told.err, HasSubstr("(100%)"));
  const ProcessResult quiet = testing::refocus(plus(eval, {"-q", "-o", (dir / "quiet").string()}));
  EXPECT_EQ(quiet.status, 0);
  EXPECT_EQ(quiet.err, "");
  EXPECT_THAT(quiet.out, HasSubstr("Answers and results: "));
}

TEST(NoColor, IsAnOptionToo) {
  ::setenv("TERM", "xterm-256color", 1);
  EXPECT_THAT(PtyProcess({"info"}, 24, 80).to_end(), HasSubstr("\x1b["));
  EXPECT_THAT(PtyProcess({"info", "--no-color"}, 24, 80).to_end(), Not(HasSubstr("\x1b[")));
  EXPECT_THAT(PtyProcess({"--no-color", "info"}, 24, 80).to_end(), Not(HasSubstr("\x1b[")));
}

TEST(Took, TellsTimeAndMemoryOfLongWork) {
  const TempDir dir;
  const ProcessResult result =
      testing::refocus({"convert", "-m", "small-worlds", "--type", "f32", "-o", (dir / "x.gguf").string()});
  EXPECT_EQ(result.status, 0);
  const std::string last = result.err.substr(result.err.rfind('\n', result.err.size() - 2) + 1);
  EXPECT_THAT(last, MatchesRegex("info: took [0-9]+ s and at most [0-9.]+ [MG]B of memory\n"));
  EXPECT_THAT(testing::refocus({"info"}).err, Not(HasSubstr("took"))) << "which is no long work";
}

TEST(Sampling, SaysWhatChangesNothing) {
  EXPECT_THAT(
      testing::refocus(plus(kGenerate, {"--seed", "3", "--top-k", "5"})).err,
      HasSubstr(
          "warning: no effect at temperature 0, where the most likely token is taken: --top-k, --seed; "));
  EXPECT_THAT(testing::refocus(plus(kGenerate, {"--seed", "3", "--temperature", "1"})).err,
              Not(HasSubstr("warning")));
  EXPECT_THAT(testing::refocus(kGenerate).err, Not(HasSubstr("warning")));
}

TEST(FormerNames, GoOnWorking) {
  const TempDir dir;
  const std::string data = (dir / "texts.jsonl").string();
  testing::write_file(data, "{\"text\": \"The blue crate lies in the red box.\"}\n");
  for (const char* name : {"--from", "--model", "-m"}) {
    const ProcessResult result = testing::refocus({"train", name, "small-worlds", "--data", data, "--steps",
                                                   "1", "-o", (dir / (std::string("out") + name)).string()});
    EXPECT_EQ(result.status, 0) << result.err;
  }
  expect_failure(testing::refocus({"-q", "study", "-m", "small-worlds", "--before", "nowhere", "-o",
                                   (dir / "s").string()}),
                 1, {"[--against]", "'nowhere'"});
  EXPECT_EQ(testing::refocus({"-q", "help", "train"}).out, testing::refocus({"train", "--help"}).out);
  const ProcessResult help = testing::refocus({"train", "--help"});
  EXPECT_THAT(help.out, HasSubstr("-m, --model MODEL"));
  EXPECT_THAT(help.out, Not(HasSubstr("--from")));
  expect_failure(
      testing::refocus({"study", "-m", "small-worlds", "--before=nowhere", "-o", (dir / "s").string()}), 1,
      {"[--against]", "'nowhere'"});
}

TEST(Merge, TakesABundledModelByName) {
  const TempDir dir;
  const std::string data = (dir / "texts.jsonl").string(), adapter = (dir / "adapter").string();
  testing::write_file(data, "{\"text\": \"The blue crate lies in the red box.\"}\n");
  ASSERT_EQ(testing::refocus({"train", "-m", "small-worlds", "--lora-rank", "1", "--data", data, "--steps",
                              "1", "-o", adapter})
                .status,
            0);
  const ProcessResult result = testing::refocus(
      {"merge", "-m", "small-worlds", "--adapter", adapter, "-o", (dir / "merged").string()});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(fs::exists(dir / "merged/config.json"));
}

TEST(Usage, IsToldInTheProgramsOwnWords) {
  const std::vector<std::pair<Arguments, std::vector<std::string>>> cases = {
      {{"generate"},
       {"expected exactly one of -p,--prompt, -f,--file, --messages, --tokens, --batch, got none",
        "`refocus generate --help`"}},
      {{"generate", "-p", "x", "--tokens", "1"}, {"expected exactly one of", "got several"}},
      {{"calibrate"}, {"expected one of mean, seka, got none; see `refocus calibrate --help`"}},
      {{"generate", "-p", "x", "-m"}, {"--model: expected a value behind it, got none"}},
      {{"eval", "--kv-type", "f8"}, {"--kv-type: expected f32, f16 or q8_0, got 'f8'"}},
      {{"convert", "-m", "x", "-o", "y", "--type", "q80"},
       {"got 'q80'; did you mean q8_0? See `refocus convert --help`"}},
      {{"eval", "--cot", "--loglikelihood"}, {"expected --", " or --", "got both; leave one of them out"}},
      {{"heads", "--shuffle-labels", "one"}, {"--shuffle-labels: expected a number, got 'one'"}},
  };
  for (const auto& [arguments, parts] : cases) expect_failure(testing::refocus(arguments), 2, parts);
}

}  // namespace
}  // namespace refocus
