#include "io/gguf/gguf_model.h"
#include "architecture/gguf_names.h"

#include <cstring>
#include <nlohmann/json.hpp>
#include <random>

#include "gguf_support.h"

namespace refocus {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using testing::f32_bytes;
using testing::gguf_array;
using testing::gguf_f32;
using testing::gguf_string;
using testing::gguf_u32;
using testing::GgufBytes;
using testing::GgufOnDisk;
using ::testing::HasSubstr;
using testing::little_endian;
using testing::small_gguf_model;

std::string error_of_model(const GgufBytes& file) {
  const GgufOnDisk on_disk(file);
  return error_of([&] { read_gguf(on_disk.path); });
}

// The small model with one key replaced, added, or, where `value` is empty, taken away.
GgufBytes with_key(const std::string& key, const std::string& value) {
  GgufBytes file = small_gguf_model();
  const std::string prefix = testing::gguf_text(key);
  std::erase_if(file.keys, [&](const std::string& bytes) { return bytes.starts_with(prefix); });
  if (!value.empty()) file.keys.push_back(value);
  return file;
}

nlohmann::json config_of(const GgufBytes& file) {
  const GgufOnDisk on_disk(file);
  return nlohmann::json::parse(read_gguf(on_disk.path).config_json);
}

TEST(GgufNames, BothWays) {
  const std::pair<const char*, const char*> pairs[] = {
      {"token_embd.weight", "model.embed_tokens.weight"},
      {"output_norm.weight", "model.norm.weight"},
      {"output.weight", "lm_head.weight"},
      {"blk.0.attn_norm.weight", "model.layers.0.input_layernorm.weight"},
      {"blk.11.attn_q.weight", "model.layers.11.self_attn.q_proj.weight"},
      {"blk.11.attn_k.bias", "model.layers.11.self_attn.k_proj.bias"},
      {"blk.1.attn_v.weight", "model.layers.1.self_attn.v_proj.weight"},
      {"blk.1.attn_output.weight", "model.layers.1.self_attn.o_proj.weight"},
      {"blk.1.ffn_norm.weight", "model.layers.1.post_attention_layernorm.weight"},
      {"blk.1.ffn_gate.weight", "model.layers.1.mlp.gate_proj.weight"},
      {"blk.1.ffn_up.weight", "model.layers.1.mlp.up_proj.weight"},
      {"blk.1.ffn_down.weight", "model.layers.1.mlp.down_proj.weight"},
      {"rope_freqs.weight", "model.rope_frequency_factors"}};
  for (const auto& [gguf, hugging_face] : pairs) {
    EXPECT_EQ(hugging_face_name(TensorNames(), gguf), hugging_face);
    EXPECT_EQ(gguf_name(TensorNames(), hugging_face), gguf);
  }
  for (const char* name : {"", "blk.", "blk.1", "blk..attn_q.weight", "blk.x.attn_q.weight", "blk.1.attn_q",
                           "blk.01.attn_q.weight", "output.scale", "model.embed_tokens.weight"}) {
    EXPECT_EQ(hugging_face_name(TensorNames(), name), "") << name;
  }
  EXPECT_EQ(gguf_name(TensorNames(), "model.layers.0.self_attn.rotary_emb.inv_freq"), "");
}

TEST(GgufModel, ConfigFromMetadata) {
  const nlohmann::json config = config_of(small_gguf_model());
  const nlohmann::json expected = {
      {"model_type", "llama"},        {"vocab_size", 5},         {"hidden_size", 8},
      {"intermediate_size", 6},       {"num_hidden_layers", 1},  {"num_attention_heads", 2},
      {"num_key_value_heads", 1},     {"head_dim", 4},           {"rms_norm_eps", 1e-5},
      {"rope_theta", 5000.0},         {"rope_scaling", nullptr}, {"tie_word_embeddings", false},
      {"max_position_embeddings", 64}};
  EXPECT_EQ(config, expected);
}

TEST(GgufModel, WhatTheConfigDependsOn) {
  EXPECT_EQ(config_of(with_key("llama.attention.head_count_kv", ""))["num_key_value_heads"], 2);
  EXPECT_EQ(config_of(with_key("llama.rope.freq_base", ""))["rope_theta"], 10000.0);
  const std::string uniform = little_endian<std::int32_t>(1) + little_endian<std::int32_t>(1);
  EXPECT_EQ(
      config_of(with_key("llama.attention.head_count_kv",
                         gguf_array("llama.attention.head_count_kv", 5, 2, uniform)))["num_key_value_heads"],
      1);
  GgufBytes tied = small_gguf_model();
  std::erase_if(tied.tensors, [](const auto& tensor) { return tensor.name == "output.weight"; });
  EXPECT_EQ(config_of(tied)["tie_word_embeddings"], true);
  GgufBytes linear = small_gguf_model();
  linear.keys.push_back(gguf_string("llama.rope.scaling.type", "linear"));
  linear.keys.push_back(gguf_f32("llama.rope.scaling.factor", 4));
  EXPECT_EQ(config_of(linear)["rope_scaling"], (nlohmann::json{{"type", "linear"}, {"factor", 4.0}}));
  GgufBytes old_linear = small_gguf_model();
  old_linear.keys.push_back(gguf_f32("llama.rope.scale_linear", 2));
  EXPECT_EQ(config_of(old_linear)["rope_scaling"], (nlohmann::json{{"type", "linear"}, {"factor", 2.0}}));
}

TEST(GgufModel, RefusesWhatTheEngineDoesNotCompute) {
  const auto error = [](const std::string& key, const std::string& value) {
    return error_of_model(with_key(key, value));
  };
  EXPECT_THAT(
      error("general.architecture", gguf_string("general.architecture", "mamba")),
      HasSubstr("cohere2, stablelm, starcoder2, nemotron, arcee, got mamba; use a model of one of these"));
  EXPECT_THAT(error("general.architecture", ""), HasSubstr("got none"));
  EXPECT_THAT(error("llama.expert_count", gguf_u32("llama.expert_count", 8)),
              HasSubstr("expected the metadata 'llama.expert_used_count', got none"));
  EXPECT_THAT(
      error("llama.rope.scaling.type", gguf_string("llama.rope.scaling.type", "dynamic")),
      HasSubstr(
          "expected none, linear, yarn or longrope as metadata 'llama.rope.scaling.type', got dynamic"));
  EXPECT_THAT(error("llama.rope.scaling.type", gguf_string("llama.rope.scaling.type", "yarn")),
              HasSubstr("expected a positive number as metadata 'llama.rope.scaling.factor', got none"));
  for (const char* key :
       {"attention.scale", "logit_scale", "embedding_scale", "residual_scale", "attn_logit_softcapping",
        "final_logit_softcapping", "attention.clamp_kqv", "attention.max_alibi_bias"}) {
    const std::string full = fmt::format("llama.{}", key);
    EXPECT_THAT(error(full, gguf_f32(full, 0.5f)),
                HasSubstr(fmt::format("expected none for llama as metadata '{}', got 0.5", full)));
  }
  EXPECT_THAT(error("llama.attention.sliding_window", gguf_u32("llama.attention.sliding_window", 8)),
              HasSubstr("expected none for llama as metadata 'llama.attention.sliding_window', got 8"));
  EXPECT_THAT(error("llama.rope.scaling.factor", gguf_f32("llama.rope.scaling.factor", 4)),
              HasSubstr("expected none without rope.scaling.type"));
  EXPECT_THAT(error("llama.rope.dimension_count", gguf_u32("llama.rope.dimension_count", 2)),
              HasSubstr("expected 4 as metadata 'llama.rope.dimension_count', got 2"));
  EXPECT_THAT(error("llama.attention.value_length", gguf_u32("llama.attention.value_length", 2)),
              HasSubstr("llama.attention.value_length"));
  const std::string mixed = little_endian<std::int32_t>(1) + little_endian<std::int32_t>(2);
  EXPECT_THAT(
      error("llama.attention.head_count_kv", gguf_array("llama.attention.head_count_kv", 5, 2, mixed)),
      HasSubstr("expected one size for all layers"));
  EXPECT_THAT(
      error("split.count", gguf_u32("split.count", 3)),
      HasSubstr("got part 1 of 3 under another name; give its parts the names NAME-00001-of-00003.gguf"));
  for (const char* key :
       {"llama.context_length", "llama.embedding_length", "llama.block_count", "llama.feed_forward_length",
        "llama.attention.head_count", "llama.attention.layer_norm_rms_epsilon"}) {
    EXPECT_THAT(error(key, ""), HasSubstr(key));
  }
  EXPECT_THAT(error("llama.block_count", gguf_u32("llama.block_count", 0)), HasSubstr("a positive integer"));
  EXPECT_THAT(error("llama.rope.freq_base", gguf_f32("llama.rope.freq_base", -1)),
              HasSubstr("positive number"));
  GgufBytes both = small_gguf_model();
  both.tensors.push_back({"rope_freqs.weight", {2}, 0, f32_bytes({1, 2})});
  both.keys.push_back(gguf_string("llama.rope.scaling.type", "linear"));
  both.keys.push_back(gguf_f32("llama.rope.scaling.factor", 4));
  EXPECT_THAT(error_of_model(both), HasSubstr("rope_freqs.weight"));
  GgufBytes broken = small_gguf_model();
  for (auto& tensor : broken.tensors) {
    if (tensor.name == "blk.0.attn_k.weight") tensor = {tensor.name, {8, 3}, 0, std::string(96, '\0')};
  }
  EXPECT_THAT(error_of_model(broken),
              HasSubstr("expected whole heads of 4 rows in tensor 'blk.0.attn_k.weight'"));
}

// Head 1 of the query projection: rows 4..7 in the file are pairs (0, 2) and (1, 3) of that head.
TEST(GgufModel, QueryAndKeyRowsAreReordered) {
  const GgufOnDisk on_disk(small_gguf_model());
  const Checkpoint checkpoint = open_checkpoint(on_disk.path);
  ASSERT_EQ(checkpoint.files.size(), 1u);
  EXPECT_EQ(checkpoint.files[0], used_file("gguf", on_disk.path));
  EXPECT_EQ(checkpoint.path, on_disk.path);
  const auto q = to_f32(checkpoint.weights.find("model.layers.0.self_attn.q_proj.weight")->view);
  const int source[] = {0, 2, 1, 3, 4, 6, 5, 7};
  for (int row = 0; row < 8; ++row) {
    EXPECT_EQ(q[static_cast<std::size_t>(8 * row + 3)], 4 + static_cast<float>(8 * source[row] + 3) / 64);
  }
  const auto bias = to_f32(checkpoint.weights.find("model.layers.0.self_attn.q_proj.bias")->view);
  for (int row = 0; row < 8; ++row)
    EXPECT_EQ(bias[static_cast<std::size_t>(row)], 5 + static_cast<float>(source[row]) / 64);
  const auto v = to_f32(checkpoint.weights.find("model.layers.0.self_attn.v_proj.weight")->view);
  for (std::size_t i = 0; i < v.size(); ++i) EXPECT_EQ(v[i], 7 + static_cast<float>(i) / 64);
}

TEST(GgufModel, RowsOfBlockTypesMoveWholeAndBack) {
  std::mt19937 random(1);
  for (const DType dtype : kDTypes) {
    std::string bytes(bytes_of(dtype, 16 * 256), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    const TensorView original{reinterpret_cast<const std::byte*>(bytes.data()), dtype, {16, 256}};
    TensorView view = original;
    const auto first = permute_rope_rows(view, 8, RopeRows::kToHuggingFace);
    EXPECT_NE(testing::bytes_of(view), bytes);
    const std::size_t row = bytes_of(dtype, 256);
    EXPECT_EQ(testing::bytes_of(view).substr(9 * row, row), bytes.substr(10 * row, row)) << name_of(dtype);
    TensorView in_place = original;  // the same without moving anything
    in_place.paired_head_dim = 8;
    const std::vector<float> moved = to_f32(view), ordered = to_f32(in_place);
    EXPECT_EQ(std::memcmp(moved.data(), ordered.data(), moved.size() * sizeof(float)), 0) << name_of(dtype);
    const auto second = permute_rope_rows(view, 8, RopeRows::kToGguf);
    EXPECT_EQ(testing::bytes_of(view), bytes) << name_of(dtype);
  }
}

TEST(GgufModel, VocabularyFromMetadata) {
  GgufBytes file = small_gguf_model();
  file.keys.push_back(gguf_string("tokenizer.ggml.model", "llama"));
  file.keys.push_back(gguf_string("tokenizer.ggml.pre", "default"));
  file.keys.push_back(
      gguf_array("tokenizer.ggml.tokens", 8, 2, testing::gguf_text("a") + testing::gguf_text("b")));
  file.keys.push_back(gguf_array("tokenizer.ggml.scores", 6, 2, f32_bytes({0, -1})));
  file.keys.push_back(gguf_array("tokenizer.ggml.token_type", 5, 2,
                                 little_endian<std::int32_t>(3) + little_endian<std::int32_t>(1)));
  file.keys.push_back(gguf_array("tokenizer.ggml.merges", 8, 1, testing::gguf_text("a b")));
  file.keys.push_back(gguf_u32("tokenizer.ggml.bos_token_id", 1));
  file.keys.push_back(gguf_u32("tokenizer.ggml.eos_token_id", 0xFFFFFFFF));
  file.keys.push_back(testing::gguf_key("tokenizer.ggml.add_bos_token", 7, std::string(1, '\0')));
  file.keys.push_back(gguf_string("tokenizer.chat_template", "{{x}}"));
  const GgufOnDisk on_disk(file);
  const Checkpoint checkpoint = read_gguf(on_disk.path);
  ASSERT_TRUE(checkpoint.vocabulary);
  const StoredVocabulary& v = *checkpoint.vocabulary;
  EXPECT_EQ(v.model, "llama");
  EXPECT_EQ(v.pre, "default");
  EXPECT_THAT(v.tokens, ElementsAre("a", "b"));
  EXPECT_THAT(v.scores, ElementsAre(0.0f, -1.0f));
  EXPECT_THAT(v.types, ElementsAre(3, 1));
  EXPECT_THAT(v.merges, ElementsAre("a b"));
  EXPECT_EQ(v.bos_id, 1);
  EXPECT_EQ(v.eos_id, std::nullopt);  // how some files write "none"
  EXPECT_EQ(v.add_bos, false);
  EXPECT_EQ(v.add_eos, std::nullopt);
  EXPECT_THAT(v.chat_templates, ::testing::ElementsAre(::testing::Pair("default", "{{x}}")));
  EXPECT_EQ(nlohmann::json::parse(checkpoint.config_json)["bos_token_id"], 1);
  const GgufOnDisk without(small_gguf_model());
  EXPECT_FALSE(read_gguf(without.path).vocabulary);
}

TEST(GgufModel, UnknownTensorsKeepTheirName) {
  GgufBytes file = small_gguf_model();
  file.tensors.push_back({"blk.0.ffn_gate_inp.weight", {2}, 0, f32_bytes({1, 2})});
  const GgufOnDisk on_disk(file);
  EXPECT_NE(read_gguf(on_disk.path).weights.find("blk.0.ffn_gate_inp.weight"), nullptr);
}

// Damage that keeps the structure sound may still make a nonsensical model: an error or a checkpoint.
TEST(GgufModel, DamagedModelsAreErrorsOrHarmless) {
  GgufBytes file = small_gguf_model();
  file.keys.push_back(gguf_string("tokenizer.ggml.model", "llama"));
  file.keys.push_back(gguf_array("tokenizer.ggml.tokens", 8, 1, testing::gguf_text("a")));
  const std::string sound = file.bytes();
  std::mt19937 random(2);
  int opened = 0;
  for (int round = 0; round < 500; ++round) {
    std::string bytes = sound;
    bytes[random() % 1200] = static_cast<char>(random());
    const GgufOnDisk on_disk(bytes);
    try {
      const Checkpoint checkpoint = read_gguf(on_disk.path);
      for (const auto& [name, entry] : checkpoint.weights.entries()) to_f32(entry.view);
      ++opened;
    } catch (const InputError&) {
    }
  }
  EXPECT_GT(opened, 25);
  EXPECT_LT(opened, 475);
}

}  // namespace
}  // namespace refocus
