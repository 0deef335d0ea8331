// Every family that is trained: losses, gradients and steps of all weights and of adapters against PyTorch
// (tests/golden/train/make_family_goldens.py), and the loss against the engine's logits.
#include <algorithm>
#include <cstring>
#include <set>

#include "base/text_file.h"
#include "io/checkpoint.h"
#include "io/peft/peft_adapter.h"
#include "kernels/cross_entropy.h"
#include "model/transformer.h"
#include "train/golden_support.h"
#include "train/graph.h"
#include "train/optimizer.h"
#include "train/trained_families.h"

namespace refocus {
namespace {

using nlohmann::json;
using testing::error_of;
using ::testing::HasSubstr;

constexpr std::int64_t kContext = 64;

std::filesystem::path families() { return testing::golden("train") / "families"; }

AlignedBuffer<float> buffer_of(std::int64_t size) {
  return AlignedBuffer<float>(static_cast<std::size_t>(size));
}

// A golden model, and its two batches.
struct FamilyModel {
  std::filesystem::path path;
  ModelConfig config;
  std::shared_ptr<const WeightMap> map;
  std::vector<TrainingBatch> batches;

  explicit FamilyModel(const std::string& name)
      : FamilyModel(families() / name, open_checkpoint(families() / name)) {}

  json run(const char* file = "run.json") const { return json::parse(read_text_file(path / file)); }
  // The mean loss of the first batch by the engine's logits.
  double engine_loss(ThreadPool& pool) const {
    Transformer model(config, map, path.string(), pool, kContext, DType::kF32, Activations::kF32);
    double sum = 0;
    for (const RowSpan& s : batches[0].sequences) {
      KvPool cache(config, kv_bytes(config, kContext) * 2);
      KvSequence sequence(cache);
      EXPECT_TRUE(sequence.reserve(s.count));
      const auto tokens = std::span(batches[0].tokens)
                              .subspan(static_cast<std::size_t>(s.first), static_cast<std::size_t>(s.count));
      const SequenceInput input{&sequence, tokens, s.count, nullptr, LogitRows::kAll};
      const std::span<const float> logits = model.forward({&input, 1});
      for (std::int64_t i = 0; i < s.count; ++i) {
        const std::int32_t target = batches[0].targets[static_cast<std::size_t>(s.first + i)];
        if (target >= 0)
          sum += cross_entropy(logits.data() + i * config.vocab_size, config.vocab_size, target, 0, nullptr);
      }
    }
    return sum / static_cast<double>(batches[0].counted());
  }

 private:
  FamilyModel(std::filesystem::path directory, Checkpoint checkpoint)
      : path(std::move(directory)),
        config(parse_config(checkpoint.config_json, "golden")),
        map(std::make_shared<const WeightMap>(std::move(checkpoint.weights))) {
    for (const json& batch : json::parse(read_text_file(families() / "batches.json")))
      batches.push_back(testing::batch_of(batch));
  }
};

// All weights of one in training.
struct TrainedModel : FamilyModel {
  ParameterLayout layout;
  AlignedBuffer<float> weights, gradients;

  explicit TrainedModel(const std::string& name)
      : FamilyModel(name),
        layout(config, has_tied_embeddings(config, *map)),
        weights(buffer_of(layout.size())),
        gradients(buffer_of(layout.size())) {
    EXPECT_EQ(load_weights(layout, config, *map, name, weights.data()), std::vector<std::string>());
  }
  // The mean loss; gradients of it.
  double step(ThreadPool& pool, const TrainingBatch& batch) {
    std::fill_n(gradients.data(), gradients.size(), 0.0f);
    const auto counted = static_cast<double>(batch.counted());
    TrainingGraph graph(config, layout, pool, kContext);
    return graph.loss_and_gradients(weights.data(), batch, static_cast<float>(1 / counted),
                                    gradients.data()) /
           counted;
  }
  std::vector<float> copied() const { return {gradients.data(), gradients.data() + gradients.size()}; }
};

// An adapter beside one.
struct AdaptedModel : FamilyModel {
  LoraLayout layout;
  AlignedBuffer<float> factors, gradients;

