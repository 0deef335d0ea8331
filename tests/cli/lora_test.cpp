// Adapters as processes see them: trained, resumed, run beside models of every type, merged, and refused.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <map>
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
using testing::refocus;
using testing::TempDir;
namespace fs = std::filesystem;

// A base model that copies words of any letters, and texts of another format and fewer letters.
class Lora : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::write_character_tokenizer(dir / "tokenizer");
    testing::write_file(dir / "config.json", testing::tiny_config());
    testing::write_file(dir / "base.jsonl", texts(400, "abcdefghijklmnopqrstuvwxyz", false));
    testing::write_file(dir / "shift.jsonl", texts(400, "hijkl", true));
    testing::write_file(dir / "held-out.jsonl", texts(100, "hijkl", true));
  }
  std::string texts(int count, const std::string& letters, bool shifted) {
    std::string out;
    for (int i = 0; i < count; ++i) {
      std::string word;
      for (std::size_t n = 2 + random() % 6; n > 0; --n) word += letters[random() % letters.size()];
      const bool tell = shifted || random() % 2 == 0;
      const char* between = shifted ? ": " : (random() % 2 == 0 ? ", " : ": ");
      out += std::string("{\"text\": \"") + (tell ? "tell " : "say ") + word + between + word + "\"}\n";
    }
    return out;
  }
  std::string path(const std::string& name) const { return (dir / name).string(); }
  void train_base(const char* steps = "30") const {
    const ProcessResult result = refocus({"train", "--config", path("config.json"), "--tokenizer",
                                          path("tokenizer"), "--data", path("base.jsonl"), "-o", path("base"),
                                          "--steps", steps, "--lr", "0.01", "--batch-tokens", "512"});
    ASSERT_EQ(result.status, 0) << result.err;
  }
  Arguments adapt(const std::string& run, const Arguments& more, const std::string& from = "base") const {
    return plus({"train", "--from", path(from), "--data", path("shift.jsonl"), "-o", path(run),
                 "--batch-tokens", "512", "--lr", "0.02", "--weight-decay", "0"},
                more);
  }
  void train_adapter(const std::string& run, const Arguments& more = {},
                     const std::string& from = "base") const {
    const ProcessResult result = refocus(
        adapt(run,
              plus({"--lora-rank", "4"}, more.empty() || std::ranges::find(more, "--steps") == more.end()
                                             ? plus(more, {"--steps", "20"})
                                             : more),
              from));
    ASSERT_EQ(result.status, 0) << result.err;
  }
  // The base as a GGUF file, without a tokenizer: that of these tests has no place in such files.
  void convert_base(const std::string& file, const std::string& type) const {
    fs::create_directories(dir / "bare");
    for (const char* name : {"config.json", "model.safetensors"})
      fs::copy(dir / "base" / name, dir / "bare" / name, fs::copy_options::overwrite_existing);
    const ProcessResult result = refocus({"convert", "-m", path("bare"), "-o", path(file), "--type", type});
    ASSERT_EQ(result.status, 0) << result.err;
  }
  double validation_loss(const std::string& run) const {
    const std::string log = file_text(dir / run / "log.jsonl");
    const std::size_t line = log.rfind('\n', log.size() - 2);
    return Json::parse(log.substr(line + 1))["validation_loss"].get<double>();
  }
  fs::path checkpoint(const std::string& run) const {
    fs::path found;
    std::error_code gone;
    for (const auto& entry : fs::directory_iterator(dir / run / "checkpoints", gone)) {
      if (entry.path().filename().string().starts_with("step-")) found = std::max(found, entry.path());
    }
    return found;
  }
  // [tokens, vocab] of some tokens.
  std::vector<float> logits(const std::string& model, const std::string& adapter = "") const {
    Arguments arguments = {"logits", "-m",         path(model), "--tokens", "0,86,71,78,78,2,74,75,76",
                           "-o",     path("l.npy")};
    if (!adapter.empty()) arguments = plus(arguments, {"--adapter", path(adapter)});
    const ProcessResult result = refocus(arguments);
    EXPECT_EQ(result.status, 0) << result.err;
    const std::string file = file_text(dir / "l.npy");
    std::vector<float> out(std::size_t{9} * 99);
    EXPECT_GE(file.size(), out.size() * 4);
    std::memcpy(out.data(), file.data() + file.size() - out.size() * 4, out.size() * 4);
    return out;
  }
  // The largest difference between the two, in parts of the largest logit.
  static double distance(const std::vector<float>& a, const std::vector<float>& b) {
    float difference = 0, largest = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      difference = std::max(difference, std::abs(a[i] - b[i]));
      largest = std::max(largest, std::abs(a[i]));
    }
    return difference / largest;
  }
  TempDir dir;
  std::mt19937 random{1};
};

