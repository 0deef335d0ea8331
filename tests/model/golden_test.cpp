// The engine against the executable specification's numbers; see golden/engine/README.md.
#include <cmath>
#include <map>

#include "intervene/rebalance.h"
#include "io/npy.h"
#include "kernels/argmax.h"
#include "model/engine.h"

namespace refocus {
namespace {

using testing::Engine;
using testing::GoldenCase;

const NpyArray& golden_array(const std::string& file) {
  static std::map<std::string, NpyArray> arrays;
  const auto it = arrays.find(file);
  return it != arrays.end() ? it->second
                            : arrays.emplace(file, read_npy(testing::golden_engine() / file)).first->second;
}

class Golden : public ::testing::TestWithParam<GoldenCase> {};

TEST_P(Golden, LogitsEqualTheSpecification) {
  const GoldenCase& golden = GetParam();
  Engine engine(golden, 2);
  const Intervention intervention = engine.intervention(golden.intervention);
  KvSequence sequence(*engine.cache);
  std::vector<float> logits;
  std::span<const std::int32_t> tokens = golden.tokens;
  for (const std::int64_t call : golden.calls) {
    testing::run_call(engine, sequence, tokens.first(static_cast<std::size_t>(call)), intervention, 512,
                      logits);
    tokens = tokens.subspan(static_cast<std::size_t>(call));
  }
  const auto vocab = static_cast<std::size_t>(engine.model->config().vocab_size);
  ASSERT_EQ(logits.size(), golden.tokens.size() * vocab);
  const std::vector<float>& expected = golden_array(golden.logits_file).f32();
  const float tolerance = golden.weights == "F32" ? 1e-4f : 2e-3f;
  for (std::size_t r = 0; r < golden.rows.size(); ++r) {
    for (std::size_t t = 0; t < vocab; ++t) {
      const float want = expected[(static_cast<std::size_t>(golden.logits_offset) + r) * vocab + t];
      ASSERT_NEAR(logits[static_cast<std::size_t>(golden.rows[r]) * vocab + t], want, tolerance)
          << "row " << golden.rows[r] << " token " << t;
    }
  }
}

TEST_P(Golden, GreedyTokensEqualTheSpecification) {
  const GoldenCase& golden = GetParam();
  Engine engine(golden, 1);
  const Intervention intervention = engine.intervention(golden.intervention);
  KvSequence sequence(*engine.cache);
  std::vector<float> logits;
  std::vector<std::int32_t> next(golden.tokens);
  const std::int64_t vocab = engine.model->config().vocab_size;
  for (const std::int32_t expected : golden.greedy) {
    logits.clear();
    testing::run_call(engine, sequence, next, intervention, 512, logits);
    next = {static_cast<std::int32_t>(argmax(logits.data() + logits.size() - vocab, vocab))};
    ASSERT_EQ(next[0], expected);
  }
}

// Cases in which a mask is made: with re-balancing, alpha other than 0, and mode=mask.
class GoldenMask : public Golden {};

std::vector<GoldenCase> cases_with_mask() {
  std::vector<GoldenCase> cases = testing::load_golden_cases(testing::golden_engine());
  std::erase_if(cases, [](const GoldenCase& golden) {
    const InterventionSpec spec = parse_intervention(golden.intervention);
    const std::optional<RebalanceSpec> rebalance = spec.rebalance();
    return !rebalance || rebalance->alpha == 0 || rebalance->mode != RebalanceSpec::Mode::kMask;
  });
  return cases;
}

TEST_P(GoldenMask, HasTheSpecificationsSize) {
  if (testing::test_device()) GTEST_SKIP() << "a device keeps M as bits; see tests/device/rebalance_test.cpp";
  const GoldenCase& golden = GetParam();
  Engine engine(golden, 2);
  const ModelConfig& config = engine.model->config();
  const Intervention intervention = engine.intervention(golden.intervention);
  KvSequence sequence(*engine.cache);
  ASSERT_TRUE(sequence.reserve(static_cast<std::int64_t>(golden.tokens.size())));
  std::span<const std::int32_t> tokens = golden.tokens;
  for (const std::int64_t call : golden.calls) {
    const SequenceInput input{&sequence, tokens.first(static_cast<std::size_t>(call)),
                              sequence.length() + call, intervention.hooks(), LogitRows::kNone};
    engine.model->forward({&input, 1});
    tokens = tokens.subspan(static_cast<std::size_t>(call));
  }
  std::int64_t count = 0;
  for (std::int64_t row = 0; row < golden.calls.back(); ++row) {
    for (std::int64_t head = 0; head < config.num_attention_heads; ++head) {
      count += static_cast<std::int64_t>(intervention.rebalance_mask(row, head).size());
    }
  }
  ASSERT_TRUE(golden.mask_count.has_value());
  EXPECT_EQ(count, *golden.mask_count);
}

// Keeps the weights that come out of an intervention.
struct Tap {
  std::vector<float> weights;  // [heads, queries, keys]
  std::int64_t queries = 0;

  static void keep(void* observer, const SoftmaxRow&, const SoftmaxRow& after) {
    Tap& tap = *static_cast<Tap*>(observer);
    float* out = tap.weights.data() + (after.at.head * tap.queries + after.at.row) * tap.queries;
    for (std::size_t j = 0; j < after.weights.size(); ++j) out[j] = after.weights[j] / after.sum;
  }
};

TEST(GoldenAttention, WeightsSeenThroughTheHooksEqualTheSpecification) {
  int compared = 0;
  for (const GoldenCase& golden : testing::load_golden_cases(testing::golden_engine())) {
    if (golden.attentions_file.empty()) continue;
    Engine engine(golden, 2);
    const Intervention intervention = engine.intervention(golden.intervention);
    const auto count = static_cast<std::int64_t>(golden.tokens.size());
    std::vector<Tap> taps(static_cast<std::size_t>(engine.model->config().num_hidden_layers));
    std::vector<AttentionHooks> hooks;
    for (std::size_t l = 0; l < taps.size(); ++l) {
      taps[l].weights.resize(
          static_cast<std::size_t>(engine.model->config().num_attention_heads * count * count));
      taps[l].queries = count;
      hooks.push_back(intervention.hooks() != nullptr ? intervention.hooks()[l] : AttentionHooks{});
      hooks.back().observe = Tap::keep;
      hooks.back().observer = &taps[l];
    }
    KvSequence sequence(*engine.cache);
    ASSERT_TRUE(sequence.reserve(count));
    const SequenceInput input{&sequence, golden.tokens, count, hooks.data(), LogitRows::kNone};
    engine.model->forward({&input, 1});
    std::vector<float> all;
    for (const Tap& tap : taps) all.insert(all.end(), tap.weights.begin(), tap.weights.end());
    const std::vector<float>& expected = golden_array(golden.attentions_file).f32();
    ASSERT_EQ(all.size(), expected.size());
    for (std::size_t i = 0; i < all.size(); ++i) ASSERT_NEAR(all[i], expected[i], 1e-5f) << i;
    ++compared;
  }
  EXPECT_GE(compared, 1);
}

INSTANTIATE_TEST_SUITE_P(Cases, GoldenMask, ::testing::ValuesIn(cases_with_mask()),
                         [](const auto& info) { return info.param.name; });
INSTANTIATE_TEST_SUITE_P(Cases, Golden,
                         ::testing::ValuesIn(testing::load_golden_cases(testing::golden_engine())),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace refocus
