// `refocus train` as a process: what it writes, that a killed run resumes to the same bytes, and bad input.
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstring>
#include <random>
#include <thread>

#include "cli/cli_support.h"
#include "train/train_support.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::expect_failure;
using testing::file_text;
using testing::Json;
using testing::plus;
using testing::Process;
using testing::ProcessResult;
using testing::TempDir;
namespace fs = std::filesystem;

class Train : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::write_character_tokenizer(dir / "tokenizer");
    testing::write_file(dir / "config.json", testing::tiny_config());
    std::mt19937 random(1);
    std::string texts, pairs;
    for (int i = 0; i < 60; ++i) {
      std::string word;
      for (std::size_t n = 2 + random() % 6; n > 0; --n) word += static_cast<char>('c' + random() % 5);
      texts += "{\"text\": \"say " + word + ", " + word + "\"}\n";
      pairs += "{\"prompt\": \"say " + word + ": \", \"response\": \"" + word + "\"}\n";
    }
    testing::write_file(dir / "texts.jsonl", texts);
    testing::write_file(dir / "pairs.jsonl", pairs);
  }
  std::string path(const std::string& name) const { return (dir / name).string(); }
  Arguments common(const std::string& run, const Arguments& more) const {
    return plus({"train", "--config", path("config.json"), "--tokenizer", path("tokenizer"), "-o", path(run),
                 "--batch-tokens", "128"},
                plus(more, {"--lr", lr}));
  }
  Arguments texts(const std::string& run, const Arguments& more) const {
    return common(run, plus({"--data", path("texts.jsonl")}, more));
  }
  // Lines of the log that have `key`.
  std::vector<Json> log(const std::string& run, const char* key) const {
    std::vector<Json> out;
    std::istringstream lines(file_text(dir / run / "log.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      const Json parsed = Json::parse(line);
      if (parsed.contains(key)) out.push_back(parsed);
    }
    return out;
  }
  fs::path checkpoint(const std::string& run) const {
    fs::path found;
    std::error_code gone;
    for (const auto& entry : fs::directory_iterator(dir / run / "checkpoints", gone)) {
      if (entry.path().filename().string().starts_with("step-")) found = std::max(found, entry.path());
    }
    return found;
  }
  // A failure after the data was read: the last line of standard error holds all of `parts`.
  static void expect_late_failure(const ProcessResult& result, const std::vector<std::string>& parts) {
    EXPECT_EQ(result.status, 1);
    const std::size_t line = result.err.rfind("\nrefocus: ");
    ASSERT_NE(line, std::string::npos) << result.err;
    EXPECT_EQ(std::count(result.err.begin() + static_cast<std::ptrdiff_t>(line) + 1, result.err.end(), '\n'),
              1);
    for (const std::string& part : parts) EXPECT_THAT(result.err.substr(line), ::testing::HasSubstr(part));
  }
  TempDir dir;
  std::string lr = "0.01";
};

TEST_F(Train, LearnsAndWritesAModelThatOtherCommandsLoad) {
  const ProcessResult result =
      testing::refocus(texts("run", {"--steps", "150", "--validation", path("texts.jsonl"),
                                     "--validate-every", "50", "--checkpoint-every", "60", "--type", "f16"}));
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, ::testing::HasSubstr("step 150 of 150"));
  const std::vector<Json> steps = log("run", "loss"), validations = log("run", "validation_loss");
  ASSERT_EQ(steps.size(), 150u);
  ASSERT_EQ(validations.size(), 3u);
  EXPECT_GT(steps[0]["loss"].get<double>(), 4);  // about ln(99) at first
  EXPECT_LT(steps[149]["loss"].get<double>(), 1.7);
  EXPECT_LT(validations[2]["validation_loss"], validations[0]["validation_loss"]);
  EXPECT_EQ(checkpoint("run").filename(), "step-00000150");
  EXPECT_THAT(file_text(dir / "run/loss.svg"), ::testing::HasSubstr("validation loss"));

  const ProcessResult info = testing::refocus({"info", "-m", path("run"), "--json"});
  EXPECT_EQ(info.status, 0) << info.err;
  const Json generated = testing::one_json_line(
      testing::refocus({"generate", "-m", path("run"), "-p", "sa", "-n", "2", "--json"}));
  EXPECT_EQ(generated["text"], "y ");
  // The model written in F16 is the checkpoint's, rounded.
  EXPECT_LT(fs::file_size(dir / "run/model.safetensors"),
            fs::file_size(checkpoint("run") / "model.safetensors") * 6 / 10);
}

TEST_F(Train, TheLossOfAPairIsThatOfItsResponse) {
  const Arguments pairs = {"--data", path("pairs.jsonl"), "--steps", "400"};
  ASSERT_EQ(testing::refocus(common("run", pairs)).status, 0);
  // Copying is what is left: far below the entropy of the prompts' random words, ln(5) a letter.
  EXPECT_LT(log("run", "loss").back()["loss"].get<double>(), 0.8);
  const Json generated = testing::one_json_line(
      testing::refocus({"generate", "-m", path("run"), "-p", "say cdefg: ", "-n", "20", "--json"}));
  EXPECT_EQ(generated["finish_reason"], "eos");
}