TEST_F(Lora, ReachesNineTenthsOfWhatTrainingAllWeightsDoes) {
  train_base("500");
  const Arguments validate = {"--validation", path("held-out.jsonl")};
  const Arguments steps = plus(validate, {"--steps", "100"});
  ASSERT_EQ(refocus(adapt("full", steps)).status, 0);
  ASSERT_EQ(refocus(adapt("lora", plus(steps, {"--lora-rank", "8"}))).status, 0);
  ASSERT_EQ(refocus({"train", "--from", path("base"), "--data", path("shift.jsonl"), "--validation",
                     path("held-out.jsonl"), "-o", path("start"), "--steps", "1", "--lr", "0",
                     "--batch-tokens", "512"})
                .status,
            0);
  const double start = validation_loss("start"), full = start - validation_loss("full"),
               lora = start - validation_loss("lora");
  EXPECT_GT(full, 0.5);  // there is something to learn
  EXPECT_GE(lora, 0.9 * full);
  // What was trained is an adapter, in PEFT's layout, beside a base that nobody touched.
  EXPECT_EQ(Json::parse(file_text(dir / "lora/adapter_config.json"))["base_model_name_or_path"],
            path("base"));
  EXPECT_FALSE(fs::exists(dir / "lora/model.safetensors"));
  const Json info =
      testing::one_json_line(refocus({"info", "-m", path("base"), "--adapter", path("lora"), "--json"}));
  EXPECT_EQ(info["adapter_ranks"], Json::array({8}));
  EXPECT_EQ(info["adapter_targets"].size(), 7u);
  const auto perplexity = [&](const Arguments& more) {
    testing::write_file(dir / "text.txt", "tell hijk: hijk");
    return testing::one_json_line(
               refocus(plus({"eval", "perplexity", path("text.txt"), "-m", path("base"), "--json"},
                            more)))["arms"][0]["perplexity"]
        .get<double>();
  };
  EXPECT_LT(perplexity({"--adapter", path("lora")}), 0.8 * perplexity({}));
}

TEST_F(Lora, KilledAtManyMomentsItEndsWithTheSameBytes) {
  train_base();
  const std::string base_before = file_text(dir / "base/model.safetensors");
  const Arguments settings = {"--lora-rank",        "3", "--steps",      "120",
                              "--checkpoint-every", "2", "--lora-alpha", "5"};
  const ProcessResult whole = refocus(adapt("whole", plus(settings, {"--threads", "1"})));
  ASSERT_EQ(whole.status, 0) << whole.err;
  int kills = 0;
  ProcessResult last;
  for (int session = 0; session < 40 && last.status != 0; ++session) {
    const fs::path before = checkpoint("run");
    Process process(adapt("run", plus(settings, {"--resume", "--threads", session % 2 == 0 ? "2" : "1"})));
    while (process.running() && checkpoint("run") == before)
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    std::this_thread::sleep_for(std::chrono::microseconds(700 * (session % 7)));
    if (session < 8) process.send(SIGKILL);
    last = process.wait();
    kills += last.signal == SIGKILL;
  }
  ASSERT_EQ(last.status, 0) << last.err;
  EXPECT_GE(kills, 3);
  for (const char* name : {"adapter_model.safetensors", "adapter_config.json"}) {
    EXPECT_EQ(file_text(dir / "run" / name), file_text(dir / "whole" / name)) << name;
  }
  for (const char* name :
       {"adapter_model.safetensors", "optimizer.safetensors", "adapter_config.json", "state.json"}) {
    EXPECT_EQ(file_text(checkpoint("run") / name), file_text(checkpoint("whole") / name)) << name;
  }
  EXPECT_EQ(testing::files_below(dir / "run"), testing::files_below(dir / "whole"));
  EXPECT_EQ(file_text(dir / "base/model.safetensors"), base_before);
  // A checkpoint is an adapter too, and the run goes on beside its own base and with its own rank only.
  EXPECT_EQ(logits("base", "run/checkpoints/step-00000120"), logits("base", "run"));
  EXPECT_EQ(refocus(adapt("run", plus(settings, {"--resume"}))).status, 0);
  const auto refused = [&](const Arguments& arguments, const char* part) {
    const ProcessResult result = refocus(arguments);
    EXPECT_EQ(result.status, 1);
    EXPECT_THAT(result.err, ::testing::HasSubstr(part));
  };
  refused(adapt("run", {"--lora-rank", "2", "--lora-alpha", "5", "--steps", "120", "--resume"}),
          "lora-rank 2");
  fs::rename(dir / "base", dir / "old");
  train_base("31");
  refused(adapt("run", plus(settings, {"--resume"})), "got others: model.safetensors differs");
}

