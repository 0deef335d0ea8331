// refocus calibrate, and the interventions that work with its files.
#include <fstream>

#include "cli/cli_support.h"
#include "intervene/grammar/tensor_file.h"
#include "io/safetensors.h"

namespace refocus {
namespace {

using ::testing::HasSubstr;
using testing::Json;
using testing::ProcessResult;
using testing::TempDir;

constexpr const char* kPrompt = "<<Anna>> lives in Rome. Where does Anna live?";

ProcessResult answer(const std::string& spec) {
  return testing::refocus(
      {"generate", "-m", "small-worlds", "-p", kPrompt, "-n", "8", "--json", "--intervene", spec});
}

ProcessResult calibrate_mean(const std::filesystem::path& text, const std::filesystem::path& out) {
  return testing::refocus(
      {"calibrate", "mean", "-m", "small-worlds", "-f", text.string(), "-o", out.string()});
}

TEST(Calibrate, MeansAreOfATextOrOfATasksPromptsAndKnownByTheirContent) {
  const TempDir dir;
  std::ofstream(dir / "text.txt") << "Nina Fox reports to Hugo West. Oscar East lives in Rome.\n";
  const ProcessResult made = calibrate_mean(dir / "text.txt", dir / "means.safetensors");
  EXPECT_EQ(made.status, 0) << made.err;
  EXPECT_THAT(made.out, HasSubstr("of 1 texts: "));
  const TensorFile file(dir / "means.safetensors");
  EXPECT_THAT(file.metadata("model"), HasSubstr("small-worlds"));
  EXPECT_THAT(file.metadata("computed_on"), HasSubstr("text.txt"));
  const Json files = Json::parse(file.metadata("model_files"));
  EXPECT_EQ(files["weights"]["model.safetensors"].get<std::string>().size(), 32u);

  std::filesystem::copy(dir / "means.safetensors", dir / "other, name.safetensors");
  const ProcessResult one = answer("mean:from=" + (dir / "means.safetensors").string() + ",heads=1.0-1");
  const ProcessResult copy =
      answer("mean:from=\"" + (dir / "other, name.safetensors").string() + "\",heads=1.0-1");
  EXPECT_EQ(one.err, "");
  const Json a = testing::one_json_line(one), b = testing::one_json_line(copy);
  EXPECT_EQ(a["intervention"], "mean:from=" + file.identity() + ",heads=1.0-1");
  EXPECT_EQ(a["intervention"], b["intervention"]);
  EXPECT_EQ(a["tokens"], b["tokens"]);

  const ProcessResult of_task =
      testing::refocus({"calibrate", "mean", "worlds", "-m", "small-worlds", "--limit", "1", "--direct", "-o",
                        (dir / "task.safetensors").string()});
  EXPECT_EQ(of_task.status, 0) << of_task.err;
  EXPECT_NE(TensorFile(dir / "task.safetensors").identity(), file.identity());
  testing::expect_failure(answer("mean:from=" + file.identity()), 2, {"expected mean:from=FILE, got #"});
}

TEST(Calibrate, FilesThatDoNotFitAreRefusedAndThoseOfAnotherModelAreSaid) {
  const TempDir dir;
  std::ofstream(dir / "text.txt") << "Nina Fox reports to Hugo West.\n";
  ASSERT_EQ(calibrate_mean(dir / "text.txt", dir / "means.safetensors").status, 0);
  WeightMap map;
  read_safetensors(dir / "means.safetensors", map);
  const TensorView means = map.find("means")->view;
  const std::string other = (dir / "other.safetensors").string(),
                    small = (dir / "small.safetensors").string();
  write_safetensors(other, std::vector<NamedTensor>{{"means", means}},
                    {{"model_files", R"({"weights":{"model.safetensors":"00"}})"}, {"model", "gpt\n9"}});
  EXPECT_THAT(answer("mean:from=" + other).err,
              HasSubstr("other.safetensors was computed with another model (gpt\\x0a9; "));
  write_safetensors(small, std::vector<NamedTensor>{{"means", {means.data, DType::kF32, {1, 2, 3}}}});
  testing::expect_failure(answer("mean:from=" + small), 1,
                          {"small.safetensors", "that of the model, got [1, 2, 3]"});
  testing::expect_failure(answer("seka:keys=marked,from=" + other), 1,
                          {"expected a tensor 'positive', got none"});
  testing::expect_failure(answer("mean:from=" + (dir / "no.safetensors").string()), 1, {"no.safetensors"});
  testing::expect_failure(answer("mean"), 2, {"expected mean:from=VALUE"});
  testing::expect_failure(answer("seka:from=" + other + ",keys=marked,heads=1.0"), 2,
                          {"or layers, got 'heads'"});

  const auto nothing_left = [&](const ProcessResult& result, int status, const char* message) {
    testing::expect_failure(result, status, {message});
    EXPECT_FALSE(std::filesystem::exists(dir / "x.safetensors"));
  };
  const std::string x = (dir / "x.safetensors").string();
  nothing_left(testing::refocus({"calibrate", "mean", "-m", "small-worlds", "-o", x}), 2, "got neither");
  std::ofstream(dir / "empty.txt") << "";
  nothing_left(calibrate_mean(dir / "empty.txt", x), 1, "at least one token");
}

TEST(Calibrate, SekaFindsDirectionsOfPairs) {
  const TempDir dir;
  std::ofstream(dir / "pairs.jsonl")
      << R"({"context": "Anna lives in Rome. Paul lives in Oslo.", "question": "Where does Anna live?", )"
      << R"("other_question": "Who likes tea?", "answer": "Rome"})"
      << "\n";
  const std::string out = (dir / "k.safetensors").string();
  const auto seka = [&](const char* least) {
    return testing::refocus({"calibrate", "seka", (dir / "pairs.jsonl").string(), "-m", "small-worlds",
                             "--min-diff", least, "-o", out});
  };
  const ProcessResult none = seka("1000000");
  EXPECT_EQ(none.status, 2);
  EXPECT_THAT(none.err, HasSubstr("refocus: [--min-diff] expected at most"));  // after the line of progress
  EXPECT_FALSE(std::filesystem::exists(out));
  const ProcessResult made = seka("0");
  EXPECT_EQ(made.status, 0) << made.err;
  EXPECT_THAT(made.out, HasSubstr("from 1 pairs: "));
  const Json plain = testing::one_json_line(answer("none"));
  const Json steered = testing::one_json_line(answer("seka:from=" + out + ",gain=40,keys=text:\"Anna\""));
  EXPECT_THAT(std::string(steered["intervention"]),
              HasSubstr("gain=40,negative=0.2,keys=text:\"Anna\",layers=0-"));
  EXPECT_NE(steered["tokens"], plain["tokens"]);
  std::ofstream(dir / "pairs.jsonl")
      << R"({"context": "A", "question": "q", "other_question": "r", "answer": "B"})";
  testing::expect_failure(seka("0"), 1, {"pairs.jsonl:1", "expected the answer in the context, got 'B'"});
}

TEST(WholePrompts, LongerOnesAreRefusedWithARemedy) {
  std::string prompt;
  for (int i = 0; i < 400; ++i) prompt += "Anna lives in Rome. ";
  const std::vector<std::string> tail = {
      "-m",        "small-worlds", "-p",          prompt,
      "--context", "9000",         "--intervene", "spotlight:scope=layer,keys=text:\"Anna\""};
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"generate"}, {"logits", "-o", "/tmp/none.npy"}}) {
    std::vector<std::string> all = command;
    all.insert(all.end(), tail.begin(), tail.end());
    testing::expect_failure(
        testing::refocus(all), 1,
        {"[prompt] expected at most 512 tokens, since act and spotlight:scope=layer", "scope=row"});
  }
  const TempDir dir;
  std::ofstream(dir / "text.txt") << "Anna lives in Rome. Paul lives in Oslo.\n";
  testing::expect_failure(testing::refocus({"eval", "perplexity", (dir / "text.txt").string(), "-m",
                                            "small-worlds", "--intervene", "act:layers=every:1"}),
                          2, {"whose rows depend on nothing after them"});
}

}  // namespace
}  // namespace refocus
