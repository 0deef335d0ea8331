// The logit lens: the last layer's predictions are the model's, and looking changes nothing.
#include "analyze/logit_lens.h"

#include <cmath>

#include "base/text_file.h"
#include "kernels/argmax.h"
#include "model/engine.h"

namespace refocus {
namespace {

using testing::Engine;

std::vector<std::int32_t> tokens() { return {1, 17, 5, 80, 44, 9, 61, 33, 2, 95, 21}; }

// All logits of the text, in calls of `chunk` rows, with a lens at these positions where it is given.
std::vector<float> run(Engine& engine, std::int64_t chunk, LogitLens* lens) {
  const std::vector<std::int32_t> text = tokens();
  KvSequence sequence(*engine.cache);
  EXPECT_TRUE(sequence.reserve(std::ssize(text)));
  std::vector<float> logits;
  for (std::int64_t first = 0; first < std::ssize(text); first += chunk) {
    const std::int64_t rows = std::min(chunk, std::ssize(text) - first);
    SequenceInput input{
        &sequence, std::span(text).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(rows)),
        std::ssize(text), nullptr, LogitRows::kAll};
    if (lens != nullptr) input.tap = lens->begin_call(first, rows);
    const std::span<const float> out = engine.model->forward({&input, 1});
    logits.insert(logits.end(), out.begin(), out.end());
  }
  return logits;
}

TEST(LogitLens, EndsWithTheModelsOwnPrediction) {
  Engine engine("gqa-f16", read_text_file(testing::golden_engine() / "gqa-f16/config.json"), 2, 64);
  const std::vector<float> plain = run(engine, 64, nullptr);
  const auto vocab = static_cast<std::size_t>(engine.model->config().vocab_size);
  std::vector<LensPosition> whole;
  for (const std::int64_t chunk : {64, 3}) {
    LogitLens lens(engine.model->config(), {0, 4, 10});
    EXPECT_EQ(run(engine, chunk, &lens), plain) << "looking changes no bit";
    const std::vector<LensPosition> got = lens.predictions(*engine.model);
    ASSERT_EQ(got.size(), 3u);
    for (const LensPosition& position : got) {
      ASSERT_EQ(std::ssize(position.layers), engine.model->config().num_hidden_layers);
      const std::span<const float> logits(plain.data() + static_cast<std::size_t>(position.position) * vocab,
                                          vocab);
      double sum = 0;
      for (const float x : logits) sum += std::exp(double{x});
      const std::vector<LensToken>& last = position.layers.back();
      ASSERT_EQ(last.size(), kLensTokens);
      EXPECT_EQ(last[0].id, argmax(logits.data(), static_cast<std::int64_t>(vocab)));
      for (std::size_t i = 0; i < kLensTokens; ++i) {
        EXPECT_NEAR(last[i].probability, std::exp(double{logits[static_cast<std::size_t>(last[i].id)]}) / sum,
                    1e-12);
        EXPECT_LE(last[i].probability, last[i == 0 ? 0 : i - 1].probability);
      }
      EXPECT_NE(position.layers[0][0].probability, last[0].probability) << "layers differ";
    }
    if (whole.empty()) whole = got;
    for (std::size_t p = 0; p < got.size(); ++p) {
      for (std::size_t l = 0; l < got[p].layers.size(); ++l) {
        EXPECT_EQ(got[p].layers[l][4].probability, whole[p].layers[l][4].probability);
      }
    }
  }
}

}  // namespace
}  // namespace refocus
