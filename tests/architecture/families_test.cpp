// What families read from their configs; the numbers are the defaults of transformers 5.24.
#include "architecture/families.h"

#include <cmath>
#include <set>

#include "support.h"

namespace refocus {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view kFamilySizes =
    R"("vocab_size":100,"hidden_size":64,"intermediate_size":96,"num_hidden_layers":6,"num_attention_heads":8)";

ModelConfig family_config(std::string_view type, std::string_view more = "") {
  return parse_config(fmt::format(R"({{"model_type":"{}",{}{}}})", type, kFamilySizes, more), "c.json");
}
std::string family_error(std::string_view type, std::string_view more) {
  return testing::error_of([&] { family_config(type, more); });
}
std::vector<std::int64_t> windows(const ModelConfig& c) {
  std::vector<std::int64_t> out;
  for (std::int64_t l = 0; l < c.num_hidden_layers; ++l) out.push_back(c.layer(l).window);
  return out;
}
using Windows = std::vector<std::int64_t>;

TEST(Families, EachHasAModelTypeOfItsOwn) {
  std::set<std::string_view> types;
  for (const Family& family : families())
    EXPECT_TRUE(types.insert(family.model_type).second) << family.model_type;
  for (const char* must :
       {"llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "phi3", "olmo2", "olmo3",
        "smollm3", "granite", "gpt_neox", "gpt2", "qwen3_moe", "mixtral", "olmoe", "gpt_oss"}) {
    EXPECT_NE(find_family(must), nullptr) << must;
  }
  EXPECT_EQ(find_family("mamba"), nullptr);
}

// A file that has these numbers and nothing else.
struct OnlyCounts final : GgufSettings {
  std::map<std::string, std::int64_t> counts;
  explicit OnlyCounts(std::map<std::string, std::int64_t> all = {}) : counts(std::move(all)) {}
  bool has_tensor(std::string_view) const override { return false; }
  std::optional<std::int64_t> count(const std::string& key) const override {
    const auto it = counts.find(key);
    return it == counts.end() ? std::nullopt : std::optional(it->second);
  }
  std::optional<double> positive(const std::string&) const override { return std::nullopt; }
  std::optional<bool> flag(const std::string&) const override { return std::nullopt; }
  void refuse(const std::string& key, std::string_view, std::string_view) const override {
    throw InputError("metadata", key);
  }
};

TEST(Families, ThatShareAnArchitectureAreToldByWhatFilesHave) {
  EXPECT_EQ(find_gguf_family("gemma3", OnlyCounts())->model_type, "gemma3_text");
  EXPECT_EQ(find_gguf_family("llama", OnlyCounts())->model_type, "llama");
  EXPECT_EQ(find_gguf_family("llama", OnlyCounts({{"expert_count", 8}}))->model_type, "mixtral");
  EXPECT_EQ(find_gguf_family("olmo2", OnlyCounts())->model_type, "olmo2");
  EXPECT_EQ(find_gguf_family("olmo2", OnlyCounts({{"attention.sliding_window", 8}}))->model_type, "olmo3");
  EXPECT_EQ(find_gguf_family("qwen35", OnlyCounts()), nullptr);
  EXPECT_EQ(find_gguf_family("", OnlyCounts()), nullptr);
}

TEST(Families, MistralHasAWindowUnlessItIsNull) {
  EXPECT_EQ(windows(family_config("mistral")), Windows(6, 4096));
  EXPECT_EQ(windows(family_config("mistral", R"(,"sliding_window":7)")), Windows(6, 7));
  EXPECT_EQ(windows(family_config("mistral", R"(,"sliding_window":null)")), Windows(6, 0));
  EXPECT_EQ(family_config("mistral").num_key_value_heads, 8);
  EXPECT_EQ(family_config("mistral", R"(,"num_key_value_heads":null)").num_key_value_heads, 8);
}

TEST(Families, QwenHasAWindowOnlyWhereItIsAskedFor) {
  const std::string kv = R"(,"num_key_value_heads":8)";
  EXPECT_EQ(windows(family_config("qwen2", kv + R"(,"sliding_window":7)")), Windows(6, 0));
  EXPECT_EQ(windows(family_config(
                "qwen2", kv + R"(,"sliding_window":7,"use_sliding_window":true,"max_window_layers":4)")),
            (Windows{0, 0, 0, 0, 7, 7}));
  EXPECT_EQ(windows(family_config(
                "qwen3", kv + R"(,"sliding_window":7,"layer_types":["full_attention","full_attention",
      "sliding_attention","full_attention","full_attention","full_attention"],"use_sliding_window":true)")),
            (Windows{0, 0, 7, 0, 0, 0}));
  const ModelConfig qwen2 = family_config("qwen2", kv);
  EXPECT_EQ(qwen2.bias.qkv, true);
  EXPECT_EQ(qwen2.bias.o, false);
  EXPECT_EQ(family_config("qwen3", kv).head_dim, 128);
  EXPECT_EQ(family_config("qwen3", kv).qk_norm, QkNorm::kHead);
}

TEST(Families, GemmasScaleCapAndAlternate) {
  const ModelConfig one = family_config("gemma", R"(,"num_key_value_heads":8,"hidden_act":"gelu")");
  EXPECT_EQ(one.activation, Activation::kGeluTanh);
  EXPECT_TRUE(one.norm_plus_one);
  EXPECT_EQ(one.embedding_multiplier, 8.0f);
  EXPECT_TRUE(one.tie_word_embeddings);
  const ModelConfig two = family_config("gemma2");
  EXPECT_EQ(windows(two), (Windows{4096, 0, 4096, 0, 4096, 0}));
  EXPECT_EQ(two.attention_softcap, 50);
  EXPECT_EQ(two.final_softcap, 30);
  EXPECT_EQ(two.attention_scale, 1.0f / 16);
  EXPECT_EQ(family_config("gemma2", R"(,"attn_logit_softcapping":null)").attention_softcap, 0);
  const ModelConfig three = family_config(
      "gemma3_text", R"(,"sliding_window":512,"rope_theta":1000000.0,"rope_local_base_freq":10000.0,
      "rope_scaling":{"rope_type":"linear","factor":8.0})");
  EXPECT_EQ(windows(three), (Windows{512, 512, 512, 512, 512, 0}));
  EXPECT_EQ(three.rope.theta, 1e6);
  EXPECT_EQ(three.rope.scaling.kind, RopeScaling::Kind::kLinear);
  ASSERT_TRUE(three.local_rope);
  EXPECT_EQ(three.local_rope->theta, 1e4);
  EXPECT_EQ(three.local_rope->scaling.kind, RopeScaling::Kind::kNone);
  EXPECT_EQ(three.layer(0).rope, LayerConfig::Rope::kLocal);
  EXPECT_EQ(three.layer(5).rope, LayerConfig::Rope::kGlobal);
  EXPECT_EQ(windows(family_config("gemma3_text", R"(,"sliding_window_pattern":2)")),
            (Windows{4096, 0, 4096, 0, 4096, 0}));
}

TEST(Families, LayersWithoutRotaryEmbedding) {
  const ModelConfig smollm = family_config("smollm3");
  EXPECT_EQ(smollm.layer(2).rope, LayerConfig::Rope::kGlobal);
  EXPECT_EQ(smollm.layer(3).rope, LayerConfig::Rope::kNone);
  EXPECT_EQ(smollm.rope.theta, 2e6);
  const ModelConfig listed = family_config("smollm3", R"(,"no_rope_layers":[0,1,1,1,1,1])");
  EXPECT_EQ(listed.layer(0).rope, LayerConfig::Rope::kNone);
  EXPECT_EQ(listed.layer(3).rope, LayerConfig::Rope::kGlobal);
  EXPECT_THAT(family_error("smollm3", R"(,"no_rope_layers":[0,1])"),
              HasSubstr("expected 6 numbers (num_hidden_layers) for no_rope_layers"));
}

TEST(Families, PartsOfAHeadAreTurned) {
  EXPECT_EQ(family_config("gpt_neox", R"(,"rotary_pct":0.5)").rotary(), 4);
  EXPECT_EQ(family_config("gpt_neox").rotary(), 2);
  EXPECT_EQ(family_config("phi3").rotary(), 8);
  EXPECT_EQ(family_config("phi3", R"(,"partial_rotary_factor":0.75)").rotary(), 6);
  EXPECT_THAT(family_error("phi3", R"(,"partial_rotary_factor":0.4)"),
              HasSubstr("expected an even part of head_dim 8"));
}

TEST(Families, ExpertsAreReadUnderBothNames) {
  const ModelConfig mixtral = family_config("mixtral");
  EXPECT_EQ(mixtral.experts.count, 8);
  EXPECT_EQ(mixtral.experts.per_token, 2);
  EXPECT_TRUE(mixtral.experts.renormalise);
  const ModelConfig qwen =
      family_config("qwen3_moe", R"(,"num_experts":4,"num_experts_per_tok":2,"moe_intermediate_size":32,
      "decoder_sparse_step":2,"mlp_only_layers":[3])");
  EXPECT_EQ(qwen.experts.count, 4);
  EXPECT_EQ(qwen.experts.intermediate_size, 32);
  EXPECT_FALSE(qwen.experts.renormalise);
  std::vector<bool> layers;
  for (std::int64_t l = 0; l < 6; ++l) layers.push_back(qwen.layer(l).experts);
  EXPECT_EQ(layers, (std::vector<bool>{false, true, false, false, false, true}));
  EXPECT_THAT(family_error("mixtral", R"(,"num_local_experts":2,"num_experts_per_tok":3)"),
              HasSubstr("expected at most 2 experts a token"));
  EXPECT_THAT(family_error("mixtral", R"(,"num_local_experts":4,"num_experts":8)"),
              HasSubstr("expected 4 as num_local_experts says for num_experts, got 8"));
}

TEST(RopeSettings, TheInnermostThetaCountsAndADifferenceIsSaid) {
  const ModelConfig inner = family_config(
      "llama", R"(,"rope_theta":5.0,"rope_parameters":{"rope_type":"default","rope_theta":7.0})");
  EXPECT_EQ(inner.rope.theta, 7);
  EXPECT_THAT(inner.warnings,
              Contains(HasSubstr("rope_theta is 5 at the top and rope_theta is 7 in rope_parameters")));
  EXPECT_THAT(
      family_config("llama", R"(,"rope_theta":7.0,"rope_scaling":{"rope_type":"default","rope_theta":7.0})")
          .warnings,
      IsEmpty());
  EXPECT_EQ(family_config("llama", R"(,"rope_scaling":{"rope_type":"default","rope_theta":7.0})").rope.theta,
            7);
  const ModelConfig both = family_config("llama", R"(,"rope_scaling":{"rope_type":"linear","factor":4.0},
      "rope_parameters":{"rope_type":"linear","factor":2.0,"rope_theta":10000})");
  EXPECT_EQ(both.rope.scaling.factor, 4);
  EXPECT_THAT(both.warnings,
              Contains(HasSubstr("rope_scaling and rope_parameters differ; rope_scaling counts")));
  const ModelConfig names =
      family_config("llama", R"(,"rope_scaling":{"rope_type":"linear","type":"dynamic","factor":4.0})");
  EXPECT_EQ(names.rope.scaling.kind, RopeScaling::Kind::kLinear);
  EXPECT_THAT(names.warnings, Contains(HasSubstr("rope_type counts")));
}

TEST(RopeSettings, ContextIsTheOriginalTimesTheFactorOnce) {
  const auto context = [](std::string_view rope, std::string_view more = "") {
    return family_config("llama",
                         fmt::format(R"(,"max_position_embeddings":512,"rope_scaling":{}{})", rope, more))
        .context_length();
  };
  EXPECT_EQ(context(R"({"type":"linear","factor":4.0})"), 2048);
  EXPECT_EQ(context(R"({"type":"linear","factor":4.0,"original_max_position_embeddings":128})"), 512);
  EXPECT_EQ(context(R"({"type":"linear","factor":4.0})", R"(,"original_max_position_embeddings":128)"), 512);
  EXPECT_EQ(context(R"({"type":"dynamic","factor":4.0,"original_max_position_embeddings":128})"), 512);
  EXPECT_EQ(context(R"({"type":"yarn","factor":4.0,"original_max_position_embeddings":256})"), 1024);
  EXPECT_EQ(context(R"({"type":"yarn","factor":4.0})"), 2048);
  EXPECT_EQ(context(R"({"type":"llama3","factor":8.0,"low_freq_factor":1,"high_freq_factor":4,
                        "original_max_position_embeddings":128})"),
            512);
}

