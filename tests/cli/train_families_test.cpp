// Training models of every family as a process: from scratch, resumed, adapters run and merged, and what is
// refused before anything is written.
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
using testing::refocus;
using testing::TempDir;
namespace fs = std::filesystem;

struct FamilyConfig {
  const char *name, *architecture, *settings;
};

// Beyond the sizes that all have; windows shorter than the texts.
constexpr FamilyConfig kFamilyConfigs[] = {
    {"llama", "LlamaForCausalLM", R"({"attention_bias": true, "mlp_bias": true})"},
    {"qwen2", "Qwen2ForCausalLM",
     R"({"use_sliding_window": true, "sliding_window": 5, "max_window_layers": 1})"},
    {"qwen3", "Qwen3ForCausalLM", R"({"tie_word_embeddings": false})"},
    {"mistral", "MistralForCausalLM", R"({"sliding_window": 5})"},
    {"smollm3", "SmolLM3ForCausalLM", R"({"no_rope_layers": [1, 0]})"},
    {"gemma", "GemmaForCausalLM", R"({})"},
    {"gemma2", "Gemma2ForCausalLM", R"({"sliding_window": 5, "query_pre_attn_scalar": 12})"},
    {"gemma3_text", "Gemma3ForCausalLM",
     R"({"sliding_window": 5, "query_pre_attn_scalar": 12, "layer_types": ["sliding_attention", "full_attention"]})"}};

class FamilyRun : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::write_character_tokenizer(dir / "tokenizer");
    std::mt19937 random(1);
    std::string texts;
    for (int i = 0; i < 60; ++i) {
      std::string word;
      for (std::size_t n = 2 + random() % 6; n > 0; --n) word += static_cast<char>('c' + random() % 5);
      texts += "{\"text\": \"say " + word + ", " + word + "\"}\n";
    }
    testing::write_file(dir / "texts.jsonl", texts);
  }
  void write_config(const char* family, const char* settings) const {
    Json config = Json::parse(testing::tiny_config());
    config["model_type"] = family;
    config["head_dim"] = 8;
    config.update(Json::parse(settings));
    testing::write_file(dir / "config.json", config.dump());
  }
  std::string path(const std::string& name) const { return (dir / name).string(); }
  Arguments run(const std::string& output, const Arguments& more, const char* threads = "1") const {
    return plus({"train", "--data", path("texts.jsonl"), "-o", path(output), "--batch-tokens", "256",
                 "--threads", threads},
                more);
  }
  Arguments new_run(const std::string& output, const Arguments& more, const char* threads = "1") const {
    return run(
        output,
        plus({"--config", path("config.json"), "--tokenizer", path("tokenizer"), "--lr", "0.01"}, more),
        threads);
  }
  ProcessResult train(const std::string& output, const Arguments& more) const {
    return refocus(run(output, more));
  }
  ProcessResult train_new(const std::string& output, const Arguments& more, const char* threads = "1") const {
    return refocus(new_run(output, more, threads));
  }
  double last_loss(const std::string& run) const {
    const std::string log = file_text(dir / run / "log.jsonl");
    return Json::parse(log.substr(log.rfind('\n', log.size() - 2) + 1))["loss"];
  }
  std::vector<float> logits(const std::string& model, const Arguments& more = {}) const {
    const ProcessResult result = refocus(
        plus({"logits", "-m", path(model), "--tokens", "0,86,71,78,78,2,74,75,76,78,77", "-o", path("l.npy")},
             more));
    EXPECT_EQ(result.status, 0) << result.err;
    const std::string file = file_text(dir / "l.npy");
    std::vector<float> out(std::size_t{11} * 99);
    EXPECT_GE(file.size(), out.size() * 4);
    std::memcpy(out.data(), file.data() + file.size() - out.size() * 4, out.size() * 4);
    return out;
  }
  // The largest difference, in parts of the largest logit.
  static double distance(const std::vector<float>& a, const std::vector<float>& b) {
    float difference = 0, largest = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      difference = std::max(difference, std::abs(a[i] - b[i]));
      largest = std::max(largest, std::abs(a[i]));
    }
    return difference / largest;
  }
  TempDir dir;
};

class TrainFamily : public FamilyRun, public ::testing::WithParamInterface<FamilyConfig> {
 protected:
  void SetUp() override {
    FamilyRun::SetUp();
    write_config(GetParam().name, GetParam().settings);
  }
};