TEST_F(Train, KilledAtManyMomentsItEndsWithTheSameBytes) {
  const Arguments settings = {"--steps",          "160", "--checkpoint-every", "3",
                              "--accumulate",     "2",   "--validation",       path("texts.jsonl"),
                              "--validate-every", "10"};
  const ProcessResult whole = testing::refocus(texts("whole", plus(settings, {"--threads", "1"})));
  ASSERT_EQ(whole.status, 0) << whole.err;
  int kills = 0;
  ProcessResult last;
  for (int session = 0; session < 60 && last.status != 0; ++session) {
    const fs::path before = checkpoint("run");
    Process process(texts("run", plus(settings, {"--resume", "--threads", session % 2 == 0 ? "2" : "1"})));
    // Killed a moment after it has got further, whatever it is doing then.
    while (process.running() && checkpoint("run") == before)
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    std::this_thread::sleep_for(std::chrono::microseconds(700 * (session % 7)));
    if (session < 12) process.send(SIGKILL);
    last = process.wait();
    kills += last.signal == SIGKILL;
  }
  ASSERT_EQ(last.status, 0) << last.err;
  EXPECT_GE(kills, 4);
  EXPECT_THAT(last.err, ::testing::HasSubstr("going on after step"));
  for (const char* name : {"model.safetensors", "config.json", "tokenizer.json", "loss.svg"}) {
    EXPECT_EQ(file_text(dir / "run" / name), file_text(dir / "whole" / name)) << name;
  }
  for (const char* name : {"model.safetensors", "optimizer.safetensors", "state.json"}) {
    EXPECT_EQ(file_text(checkpoint("run") / name), file_text(checkpoint("whole") / name)) << name;
  }
  for (const char* key : {"loss", "validation_loss"}) {
    const std::vector<Json> a = log("run", key), b = log("whole", key);
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i][key], b[i][key]) << i;
  }
  // Nothing is left behind.
  EXPECT_EQ(testing::files_below(dir / "run"), testing::files_below(dir / "whole"));
}

TEST_F(Train, GoesOnFromAnotherModel) {
  ASSERT_EQ(testing::refocus(texts("first", {"--steps", "60"})).status, 0);
  ASSERT_EQ(testing::refocus({"train", "--from", path("first"), "--data", path("texts.jsonl"), "-o",
                              path("second"), "--steps", "1", "--lr", "0", "--batch-tokens", "4096"})
                .status,
            0);
  EXPECT_LT(log("second", "loss")[0]["loss"].get<double>(), 3);
  EXPECT_EQ(file_text(dir / "second/model.safetensors"), file_text(dir / "first/model.safetensors"));
}

TEST_F(Train, ALossThatIsNotFiniteStopsAndKeepsTheLastCheckpoint) {
  const Arguments settings = {"--steps", "50", "--checkpoint-every", "2", "--warmup", "5000", "--clip", "0"};
  lr = "1e8";
  const ProcessResult result = testing::refocus(texts("run", settings));
  expect_late_failure(result, {"expected a finite", "got NaN or infinity at step"});
  EXPECT_FALSE(fs::exists(dir / "run/model.safetensors"));
  ASSERT_FALSE(checkpoint("run").empty());
  EXPECT_THAT(result.err, ::testing::HasSubstr("--model " + checkpoint("run").string()));
  EXPECT_EQ(
      testing::refocus({"logits", "-m", checkpoint("run").string(), "--tokens", "0", "-o", path("l.npy")})
          .status,
      0);
}

TEST_F(Train, AFullDiskAtACheckpointKeepsTheOneBefore) {
  ASSERT_EQ(testing::refocus(texts("run", {"--steps", "8", "--checkpoint-every", "4"})).status, 0);
  const Arguments longer = {"--steps", "8", "--checkpoint-every", "4"};
  fs::remove_all(dir / "part");
  // Stopped before the second checkpoint, then the disk is full.
  {
    Process process(texts("part", plus(longer, {"--resume"})));
    while (process.running() && checkpoint("part").empty())
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    process.send(SIGKILL);
    process.wait();
  }
  ASSERT_FALSE(checkpoint("part").empty());
  if (checkpoint("part").filename() != "step-00000004") GTEST_SKIP() << "the run was faster than its killer";
  const std::string before = file_text(checkpoint("part") / "model.safetensors");
  expect_late_failure(testing::refocus(texts("part", plus(longer, {"--resume"})), {.file_size_limit = 20000}),
                      {"step-00000008", "cannot be written"});
  EXPECT_EQ(checkpoint("part").filename(), "step-00000004");
  EXPECT_EQ(file_text(checkpoint("part") / "model.safetensors"), before);
  ASSERT_EQ(testing::refocus(texts("part", plus(longer, {"--resume"}))).status, 0);
  EXPECT_EQ(file_text(dir / "part/model.safetensors"), file_text(dir / "run/model.safetensors"));
}

