// Wrong flags, prompts and task files: one line that names the place and the remedy, status 1 or 2, and
// nothing half-written.
#include <sys/stat.h>

#include "cli/cli_support.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::eval_arguments;
using testing::expect_failure;
using testing::golden_model;
using testing::plus;
using testing::ProcessOptions;
using testing::ProcessResult;
using testing::TempDir;
using testing::write_file;
namespace fs = std::filesystem;

TEST(BadUsage, HasStatusTwoAndNamesTheHelp) {
  const std::string model = golden_model("mha-f32");
  const Arguments generate = {"generate", "-m", model, "--json"};
  const Arguments prompted = plus(generate, {"--tokens", "1,2,3"});
  const std::vector<std::pair<Arguments, std::vector<std::string>>> cases = {
      {{}, {"expected a command (generate, ", "got none", "refocus --help"}},
      {{"genrate"}, {"got 'genrate'", "generate"}},
      {{"--frob"}, {"expected a command (generate, ", "got '--frob'", "refocus --help"}},
      {plus(prompted, {"--kv-memory", "0"}), {"--kv-memory", "from 1 to", "'0'"}},
      {plus(prompted, {"--top-p", "2"}), {"--top-p", "from 0 to 1", "'2'"}},
      {{"convert", "-m", "", "-o", "x", "--type", "f32"}, {"--model", "got an empty text"}},
      {{"convert", "-m", model, "-o", "", "--type", "f32"}, {"--output", "got an empty text"}},
      {{"convert", "-m", model, "-o", "x", "--type", "f32", "--threads", "0"},
       {"--threads", "from 1 to 1024", "'0'"}},
      {{"eval", "--profile", ""}, {"--profile", "got an empty text"}},
      {{"train", "-o", "x", "--data", ""}, {"--data", "got an empty text"}},
      {{"bench", "--repeats", "0"}, {"--repeats", "from 1 to 1000", "'0'"}},
      {{"generate", "-m", "", "--tokens", "1"}, {"--model", "`refocus generate --help`"}},
      {{"convert", "-o", "x.gguf", "--type", "f32"}, {"--model is required", "`refocus convert --help`"}},
      {generate, {"-p,--prompt", "--tokens"}},
      {plus(prompted, {"-p", "x"}), {"-p,--prompt", "--tokens"}},
      {plus(prompted, {"--frob"}), {"--frob", "`refocus generate --help`"}},
      {plus(prompted, {"-n", "0"}), {"--max-new-tokens", "from 1 to", "'0'"}},
      {plus(prompted, {"-n", "many"}), {"'many'"}},
      {plus(prompted, {"--threads", "0"}), {"--threads", "'0'"}},
      {plus(prompted, {"--temperature", "-1"}), {"--temperature", "'-1'"}},
      {plus(prompted, {"--temperature", "nan"}), {"--temperature", "'nan'"}},
      {plus(prompted, {"--top-p", "1.5"}), {"--top-p", "from 0 to 1"}},
      {plus(prompted, {"--seed", "-1"}), {"--seed", "'-1'"}},
      {plus(generate, {"--tokens", "1,,2"}), {"[--tokens]", "such as 1,2,3", "'1,,2'"}},
      {plus(generate, {"--tokens", ""}), {"[--tokens]"}},
      {plus(generate, {"--tokens", "1,99999999999"}), {"[--tokens]"}},
      {{"logits", "-m", model, "--tokens", "1"}, {"--output is required"}},
  };
  for (const auto& [arguments, parts] : cases) expect_failure(testing::refocus(arguments), 2, parts);
}

