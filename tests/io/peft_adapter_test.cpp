// Adapters in PEFT's layout: what is read, what is written, and what is refused.
#include "io/peft_adapter.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text_file.h"
#include "io/safetensors.h"
#include "support.h"
#include "tensor/half.h"

namespace refocus {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using testing::error_of;
using ::testing::HasSubstr;

constexpr const char* kQ = "model.layers.0.self_attn.q_proj";
constexpr const char* kDown = "model.layers.0.mlp.down_proj";

// A directory as PEFT writes it: q_proj [6, 4] in F16 and down_proj [4, 5] in BF16, both of rank 2.
class PeftAdapter : public ::testing::Test {
 protected:
  void SetUp() override {
    config = json::parse(peft_config_json({2, 6, {"q_proj", "down_proj"}, "base"}));
    fill(kQ, DType::kF16, 4, 6);
    fill(kDown, DType::kBF16, 5, 4);
    write();
  }
  void fill(const std::string& matrix, DType type, std::int64_t inputs, std::int64_t outputs,
            std::int64_t rank = 2) {
    add(peft_tensor_name(matrix, 'A'), type, {rank, inputs});
    add(peft_tensor_name(matrix, 'B'), type, {outputs, rank});
  }
  // Element i is i + 0.5.
  void add(const std::string& name, DType type, const std::vector<std::int64_t>& shape) {
    std::vector<std::uint16_t> values;
    for (std::int64_t i = 0; i < shape[0] * shape[1]; ++i) {
      const float v = static_cast<float>(i) + 0.5f;
      values.push_back(type == DType::kF16 ? f32_to_f16(v) : f32_to_bf16(v));
    }
    tensors[name] = {type, shape, values};
  }
  void write() {
    write_file_atomically(dir / "adapter_config.json", config.dump());
    std::vector<NamedTensor> named;
    for (const auto& [name, t] : tensors) {
      named.push_back({name, {reinterpret_cast<const std::byte*>(t.values.data()), t.type, t.shape}});
    }
    write_safetensors(dir / "adapter_model.safetensors", named, {{"format", "pt"}});
  }
  std::string error() {
    write();
    return error_of([&] { read_peft_adapter(dir.path()); });
  }
  struct Tensor {
    DType type;
    std::vector<std::int64_t> shape;
    std::vector<std::uint16_t> values;
  };
  testing::TempDir dir;
  json config;
  std::map<std::string, Tensor> tensors;
};

TEST_F(PeftAdapter, HalfPrecisionTensorsAndTheScaleAreRead) {
  const Adapter a = read_peft_adapter(dir.path());
  EXPECT_EQ(a.base_model, "base");
  EXPECT_EQ(a.targets, (std::vector<std::string>{"q_proj", "down_proj"}));
  ASSERT_EQ(a.matrices.size(), 2u);
  const LowRank& q = a.matrices.at(kQ);
  EXPECT_EQ(q.rank, 2);
  EXPECT_EQ(q.inputs, 4);
  EXPECT_EQ(q.outputs, 6);
  EXPECT_EQ(q.a, (std::vector<float>{0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5}));
  EXPECT_EQ(q.b[3], 3.5f * 3);  // alpha / r
  EXPECT_EQ(a.matrices.at(kDown).b[7], 7.5f * 3);
}

TEST_F(PeftAdapter, RankStabilisedScalesAndPatternsAreRead) {
  config["use_rslora"] = true;
  config["alpha_pattern"] = {{"mlp.down_proj", 10}};
  config["rank_pattern"] = {{"^model.layers.0.self_attn.q_proj", 4}, {"layers.1.mlp.down_proj", 7}};
  fill(kQ, DType::kF16, 4, 6, 4);
  write();
  const Adapter a = read_peft_adapter(dir.path());
  EXPECT_EQ(a.matrices.at(kQ).rank, 4);
  EXPECT_FLOAT_EQ(a.matrices.at(kQ).scale, 6 / std::sqrt(4.0f));
  EXPECT_FLOAT_EQ(a.matrices.at(kDown).scale, 10 / std::sqrt(2.0f));
  config["rank_pattern"] = {{"self_attn.(q|k)_proj", 4}};
  EXPECT_THAT(error(),
              AllOf(HasSubstr("rank_pattern"), HasSubstr("regular expression self_attn.(q|k)_proj")));
}

TEST_F(PeftAdapter, ItsOwnConfigurationHasPeftsFields) {
  EXPECT_EQ(config["peft_type"], "LORA");
  EXPECT_EQ(config["task_type"], "CAUSAL_LM");
  EXPECT_EQ(config["r"], 2);
  EXPECT_TRUE(config["lora_alpha"].is_number_integer());
  EXPECT_EQ(json::parse(peft_config_json({2, 0.5, {}, ""}))["lora_alpha"], 0.5);
}

TEST_F(PeftAdapter, WhatIsNotComputedIsRefusedByName) {
  const std::vector<std::pair<const char*, json>> cases = {{"modules_to_save", {"lm_head"}},
                                                           {"use_dora", true},
                                                           {"use_qalora", true},
                                                           {"bias", "all"},
                                                           {"fan_in_fan_out", true},
                                                           {"layer_replication", {{0, 1}}},
                                                           {"init_lora_weights", "pissa"},
                                                           {"task_type", "SEQ_CLS"},
                                                           {"lora_bias", true},
                                                           {"trainable_token_indices", {1}},
                                                           {"peft_type", "IA3"},
                                                           {"target_parameters", {"x"}}};
  const json good = config;
  for (const auto& [key, value] : cases) {
    config = good;
    config[key] = value;
    EXPECT_THAT(error(), AllOf(HasSubstr(key), HasSubstr("adapter_config.json"))) << key;
  }
}

TEST_F(PeftAdapter, FilesThatDoNotFitTogetherAreRefused) {
  const json good = config;
  const auto all = tensors;
  for (const json& r : {json(0), json(-1), json("2"), json(2.5), json()}) {
    config["r"] = r;
    EXPECT_THAT(error(), HasSubstr("expected a whole number from 1 to")) << r;
  }
  config["r"] = 3;
  EXPECT_THAT(error(), AllOf(HasSubstr("[3, 5]"), HasSubstr("got [2, 5]"), HasSubstr("lora_A.weight")));
  config = good;
  config["lora_alpha"] = "6";
  EXPECT_THAT(error(), HasSubstr("expected a number for lora_alpha"));
  config = good;
  tensors.erase(peft_tensor_name(kQ, 'B'));
  EXPECT_THAT(error(),
              HasSubstr("expected tensor base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight"));
  tensors = all;
  add("base_model.model.model.embed_tokens.lora_embedding_A", DType::kF16, {2, 3});
  EXPECT_THAT(error(), HasSubstr("embed_tokens.lora_embedding_A is no lora_A"));
  tensors = all;
  tensors[peft_tensor_name(kQ, 'A')].values[1] = 0x7C00;
  EXPECT_THAT(error(), HasSubstr("expected finite numbers in tensor base_model.model"));
  tensors.clear();
  EXPECT_THAT(error(), HasSubstr("expected an adapter's tensors, got none"));
}

TEST_F(PeftAdapter, MissingFilesAreNamed) {
  std::filesystem::remove(dir / "adapter_model.safetensors");
  EXPECT_THAT(error_of([&] { read_peft_adapter(dir.path()); }),
              HasSubstr("expected adapter_model.safetensors"));
  std::filesystem::remove(dir / "adapter_config.json");
  EXPECT_THAT(error_of([&] { read_peft_adapter(dir.path()); }),
              HasSubstr("got weights without adapter_config.json; download it too"));
  EXPECT_THAT(error_of([&] { read_peft_adapter(dir / "none"); }), HasSubstr("got nothing"));
}

}  // namespace
}  // namespace refocus