TEST_F(Lora, RunsBesideEveryTypeAndMergesIntoOne) {
  // Rows of whole blocks, so that all types fit.
  testing::edit_json(dir / "config.json", {{"hidden_size", 256}, {"intermediate_size", 256}});
  train_base("10");
  train_adapter("adapter");
  const std::vector<float> base = logits("base"), adapted = logits("base", "adapter");
  const double change = distance(adapted, base);
  EXPECT_GT(change, 0.05);
  const std::vector<std::pair<std::string, double>> types = {
      {"f32", 1e-5}, {"f16", 5e-3}, {"q8_0", 0.04}, {"q4_k", 0.3}};
  for (const auto& [type, tolerance] : types) {
    const std::string file = type + ".gguf";
    convert_base(file, type);
    // What the adapter adds is the same beside rounded weights, in the file's own order of rows.
    const std::vector<float> beside = logits(file, "adapter");
    EXPECT_LT(distance(adapted, beside), std::min(tolerance, 0.8 * change)) << type;
    EXPECT_GT(distance(adapted, logits(file)), 0.5 * change) << type;
    const Arguments merge = {"merge",         "-m", path(file),          "--adapter",
                             path("adapter"), "-o", path("from-" + type)};
    ASSERT_EQ(refocus(plus(merge, {"--tokenizer", path("base"), "--type", "f32"})).status, 0);
    EXPECT_LT(distance(beside, logits("from-" + type)), type[0] == 'q' ? 0.02 : 1e-5) << type;
  }
  const Arguments merge = {"merge", "-m", path("base"), "--adapter", path("adapter")};
  for (const char* type : {"f32", "f16", "bf16"}) {
    ASSERT_EQ(refocus(plus(merge, {"-o", path(type), "--type", type})).status, 0);
    EXPECT_LT(distance(adapted, logits(type)), type == std::string("f32") ? 1e-5 : 3e-2) << type;
  }
  EXPECT_EQ(Json::parse(file_text(dir / "bf16/config.json"))["torch_dtype"], "bfloat16");
  EXPECT_EQ(file_text(dir / "f16/tokenizer.json"), file_text(dir / "base/tokenizer.json"));
  const std::string before = file_text(dir / "f16/model.safetensors");
  expect_failure(refocus(plus(merge, {"-o", path("f16")})), 1, {"exists already"});
  EXPECT_EQ(file_text(dir / "f16/model.safetensors"), before);
  const ProcessResult full = refocus(plus(merge, {"-o", path("full")}), {.file_size_limit = 20000});
  EXPECT_EQ(full.status, 1);
  EXPECT_THAT(full.err, ::testing::HasSubstr("cannot be written"));
  for (const auto& entry : fs::directory_iterator(dir.path())) {
    EXPECT_FALSE(entry.path().filename().string().starts_with("full")) << entry.path();
  }
}

TEST_F(Lora, TrainsBesideAQuantisedFile) {
  testing::edit_json(dir / "config.json", {{"hidden_size", 256}, {"intermediate_size", 256}});
  train_base("60");
  convert_base("q8.gguf", "q8_0");
  convert_base("q4.gguf", "q4_k");
  const std::string before = file_text(dir / "q4.gguf");
  const Arguments common = {"--validation", path("held-out.jsonl"), "--tokenizer", path("tokenizer")};
  // A step of rate 0: what the base itself loses, whatever it is stored in.
  std::map<std::string, double> start;
  for (const char* from : {"base", "q8.gguf", "q4.gguf"}) {
    const std::string run = std::string("start-") + from;
    ASSERT_EQ(refocus(plus({"train", "--from", path(from), "--lora-rank", "1", "--data", path("shift.jsonl"),
                            "-o", path(run), "--steps", "1", "--lr", "0"},
                           common))
                  .status,
              0);
    start[from] = validation_loss(run);
  }
  EXPECT_NEAR(start["q8.gguf"], start["base"], 0.01 * start["base"]);
  EXPECT_NEAR(start["q4.gguf"], start["base"], 0.1 * start["base"]);
  train_adapter("adapter", plus(common, {"--lora-targets", "q_proj,v_proj,up_proj"}), "q4.gguf");
  EXPECT_EQ(file_text(dir / "q4.gguf"), before);
  EXPECT_LT(validation_loss("adapter"), 0.9 * start["q4.gguf"]);
  EXPECT_GT(distance(logits("q4.gguf", "adapter"), logits("q4.gguf")), 0.05);
  expect_failure(refocus(adapt("full", {}, "q4.gguf")), 2, {"--model", "--lora-rank"});
  expect_failure(refocus(adapt("none", {"--lora-rank", "1"}, "q4.gguf")), 1, {"tokenizer"});
}

