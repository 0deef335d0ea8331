// Adapters in PEFT's layout: what is read, what is written, and what is refused.
#include "io/peft/peft_adapter.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text_file.h"
#include "io/peft/peft_config.h"
#include "io/peft/peft_tensors.h"
#include "io/safetensors.h"
#include "opened_files.h"
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
    config = json::parse(
        peft_config_json({2, 6, {"layers.0.self_attn.q_proj", "layers.0.mlp.down_proj"}, "base"}));
    for (const char* layer : {"model.layers.0", "model.layers.1"}) {
      for (const char* matrix : {".self_attn.q_proj", ".self_attn.k_proj", ".mlp.down_proj"}) {
        base.modules.push_back({std::string(layer) + matrix});
      }
    }
    base.modules.push_back({"model.embed_tokens", ModelModule::Kind::kEmbedding});
    base.modules.push_back({"model.norm", ModelModule::Kind::kOther});
    base.modules.push_back({"lm_head"});
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
    return error_of([&] { read(); });
  }
  Adapter read() {
    write();
    return read_peft_adapter(dir.path(), base);
  }
  // Renames one factor of kQ, and says what becomes of it.
  std::string error_of_name(const std::string& name) {
    const auto all = tensors;
    tensors[name] = tensors.at(peft_tensor_name(kQ, 'A'));
    tensors.erase(peft_tensor_name(kQ, 'A'));
    const std::string out = error();
    tensors = all;
    return out;
  }
  struct Tensor {
    DType type;
    std::vector<std::int64_t> shape;
    std::vector<std::uint16_t> values;
  };
  testing::TempDir dir;
  AdapterBase base{"the model", {}};
  json config;
  std::map<std::string, Tensor> tensors;
};

TEST_F(PeftAdapter, HalfPrecisionTensorsAndTheScaleAreRead) {
  const Adapter a = read();
  EXPECT_EQ(a.base_model, "base");
  EXPECT_THAT(a.warnings, ::testing::IsEmpty());
  ASSERT_EQ(a.matrices.size(), 2u);
  const LowRank& q = a.matrices.at(kQ);
  EXPECT_EQ(q.rank, 2);
  EXPECT_EQ(q.inputs, 4);
  EXPECT_EQ(q.outputs, 6);
  EXPECT_EQ(q.a, (std::vector<float>{0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5}));
  EXPECT_EQ(q.b[3], 3.5f * 3);  // alpha / r
  EXPECT_EQ(a.matrices.at(kDown).b[7], 7.5f * 3);
}

TEST_F(PeftAdapter, ListsTheFilesThatItReads) {
  write();
  Adapter adapter;
  const auto opened =
      testing::opened_files(dir.path(), [&] { adapter = read_peft_adapter(dir.path(), base); });
  EXPECT_EQ(testing::names_of(adapter.files), opened);
  ASSERT_EQ(adapter.files.size(), 2u);
  EXPECT_EQ(adapter.files[0], used_file("adapter", dir / "adapter_config.json"));
  EXPECT_EQ(adapter.files[1], used_file("adapter", dir / "adapter_model.safetensors"));
}

