// Layers with a sliding window in a cache that keeps no more than their windows: the bits of one call, from
// which nothing is left behind, and no more memory than was said.
#include <nlohmann/json.hpp>

#include "base/text_file.h"
#include "model/engine.h"
#include "model/test_device.h"

namespace refocus {
namespace {

using testing::Engine;

constexpr const char* kWindowedFamilies[] = {"mistral", "ministral", "qwen2_window", "gemma2", "gemma3",
                                             "phi3",    "olmo3",     "gpt_oss",      "cohere2"};
constexpr std::int64_t kTextLength = 200;

Engine open_windowed(const std::string& family, std::int64_t window, std::int64_t max_rows,
                     DType kv_type = DType::kF32) {
  const std::filesystem::path directory = testing::golden("families") / family;
  nlohmann::json config = nlohmann::json::parse(read_text_file(directory / "config.json"));
  config["sliding_window"] = window;
  config["max_position_embeddings"] = 512;
  return {directory.string(), config.dump(), 1, max_rows, kv_type};
}

std::vector<std::int32_t> windowed_text() {
  std::vector<std::int32_t> out(kTextLength);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::int32_t>((i * 31 + i * i * 7) % 48);
  return out;
}

// What attention shows to an observer of one layer, by row and head.
struct SeenRows {
  std::int64_t first_row = 0, heads = 0;  // of the call
  std::vector<std::vector<float>> weights = {};
  std::vector<std::size_t> rewritten = {};
};

void see_row(void* observer, const SoftmaxRow& row, const SoftmaxRow& after) {
  SeenRows& seen = *static_cast<SeenRows*>(observer);
  const auto at = static_cast<std::size_t>((seen.first_row + row.at.row) * seen.heads + row.at.head);
  seen.weights[at].assign(row.weights.begin(), row.weights.end());
  seen.weights[at].push_back(row.sum);
  seen.rewritten[at] = 0;
  for (std::size_t j = 0; j < row.weights.size(); ++j) {
    seen.rewritten[at] += row.weights[j] != after.weights[j] ? 1 : 0;
  }
}

struct SeenText {
  std::vector<float> logits;
  std::vector<SeenRows> layers;
  std::int64_t peak_bytes = 0, most_parts = 0;
};

// In calls of at most `chunk` rows, in a pool that has room for these and nothing more.
SeenText run_windowed(Engine& engine, const std::string& spec, std::int64_t chunk) {
  const ModelConfig& config = engine.model->config();
  const std::vector<std::int32_t> text = windowed_text();
  const DType type = engine.model->kv_type();
  KvPool pool(config, kv_bytes(config, kTextLength, type, chunk), type, testing::test_device().get());
  KvSequence sequence(pool);
  EXPECT_TRUE(sequence.reserve(kTextLength, chunk));
  const Intervention intervention = engine.intervention(spec);
  std::vector<AttentionHooks> hooks(static_cast<std::size_t>(config.num_hidden_layers));
  if (intervention.hooks() != nullptr) std::copy_n(intervention.hooks(), hooks.size(), hooks.begin());
  SeenText out;
  for (std::int64_t l = 0; l < config.num_hidden_layers; ++l) {
    out.layers.push_back({0, config.num_attention_heads});
    out.layers.back().weights.resize(static_cast<std::size_t>(kTextLength * config.num_attention_heads));
    out.layers.back().rewritten.resize(out.layers.back().weights.size());
  }
  for (std::size_t l = 0; l < hooks.size(); ++l) {
    hooks[l].observe = see_row;
    hooks[l].observer = &out.layers[l];
  }
  for (std::int64_t first = 0; first < kTextLength; first += chunk) {
    for (SeenRows& layer : out.layers) layer.first_row = first;
    const std::int64_t rows = std::min(chunk, kTextLength - first);
    const auto now = std::span(text).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(rows));
    const SequenceInput input{&sequence, now, kTextLength, hooks.data(), LogitRows::kAll};
    const std::span<const float> logits = engine.model->forward({&input, 1});
    out.logits.insert(out.logits.end(), logits.begin(), logits.end());
    out.most_parts = std::max(out.most_parts, pool.used_parts(pool.layout().groups() - 1));
  }
  out.peak_bytes = pool.peak_bytes();
  return out;
}

class WindowedCache : public ::testing::TestWithParam<const char*> {};

TEST_P(WindowedCache, ChunksChangeNoBitAndNoWeightThatIsSeen) {
  for (const std::int64_t window : {6, 45}) {
    Engine engine = open_windowed(GetParam(), window, 512);
    ASSERT_TRUE(KvLayout(engine.model->config(), DType::kF32).has_window());
    for (const char* spec : {"none", "rebalance:alpha=0.5,threshold=0.03"}) {
      const SeenText whole = run_windowed(engine, spec, kTextLength);
      EXPECT_EQ(whole.most_parts, blocks_for(kTextLength));
      for (const std::int64_t chunk : {1, 7, 64}) {
        const SeenText seen = run_windowed(engine, spec, chunk);
        EXPECT_EQ(seen.logits, whole.logits) << spec << ", window " << window << ", chunks of " << chunk;
        for (std::size_t l = 0; l < seen.layers.size(); ++l) {
          EXPECT_EQ(seen.layers[l].weights, whole.layers[l].weights) << spec << " layer " << l;
          EXPECT_EQ(seen.layers[l].rewritten, whole.layers[l].rewritten) << spec << " layer " << l;
        }
        EXPECT_LE(seen.most_parts, (window - 1 + chunk + kKeyBlock - 2) / kKeyBlock + 1);
        EXPECT_LT(seen.peak_bytes, whole.peak_bytes);
      }
    }
  }
}

TEST_P(WindowedCache, AHalfPrecisionCacheKeepsItsBitsToo) {
  Engine engine = open_windowed(GetParam(), 20, 512, DType::kF16);
  const SeenText whole = run_windowed(engine, "none", kTextLength);
  for (const std::int64_t chunk : {1, 7, 64})
    EXPECT_EQ(run_windowed(engine, "none", chunk).logits, whole.logits);
}

INSTANTIATE_TEST_SUITE_P(Families, WindowedCache, ::testing::ValuesIn(kWindowedFamilies),
                         [](const auto& info) { return std::string(info.param); });

// A pool of a model whose windows are shorter gives up what this one's rows still see.
TEST(WindowedCacheDeathTest, KeysThatAreGivenUpTooEarlyAreNotComputedWith) {
  const auto run_with_pool_of = [](std::int64_t pool_window) {
    Engine engine = open_windowed("gemma3", 40, 512), other = open_windowed("gemma3", pool_window, 512);
    KvPool pool = kv_pool_of(*other.model, kv_bytes(other.model->config(), kTextLength));
    KvSequence sequence(pool);
    const std::vector<std::int32_t> text = windowed_text();
    for (std::size_t first = 0; first < text.size(); first += 10) {
      const auto end = static_cast<std::int64_t>(first) + 10;
      ASSERT_TRUE(sequence.reserve(end));
      const SequenceInput input{&sequence, std::span(text).subspan(first, 10), end, nullptr,
                                LogitRows::kLast};
      engine.model->forward({&input, 1});
    }
  };
  run_with_pool_of(40);
  run_with_pool_of(60);
  if (testing::test_device() && !testing::test_device()->facts().runtime.empty()) {
    GTEST_SKIP() << "a GPU's device does not go through a fork";
  }
  EXPECT_DEATH(run_with_pool_of(30), "first_key");
}

}  // namespace
}  // namespace refocus
