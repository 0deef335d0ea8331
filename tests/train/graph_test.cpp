// The whole model's gradient and ten steps of training against PyTorch (tests/golden/train/make_goldens.py).
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text_file.h"
#include "io/checkpoint.h"
#include "train/golden_support.h"
#include "train/graph.h"
#include "train/optimizer.h"

namespace refocus {
namespace {

using nlohmann::json;

// One golden model with its weights and batches.
struct Golden {
  std::filesystem::path path;
  Checkpoint checkpoint;
  ModelConfig config;
  ParameterLayout layout;
  AlignedBuffer<float> weights, gradients;
  json run;
  std::vector<TrainingBatch> batches;

  explicit Golden(const std::string& name)
      : path(testing::golden("train") / name),
        checkpoint(open_checkpoint(path)),
        config(parse_config(checkpoint.config_json, name)),
        layout(config, has_tied_embeddings(config, checkpoint.weights)),
        weights(static_cast<std::size_t>(layout.size())),
        gradients(static_cast<std::size_t>(layout.size())),
        run(json::parse(read_text_file(path / "run.json"))) {
    load_weights(layout, config, checkpoint.weights, name, weights.data());
    for (const json& batch : run["batches"]) batches.push_back(testing::batch_of(batch));
  }

  // The mean loss of a batch; gradients as of that mean.
  double step(ThreadPool& pool, const TrainingBatch& batch) {
    std::fill_n(gradients.data(), gradients.size(), 0.0f);
    const auto counted = static_cast<double>(batch.counted());
    TrainingGraph graph(config, layout, pool, 64);
    return graph.loss_and_gradients(weights.data(), batch, static_cast<float>(1 / counted),
                                    gradients.data()) /
           counted;
  }
};

class Graph : public ::testing::TestWithParam<std::string> {};

TEST_P(Graph, GradientEqualsPyTorch) {
  Golden g(GetParam());
  ThreadPool pool(2);
  EXPECT_NEAR(g.step(pool, g.batches[0]), g.run["loss"].get<double>(), 2e-6);
  TrainingGraph graph(g.config, g.layout, pool, 64);
  EXPECT_NEAR(graph.loss(g.weights.data(), g.batches[0]) / static_cast<double>(g.batches[0].counted()),
              g.run["loss"].get<double>(), 2e-6);
  testing::expect_gradients(g.layout, g.gradients.data(), g.path / "gradients.safetensors", 1e-5);
}

TEST_P(Graph, TenStepsOfAdamWFollowPyTorch) {
  Golden g(GetParam());
  ThreadPool pool(2);
  const json& o = g.run["optimizer"];
  const OptimizerOptions options{o["steps"], o["warmup"], o["lr"],           o["min_lr"], o["beta1"],
                                 o["beta2"], o["eps"],    o["weight_decay"], o["clip"]};
  AdamW optimizer(g.layout, options, pool);
  for (std::int64_t step = 1; step <= options.steps; ++step) {
    const auto at = static_cast<std::size_t>(step - 1);
    const double loss = g.step(pool, g.batches[static_cast<std::size_t>(step) % g.batches.size()]);
    EXPECT_NEAR(loss, g.run["losses"][at].get<double>(), 1e-4) << step;
    const double norm = optimizer.gradient_norm(g.gradients.data());
    EXPECT_NEAR(norm, g.run["gradient_norms"][at].get<double>(), 5e-4 * norm) << step;
    optimizer.update(step, g.gradients.data(), norm, g.weights.data());
  }
  double squares = 0;
  for (std::size_t i = 0; i < g.weights.size(); ++i)
    squares += static_cast<double>(g.weights[i]) * g.weights[i];
  EXPECT_NEAR(squares, g.run["squares"].get<double>(), 1e-4 * squares);
}

TEST_P(Graph, BitsDoNotDependOnThreads) {
  Golden g(GetParam());
  ThreadPool one(1), three(3);
  const double loss = g.step(one, g.batches[0]);
  const std::vector<float> gradients(g.gradients.data(), g.gradients.data() + g.gradients.size());
  EXPECT_EQ(g.step(three, g.batches[0]), loss);
  EXPECT_EQ(std::vector<float>(g.gradients.data(), g.gradients.data() + g.gradients.size()), gradients);
}

TEST_P(Graph, AccumulatedBatchesAreOneBatch) {
  Golden g(GetParam());
  ThreadPool pool(1);
  TrainingGraph graph(g.config, g.layout, pool, 64);
  const auto scale = static_cast<float>(1.0 / static_cast<double>(g.batches[0].counted()));
  g.step(pool, g.batches[0]);
  const std::vector<float> whole(g.gradients.data(), g.gradients.data() + g.gradients.size());
  std::fill_n(g.gradients.data(), g.gradients.size(), 0.0f);
  for (const RowSpan& s : g.batches[0].sequences) {  // one sequence at a time
    const auto begin = s.first, end = s.first + s.count;
    TrainingBatch part;
    part.sequences = {{0, s.count}};
    part.tokens.assign(g.batches[0].tokens.begin() + begin, g.batches[0].tokens.begin() + end);
    part.targets.assign(g.batches[0].targets.begin() + begin, g.batches[0].targets.begin() + end);
    graph.loss_and_gradients(g.weights.data(), part, scale, g.gradients.data());
  }
  for (std::size_t i = 0; i < whole.size(); ++i)
    ASSERT_NEAR(g.gradients[i], whole[i], 1e-6 * (1 + std::fabs(whole[i])));
}

INSTANTIATE_TEST_SUITE_P(Models, Graph, ::testing::Values("gqa", "tied"),
                         [](const auto& info) { return info.param; });

TEST(LearningRate, RisesThenFalls) {
  const OptimizerOptions o{.steps = 110, .warmup = 10, .learning_rate = 1, .min_learning_rate = 0.1};
  EXPECT_DOUBLE_EQ(learning_rate_at(o, 1), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate_at(o, 10), 1);
  EXPECT_DOUBLE_EQ(learning_rate_at(o, 60), 0.55);
  EXPECT_NEAR(learning_rate_at(o, 110), 0.1, 1e-12);
}

}  // namespace
}  // namespace refocus