  explicit AdaptedModel(const std::string& name)
      : FamilyModel(name),
        layout(config, options()),
        factors(buffer_of(layout.size())),
        gradients(buffer_of(layout.size())) {
    WeightMap stored;
    read_safetensors(path / "lora/adapter_model.safetensors", stored);
    EXPECT_EQ(stored.entries().size(), layout.parameters().size());
    for (const Parameter& p : layout.parameters()) {
      const WeightMap::Entry* entry = stored.find(p.name);
      EXPECT_NE(entry, nullptr) << p.name;
      if (entry != nullptr) copy_as_f32(entry->view, factors.data() + p.offset);
    }
  }
  double step(ThreadPool& pool, std::int64_t most_resident = FrozenWeights::kMostResident) {
    std::fill_n(gradients.data(), gradients.size(), 0.0f);
    const auto counted = static_cast<double>(batches[0].counted());
    FrozenWeights frozen(config, map, path.string(), pool, most_resident);
    TrainingGraph graph(config, frozen, layout, pool, kContext);
    return graph.loss_and_gradients(factors.data(), batches[0], static_cast<float>(1 / counted),
                                    gradients.data()) /
           counted;
  }
  std::vector<float> copied() const { return {gradients.data(), gradients.data() + gradients.size()}; }

 private:
  LoraOptions options() const {
    const json c = json::parse(read_text_file(path / "lora/adapter_config.json"));
    return {c["r"], c["lora_alpha"], c["target_modules"]};
  }
};

class TrainedFamilyTest : public ::testing::TestWithParam<std::string> {
 protected:
  ThreadPool pool{2};
};

TEST_P(TrainedFamilyTest, LossAndGradientsEqualPyTorch) {
  TrainedModel m(GetParam());
  const double expected = m.run()["loss"];
  EXPECT_NEAR(m.step(pool, m.batches[0]), expected, 2e-6 * expected);
  testing::expect_gradients(m.layout, m.gradients.data(), m.path / "gradients.safetensors", 1e-5);
  TrainingGraph graph(m.config, m.layout, pool, kContext);
  EXPECT_NEAR(graph.loss(m.weights.data(), m.batches[0]) / static_cast<double>(m.batches[0].counted()),
              expected, 2e-6 * expected);
}

TEST_P(TrainedFamilyTest, StepsOfAdamWFollowPyTorch) {
  TrainedModel m(GetParam());
  const json run = m.run(), &o = run["optimizer"];
  const OptimizerOptions options{o["steps"], o["warmup"], o["lr"],           o["min_lr"], o["beta1"],
                                 o["beta2"], o["eps"],    o["weight_decay"], o["clip"]};
  AdamW optimizer(m.layout, options, pool);
  for (std::int64_t step = 1; step <= options.steps; ++step) {
    const auto at = static_cast<std::size_t>(step - 1);
    const double loss = m.step(pool, m.batches[static_cast<std::size_t>(step) % m.batches.size()]);
    EXPECT_NEAR(loss, run["losses"][at].get<double>(), 1e-4) << step;
    const double norm = optimizer.gradient_norm(m.gradients.data());
    EXPECT_NEAR(norm, run["gradient_norms"][at].get<double>(), 5e-4 * norm) << step;
    optimizer.update(step, m.gradients.data(), norm, m.weights.data());
  }
  double squares = 0;
  for (std::size_t i = 0; i < m.weights.size(); ++i)
    squares += static_cast<double>(m.weights[i]) * m.weights[i];
  EXPECT_NEAR(squares, run["squares"].get<double>(), 1e-5 * squares);
}

TEST_P(TrainedFamilyTest, LossIsThatOfTheEnginesLogits) {
  TrainedModel m(GetParam());
  const double expected = m.engine_loss(pool);
  EXPECT_NEAR(m.step(pool, m.batches[0]), expected, 2e-6 * expected);
}

TEST_P(TrainedFamilyTest, BitsDependNeitherOnThreadsNorOnNeighbours) {
  TrainedModel m(GetParam());
  ThreadPool one(1), three(3);
  const double loss = m.step(one, m.batches[0]);
  const std::vector<float> gradients = m.copied();
  EXPECT_EQ(m.step(three, m.batches[0]), loss);
  EXPECT_EQ(m.copied(), gradients);
  TrainingGraph graph(m.config, m.layout, pool, kContext);
  const double whole = graph.loss(m.weights.data(), m.batches[0]);
  double parts = 0;
  for (const RowSpan& s : m.batches[0].sequences) {
    const auto begin = s.first, end = s.first + s.count;
    TrainingBatch part;
    part.sequences = {{0, s.count}};
    part.tokens.assign(m.batches[0].tokens.begin() + begin, m.batches[0].tokens.begin() + end);
    part.targets.assign(m.batches[0].targets.begin() + begin, m.batches[0].targets.begin() + end);
    parts += graph.loss(m.weights.data(), part);
  }
  EXPECT_NEAR(parts, whole, 1e-12 * whole);  // the same numbers, in sums of doubles
}

TEST_P(TrainedFamilyTest, GradientsOfAdaptersEqualPyTorch) {
  AdaptedModel m(GetParam());
  const double expected = m.run("lora/run.json")["loss"];
  EXPECT_NEAR(m.step(pool), expected, 2e-6 * expected);
  testing::expect_gradients(m.layout, m.gradients.data(), m.path / "lora/gradients.safetensors", 2e-5);
  const std::vector<float> gradients = m.copied();
  m.step(pool, 0);  // one layer expanded at a time
  EXPECT_EQ(m.copied(), gradients);
}

// What is written is read back under the same names, with the same numbers.
TEST_P(TrainedFamilyTest, WrittenWeightsAreTheModelsOwn) {
  TrainedModel m(GetParam());
  const testing::TempDir dir;
  write_safetensors(dir / "model.safetensors", named_tensors(m.layout, m.weights.data()), {{"format", "pt"}});
  WeightMap written;
  read_safetensors(dir / "model.safetensors", written);
  EXPECT_EQ(written.entries().size(), m.map->entries().size());
  for (const auto& [name, entry] : m.map->entries()) {
    ASSERT_NE(written.find(name), nullptr) << name;
    EXPECT_EQ(to_f32(written.find(name)->view), to_f32(entry.view)) << name;
  }
}

std::vector<std::string> golden_names() {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(families())) {
    if (entry.is_directory()) out.push_back(entry.path().filename().string());
  }
  std::ranges::sort(out);
  return out;
}

INSTANTIATE_TEST_SUITE_P(Models, TrainedFamilyTest, ::testing::ValuesIn(golden_names()),
                         [](const auto& info) { return info.param; });

// A model whose file has float64 trains as one that has the same numbers in float16.
TEST(TrainedFamilies, WeightsInFloat64AreRead) {
  TrainedModel m("gemma3");
  std::vector<std::vector<double>> values;
  WeightMap doubles;
  for (const auto& [name, entry] : m.map->entries()) {
    const std::vector<float> stored = to_f32(entry.view);
    values.emplace_back(stored.begin(), stored.end());
    const TensorView view{reinterpret_cast<const std::byte*>(values.back().data()), DType::kF64,
                          entry.view.shape};
    doubles.insert(name, view, entry.source, nullptr);
  }
  std::vector<float> weights(m.weights.size());
  load_weights(m.layout, m.config, doubles, "doubles", weights.data());
  EXPECT_EQ(std::memcmp(weights.data(), m.weights.data(), weights.size() * sizeof(float)), 0);
  AdaptedModel adapted("gemma3");
  ThreadPool pool(1);
  const double loss = adapted.step(pool);
  const std::vector<float> gradients = adapted.copied();
  adapted.map = std::make_shared<const WeightMap>(std::move(doubles));
  EXPECT_EQ(adapted.step(pool), loss);
  EXPECT_EQ(adapted.copied(), gradients);
}

TEST(TrainedFamilies, ABiasThatTheFileLacksCountsAsZero) {
  TrainedModel m("qwen2");
  WeightMap fewer;
  const std::string missing = "model.layers.1.self_attn.k_proj.bias";
  for (const auto& [name, entry] : m.map->entries()) {
    if (name != missing) fewer.insert(name, entry.view, entry.source, nullptr);
  }
  std::vector<float> weights(m.weights.size(), 7);
  const std::vector<std::string> warnings = load_weights(m.layout, m.config, fewer, "fewer", weights.data());
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_THAT(warnings[0], HasSubstr(missing));
  for (const Parameter& p : m.layout.parameters()) {
    const bool zero = p.name == missing;
    for (std::int64_t i = p.offset; i < p.offset + p.size; ++i)
      ASSERT_EQ(weights[static_cast<std::size_t>(i)], zero ? 0 : m.weights[static_cast<std::size_t>(i)])
          << p.name;
  }
}

TEST(TrainedFamilies, NewWeightsBeginWhereTheFamilyHasThem) {
  for (const char* name : {"llama_bias", "gemma3", "qwen3"}) {
    const TrainedModel m(name);
    std::vector<float> weights(m.weights.size(), 7);
    initialise_weights(m.layout, {1, 0.02, 0}, weights.data());
    const float norm = m.config.norm_plus_one ? 0 : 1;
    for (const Parameter& p : m.layout.parameters()) {
      const std::span<const float> values(weights.data() + p.offset, static_cast<std::size_t>(p.size));
      if (p.is_matrix()) {
        EXPECT_GT(*std::ranges::max_element(values), 0.02f) << p.name;
      } else {
        const float start = p.kind == Parameter::Kind::kNorm ? norm : 0;
        EXPECT_THAT(std::vector<float>(values.begin(), values.end()), ::testing::Each(start)) << p.name;
      }
    }
  }
}

// Every family of the engine either trains, and then there are goldens of it, or is refused by a feature.
TEST(TrainedFamilies, AllOthersAreRefusedByTheFeature) {
  std::set<std::string> trained, refused;
  for (const auto& entry : std::filesystem::directory_iterator(testing::golden("families"))) {
    const auto file = entry.path() / "config.json";
    if (!std::filesystem::exists(file)) continue;
    const ModelConfig config = parse_config(read_text_file(file), "config.json");
    if (find_trained_family(config.model_type) != nullptr) {
      expect_trained(config, "config.json");
      trained.insert(config.model_type);
      continue;
    }
    EXPECT_THAT(error_of([&] { expect_trained(config, "config.json"); }),
                ::testing::AllOf(HasSubstr("llama, mistral, ministral, qwen2"),
                                 HasSubstr("got " + config.model_type + " with ")));
    refused.insert(config.model_type);
  }
  EXPECT_EQ(trained.size(), trained_families().size());
  EXPECT_GT(refused.size(), 15u);
  std::set<std::string> golden;
  for (const std::string& name : golden_names()) golden.insert(FamilyModel(name).config.model_type);
  EXPECT_EQ(golden, trained);
}

TEST(TrainedFamilies, FeaturesWithoutAGradientAreNamed) {
  const ModelConfig plain = FamilyModel("qwen3").config;
  expect_trained(plain, "here");
  const auto refused = [&](const auto& change) {
    ModelConfig c = plain;
    change(c);
    return error_of([&] { expect_trained(c, "here"); });
  };
  EXPECT_THAT(refused([](ModelConfig& c) { c.norm = NormKind::kLayer; }), HasSubstr("qwen3 with LayerNorm"));
  EXPECT_THAT(refused([](ModelConfig& c) { c.placement = Placement::kParallel; }),
              HasSubstr("parallel branches"));
  EXPECT_THAT(refused([](ModelConfig& c) { c.experts.count = 2; }), HasSubstr("experts"));
  EXPECT_THAT(refused([](ModelConfig& c) { c.rotary_dim = 2; }), HasSubstr("partial rotary"));
  EXPECT_THAT(refused([](ModelConfig& c) { c.attention_sinks = true; }), HasSubstr("sinks"));
  EXPECT_THAT(refused([](ModelConfig& c) { c.qk_norm_after_rope = true; }),
              HasSubstr("after their rotation"));
  EXPECT_THAT(refused([](ModelConfig& c) { c.clip_qkv = 1; }), HasSubstr("clipped"));
  EXPECT_THAT(refused([](ModelConfig& c) { c.bias.head = true; }), HasSubstr("bias of the output matrix"));
  EXPECT_THAT(refused([](ModelConfig& c) { c.activation = Activation::kGelu; }), HasSubstr("activation"));
}

}  // namespace
}  // namespace refocus
