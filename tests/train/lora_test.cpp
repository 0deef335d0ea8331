// Adapters in training: their gradients against PyTorch (tests/golden/train/make_goldens.py) and the fast
// products against their plain twins; where the frozen weights come from must not matter.
#include "train/lora.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <random>

#include "base/text_file.h"
#include "io/checkpoint.h"
#include "io/peft/peft_adapter.h"
#include "kernels/reference/gradients.h"
#include "train/golden_support.h"
#include "train/graph.h"

namespace refocus {
namespace {

using nlohmann::json;
using testing::error_of;
using ::testing::HasSubstr;

AlignedBuffer<float> floats(std::int64_t size) {
  return AlignedBuffer<float>(static_cast<std::size_t>(size));
}
std::vector<float> copy_of(const AlignedBuffer<float>& b) { return {b.data(), b.data() + b.size()}; }

// A golden model, its adapter's factors in training's places, and the first batch.
struct LoraGolden {
  std::filesystem::path path;
  ModelConfig config;
  std::shared_ptr<const WeightMap> base;
  json run, lora_run;
  LoraOptions options;
  LoraLayout layout;
  AlignedBuffer<float> factors, gradients;
  TrainingBatch batch;

  explicit LoraGolden(const std::string& name) : LoraGolden(testing::golden("train") / name, open(name)) {}

  // The summed loss and, added to `gradients`, that of the mean.
  double loss(ThreadPool& pool, std::int64_t most_resident = FrozenWeights::kMostResident) {
    std::fill_n(gradients.data(), gradients.size(), 0.0f);
    FrozenWeights frozen(config, base, path.string(), pool, most_resident);
    TrainingGraph graph(config, frozen, layout, pool, 64);
    return graph.loss_and_gradients(factors.data(), batch,
                                    static_cast<float>(1.0 / static_cast<double>(batch.counted())),
                                    gradients.data());
  }