TEST(RopeSettings, YarnAndLongropeComputeTheirAttentionFactor) {
  const RopeScaling yarn =
      family_config(
          "llama",
          R"(,"rope_scaling":{"rope_type":"yarn","factor":4.0,"original_max_position_embeddings":64})")
          .rope.scaling;
  EXPECT_DOUBLE_EQ(yarn.attention_factor, 0.1 * std::log(4.0) + 1);
  EXPECT_EQ(yarn.beta_fast, 32);
  const RopeScaling given =
      family_config("llama",
                    R"(,"rope_scaling":{"rope_type":"yarn","factor":4.0,"mscale":0.7,"mscale_all_dim":1.0,
      "original_max_position_embeddings":64,"truncate":false})")
          .rope.scaling;
  EXPECT_DOUBLE_EQ(given.attention_factor, (0.07 * std::log(4.0) + 1) / (0.1 * std::log(4.0) + 1));
  EXPECT_FALSE(given.truncate);
  // Phi-3's first files say "su", and the original length at the top.
  const ModelConfig phi =
      family_config("phi3", R"(,"max_position_embeddings":4096,"original_max_position_embeddings":128,
      "rope_scaling":{"type":"su","short_factor":[1,1,1,1],"long_factor":[2,2,2,2]})");
  EXPECT_EQ(phi.rope.scaling.kind, RopeScaling::Kind::kLongrope);
  EXPECT_DOUBLE_EQ(phi.rope.scaling.attention_factor, std::sqrt(1 + std::log(32.0) / std::log(128.0)));
  EXPECT_EQ(phi.context_length(), 4096);
  EXPECT_THAT(
      family_error("phi3", R"(,"rope_scaling":{"type":"longrope","short_factor":[1],"long_factor":[2]})"),
      HasSubstr("expected 4 numbers (half of what is turned) for rope_scaling.short_factor"));
}

TEST(ModelConfig, SaysWhatHasNoEffectAndWhereSettingsAreFrom) {
  EXPECT_THAT(family_config("llama", R"(,"attn_logit_softcapping":5.0)").warnings,
              Contains("[c.json] attn_logit_softcapping is 5.0, but llama computes nothing with it: it is "
                       "without effect"));
  EXPECT_THAT(family_config("gemma2", R"(,"attn_logit_softcapping":5.0)").warnings, IsEmpty());
  EXPECT_THAT(family_config("llama", R"(,"partial_rotary_factor":0.5)").warnings,
              Contains(HasSubstr("llama turns whole heads")));
  const ModelConfig c = family_config("llama", R"(,"rope_theta":7.0)");
  const auto source = [&](std::string_view name) {
    for (const ConfigFact& fact : c.facts) {
      if (fact.name == name) return fact.value + ": " + fact.source;
    }
    return std::string();
  };
  EXPECT_EQ(source("rope_theta"), "7: the file");
  EXPECT_EQ(source("rms_norm_eps"), "1e-06: default of llama");
  EXPECT_EQ(source("hidden_size"), "64: the file");
}

}  // namespace
}  // namespace refocus