TEST(BadUsage, NamesTheTypoInAnIntervention) {
  const Arguments prompted = {"generate", "-m",         golden_model("mha-f32"), "--json", "--tokens",
                              "1,2,3",    "--intervene"};
  const std::vector<std::pair<std::string, std::vector<std::string>>> cases = {
      {"rebalanse",
       {"[--intervene] expected none, rebalance, scale", "'rebalanse'; did you mean rebalance? (column 1)"}},
      {"rebalance:alhpa=1", {"alpha, threshold, depth, mode, seed, layers, heads or rows", "'alhpa'"}},
      {"rebalance:alpha", {"expected alpha=VALUE"}},
      {"rebalance:alpha=high", {"number", "'high'"}},
      {"rebalance:alpha=0.2,alpha=0.3", {"alpha once"}},
      {"rebalance:alpha=0.2,", {"key=value"}},
      {"rebalance:", {"key=value"}},
      {"rebalance:threshold=1", {"below 1"}},
      {"rebalance:depth=0", {"positive"}},
      {"rebalance:mode=both", {"mask, self or random"}},
      {"none:alpha=1", {"no parameters"}},
      {"", {"none, rebalance"}},
      {"boost:keys=field:question", {"expected a prompt of text for keys=field:question"}},
      {"zero:layers=99", {"expected layers from 0 to"}},
  };
  for (const auto& [spec, parts] : cases) expect_failure(testing::refocus(plus(prompted, {spec})), 2, parts);
}

// What a device can compute with, and what happens where there is none.
TEST(BadUsage, OfDevices) {
  const Arguments prompted = {"generate", "-m", golden_model("mha-f32"), "--json", "--tokens", "1,2,3"};
  for (const char* device : {"tpu", "cuda:", "cuda:-1", "cuda:x", "cuda:1000", ""}) {
    expect_failure(testing::refocus(plus(prompted, {"--device", device})), 2,
                   {"--device", "expected cpu, cuda or cuda:N, got", device});
  }
  expect_failure(testing::refocus(plus(prompted, {"--activations", "f16"})), 2,
                 {"[--activations] expected int8, bf16 or f32 on the processor, got f16", "--device cuda"});
  for (const std::string type : {"int8", "bf16"}) {
    expect_failure(testing::refocus(plus(prompted, {"--device", "cuda", "--activations", type})), 2,
                   {"[--activations] expected f16 or f32 on a device, got " + type});
  }
  ::setenv("REFOCUS_CUDA_LIBRARY", "/nowhere/librefocus_cuda.so", 1);
  const ProcessResult without = testing::refocus(plus(prompted, {"--device", "cuda"}));
  ::unsetenv("REFOCUS_CUDA_LIBRARY");
  expect_failure(
      without, 1,
      {"[device cuda] expected the library librefocus_cuda.so, got no file /nowhere/librefocus_cuda.so",
       "-DREFOCUS_CUDA=ON"});
}

TEST(BadUsage, IsOneLineWhateverTheNamesOfFilesHold) {
  const TempDir dir;
  const std::string odd = (dir / "a\nb\x1b[31m").string();
  for (const Arguments& arguments :
       {Arguments{"explore", odd}, Arguments{"compare", odd},
        Arguments{"logits", "-m", golden_model("mha-f32"), "--tokens", "1", "-o", odd + "/x"}}) {
    expect_failure(testing::refocus(arguments), 1, {"a\\x0ab\\x1b[31m"});
  }
}

TEST(BadPrompt, NamesTheLimit) {
  const Arguments generate = {"generate", "-m", golden_model("mha-f32"), "--json"};
  const std::vector<std::string> vocabulary = {"[prompt]", "from 0 to 100 (the vocabulary)"};
  expect_failure(testing::refocus(plus(generate, {"--tokens", "1,101"})), 1, vocabulary);
  expect_failure(testing::refocus(plus(generate, {"--tokens", "1,-3"})), 1, vocabulary);
  const std::string long_prompt = testing::comma_list(std::vector<std::int32_t>(600, 5));
  expect_failure(testing::refocus(plus(generate, {"--tokens", long_prompt})), 1,
                 {"[prompt]", "at most 511 tokens", "got 600", "--context"});
  expect_failure(testing::refocus({"generate", "-m", golden_model("mha-f32"), "--tokens", "1"}), 1,
                 {"tokenizer", "--json"});
  expect_failure(testing::refocus({"generate", "-m", golden_model("mha-f32"), "-p", "x"}), 1,
                 {"tokenizer", "--tokens"});
}

