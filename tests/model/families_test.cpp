// Every family against the executable specification (tests/golden/families), and its bits however work is
// cut.
#include <nlohmann/json.hpp>

#include "base/text_file.h"
#include "close.h"
#include "io/npy.h"
#include "kernels/argmax.h"
#include "model/engine.h"

namespace refocus {
namespace {

using nlohmann::json;
using testing::Engine;
using testing::expect_close;

const json& family_cases() {
  static const json kCases = json::parse(read_text_file(testing::golden("families") / "cases.json"));
  return kCases;
}

std::vector<std::string> family_names() {
  std::vector<std::string> out;
  for (const auto& item : family_cases()["models"].items()) out.push_back(item.key());
  return out;
}

class FamilyGolden : public ::testing::TestWithParam<std::string> {
 protected:
  std::filesystem::path directory() const { return testing::golden("families") / GetParam(); }
  Engine open(int threads, DType kv_type = DType::kF32) const {
    return {directory().string(), read_text_file(directory() / "config.json"), threads, 512, kv_type};
  }
  std::vector<float> expected(const char* file) const { return read_npy(directory() / file).f32(); }
  static std::vector<std::int32_t> tokens() { return family_cases()["tokens"]; }
  static std::string intervention() { return family_cases()["intervention"]; }
};

std::vector<float> family_logits(Engine& engine, std::span<const std::int32_t> tokens,
                                 const std::string& spec, std::int64_t chunk) {
  std::vector<float> logits;
  KvSequence sequence(*engine.cache);
  testing::run_call(engine, sequence, tokens, engine.intervention(spec), chunk, logits);
  return logits;
}

std::vector<std::int32_t> long_text() {
  std::vector<std::int32_t> out(130);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::int32_t>((i * 37 + i * i * 5) % 48);
  return out;
}

TEST_P(FamilyGolden, LogitsEqualTheSpecification) {
  Engine engine = open(2);
  expect_close(family_logits(engine, tokens(), "none", 512), expected("logits.npy"), "plain");
  expect_close(family_logits(engine, tokens(), intervention(), 512), expected("rebalanced.npy"),
               "re-balanced");
  EXPECT_GT(family_cases()["models"][GetParam()]["changed"].get<float>(),
            0.01f);  // else the second says nothing
}

TEST_P(FamilyGolden, GreedyTokensEqualTheSpecification) {
  Engine engine = open(2);
  KvSequence sequence(*engine.cache);
  std::vector<std::int32_t> next = tokens(), own;
  const std::vector<std::int32_t> expected = family_cases()["models"][GetParam()]["greedy"];
  const std::int64_t vocab = engine.model->config().vocab_size;
  while (own.size() < expected.size()) {
    std::vector<float> logits;
    testing::run_call(engine, sequence, next, engine.intervention("none"), 512, logits);
    next = {static_cast<std::int32_t>(
        argmax(logits.data() + logits.size() - static_cast<std::size_t>(vocab), vocab))};
    own.push_back(next[0]);
  }
  EXPECT_EQ(own, expected);
}

struct SeenLayer {
  std::vector<float>* weights;
  std::int64_t queries;
};

void keep_weights(void* observer, const SoftmaxRow&, const SoftmaxRow& after) {
  const SeenLayer& seen = *static_cast<SeenLayer*>(observer);
  float* out = seen.weights->data() + (after.at.head * seen.queries + after.at.row) * seen.queries;
  for (std::size_t j = 0; j < after.weights.size(); ++j) out[j] = after.weights[j] / after.sum;
}

TEST_P(FamilyGolden, AttentionSeenByObserversEqualsTheSpecification) {
  Engine engine = open(2);
  const Intervention rebalance = engine.intervention(intervention());
  const auto count = static_cast<std::int64_t>(tokens().size());
  const std::int64_t layers = engine.model->config().num_hidden_layers;
  std::vector<float> weights(
      static_cast<std::size_t>(engine.model->config().num_attention_heads * count * count));
  std::vector<AttentionHooks> hooks(rebalance.hooks(), rebalance.hooks() + layers);
  SeenLayer seen{&weights, count};
  hooks[1].observe = keep_weights;
  hooks[1].observer = &seen;
  KvSequence sequence(*engine.cache);
  ASSERT_TRUE(sequence.reserve(count));
  const std::vector<std::int32_t> ids = tokens();
  const SequenceInput input{&sequence, ids, count, hooks.data(), LogitRows::kNone};
  engine.model->forward({&input, 1});
  expect_close(weights, expected("attention.npy"), "attention");
}

TEST_P(FamilyGolden, ThreadsChunksAndCompanyChangeNoBit) {
  Engine one = open(1), two = open(2);
  const std::vector<std::int32_t> text = long_text();
  for (const std::string& spec : {std::string("none"), intervention()}) {
    const std::vector<float> whole = family_logits(one, text, spec, 512);
    for (const std::int64_t chunk : {1, 7, 64}) {
      EXPECT_EQ(family_logits(two, text, spec, chunk), whole) << spec << ", chunks of " << chunk;
    }
    // Beside another sequence, the last row of both.
    KvSequence first(*two.cache), second(*two.cache);
    const std::vector<std::int32_t> other(text.rbegin(), text.rend());
    ASSERT_TRUE(first.reserve(130) && second.reserve(130));
    const Intervention a = two.intervention(spec), b = two.intervention(spec);
    const SequenceInput both[] = {{&first, other, 130, a.hooks()}, {&second, text, 130, b.hooks()}};
    const auto vocab = static_cast<std::size_t>(two.model->config().vocab_size);
    const std::span<const float> out = two.model->forward(both);
    EXPECT_TRUE(std::equal(out.begin() + static_cast<std::ptrdiff_t>(vocab), out.end(),
                           whole.end() - static_cast<std::ptrdiff_t>(vocab)))
        << spec << ", beside another";
  }
}

INSTANTIATE_TEST_SUITE_P(Families, FamilyGolden, ::testing::ValuesIn(family_names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace refocus