TEST_F(PeftAdapter, RankStabilisedScalesAndPatternsAreRead) {
  config["use_rslora"] = true;
  config["alpha_pattern"] = {{"mlp.down_proj", 10}};
  config["rank_pattern"] = {{"self_attn.(q|k)_proj", 4}, {"layers.1.mlp.down_proj", 7}};
  fill(kQ, DType::kF16, 4, 6, 4);
  const Adapter a = read();
  EXPECT_EQ(a.matrices.at(kQ).rank, 4);
  EXPECT_FLOAT_EQ(a.matrices.at(kQ).scale, 6 / std::sqrt(4.0f));
  EXPECT_FLOAT_EQ(a.matrices.at(kDown).scale, 10 / std::sqrt(2.0f));
  EXPECT_THAT(a.warnings, ::testing::ElementsAre(HasSubstr("rank_pattern 'layers.1.mlp.down_proj'")));
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
                                                           {"use_later", true},
                                                           {"bias", "all"},
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
  tensors.erase(peft_tensor_name(kQ, 'A'));
  tensors.erase(peft_tensor_name(kQ, 'B'));
  EXPECT_THAT(error(),
              AllOf(HasSubstr("layers.0.self_attn.q_proj.lora_A.weight, since"), HasSubstr("got none")));
  tensors = all;
  config["lora_alpha"] = 1e300;
  EXPECT_THAT(error(), AllOf(HasSubstr("lora_alpha"), HasSubstr("1e+300")));
  config = good;
  tensors[peft_tensor_name(kQ, 'A')].values[1] = 0x7C00;
  EXPECT_THAT(error(), HasSubstr("expected finite numbers in tensor base_model.model"));
  tensors.clear();
  EXPECT_THAT(error(), HasSubstr("expected an adapter's tensors, got none"));
}

TEST_F(PeftAdapter, NamesOfAModelsOwnStateAreReadAsPeftDoes) {
  const std::vector<float> a = read().matrices.at(kQ).a;
  for (const char factor : {'A', 'B'}) {
    const std::string name = peft_tensor_name(kQ, factor);
    tensors[name.substr(0, name.size() - 6) + "default.weight"] = tensors.at(name);
    EXPECT_THAT(error(), AllOf(HasSubstr("expected one lora_"), HasSubstr("q_proj, got two")));
    tensors.erase(name);
  }
  EXPECT_EQ(read().matrices.at(kQ).a, a);
}

TEST_F(PeftAdapter, FactorsThatTheConfigurationLeavesOutAreNotUsed) {
  fill("model.layers.1.self_attn.q_proj", DType::kF16, 4, 6);
  add("base_model.model.model.embed_tokens.lora_embedding_A", DType::kF16, {2, 3});
  const Adapter a = read();
  EXPECT_EQ(a.matrices.size(), 2u);
  EXPECT_THAT(a.warnings, ::testing::ElementsAre(AllOf(HasSubstr("adapter_model.safetensors] tensor"),
                                                       HasSubstr("and 2 more are"),
                                                       HasSubstr("not used, in PEFT either"))));
}

TEST_F(PeftAdapter, NamesThatPeftWouldLeaveOutAreRefusedWithTheNameThatItWants) {
  const std::string wanted = peft_tensor_name(kQ, 'A');
  for (const char* prefix : {"", "module.base_model.model.", "model."}) {
    EXPECT_THAT(error_of_name(prefix + std::string(kQ) + ".lora_A.weight"),
                AllOf(HasSubstr("begin with base_model.model."), HasSubstr("rename it to " + wanted)))
        << prefix;
  }
  // The first lacks "base_model." or "model.", which comes to the same.
  for (const char* matrix : {"layers.0.self_attn.q_proj", "_orig_mod.model.layers.0.self_attn.q_proj",
                             "model.language_model.layers.0.self_attn.q_proj"}) {
    EXPECT_THAT(
        error_of_name(peft_tensor_name(matrix, 'A')),
        AllOf(HasSubstr("expected tensor " + wanted + ", got base_model.model."), HasSubstr("rename it")))
        << matrix;
  }
  EXPECT_THAT(error_of_name("base_model.model." + std::string(kQ) + ".lora_A.default_0.weight"),
              AllOf(HasSubstr("name of an adapter in it, default_0"), HasSubstr("rename it to " + wanted)));
  EXPECT_THAT(error_of_name("transformer.q_proj.lora_A.weight"),
              HasSubstr("save the adapter with PEFT's save_pretrained"));
}