 private:
  static Checkpoint open(const std::string& name) { return open_checkpoint(testing::golden("train") / name); }
  static LoraOptions options_of(const std::filesystem::path& path) {
    const json c = json::parse(read_text_file(path / "lora/adapter_config.json"));
    const double alpha = c["lora_alpha"], r = c["r"];
    return {c["r"], c["use_rslora"].get<bool>() ? alpha * std::sqrt(r) : alpha, c["target_modules"]};
  }
  LoraGolden(std::filesystem::path directory, Checkpoint checkpoint)
      : path(std::move(directory)),
        config(parse_config(checkpoint.config_json, "golden")),
        base(std::make_shared<const WeightMap>(std::move(checkpoint.weights))),
        run(json::parse(read_text_file(path / "run.json"))),
        lora_run(json::parse(read_text_file(path / "lora/run.json"))),
        options(options_of(path)),
        layout(config, options),
        factors(floats(layout.size())),
        gradients(floats(layout.size())) {
    WeightMap stored;
    read_safetensors(path / "lora/adapter_model.safetensors", stored);
    EXPECT_EQ(stored.entries().size(), layout.parameters().size());
    for (const Parameter& p : layout.parameters())
      copy_as_f32(stored.find(p.name)->view, factors.data() + p.offset);
    batch = testing::batch_of(run["batches"][0]);
  }
};

class Lora : public ::testing::TestWithParam<std::string> {};

TEST_P(Lora, GradientEqualsPyTorch) {
  LoraGolden g(GetParam());
  ThreadPool pool(2);
  EXPECT_NEAR(g.loss(pool) / static_cast<double>(g.batch.counted()), g.lora_run["loss"].get<double>(), 2e-6);
  testing::expect_gradients(g.layout, g.gradients.data(), g.path / "lora/gradients.safetensors", 2e-5);
}

TEST_P(Lora, BitsDependNeitherOnThreadsNorOnHowManyLayersStayExpanded) {
  LoraGolden g(GetParam());
  ThreadPool one(1), three(3);
  const double loss = g.loss(one);
  const std::vector<float> gradients = copy_of(g.gradients);
  EXPECT_EQ(g.loss(three), loss);
  EXPECT_EQ(copy_of(g.gradients), gradients);
  EXPECT_EQ(g.loss(three, 0), loss);
  EXPECT_EQ(copy_of(g.gradients), gradients);
}

TEST_P(Lora, BeginsAsTheBaseModel) {
  LoraGolden g(GetParam());
  ThreadPool pool(2);
  initialise_lora(g.layout, 3, g.factors.data());
  EXPECT_NEAR(g.loss(pool) / static_cast<double>(g.batch.counted()), g.run["loss"].get<double>(), 2e-6);
  float largest_b = 0;
  for (const Parameter& p : g.layout.parameters()) {
    const bool is_b = p.name.ends_with("lora_B.weight");
    double squares = 0;
    const float bound = is_b ? 0 : 1 / std::sqrt(static_cast<float>(p.shape[1]));
    for (std::int64_t i = p.offset; i < p.offset + p.size; ++i) {
      const float value = g.factors[static_cast<std::size_t>(i)];
      ASSERT_LE(std::fabs(value), bound) << p.name;
      squares += static_cast<double>(value) * value;
      if (is_b) largest_b = std::max(largest_b, std::fabs(g.gradients[static_cast<std::size_t>(i)]));
    }
    // A uniform number's variance is bound^2 / 3.
    const auto rank = static_cast<double>(p.shape[0]);
    if (!is_b) {
      EXPECT_NEAR(squares, rank / 3, rank / 6) << p.name;
    }
  }
  EXPECT_GT(largest_b, 0);  // it can leave its start
}

INSTANTIATE_TEST_SUITE_P(Models, Lora, ::testing::Values("gqa", "tied"),
                         [](const auto& info) { return info.param; });

// Whole blocks, tails, and a matrix in the middle of its group.
TEST(LoraProducts, AreTheirPlainTwins) {
  ModelConfig c;
  c.hidden_size = 70;
  c.intermediate_size = 90;
  c.num_hidden_layers = 1;
  c.num_attention_heads = 5, c.num_key_value_heads = 5, c.head_dim = 14;
  const LoraLayout layout(c, {9, 18, {"k_proj", "v_proj"}});
  ThreadPool pool(2);
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  const auto values = [&](std::int64_t n) {
    std::vector<float> out(static_cast<std::size_t>(n));
    for (float& v : out) v = normal(random);
    return out;
  };
  const std::int64_t rows = 37, in = 70, group = 210;
  const std::vector<float> factors = values(layout.size()), x = values(rows * in), dy = values(rows * group),
                           zero(static_cast<std::size_t>(in * in));
  std::vector<float> w(static_cast<std::size_t>(group * in)), gradients(factors.size());
  LoraProducts products(layout, pool);
  products.fold(0, LinearGroup::kQkv, factors.data(), w.data());
  products.backward({0, LinearGroup::kQkv, rows}, factors.data(), {x.data(), dy.data(), gradients.data()});
  std::vector<float> y(dy.size()), dx(x.size());
  reference::gemm<float>(rows, group, in, {x.data(), in}, {w.data(), 1, in}, {y.data(), group}, false);
  reference::gemm<float>(rows, in, group, {dy.data(), group}, {w.data(), in}, {dx.data(), in}, false);
  std::vector<double> dx_plain(dx.size());
  const LoraGroup& g = layout.group(0, LinearGroup::kQkv);
  ASSERT_EQ(g.members.size(), 2u);
  for (std::int64_t m = 0; m < 2; ++m) {
    const LoraGroup::Member& member = g.members[static_cast<std::size_t>(m)];
    EXPECT_EQ(member.first_output, 70 * (m + 1));
    const float *a = factors.data() + g.a + m * 9 * in, *b = factors.data() + member.b;
    const reference::LoraLinear<float> plain{rows, in, 70, 9, 2, zero.data(), a, b};
    std::vector<float> own_y(x.size()), own_dy(x.size()), own_dx(x.size()), da(9 * 70), db(70 * 9);
    for (std::int64_t r = 0; r < rows; ++r) {
      std::copy_n(dy.data() + r * group + member.first_output, 70, own_dy.data() + r * 70);
    }
    reference::lora_forward(plain, x.data(), own_y.data());
    reference::lora_backward(plain, x.data(), own_dy.data(), own_dx.data(), da.data(), db.data());
    for (std::int64_t i = 0; i < rows * 70; ++i) {
      ASSERT_NEAR(y[static_cast<std::size_t>(i / 70 * group + member.first_output + i % 70)],
                  own_y[static_cast<std::size_t>(i)], 1e-3);
      dx_plain[static_cast<std::size_t>(i)] += own_dx[static_cast<std::size_t>(i)];
    }
    for (std::size_t i = 0; i < da.size(); ++i) {
      ASSERT_NEAR(gradients[static_cast<std::size_t>(g.a + m * 9 * in) + i], da[i], 3e-3);
      ASSERT_NEAR(gradients[static_cast<std::size_t>(member.b) + i], db[i], 3e-3);
    }
  }
  for (std::size_t i = 0; i < dx.size(); ++i) ASSERT_NEAR(dx[i], dx_plain[i], 1e-3);
  for (std::int64_t r = 0; r < rows; ++r) {  // the query's columns are not touched
    for (std::int64_t i = 0; i < 70; ++i) ASSERT_EQ(y[static_cast<std::size_t>(r * group + i)], 0);
  }
}

TEST(LoraOptions, NamesAreCheckedAndRanksFit) {
  EXPECT_EQ(parse_lora_targets("all").size(), 7u);
  EXPECT_EQ(parse_lora_targets("v_proj,q_proj"), (std::vector<std::string>{"q_proj", "v_proj"}));
  EXPECT_THAT(error_of([] { parse_lora_targets("q_proj,qproj"); }),
              HasSubstr("up_proj, down_proj, separated"));
  EXPECT_THAT(error_of([] { parse_lora_targets(""); }), HasSubstr("got ''"));
  ModelConfig c;
  c.hidden_size = 32, c.intermediate_size = 48, c.num_hidden_layers = 1;
  c.num_attention_heads = 4, c.num_key_value_heads = 2, c.head_dim = 8;
  EXPECT_THAT(error_of([&] {
                LoraLayout(c, {17, 1, {"k_proj"}});
              }),
              HasSubstr("at most 16, since k_proj is [16, 32]"));
  EXPECT_EQ(LoraLayout(c, {17, 1, {"q_proj"}}).size(), 17 * 64);
}

}  // namespace
}  // namespace refocus