TEST_F(Lora, TakesTheTokenizerOfAGgufFileAndAsksForOneToMerge) {
  REFOCUS_NEEDS_SHARED(testing::kSmallModel);
  ASSERT_EQ(
      refocus({"convert", "-m", testing::small_model(), "-o", path("small.gguf"), "--type", "q8_0"}).status,
      0);
  train_adapter("adapter", {"--steps", "2"}, "small.gguf");
  const Arguments merge = {"merge",         "-m", path("small.gguf"), "--adapter",
                           path("adapter"), "-o", path("merged")};
  expect_failure(refocus(merge), 2, {"--tokenizer", "--adapter"});
  ASSERT_EQ(refocus(plus(merge, {"--tokenizer", testing::small_model()})).status, 0);
  EXPECT_EQ(refocus({"generate", "-m", path("merged"), "-p", "Once", "-n", "2"}).status, 0);
}

TEST_F(Lora, AnEvaluationDoesNotGoOnWithAnotherAdapter) {
  testing::edit_json(dir / "config.json", {{"max_position_embeddings", 2048}});
  train_base("5");
  train_adapter("one");
  train_adapter("two", {"--seed", "2"});
  testing::write_tasks(dir / "data");
  const auto eval = [&](const Arguments& more) {
    return refocus(plus({"eval", "piqa", "-m", path("base"), "--data", path("data"), "-o", path("evaluation"),
                         "--direct", "--max-new-tokens", "4"},
                        more));
  };
  ASSERT_EQ(eval({"--adapter", path("one")}).status, 0);
  EXPECT_EQ(eval({"--adapter", path("one")}).status, 0);
  expect_failure(eval({}), 1,
                 {"adapter adapter_config.json is gone, adapter adapter_model.safetensors is gone;"});
  expect_failure(eval({"--adapter", path("two")}), 1,
                 {"got another: adapter adapter_model.safetensors differs;"});
  EXPECT_EQ(
      refocus({"generate", "-m", path("base"), "--adapter", path("one"), "-p", "tell", "-n", "3"}).status, 0);
}

TEST_F(Lora, WhatHasNoEffectIsAWarningAndChangesNothing) {
  train_base("3");
  train_adapter("adapter");
  const std::vector<float> before = logits("base", "adapter");
  const auto commands = [&](const std::string& output) {
    const Arguments run = {"generate", "-m", path("base"), "--tokens",     "1,2",
                           "-n",       "1",  "--adapter",  path("adapter")};
    const Arguments merge = {"merge", "-m", path("base"), "--adapter", path("adapter"), "-o", path(output)};
    return std::vector<ProcessResult>{refocus(run), refocus(merge)};
  };
  const auto warned = [](const ProcessResult& result) {
    std::size_t count = 0;
    for (std::size_t at = result.err.find("no effect"); at != std::string::npos; ++count) {
      at = result.err.find("no effect", at + 1);
    }
    return count;
  };
  // What training writes has nothing to be warned of.
  for (const ProcessResult& result : commands("plain")) {
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(warned(result), 0u) << result.err;
  }
  testing::edit_json(dir / "adapter/adapter_config.json", {{"alpha_pattern", {{"q_porj", 64}}}});
  for (const ProcessResult& result : commands("edited")) {
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(warned(result), 1u) << result.err;
    EXPECT_THAT(result.err, ::testing::HasSubstr("alpha_pattern 'q_porj': matches no matrix"));
  }
  EXPECT_EQ(logits("base", "adapter"), before);
  EXPECT_EQ(file_text(dir / "plain/model.safetensors"), file_text(dir / "edited/model.safetensors"));
  testing::edit_json(dir / "adapter/adapter_config.json", {{"alpha_pattern", {{"q_proj", 64}}}});
  EXPECT_NE(logits("base", "adapter"), before);
  testing::edit_json(dir / "adapter/adapter_config.json", {{"use_rslora", "true"}});
  for (const ProcessResult& result : commands("refused")) {
    expect_failure(result, 1, {"expected true or false for use_rslora"});
  }
  EXPECT_FALSE(fs::exists(dir / "refused"));
}