TEST_F(PeftAdapter, NamesOfOtherProgramsAreToBeConverted) {
  for (const char* name :
       {"lora_unet_down_blocks_0_attn_to_q.lora_down.weight",
        "lora_te_text_model_encoder_layers_0_q_proj.alpha",
        "lora_te1_text_model_encoder_layers_0_q_proj.lora_up.weight",
        "lora_unet_down_blocks_0_attn_to_q.alpha", "model.layers.0.self_attn.q_proj.lora_down.weight",
        "unet.attn.processor.to_q_lora.down.weight"}) {
    EXPECT_THAT(error_of_name(name),
                AllOf(HasSubstr("tensor " + std::string(name) + " is named as other programs"),
                      HasSubstr("convert the adapter to PEFT's names")));
  }
}

TEST_F(PeftAdapter, OtherTensorsAreRefusedWithTheirCause) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"model.layers.0.self_attn.q_proj.lora_magnitude_vector", "is of DoRA"},
      {"model.layers.0.self_attn.q_proj.lora_B.bias", "is a trained bias"},
      {"lm_head.modules_to_save.weight", "trained whole"},
      {"model.layers.0.self_attn.q_proj.lora_down.weight", "named as other programs"},
      {"model.layers.0.self_attn.q_proj.ia3_l", "is no lora_A or lora_B"},
      {"model.layers.2.self_attn.q_proj.lora_A.weight",
       "the model does not have; the adapter is another model's"},
      {"lm_head.weight", "is no lora_A or lora_B"}};
  const auto all = tensors;
  for (const auto& [name, why] : cases) {
    add("base_model.model." + std::string(name), DType::kF16, {2, 4});
    EXPECT_THAT(error(), AllOf(HasSubstr(name), HasSubstr(why)));
    tensors = all;
  }
}

TEST_F(PeftAdapter, CopiesOfTheBaseMustEqualIt) {
  std::vector<float> head(12), norm = {1, 2};
  for (std::size_t i = 0; i < head.size(); ++i) head[i] = static_cast<float>(i) + 0.5f;
  WeightMap weights;
  const auto insert = [&](const char* name, std::vector<float>& values, std::vector<std::int64_t> shape) {
    weights.insert(name, {reinterpret_cast<const std::byte*>(values.data()), DType::kF32, std::move(shape)},
                   "m", {});
  };
  insert("model.embed_tokens.weight", head, {3, 4});
  insert("model.norm.weight", norm, {2});
  base.weights = &weights;
  base.tied = true;
  const char* names[] = {"base_model.model.lm_head.base_layer.weight", "base_model.model.lm_head.weight",
                         "base_model.model.model.embed_tokens.weight"};
  for (const char* name : names) add(name, DType::kF16, {3, 4});
  EXPECT_THAT(read().warnings, ::testing::IsEmpty());
  head[6] = 9;
  EXPECT_THAT(error(), AllOf(HasSubstr(names[0]), HasSubstr("a copy of the base model's lm_head.weight"),
                             HasSubstr("got 6.5 for 9 at [1, 2]")));
  head[6] = 6.5;
  base.tied = false;  // then there is no lm_head.weight to be a copy of
  EXPECT_THAT(error(), AllOf(HasSubstr(names[0]), HasSubstr("is no lora_A")));
  base.tied = true;
  add(names[1], DType::kF16, {4, 4});
  EXPECT_THAT(error(), AllOf(HasSubstr("[3, 4], got [4, 4]"), HasSubstr("vocabulary")));
}

TEST_F(PeftAdapter, MissingFilesAreNamed) {
  std::filesystem::remove(dir / "adapter_model.safetensors");
  EXPECT_THAT(error_of([&] { read_peft_adapter(dir.path(), base); }),
              HasSubstr("expected adapter_model.safetensors"));
  std::filesystem::remove(dir / "adapter_config.json");
  EXPECT_THAT(error_of([&] { read_peft_adapter(dir.path(), base); }),
              HasSubstr("got a directory without adapter_config.json; check the path"));
  EXPECT_THAT(error_of([&] { read_peft_adapter(dir / "none", base); }), HasSubstr("got nothing"));
}

}  // namespace
}  // namespace refocus
