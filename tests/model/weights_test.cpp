#include "model/weights.h"

#include <cmath>
#include <limits>

#include "model/engine.h"

namespace refocus {
namespace {

using ::testing::HasSubstr;

// A golden checkpoint whose tensors can be replaced, left out or added.
struct Altered {
  Checkpoint checkpoint = open_checkpoint(testing::golden_engine() / "mha-f32");
  LlamaConfig config = parse_config(checkpoint.config_json, "config.json");
  std::map<std::string, WeightMap::Entry, std::less<>> entries{checkpoint.weights.entries()};
  std::vector<float> values;  // behind a replaced tensor

  void replace(const std::string& name, float value, std::int64_t at) {
    WeightMap::Entry& entry = entries.at(name);
    values = to_f32(entry.view);
    values[static_cast<std::size_t>(at)] = value;
    entry.view = {reinterpret_cast<const std::byte*>(values.data()), DType::kF32, entry.view.shape};
  }
  std::shared_ptr<WeightMap> map() const {
    auto out = std::make_shared<WeightMap>();
    for (const auto& [name, entry] : entries) out->insert(name, entry.view, entry.source, nullptr);
    return out;
  }
  std::string error() const {
    return testing::error_of([&] { bind_weights(config, *map(), "model"); });
  }
};

TEST(Weights, AMissingTensorIsNamed) {
  Altered altered;
  altered.entries.erase("model.layers.2.mlp.up_proj.weight");
  EXPECT_THAT(altered.error(), HasSubstr("[model] expected tensor model.layers.2.mlp.up_proj.weight ["));
}

TEST(Weights, AMissingHeadIsAnErrorUnlessTied) {
  Altered altered;
  altered.entries.erase("lm_head.weight");
  EXPECT_THAT(altered.error(), HasSubstr("lm_head.weight"));
  altered.config.tie_word_embeddings = true;
  const LlamaWeights tied = bind_weights(altered.config, *altered.map(), "model");
  EXPECT_EQ(tied.lm_head.data, tied.embed_tokens.data);
}

TEST(Weights, AShapeThatDoesNotFitTheConfigIsNamed) {
  Altered altered;
  altered.config.intermediate_size += 1;
  EXPECT_THAT(altered.error(), HasSubstr("as config.json says, got ["));
}

TEST(Weights, ATensorOfAnotherArchitectureIsRefused) {
  Altered altered;
  const WeightMap::Entry norm = altered.entries.at("model.norm.weight");
  altered.entries["model.layers.0.self_attn.rotary_emb.inv_freq"] = norm;
  EXPECT_NO_THROW(bind_weights(altered.config, *altered.map(), "model"));
  altered.entries["model.layers.0.self_attn.q_norm.weight"] = norm;
  EXPECT_THAT(altered.error(), HasSubstr("q_norm.weight is no part of a LLaMA model"));
}

TEST(Weights, NaNIsFoundAndNamed) {
  for (const char* name : {"model.layers.1.self_attn.k_proj.weight", "model.norm.weight",
                           "model.layers.3.mlp.down_proj.weight", "lm_head.weight"}) {
    for (const float bad : {std::nanf(""), -INFINITY}) {
      Altered altered;
      altered.replace(name, bad, 5);
      EXPECT_THAT(*find_non_finite(*altered.map()), HasSubstr(name));
      ThreadPool pool(1);
      Transformer model(altered.config, altered.map(), "model", pool, 16);
      KvPool cache(altered.config, kv_bytes(altered.config, 100));
      KvSequence sequence(cache);
      ASSERT_TRUE(sequence.reserve(9));
      const std::vector<std::int32_t> tokens = {1, 2, 3, 4, 5, 6, 7, 8, 9};
      const SequenceInput input{&sequence, tokens, 9, nullptr, LogitRows::kLast};
      EXPECT_THAT(testing::error_of([&] {
                    model.forward({&input, 1});
                  }),
                  HasSubstr(std::string("expected finite weights, got NaN or infinity in ") + name));
    }
  }
}

TEST(Weights, RopeFactorsAreOptionalPositiveAndInsteadOfScaling) {
  Altered altered;
  EXPECT_TRUE(bind_weights(altered.config, *altered.map(), "model").rope_factors.empty());
  std::vector<float> factors(static_cast<std::size_t>(altered.config.head_dim / 2), 2.0f);
  const auto add = [&](std::int64_t count) {
    altered.entries["model.rope_frequency_factors"] = {
        {reinterpret_cast<const std::byte*>(factors.data()), DType::kF32, {count}}, "m.gguf"};
  };
  add(altered.config.head_dim / 2);
  EXPECT_EQ(bind_weights(altered.config, *altered.map(), "model").rope_factors, factors);
  for (const float bad : {0.0f, -1.0f, std::numeric_limits<float>::infinity(), std::nanf("")}) {
    factors[1] = bad;
    EXPECT_THAT(altered.error(), HasSubstr("expected positive RoPE frequency factors"));
  }
  factors[1] = 2;
  altered.config.rope_scaling.kind = RopeScaling::Kind::kLinear;
  EXPECT_THAT(altered.error(), HasSubstr("expected RoPE frequency factors or rope_scaling, got both"));
  altered.config.rope_scaling.kind = RopeScaling::Kind::kNone;
  add(altered.config.head_dim / 2 - 1);
  EXPECT_THAT(altered.error(), HasSubstr("model.rope_frequency_factors of shape"));
}

}  // namespace
}  // namespace refocus