TEST_P(TrainFamily, LearnsFromScratchAndResumesToTheSameBytes) {
  const Arguments settings = {"--steps", "80", "--checkpoint-every", "10"};
  ASSERT_EQ(train_new("whole", settings).status, 0);
  EXPECT_LT(last_loss("whole"), 2.2);  // about ln(99) at first
  const Json config = Json::parse(file_text(dir / "whole/config.json"));
  EXPECT_EQ(config["architectures"], Json::array({GetParam().architecture}));
  const bool is_llama = GetParam().name == std::string("llama");
  EXPECT_EQ(config.contains("pad_token_id") && config["pad_token_id"].is_null(), !is_llama);
  EXPECT_EQ(testing::one_json_line(
                refocus({"generate", "-m", path("whole"), "-p", "sa", "-n", "2", "--json"}))["text"],
            "y ");
  {
    Process process(new_run("part", settings));
    while (process.running() && !fs::exists(dir / "part/checkpoints/step-00000010"))
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    process.send(SIGKILL);
    EXPECT_EQ(process.wait().signal, SIGKILL);
  }
  ASSERT_EQ(train_new("part", plus(settings, {"--resume"}), "2").status, 0);
  EXPECT_EQ(file_text(dir / "part/model.safetensors"), file_text(dir / "whole/model.safetensors"));
}

TEST_P(TrainFamily, GoesOnFromACheckpointAndFromF16) {
  ASSERT_EQ(train_new("first", {"--steps", "20", "--type", "f16"}).status, 0);
  ASSERT_EQ(train("second", {"--from", path("first"), "--steps", "1", "--lr", "0", "--type", "f16"}).status,
            0);
  EXPECT_EQ(file_text(dir / "second/model.safetensors"), file_text(dir / "first/model.safetensors"));
  EXPECT_EQ(logits("second"), logits("first"));
}

TEST_P(TrainFamily, AnAdapterRunsAndMerges) {
  ASSERT_EQ(train_new("base", {"--steps", "20"}).status, 0);
  ASSERT_EQ(
      train("adapter", {"--from", path("base"), "--steps", "20", "--lora-rank", "3", "--lr", "0.02"}).status,
      0);
  EXPECT_LT(last_loss("adapter"), last_loss("base"));
  const std::vector<float> beside = logits("base", {"--adapter", path("adapter")});
  EXPECT_GT(distance(beside, logits("base")), 0.01);
  ASSERT_EQ(refocus({"merge", "-m", path("base"), "--adapter", path("adapter"), "-o", path("merged")}).status,
            0);
  EXPECT_LT(distance(beside, logits("merged")), 1e-5);
  EXPECT_EQ(
      refocus({"generate", "-m", path("base"), "--adapter", path("adapter"), "-p", "say", "-n", "3"}).status,
      0);
}

INSTANTIATE_TEST_SUITE_P(Families, TrainFamily, ::testing::ValuesIn(kFamilyConfigs),
                         [](const auto& info) { return info.param.name; });

// Features whose gradient is not computed, and where angles depend on a sequence's length.
class TrainRefused : public FamilyRun {
 protected:
  void expect_refused(const Json& config, const std::vector<std::string>& parts,
                      const Arguments& more = {}) const {
    testing::write_file(dir / "other.json", config.dump());
    const int status = more.empty() ? 1 : 2;
    expect_failure(
        refocus(run("new/refused",
                    plus({"--config", path("other.json"), "--tokenizer", path("tokenizer")}, more))),
        status, parts);
    EXPECT_FALSE(fs::exists(dir / "new"));
  }
};

TEST_F(TrainRefused, BeforeAnythingIsWritten) {
  Json config = Json::parse(testing::tiny_config());
  config["model_type"] = "phi";
  expect_refused(config, {"other.json", "family that is trained (llama, mistral,", "gemma3_text",
                          "got phi with LayerNorm"});
  config["model_type"] = "olmo2";
  expect_refused(config, {"got olmo2 with norms after its branches alone"});
  config["model_type"] = "qwen3_moe";
  expect_refused(config, {"got qwen3_moe with experts"});
  config["model_type"] = "llama";
  config["hidden_act"] = "relu";
  expect_refused(config, {"got llama with an activation other than silu and gelu_pytorch_tanh"});
  config["hidden_act"] = "silu";
  config["rope_scaling"] = {{"rope_type", "longrope"},
                            {"factor", 4.0},
                            {"original_max_position_embeddings", 16},
                            {"short_factor", {1, 1, 1, 1}},
                            {"long_factor", {2, 2, 2, 2}}};
  expect_refused(config, {"--context", "at most 16 (original_max_position_embeddings)"}, {"--context", "17"});
}

}  // namespace
}  // namespace refocus