TEST_F(Train, BadInputIsOneClearLine) {
  testing::write_file(dir / "bad.jsonl", "{\"text\": \"x\"}\n{\"prompt\": \"x\"}\n");
  expect_failure(testing::refocus(common("run", {"--data", path("bad.jsonl")})), 1,
                 {"bad.jsonl line 2]", "\"response\""});
  expect_failure(testing::refocus(common("run", {"--data", path("none.jsonl")})), 1, {"none.jsonl"});
  testing::write_file(dir / "empty.jsonl", "\n");
  expect_failure(testing::refocus(common("new/run", {"--data", path("empty.jsonl")})), 1, {"empty.jsonl"});
  expect_late_failure(testing::refocus(texts("run", {"--validation", path("none.jsonl")})), {"none.jsonl"});
  expect_failure(testing::refocus(texts("run", {"--from", path("tokenizer")})), 2,
                 {"--config", "--model", "both"});
  expect_failure(testing::refocus({"train", "--data", "x", "-o", path("run")}), 2, {"neither"});
  expect_failure(testing::refocus(texts("run", {"--context", "65"})), 2, {"--context", "at most 64"});
  expect_failure(testing::refocus({"train", "--config", path("config.json"), "--tokenizer", path("tokenizer"),
                                   "-o", path("run"), "--data", path("texts.jsonl"), "--context", "64",
                                   "--batch-tokens", "32"}),
                 2, {"--batch-tokens", "at least the context"});
  lr = "nan";
  expect_failure(testing::refocus(texts("run", {})), 2, {"--lr"});
  EXPECT_FALSE(fs::exists(dir / "run")) << "nothing is made before the inputs are known to be good";
  EXPECT_FALSE(fs::exists(dir / "new"));
}

TEST_F(Train, AFirstStepThatFailsLeavesNothing) {
  ASSERT_EQ(testing::refocus(texts("base", {"--steps", "1"})).status, 0);
  std::string weights = file_text(dir / "base/model.safetensors");
  const float bad = std::nanf("");
  std::memcpy(weights.data() + weights.size() - 4, &bad, 4);
  testing::write_file(dir / "base/model.safetensors", weights);
  const Arguments train = {"train",          "--from", path("base"), "--data", path("texts.jsonl"),
                           "--batch-tokens", "128",    "-o"};
  expect_late_failure(testing::refocus(plus(train, {path("new/run")})),
                      {path("base"), "expected finite weights, got NaN or infinity in "});
  EXPECT_FALSE(fs::exists(dir / "new"));
  fs::create_directories(dir / "there");
  testing::write_file(dir / "there/notes.txt", "mine");
  EXPECT_EQ(testing::refocus(plus(train, {path("there")})).status, 1);
  EXPECT_EQ(testing::files_below(dir / "there"), std::vector<std::string>{"notes.txt"});
  EXPECT_FALSE(fs::exists(dir / "there/checkpoints"));
}

TEST_F(Train, WeightsBeyondF16AreAnErrorNotInfinities) {
  Json config = Json::parse(testing::tiny_config());
  config["initializer_embedding_mean"] = 70000;
  testing::write_file(dir / "config.json", config.dump());
  expect_late_failure(
      testing::refocus(texts("run", {"--steps", "1", "--type", "f16"})),
      {"F16 cannot hold", "model.embed_tokens.weight", "step-00000001", "--resume and another --type"});
  EXPECT_FALSE(fs::exists(dir / "run/model.safetensors"));
  EXPECT_EQ(testing::refocus(texts("wide", {"--steps", "1", "--type", "bf16"})).status, 0);
}

TEST_F(Train, ARunIsNotOverwrittenAndResumesWithItsOwnSettingsOnly) {
  ASSERT_EQ(testing::refocus(texts("run", {"--steps", "3"})).status, 0);
  expect_failure(testing::refocus(texts("run", {"--steps", "3"})), 1, {"--resume"});
  expect_late_failure(testing::refocus(texts("run", {"--steps", "3", "--seed", "1", "--resume"})),
                      {"seed 1"});
  expect_late_failure(
      testing::refocus(common("run", {"--data", path("pairs.jsonl"), "--steps", "3", "--resume"})),
      {"got data"});
  EXPECT_EQ(testing::refocus(texts("run", {"--steps", "3", "--resume"})).status, 0);  // it is done
}

// A notebook that holds much starts the program: what that took is its own.
TEST_F(Train, SaysTheMemoryOfItselfAndNotOfWhatStartedIt) {
  const std::string mine(std::size_t{600} << 20, 'x');
  const ProcessResult result = testing::refocus(texts("run", {"--steps", "1"}));
  const std::string before = "took ", between = "at most ";
  const std::size_t said = result.err.find(between, result.err.find(before));
  ASSERT_NE(said, std::string::npos) << result.err;
  const std::string memory = result.err.substr(said + between.size());
  EXPECT_NE(memory.find(" MB of memory"), std::string::npos) << memory;
  EXPECT_LT(std::stod(memory), 400) << memory;
  EXPECT_EQ(mine.back(), 'x');
}

}  // namespace
}  // namespace refocus
