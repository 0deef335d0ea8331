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
  ModelConfig config = parse_config(checkpoint.config_json, "config.json");
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
  EXPECT_THAT(altered.error(), HasSubstr("got none; the weights are incomplete, download them again"));
  altered.entries.clear();
  EXPECT_THAT(altered.error(), HasSubstr("got no tensors at all"));
}

TEST(Weights, AnotherCountOfLayersIsNoIncompleteDownload) {
  Altered altered;
  const std::int64_t layers = altered.config.num_hidden_layers;
  altered.config.num_hidden_layers = layers + 2;
  EXPECT_THAT(altered.error(), HasSubstr(fmt::format("model.layers.{}.input_layernorm.weight", layers)));
  EXPECT_THAT(altered.error(),
              HasSubstr(fmt::format("since config.json says more layers, got {} layers; weights and settings",
                                    layers)));
  altered.config.num_hidden_layers = layers - 1;
  EXPECT_THAT(altered.error(), HasSubstr(fmt::format("expected {} layers as config.json says, got tensor "
                                                     "model.layers.{}.",
                                                     layers - 1, layers - 1)));
}

TEST(Weights, AFileWithItsOwnSettingsIsNotBlamedOnAConfigFile) {
  Altered altered;
  for (auto& [name, entry] : altered.entries) entry.source = "model";
  altered.config.intermediate_size += 1;
  EXPECT_THAT(altered.error(), HasSubstr("as its metadata says, got ["));
}

TEST(Weights, AMissingHeadIsAnErrorUnlessTied) {
  Altered altered;
  altered.entries.erase("lm_head.weight");
  EXPECT_THAT(
      altered.error(),
      HasSubstr(
          "[model] expected tensor lm_head.weight [101, 48], or tie_word_embeddings true in config.json, got "
          "neither; download the model with its output matrix"));
  altered.config.tie_word_embeddings = true;
  const ModelWeights tied = bind_weights(altered.config, *altered.map(), "model");
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
  EXPECT_THAT(altered.error(),
              HasSubstr("got model.layers.0.self_attn.q_norm.weight too, which would be left out"));
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

// What a forward pass over nine tokens says, with keys and values cached in this type.
std::string forward_error(const Altered& altered, DType kv_type) {
  ThreadPool pool(2);
  Transformer model(altered.config, altered.map(), "model", pool, 16, kv_type);
  KvPool cache(altered.config, kv_bytes(altered.config, 100, kv_type), kv_type);
  KvSequence sequence(cache);
  EXPECT_TRUE(sequence.reserve(9));
  const std::vector<std::int32_t> tokens = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  const SequenceInput input{&sequence, tokens, 9, nullptr, LogitRows::kNone};
  try {
    model.forward({&input, 1});
  } catch (const InputError& e) {
    return e.what();
  }
  return "";
}

TEST(Weights, KeysAndValuesBeyondAHalfPrecisionCacheAreNamedByLayer) {
  for (const auto& [matrix, what] : {std::pair{"k_proj", "keys"}, std::pair{"v_proj", "values"}}) {
    Altered altered;
    altered.replace(fmt::format("model.layers.2.self_attn.{}.weight", matrix), 1e8f, 5);
    const std::string error = forward_error(altered, DType::kF16);
    EXPECT_THAT(error, HasSubstr(fmt::format(
                           "[model] expected {} of up to 65504, the most that a cache of F16 holds, "
                           "got ",
                           what)));
    EXPECT_THAT(error, HasSubstr("in layer 2; use --kv-type f32"));
    EXPECT_EQ(forward_error(altered, DType::kF32), "");
  }
  EXPECT_EQ(forward_error(Altered(), DType::kF16), "");
}

TEST(Weights, AnOverflowNamesTheInterventionOnlyWhereThereIsOne) {
  Altered altered;
  std::vector<float> norm(static_cast<std::size_t>(altered.config.hidden_size), 3e38f);
  altered.entries.at("model.norm.weight").view.data = reinterpret_cast<const std::byte*>(norm.data());
  ThreadPool pool(1);
  Transformer model(altered.config, altered.map(), "model", pool, 16);
  const std::vector<std::int32_t> tokens = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  const auto error = [&](const char* spec) {
    const Intervention intervention(parse_intervention(spec), shape_of(model));
    KvPool cache(altered.config, kv_bytes(altered.config, 100));
    KvSequence sequence(cache);
    EXPECT_TRUE(sequence.reserve(9));
    const SequenceInput input{&sequence, tokens, 9, intervention.hooks(), LogitRows::kLast};
    return testing::error_of([&] { model.forward({&input, 1}); });
  };
  EXPECT_THAT(error("none"), HasSubstr("overflow float32; check config.json against the weights"));
  EXPECT_THAT(error("rebalance"),
              HasSubstr("overflow float32; check --intervene's factors, config.json against"));
}

TEST(Weights, NaNIsNotBlamedOnAHalfPrecisionCache) {
  Altered altered;
  altered.replace("model.layers.2.self_attn.k_proj.weight", std::nanf(""), 5);
  EXPECT_EQ(forward_error(altered, DType::kF16), "");  // the logits, which are not wanted here, would tell
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
  altered.config.rope.scaling.kind = RopeScaling::Kind::kLinear;
  EXPECT_THAT(altered.error(), HasSubstr("expected RoPE frequency factors or rope_scaling, got both"));
  altered.config.rope.scaling.kind = RopeScaling::Kind::kNone;
  add(altered.config.head_dim / 2 - 1);
  EXPECT_THAT(altered.error(), HasSubstr("model.rope_frequency_factors of shape"));
}

}  // namespace
}  // namespace refocus