TEST(BadOutput, LeavesNothingBehind) {
  const TempDir dir;
  const std::string ids = testing::comma_list(std::vector<std::int32_t>(200, 5));
  const auto logits = [&](const fs::path& out, const ProcessOptions& options = {}) {
    return testing::refocus({"logits", "-m", golden_model("mha-f32"), "--tokens", ids, "-o", out.string()},
                            options);
  };
  expect_failure(logits(dir / "missing" / "a.npy"), 1,
                 {"a.npy] cannot be written", "make its directory first"});
  expect_failure(logits(dir.path()), 1, {"cannot be written", "name a file"});
  // What is no file is not replaced by one: as root that would take a device away from the whole machine.
  ASSERT_EQ(::mkfifo((dir / "pipe").c_str(), 0600), 0);
  expect_failure(logits(dir / "pipe"), 1,
                 {"pipe] cannot be written", "a device or pipe", "choose another place"});
  expect_failure(
      testing::refocus({"convert", "-m", "small-worlds", "--type", "f32", "-o", (dir / "pipe").string()}), 1,
      {"pipe] cannot be written", "a device or pipe"});
  EXPECT_TRUE(fs::is_fifo(dir / "pipe"));
  fs::remove(dir / "pipe");
  write_file(dir / "old.npy", "old");
  expect_failure(logits(dir / "old.npy", {.file_size_limit = 4096}), 1,
                 {"old.npy] cannot be written", "free some space"});
  EXPECT_EQ(testing::file_text(dir / "old.npy"), "old");
  EXPECT_EQ(testing::files_below(dir.path()), std::vector<std::string>{"old.npy"});
}

class BadEval : public ::testing::Test {
 protected:
  void SetUp() override {
    REFOCUS_NEEDS_SHARED(testing::kSmallModel);
    data = testing::write_tasks(dir / "data");
  }
  // `refocus eval` fails so and makes no run directory.
  void expect_refused(const Arguments& more, int status, const std::vector<std::string>& parts) {
    expect_failure(testing::refocus(eval_arguments(data, dir / "run", more)), status, parts);
    EXPECT_FALSE(fs::exists(dir / "run"));
  }
  TempDir dir;
  fs::path data;
};

TEST_F(BadEval, Settings) {
  expect_refused({}, 1, {"worlds/test/SUBJECT_test.csv", "--data"});
  expect_refused({"mlmu"}, 2, {"unknown task 'mlmu'", "mmlu, piqa, siqa"});
  expect_refused({"mmlu", "mmlu"}, 2, {"each task once"});
  expect_refused({"mmlu", "--subjects", "anatmy"}, 2, {"unknown subject 'anatmy'", "did you mean anatomy?"});
  expect_refused({"piqa", "--subjects", "anatomy"}, 2,
                 {"[--subjects]", "(mmlu, worlds)", "got none", "leave"});
  expect_refused({"mmlu", "worlds", "--subjects", "anatomy"}, 2, {"[--subjects]", "got several", "own"});
  expect_refused({"mmlu", "--intervene", "rebalanse"}, 2, {"[--intervene]", "'rebalanse'"});
  expect_refused({"mmlu", "--intervene", "none", "--intervene", "none"}, 2, {"different arms"});
  expect_refused({"mmlu", "--rules", "best"}, 2, {"expected anchored or published, got 'best'"});
  expect_refused({"mmlu", "--limit", "0"}, 2, {"--limit"});
  expect_refused({"mmlu", "--batch", "0"}, 2, {"--batch"});
  expect_refused({"mmlu", "--kv-memory", "1"}, 1, {"[cache]", "--kv-memory 4", "--max-new-tokens"});
  expect_failure(testing::refocus(eval_arguments(data, "", {"mmlu"})), 2, {"--output"});
}

TEST_F(BadEval, Profile) {
  expect_refused({"mmlu", "--profile", "/nonexistent.json"}, 1,
                 {"[/nonexistent.json] cannot be read", "check the path"});
  write_file(dir / "p.json", "{\"tasks\": {");
  expect_refused({"mmlu", "--profile", (dir / "p.json").string()}, 1,
                 {"p.json]", "JSON", "docs/profiles.md"});
  write_file(
      dir / "p.json",
      R"({"tasks": {"mmlu": {"cot_instruction": "", "body": "{qestion}", "cot_suffix": "", "direct_suffix": ""}}})");
  expect_refused({"mmlu", "--profile", (dir / "p.json").string()}, 1,
                 {"'{qestion}'", "question, A, B, C, D"});
  write_file(
      dir / "p.json",
      R"({"tasks": {"mmlu": {"cot_instruction": "", "body": "{question}", "cot_suffix": "", "direct_suffix": ""}}})");
  expect_refused({"piqa", "--profile", (dir / "p.json").string()}, 1, {"'piqa'", "mmlu"});
}

