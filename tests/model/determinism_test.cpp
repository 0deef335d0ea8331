// Results are bitwise the same for any number of threads, company in the batch, and cutting into chunks.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "model/engine.h"

namespace refocus {
namespace {

using testing::Engine;

constexpr const char* kModels[] = {"mha-f32", "gqa-f16", "mqa-bf16"};
constexpr const char* kInterventions[] = {"none", "rebalance:alpha=0.5,threshold=0.01", "rebalance:mode=self",
                                          "rebalance:mode=random,seed=2,alpha=0.5"};

std::vector<std::int32_t> tokens_of(std::size_t count, unsigned seed) {
  std::vector<std::int32_t> out(count);
  for (std::size_t i = 0; i < count; ++i)
    out[i] = static_cast<std::int32_t>((i * 37 + seed * 11 + i * i * seed) % 67);
  return out;
}

std::string config_of(const char* model) {
  testing::GoldenCase golden;
  golden.model_dir = model;
  golden.config_overrides = "{}";
  return testing::golden_config(testing::golden_engine(), golden);
}

std::vector<float> alone(Engine& engine, const std::vector<std::int32_t>& tokens, const char* spec,
                         std::int64_t chunk) {
  std::vector<float> logits;
  KvSequence sequence(*engine.cache);
  testing::run_call(engine, sequence, tokens, engine.intervention(spec), chunk, logits);
  return logits;
}

TEST(Determinism, ThreadsAndChunksChangeNothing) {
  for (const char* model : kModels) {
    Engine one(model, config_of(model), 1, 512), two(model, config_of(model), 2, 512);
    for (const char* spec : kInterventions) {
      const std::vector<std::int32_t> tokens = tokens_of(130, 3);
      const std::vector<float> whole = alone(one, tokens, spec, 512);
      for (const std::int64_t chunk : {1, 2, 7, 31, 32, 33, 64, 129, 512}) {
        EXPECT_EQ(alone(two, tokens, spec, chunk), whole) << model << " " << spec << " chunks of " << chunk;
      }
    }
  }
}

// On a device, too, which could take them for masks.
TEST(Determinism, RandomMasksAreOthersForEachSeed) {
  Engine engine(kModels[0], config_of(kModels[0]), 2, 512);
  std::vector<std::vector<float>> seen;
  for (const char* mode : {"mask", "random,seed=0", "random,seed=1"}) {
    seen.push_back(
        alone(engine, tokens_of(90, 3), (std::string("rebalance:alpha=0.9,mode=") + mode).c_str(), 512));
    EXPECT_EQ(std::ranges::count(seen, seen.back()), 1) << mode;
  }
}

TEST(Determinism, ThreadsAndChunksChangeNothingWithOperandsInBf16) {
  if (testing::test_device()) GTEST_SKIP() << "devices have no bf16";
  for (const char* model : kModels) {
    Engine one(model, config_of(model), 1, 512, DType::kF32, Activations::kBf16),
        two(model, config_of(model), 2, 512, DType::kF32, Activations::kBf16);
    for (const char* spec : kInterventions) {
      const std::vector<std::int32_t> tokens = tokens_of(130, 3);
      const std::vector<float> whole = alone(one, tokens, spec, 512);
      for (const std::int64_t chunk : {1, 2, 15, 16, 17, 33, 64, 129, 512}) {
        EXPECT_EQ(alone(two, tokens, spec, chunk), whole) << model << " " << spec << " chunks of " << chunk;
      }
    }
  }
}

// F16 rounds to 1 in 2048; Q8_0 to 1 in 254 of the largest of 32.
class RoundedCache : public ::testing::TestWithParam<std::pair<DType, float>> {};

TEST_P(RoundedCache, IsCloseAndAsIndependentOfHowWorkIsSplit) {
  const auto [type, most] = GetParam();
  if (type == DType::kQ8_0 && testing::test_device() != nullptr) GTEST_SKIP() << "devices keep F32 or F16";
  for (const char* model : kModels) {
    Engine exact(model, config_of(model), 2, 512), one(model, config_of(model), 1, 512, type),
        two(model, config_of(model), 2, 512, type);
    for (const char* spec : kInterventions) {
      const std::vector<std::int32_t> tokens = tokens_of(130, 4);
      const std::vector<float> whole = alone(one, tokens, spec, 512),
                               expected = alone(exact, tokens, spec, 512);
      for (const std::int64_t chunk : {1, 33, 512}) {
        EXPECT_EQ(alone(two, tokens, spec, chunk), whole) << model << " " << spec << " chunks of " << chunk;
      }
      // Rounding may carry a weight across the mask's threshold, so only the plain model is bound to be
      // close.
      if (std::string_view(spec) != "none") continue;
      float largest = 0, difference = 0;
      for (std::size_t i = 0; i < whole.size(); ++i) {
        largest = std::max(largest, std::abs(expected[i]));
        difference = std::max(difference, std::abs(whole[i] - expected[i]));
      }
      EXPECT_GT(difference, 0) << model;
      EXPECT_LT(difference, most * largest) << model << " " << spec;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, RoundedCache,
                         ::testing::Values(std::pair{DType::kF16, 4e-3f}, std::pair{DType::kQ8_0, 5e-2f}),
                         [](const auto& info) { return std::string(name_of(info.param.first)); });

TEST(Determinism, CompanyInTheBatchChangesNothing) {
  for (const char* model : kModels) {
    Engine engine(model, config_of(model), 2, 512);
    for (const std::size_t batch : {std::size_t{3}, std::size_t{16}}) {
      // Sequences of different lengths and interventions, each in its own place: some prefill, some decode.
      std::vector<std::vector<std::int32_t>> tokens;
      std::vector<KvSequence> sequences;
      std::vector<Intervention> interventions;
      std::vector<SequenceInput> inputs;
      std::vector<float> ignored;
      for (std::size_t s = 0; s < batch; ++s) {
        tokens.push_back(tokens_of(3 + 11 * s % 90, static_cast<unsigned>(s)));
        interventions.push_back(engine.intervention(kInterventions[s % 3]));
        sequences.emplace_back(*engine.cache);
      }
      for (std::size_t s = 0; s < batch; ++s) {
        const std::size_t first = s % 2 == 0 ? tokens[s].size() - 1 : 0;  // even ones decode their last token
        if (first > 0)
          testing::run_call(engine, sequences[s], std::span(tokens[s]).first(first), interventions[s], 512,
                            ignored);
        const auto end = static_cast<std::int64_t>(tokens[s].size());
        ASSERT_TRUE(sequences[s].reserve(end));
        inputs.push_back({&sequences[s], std::span(tokens[s]).subspan(first), end, interventions[s].hooks(),
                          LogitRows::kLast});
      }
      const std::span<const float> together_view = engine.model->forward(inputs);
      const std::vector<float> together(together_view.begin(), together_view.end());
      const auto vocab = static_cast<std::size_t>(engine.model->config().vocab_size);
      for (std::size_t s = 0; s < batch; ++s) {
        const std::vector<float> single = alone(engine, tokens[s], kInterventions[s % 3], 512);
        EXPECT_EQ(std::memcmp(&together[s * vocab], &single[single.size() - vocab], vocab * sizeof(float)), 0)
            << model << " batch " << batch << " sequence " << s;
      }
    }
  }
}

// What the last layer makes of rows whose logits nobody wants is left out.
TEST(Determinism, LogitsAreTheSameWhicheverAreWanted) {
  for (const char* model : kModels) {
    Engine engine(model, config_of(model), 2, 512);
    const auto vocab = static_cast<std::size_t>(engine.model->config().vocab_size);
    // The last one acts in the last layer too, by what its rows were in the first.
    for (const char* spec : {kInterventions[0], kInterventions[1], kInterventions[2],
                             "rebalance:alpha=0.5,threshold=0.01,depth=40"}) {
      std::vector<std::vector<std::int32_t>> tokens;
      std::vector<KvSequence> caches;
      std::vector<Intervention> interventions;
      for (unsigned s = 0; s < 4; ++s) {
        interventions.push_back(engine.intervention(spec));
        tokens.push_back(tokens_of(40 + 9 * s, s));
        caches.emplace_back(*engine.cache);
        ASSERT_TRUE(caches.back().reserve(80));
      }
      const auto input = [&](std::size_t s, std::size_t first, std::size_t end, LogitRows wanted) {
        return SequenceInput{&caches[s], std::span(tokens[s]).subspan(first, end - first),
                             static_cast<std::int64_t>(tokens[s].size()), interventions[s].hooks(), wanted};
      };
      const auto rows_of = [&](std::size_t s, std::size_t first, std::size_t end) {
        const std::vector<float> whole = alone(engine, tokens[s], spec, 512);
        return std::vector<float>(whole.begin() + static_cast<std::ptrdiff_t>(first * vocab),
                                  whole.begin() + static_cast<std::ptrdiff_t>(end * vocab));
      };
      // Of the first nothing is wanted, nor of the beginnings of the next two.
      const SequenceInput beginnings[] = {input(0, 0, 40, LogitRows::kNone),
                                          input(1, 0, 31, LogitRows::kNone),
                                          input(2, 0, 7, LogitRows::kNone)};
      EXPECT_TRUE(engine.model->forward(beginnings).empty());
      SequenceInput rest[] = {input(1, 31, 49, LogitRows::kLast), input(2, 7, 58, LogitRows::kAll),
                              input(3, 0, 67, LogitRows::kLast)};
      rest[2].last_rows = 9;
      const std::span<const float> view = engine.model->forward(rest);
      const std::vector<float> got(view.begin(), view.end());
      std::vector<float> expected = rows_of(1, 48, 49);
      for (const auto& more : {rows_of(2, 7, 58), rows_of(3, 58, 67)}) {
        expected.insert(expected.end(), more.begin(), more.end());
      }
      EXPECT_EQ(got, expected) << model << " " << spec;
      EXPECT_EQ(caches[0].length(), 40);
      SequenceInput end = input(0, 40, 40, LogitRows::kLast);
      end.tokens = std::span(tokens[0]).last(2);
      end.rope_length = 42;
      end.last_rows = 5;
      EXPECT_EQ(std::ssize(engine.model->forward({&end, 1})), 2 * static_cast<std::int64_t>(vocab))
          << "of all tokens, where there are fewer";
    }
  }
}

TEST(Determinism, AlphaZeroIsNoIntervention) {
  Engine engine("mha-f32", config_of("mha-f32"), 1, 512);
  const std::vector<std::int32_t> tokens = tokens_of(70, 5);
  EXPECT_EQ(alone(engine, tokens, "rebalance:alpha=0", 512), alone(engine, tokens, "none", 512));
  EXPECT_NE(alone(engine, tokens, "rebalance:alpha=0.1", 512), alone(engine, tokens, "none", 512));
}

}  // namespace
}  // namespace refocus