TEST_F(Lora, BadInputIsOneClearLine) {
  train_base("3");
  const Arguments tokens = {"generate", "-m", path("base"), "--tokens", "1,2", "--json", "--adapter"};
  const Arguments scratch = {"train",           "--config", path("config.json"), "--tokenizer",
                             path("tokenizer"), "--data",   path("base.jsonl"),  "-o",
                             path("x")};
  expect_failure(refocus(plus(scratch, {"--lora-rank", "4"})), 2, {"--lora-rank", "--model"});
  expect_failure(refocus(adapt("x", {"--lora-alpha", "4"})), 2, {"--lora-alpha", "--lora-rank"});
  expect_failure(refocus(adapt("x", {"--lora-targets", "q_proj"})), 2, {"--lora-targets", "--lora-rank"});
  expect_failure(refocus(adapt("x", {"--lora-rank", "0"})), 2, {"--lora-rank", "from 1 to"});
  const ProcessResult large = refocus(adapt("x", {"--lora-rank", "17"}));
  EXPECT_EQ(large.status, 2);
  EXPECT_THAT(large.err, ::testing::HasSubstr("at most 16, since k_proj is [16, 32]"));
  expect_failure(refocus(adapt("x", {"--lora-rank", "4", "--lora-targets", "q_proj,w2"})), 2,
                 {"--lora-targets", "down_proj", "'w2'"});
  expect_failure(refocus(plus(tokens, {path("none")})), 1, {"none", "adapter_config.json", "got nothing"});
  expect_failure(refocus(plus(tokens, {path("base")})), 1, {"got a model", "name it with -m"});
  train_adapter("adapter");
  expect_failure(refocus({"info", "-m", path("adapter")}), 1, {"got a LoRA adapter", "--adapter"});
  const std::string other = testing::golden_model("mha-f32");
  for (const char* command : {"info", "bench"}) {
    expect_failure(refocus({command, "-m", other, "--adapter", path("adapter"), "--json"}), 1,
                   {"tensor base_model.model.model.layers.", "another model's"});
  }
  expect_failure(refocus({"merge", "-m", other, "--adapter", path("adapter"), "-o", path("m")}), 1,
                 {"another model's"});
  EXPECT_FALSE(fs::exists(dir / "m"));
  fs::remove(dir / "adapter/adapter_model.safetensors");
  expect_failure(refocus(plus(tokens, {path("adapter")})), 1, {"expected adapter_model.safetensors"});
}

TEST_F(Lora, NonFiniteLossesAndFullDisksKeepTheLastCheckpoint) {
  train_base("3");
  const ProcessResult diverged =
      refocus({"train",    "--from",         path("base"), "--data", path("shift.jsonl"),
               "-o",       path("nan"),      "--steps",    "60",     "--lora-rank",
               "4",        "--batch-tokens", "512",        "--lr",   "1e8",
               "--warmup", "5000",           "--clip",     "0",      "--checkpoint-every",
               "1"});
  EXPECT_EQ(diverged.status, 1);
  EXPECT_THAT(diverged.err, ::testing::HasSubstr("expected a finite"));
  EXPECT_THAT(diverged.err, ::testing::HasSubstr(checkpoint("nan").string() + " is the last good adapter"));
  EXPECT_FALSE(fs::exists(dir / "nan/adapter_model.safetensors"));
  ASSERT_FALSE(checkpoint("nan").empty());
  logits("base", "nan/checkpoints/" + checkpoint("nan").filename().string());

  const Arguments settings = {"--lora-rank", "4", "--steps", "400", "--checkpoint-every", "4"};
  Process process(adapt("run", settings));
  while (process.running() && checkpoint("run").empty())
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  process.send(SIGKILL);
  process.wait();
  const fs::path kept = checkpoint("run");
  ASSERT_FALSE(kept.empty());
  const std::string before = file_text(kept / "adapter_model.safetensors");
  const ProcessResult full = refocus(adapt("run", plus(settings, {"--resume"})), {.file_size_limit = 12000});
  EXPECT_EQ(full.status, 1);
  EXPECT_THAT(full.err, ::testing::HasSubstr("cannot be written"));
  EXPECT_EQ(checkpoint("run"), kept);
  EXPECT_EQ(file_text(kept / "adapter_model.safetensors"), before);
}

}  // namespace
}  // namespace refocus