TEST_F(BadEval, Data) {
  expect_failure(testing::refocus(eval_arguments("/nonexistent", dir / "run", {"mmlu"})), 1,
                 {"[/nonexistent]", "SUBJECT_test.csv", "--data"});
  const fs::path csv = data / "mmlu/test/anatomy_test.csv";
  const std::string good = testing::file_text(csv);
  write_file(csv, good + "What?,1,2,3,D\n");
  expect_refused({"mmlu"}, 1, {"anatomy_test.csv", "6", "5"});
  write_file(csv, good + "What?,1,2,3,4,E\n");
  expect_refused({"mmlu"}, 1, {"anatomy_test.csv", "A to D", "'E'"});
  write_file(csv, "");
  expect_refused({"mmlu"}, 1, {"anatomy_test.csv", "empty"});
  write_file(data / "piqa/dev.jsonl", R"({"goal":"To cool tea","sol1":)");
  expect_refused({"piqa"}, 1, {"dev.jsonl:1]", "JSON"});
  write_file(data / "siqa/dev-labels.lst", "1\n2\n4\n");
  expect_refused({"siqa"}, 1, {"dev-labels.lst:3]", "from 1 to 3", "'4'"});
  write_file(data / "siqa/dev-labels.lst", "1\n2\n");
  expect_refused({"siqa"}, 1, {"dev-labels.lst]", "expected 3 labels", "got 2"});
}

TEST_F(BadEval, PromptsBeyondTheContext) {
  expect_failure(testing::refocus({"eval", "mmlu", "-m", testing::small_model(), "--data", data.string(),
                                   "-o", (dir / "run").string()}),
                 1, {"[eval]", "fewer than 128 tokens", "--context"});
  EXPECT_FALSE(fs::exists(dir / "run"));
}

TEST_F(BadEval, RunDirectory) {
  write_file(dir / "file", "mine");
  expect_failure(testing::refocus(eval_arguments(data, dir / "file", {"piqa"})), 1, {"/file]", "-o"});
  expect_failure(testing::refocus(eval_arguments(data, dir / "file/below", {"piqa"})), 1,
                 {"/file/below]", "-o"});
  EXPECT_EQ(testing::file_text(dir / "file"), "mine");
  fs::create_directory(dir / "other");
  write_file(dir / "other/thesis.tex", "mine");
  expect_failure(testing::refocus(eval_arguments(data, dir / "other", {"piqa"})), 1, {"/other]", "-o"});
  EXPECT_EQ(testing::files_below(dir / "other"), std::vector<std::string>{"thesis.tex"});
}

TEST_F(BadEval, ADiskThatIsFullFromTheBeginning) {
  const ProcessResult result = testing::refocus(
      eval_arguments(data, dir / "run", {"piqa", "--max-new-tokens", "4"}), {.file_size_limit = 200});
  expect_failure(result, 1, {"cannot be written", "space"});
  EXPECT_FALSE(fs::exists(dir / "run"));
}

TEST_F(BadEval, ADiskThatFillsUpLater) {
  const Arguments arguments = eval_arguments(data, dir / "run", {"mmlu", "piqa", "--max-new-tokens", "24"});
  const ProcessResult result = testing::refocus(arguments, {.file_size_limit = 24576});
  EXPECT_EQ(result.status, 1) << result.err;
  EXPECT_THAT(result.err, ::testing::HasSubstr("space"));
  EXPECT_EQ(result.out, "");
  const ProcessResult resumed = testing::refocus(arguments);
  EXPECT_EQ(resumed.status, 0) << resumed.err;
  const ProcessResult whole =
      testing::refocus(eval_arguments(data, dir / "whole", {"mmlu", "piqa", "--max-new-tokens", "24"}));
  ASSERT_EQ(whole.status, 0) << whole.err;
  for (const std::string& name : testing::files_below(dir / "whole/arms")) {
    EXPECT_EQ(testing::file_text(dir / "run/arms" / name), testing::file_text(dir / "whole/arms" / name))
        << name;
  }
}

}  // namespace
}  // namespace refocus
