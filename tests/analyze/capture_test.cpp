// Captured weights: those of the specification, whatever the calls, threads and batch, and without a trace in
// the results.
#include "intervene/capture.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>

#include "base/text_file.h"
#include "intervene/rebalance.h"
#include "io/npy.h"
#include "model/engine.h"

namespace refocus {
namespace {

using testing::Engine;
using testing::GoldenCase;

// Keeps everything: [layers, heads, queries, keys] of chosen ones.
struct Everything : CaptureSink {
  std::int64_t heads, queries, keys;
  std::vector<float> before, after;
  std::vector<std::vector<std::int32_t>> masks;  // [heads, queries]
  std::mutex mutex;
  std::int64_t rows = 0;

  Everything(const CaptureSelection& chosen, std::int64_t k)
      : heads(std::ssize(chosen.heads)), queries(std::ssize(chosen.queries)), keys(k) {
    before.resize(static_cast<std::size_t>(std::ssize(chosen.layers) * heads * queries * keys));
    after = before;
    masks.resize(static_cast<std::size_t>(heads * queries));
  }
  void take(const CapturedRow& row) override {
    const std::lock_guard lock(mutex);
    masks[static_cast<std::size_t>(row.head_place * queries + row.query_place)].assign(row.mask.begin(),
                                                                                       row.mask.end());
    if (row.layer_place < 0) return;
    ++rows;
    const std::int64_t at = ((row.layer_place * heads + row.head_place) * queries + row.query_place) * keys;
    std::copy_n(row.before, row.position + 1, before.begin() + at);
    std::copy_n(row.after, row.position + 1, after.begin() + at);
  }
};

CaptureSelection all_of(const ModelConfig& config, std::int64_t tokens) {
  CaptureSelection all;
  for (std::int64_t i = 0; i < config.num_hidden_layers; ++i) all.layers.push_back(i);
  for (std::int64_t i = 0; i < config.num_attention_heads; ++i) all.heads.push_back(i);
  for (std::int64_t i = 0; i < tokens; ++i) all.queries.push_back(i);
  return all;
}

struct Computation {
  std::vector<std::int32_t> tokens;
  std::string intervention;
  float threshold = 0.01f;
  std::vector<std::int64_t> calls;  // their lengths
};

// The logits of all tokens, with a capture at work where `kept` is given.
std::vector<float> run(Engine& engine, const Computation& what, const CaptureSelection& chosen,
                       Everything* kept) {
  const ModelConfig& config = engine.model->config();
  const Intervention intervention = engine.intervention(what.intervention);
  const auto count = std::ssize(what.tokens);
  std::vector<CaptureSink*> sinks;
  if (kept != nullptr) sinks.push_back(kept);
  Capture capture(intervention.hooks(),
                  {config.num_hidden_layers, config.num_attention_heads, engine.model->max_rows(), count,
                   engine.pool.size()},
                  chosen, what.threshold, sinks);
  KvSequence sequence(*engine.cache);
  EXPECT_TRUE(sequence.reserve(count));
  std::vector<float> logits;
  std::int64_t first = 0;
  for (const std::int64_t call : what.calls) {
    const SequenceInput input{
        &sequence,
        std::span(what.tokens).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(call)),
        first + call, kept != nullptr ? capture.hooks() : intervention.hooks(), LogitRows::kAll};
    const std::span<const float> out = engine.model->forward({&input, 1});
    logits.insert(logits.end(), out.begin(), out.end());
    first += call;
  }
  return logits;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST(Capture, EqualsTheSpecificationsAttention) {
  int compared = 0;
  for (const GoldenCase& golden : testing::load_golden_cases(testing::golden_engine())) {
    if (golden.attentions_file.empty()) continue;
    Engine engine(golden, 2);
    const auto count = std::ssize(golden.tokens);
    const CaptureSelection all = all_of(engine.model->config(), count);
    Everything kept(all, count);
    run(engine, {golden.tokens, golden.intervention, 0.01f, {count}}, all, &kept);
    const NpyArray expected = read_npy(testing::golden_engine() / golden.attentions_file);
    ASSERT_EQ(kept.after.size(), expected.f32().size());
    for (std::size_t i = 0; i < kept.after.size(); ++i)
      ASSERT_NEAR(kept.after[i], expected.f32()[i], 1e-5f) << i;
    ++compared;
  }
  EXPECT_GE(compared, 1);
}

TEST(Capture, ChangesNoBitOfAnyResult) {
  int compared = 0;
  for (const GoldenCase& golden : testing::load_golden_cases(testing::golden_engine())) {
    if (++compared % 5 != 0 && golden.attentions_file.empty()) continue;
    Engine engine(golden, 2);
    const CaptureSelection all = all_of(engine.model->config(), std::ssize(golden.tokens));
    Everything kept(all, std::ssize(golden.tokens));
    const Computation what{golden.tokens, golden.intervention, 0.01f, golden.calls};
    EXPECT_TRUE(same_bits(run(engine, what, all, &kept), run(engine, what, all, nullptr))) << golden.name;
    EXPECT_EQ(kept.rows * kept.keys, std::ssize(kept.after)) << "every row once";
  }
}

// What is handed on is the weight times 1 + alpha (1 - l / depth), below 0 where that is.
TEST(Capture, HandsOnNegativeWeights) {
  const Engine engine("gqa-f32", read_text_file(testing::golden_engine() / "gqa-f32/config.json"), 2, 128);
  struct Signs : CaptureSink {
    std::mutex mutex;
    std::vector<int> negative = std::vector<int>(4);
    void take(const CapturedRow& row) override {
      const std::lock_guard lock(mutex);
      bool any = false;
      for (std::int64_t j = 0; j <= row.position; ++j) {
        const bool in_mask = std::ranges::count(row.mask, j) > 0;
        const float factor =
            row.layer == 0 || !in_mask ? 1.0f : 1 - 6 * (1 - static_cast<float>(row.layer) / 3);
        EXPECT_NEAR(row.after[j], factor * row.before[j], 1e-6f);
        any |= row.after[j] < 0;
      }
      EXPECT_EQ(row.negative, any);
      negative[static_cast<std::size_t>(row.layer)] += any;
    }
  };
  const CaptureSelection all = all_of(engine.model->config(), 40);
  const Intervention intervention = engine.intervention("rebalance:alpha=-6");
  Signs signs;
  Capture capture(intervention.hooks(), {4, engine.model->config().num_attention_heads, 128, 40, 2}, all,
                  0.01f, {&signs});
  std::vector<std::int32_t> tokens;
  for (int i = 0; i < 40; ++i) tokens.push_back(1 + i * 37 % 53);
  KvSequence sequence(*engine.cache);
  ASSERT_TRUE(sequence.reserve(40));
  const SequenceInput input{&sequence, tokens, 40, capture.hooks(), LogitRows::kLast};
  engine.model->forward({&input, 1});
  EXPECT_EQ(signs.negative[0], 0);
  EXPECT_GT(signs.negative[1], 100) << "times -3";
  EXPECT_GT(signs.negative[2], 100) << "times -1";
  EXPECT_EQ(signs.negative[3], 0);
}

class CaptureRuns : public ::testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Engine> engine(int threads) const {
    const std::string model = GetParam();
    return std::make_unique<Engine>(model, read_text_file(testing::golden_engine() / model / "config.json"),
                                    threads, 128);
  }
  static Computation text() {
    Computation out{{}, "rebalance:alpha=0.7,threshold=0.02", 0.02f, {75}};
    for (int i = 0; i < 75; ++i) out.tokens.push_back(1 + i * 37 % 53);
    return out;
  }
};

TEST_P(CaptureRuns, DoNotDependOnThreadsOrCalls) {
  Computation what = text();
  const auto two = engine(2);
  const CaptureSelection all = all_of(two->model->config(), 75);
  Everything whole(all, 75);
  run(*two, what, all, &whole);
  EXPECT_NE(whole.before, whole.after) << "re-balancing shows";
  for (const std::vector<std::int64_t>& calls : {std::vector<std::int64_t>(75, 1),
                                                 {32, 32, 11},
                                                 {1, 7, 40, 1, 1, 25}}) {  // calls of one row are decoding
    what.calls = calls;
    for (const int threads : {1, 3}) {
      Everything kept(all, 75);
      run(*engine(threads), what, all, &kept);
      EXPECT_TRUE(same_bits(kept.before, whole.before));
      EXPECT_TRUE(same_bits(kept.after, whole.after));
      EXPECT_EQ(kept.masks, whole.masks);
    }
  }
}

TEST_P(CaptureRuns, BeforeSumsToOneAndAfterIsScaledOnTheMask) {
  const Computation what = text();
  const auto two = engine(2);
  const std::int64_t layers = two->model->config().num_hidden_layers;
  const CaptureSelection all = all_of(two->model->config(), 75);
  Everything kept(all, 75);
  run(*two, what, all, &kept);
  const RebalanceSpec spec = *parse_intervention(what.intervention).rebalance();
  for (std::int64_t l = 0; l < layers; ++l) {
    const double factor = l == 0 ? 1 : 1 + spec.excess(l, layers);
    for (std::int64_t row = 0; row < kept.heads * kept.queries; ++row) {
      const auto at = static_cast<std::size_t>((l * kept.heads * kept.queries + row) * kept.keys);
      const std::vector<std::int32_t>& mask = kept.masks[static_cast<std::size_t>(row)];
      double sum = 0;
      for (std::int32_t j = 0; j < kept.keys; ++j) {
        const auto i = at + static_cast<std::size_t>(j);
        const bool in_mask = std::binary_search(mask.begin(), mask.end(), j);
        sum += kept.before[i];
        ASSERT_NEAR(kept.after[i], kept.before[i] * (in_mask ? factor : 1), 1e-6);
        if (l == 0) {
          ASSERT_EQ(in_mask, kept.before[i] > what.threshold && j != row % kept.queries);
        }
      }
      ASSERT_NEAR(sum, 1, 1e-5);
    }
  }
}

TEST_P(CaptureRuns, HaveTheMaskOfTheIntervention) {
  const Computation what = text();
  const auto two = engine(2);
  const ModelConfig& config = two->model->config();
  const Intervention intervention(parse_intervention(what.intervention),
                                  {config.num_hidden_layers, config.num_attention_heads, 128});
  const CaptureSelection all = all_of(config, 75);
  Capture capture(intervention.hooks(), {config.num_hidden_layers, config.num_attention_heads, 128, 75, 2},
                  all, what.threshold, {});
  KvSequence sequence(*two->cache);
  ASSERT_TRUE(sequence.reserve(75));
  const SequenceInput input{&sequence, what.tokens, 75, capture.hooks(), LogitRows::kNone};
  two->model->forward({&input, 1});
  std::size_t entries = 0;
  for (std::int64_t row = 0; row < 75; ++row) {
    for (std::int64_t head = 0; head < config.num_attention_heads; ++head) {
      const std::span<const std::int32_t> mask = capture.mask(row, head);
      EXPECT_EQ(std::vector(mask.begin(), mask.end()), intervention.rebalance_mask(row, head));
      entries += mask.size();
    }
  }
  EXPECT_GT(entries, 100u);
}

TEST_P(CaptureRuns, KeepChosenLayersHeadsAndQueriesAsTheyAreAmongAll) {
  const Computation what = text();
  const auto two = engine(2);
  const std::int64_t heads = two->model->config().num_attention_heads;
  const CaptureSelection all = all_of(two->model->config(), 75);
  Everything whole(all, 75);
  run(*two, what, all, &whole);
  const CaptureSelection some{{1, 2}, {0, heads - 1}, {0, 31, 32, 74}};  // without layer 0
  Everything kept(some, 75);
  run(*two, what, some, &kept);
  EXPECT_EQ(kept.rows, 2 * 2 * 4);
  for (std::size_t l = 0; l < 2; ++l) {
    for (std::size_t h = 0; h < 2; ++h) {
      for (std::size_t q = 0; q < 4; ++q) {
        const std::size_t row = (l * 2 + h) * 4 + q;
        const std::int64_t from = (some.layers[l] * heads + some.heads[h]) * 75 + some.queries[q];
        EXPECT_TRUE(std::equal(kept.after.begin() + static_cast<std::ptrdiff_t>(row * 75),
                               kept.after.begin() + static_cast<std::ptrdiff_t>(row * 75 + 75),
                               whole.after.begin() + from * 75));
        EXPECT_EQ(kept.masks[h * 4 + q],
                  whole.masks[static_cast<std::size_t>(some.heads[h] * 75 + some.queries[q])]);
      }
    }
  }
}

// Captured beside other sequences, a sequence's rows are what they are alone.
TEST_P(CaptureRuns, DoNotDependOnTheBatch) {
  const Computation what = text();
  const auto two = engine(2);
  const ModelConfig& config = two->model->config();
  const CaptureSelection all = all_of(config, 75);
  Everything alone(all, 75), beside(all, 75);
  run(*two, what, all, &alone);
  const Intervention intervention = two->intervention(what.intervention);
  Capture capture(intervention.hooks(), {config.num_hidden_layers, config.num_attention_heads, 128, 75, 2},
                  all, what.threshold, {&beside});
  KvSequence first(*two->cache), second(*two->cache);
  ASSERT_TRUE(first.reserve(20) && second.reserve(75));
  const std::span<const std::int32_t> other = std::span(what.tokens).last(20);
  const SequenceInput inputs[] = {{&first, other, 20, nullptr, LogitRows::kNone},
                                  {&second, what.tokens, 75, capture.hooks(), LogitRows::kNone}};
  two->model->forward(inputs);
  EXPECT_TRUE(same_bits(alone.after, beside.after));
}

INSTANTIATE_TEST_SUITE_P(Models, CaptureRuns, ::testing::Values("mha-f32", "gqa-f16", "mqa-bf16"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace refocus
