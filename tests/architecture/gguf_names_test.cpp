#include "architecture/gguf_names.h"

#include "architecture/families.h"
#include "support.h"

namespace refocus {
namespace {

const TensorNames& names_of(const char* type) { return find_family(type)->names; }

void expect_pair(const char* type, std::string_view gguf, std::string_view hugging_face) {
  EXPECT_EQ(hugging_face_name(names_of(type), gguf), hugging_face);
  EXPECT_EQ(gguf_name(names_of(type), hugging_face), gguf);
}

TEST(GgufNames, EachFamilyHasItsOwnInHuggingFacesFiles) {
  expect_pair("gemma3_text", "blk.3.ffn_norm.weight", "model.layers.3.pre_feedforward_layernorm.weight");
  expect_pair("gemma3_text", "blk.3.post_attention_norm.weight",
              "model.layers.3.post_attention_layernorm.weight");
  expect_pair("llama", "blk.3.ffn_norm.weight", "model.layers.3.post_attention_layernorm.weight");
  expect_pair("phi3", "blk.0.ffn_up.weight", "model.layers.0.mlp.gate_up_proj.weight");
  expect_pair("gpt2", "blk.0.attn_qkv.bias", "transformer.h.0.attn.c_attn.bias");
  expect_pair("gpt2", "position_embd.weight", "transformer.wpe.weight");
  expect_pair("gpt_neox", "output.weight", "embed_out.weight");
  expect_pair("gpt_oss", "blk.1.attn_sinks.weight", "model.layers.1.self_attn.sinks");
  expect_pair("mixtral", "blk.1.ffn_gate_exps.weight", "model.layers.1.block_sparse_moe.experts.w1.weight");
  expect_pair("qwen2_moe", "blk.1.ffn_up_shexp.weight", "model.layers.1.mlp.shared_expert.up_proj.weight");
}

TEST(GgufNames, WhatAFamilyLacksHasNone) {
  EXPECT_EQ(hugging_face_name(names_of("llama"), "blk.0.attn_sinks.weight"), "");
  EXPECT_EQ(hugging_face_name(names_of("llama"), "blk.0.ffn_gate_inp.weight"), "");
  EXPECT_EQ(hugging_face_name(names_of("olmo2"), "blk.0.attn_norm.weight"), "");
  EXPECT_EQ(gguf_name(names_of("gpt2"), "transformer.h.0.attn.bias"), "");
}

}  // namespace
}  // namespace refocus
