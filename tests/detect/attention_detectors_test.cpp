// Detectors on maps made by hand, and the random tokens that they are shown.
#include "detect/attention_detectors.h"

#include <cmath>
#include <set>

#include "detect/stimulus.h"
#include "model/engine.h"
#include "tokenizer/tokenizer_support.h"

namespace refocus {
namespace {

using testing::Engine;
using testing::Ids;

// One head's map for a text; each row says which key has how much weight.
class ByHand : public ::testing::Test {
 protected:
  ByHand()
      : engine_("mha-f32", testing::config_with("mha-f32", "{}"), 1, 64),
        detectors_(*engine_.model, 64, 64, {1, true}) {}

  // The same rows for all heads, with softmax's sum left in.
  template <class Weight>
  void show(const Ids& text, std::int64_t prompt, const Weight& weight) {
    detectors_.begin_text(text, prompt);
    const ModelConfig& config = engine_.model->config();
    for (std::int64_t l = 0; l < config.num_hidden_layers; ++l) {
      for (std::int64_t i = 0; i < std::ssize(text); ++i) {
        std::vector<float> row(static_cast<std::size_t>(i + 1));
        float sum = 0;
        for (std::int64_t j = 0; j <= i; ++j) {
          row[static_cast<std::size_t>(j)] = 3 * weight(i, j);
          sum += row[static_cast<std::size_t>(j)];
        }
        for (std::int64_t h = 0; h < config.num_attention_heads; ++h)
          detectors_.take(l, {i, i, h, 0}, row, sum);
      }
    }
    detectors_.end_call(engine_.pool, 0, std::ssize(text));
    detectors_.end_text();
  }
  double score(AttentionScore which) const {
    const std::vector<double> all = detectors_.scores(which);
    for (const double one : all) EXPECT_TRUE(one == all.front() || std::isnan(one));
    return all.back();
  }

  Engine engine_;
  AttentionDetectors detectors_;
};

const Ids kRepeated = {1, 10, 11, 12, 13, 10, 11, 12, 13};  // after a BOS

TEST_F(ByHand, AnInductionHeadScoresOne) {
  // The key after the earlier place of its token, or the BOS where there is none.
  show(kRepeated, 9, [](std::int64_t i, std::int64_t j) { return j == (i >= 5 ? i - 3 : 0) ? 1.0f : 0.0f; });
  EXPECT_DOUBLE_EQ(score(kInduction), 1);
  EXPECT_DOUBLE_EQ(score(kDuplicateToken), 0);
  EXPECT_DOUBLE_EQ(score(kPreviousToken), 1.0 / 8);  // row 1, whose token before is the BOS
  EXPECT_DOUBLE_EQ(score(kInductionMul), 4.0 / 9);   // of all rows
  EXPECT_DOUBLE_EQ(score(kSinkMass), 4.0 / 8);       // of the rows after the first
  EXPECT_DOUBLE_EQ(score(kRowEntropy), 0);
}

TEST_F(ByHand, APreviousTokenHeadScoresOne) {
  show(kRepeated, 9,
       [](std::int64_t i, std::int64_t j) { return j == std::max<std::int64_t>(0, i - 1) ? 1.0f : 0.0f; });
  EXPECT_DOUBLE_EQ(score(kPreviousToken), 1);
  EXPECT_DOUBLE_EQ(score(kPreviousTokenMul), 8.0 / 9);
  EXPECT_DOUBLE_EQ(score(kInduction), 0);
}

TEST_F(ByHand, ADuplicateTokenHeadScoresOne) {
  show(kRepeated, 9, [](std::int64_t i, std::int64_t j) { return j == (i >= 5 ? i - 4 : i) ? 1.0f : 0.0f; });
  EXPECT_DOUBLE_EQ(score(kDuplicateToken), 1);
  EXPECT_DOUBLE_EQ(score(kInduction), 0);
  EXPECT_DOUBLE_EQ(score(kDuplicateTokenMul), 4.0 / 9);
}

// Of a token that was there twice before, both places count, and the one that follows at once too.
TEST_F(ByHand, EveryEarlierPlaceCounts) {
  show({5, 7, 7, 7}, 4, [](std::int64_t i, std::int64_t) { return 1 / static_cast<float>(i + 1); });
  EXPECT_NEAR(score(kDuplicateToken), (1.0 / 3 + 2.0 / 4) / 2, 1e-6);  // keys 1; 1 and 2
  EXPECT_NEAR(score(kInduction), (1.0 / 3 + 2.0 / 4) / 2, 1e-6);       // keys 2; 2 and 3
  EXPECT_NEAR(score(kRowEntropy), (std::log(2) + std::log(3) + std::log(4)) / 3, 1e-6);
}

TEST_F(ByHand, LookingBackIsOfMeanWeights) {
  // Rows 4 and 5 follow a prompt of 4: each has half on the prompt and half on what follows it.
  show({1, 2, 3, 4, 5, 6}, 4, [](std::int64_t i, std::int64_t j) {
    return i < 4 ? (j == 0 ? 1.0f : 0.0f) : j < 4 ? 0.125f : 0.5f / static_cast<float>(i - 3);
  });
  const double first = 0.125 / (0.125 + 0.5), second = 0.125 / (0.125 + 0.25);
  EXPECT_NEAR(score(kLookback), (first + second) / 2, 1e-6);
  EXPECT_NEAR(score(kReceivedMean), 1.0 / 4, 1e-6);  // key 0 receives 1 of each of the prompt's rows
  EXPECT_TRUE(std::isnan(score(kReceivedMax)));      // of so short a prompt
}

TEST_F(ByHand, TheLargestReceivedWeightIsOfKeysThatEnoughRowsSee) {
  Ids text(12);
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<std::int32_t>(i);
  // Key 2 has half of each row that sees it, key 0 the rest, and the last key all of its own row.
  show(text, 12, [](std::int64_t i, std::int64_t j) {
    if (i == 11) return j == 11 ? 1.0f : 0.0f;
    if (i < 2) return j == 0 ? 1.0f : 0.0f;
    return j == 0 || j == 2 ? 0.5f : 0.0f;
  });
  EXPECT_NEAR(score(kReceivedMax), 0.5 * 9 / 10, 1e-6);
}

TEST_F(ByHand, NothingThatNoRowHas) {
  show({1, 2, 3}, 3, [](std::int64_t i, std::int64_t j) { return j == i ? 1.0f : 0.0f; });
  EXPECT_TRUE(std::isnan(score(kInduction)));
  EXPECT_TRUE(std::isnan(score(kInductionMul)));
  EXPECT_TRUE(std::isnan(score(kLookback)));
}

TEST(Stimulus, IsOrdinaryTokensTwice) {
  const auto tokenizer = testing::load_json(testing::synthetic_tokenizer("llama-2"));
  const StimulusSettings settings{20, 3, 5};
  const auto sequences = repeated_sequences(*tokenizer, tokenizer->vocab_size(), settings);
  ASSERT_EQ(sequences.size(), 3u);
  std::set<Ids> different;
  for (const Ids& sequence : sequences) {
    const std::size_t before = tokenizer->prompt_prefix().size();
    ASSERT_EQ(sequence.size(), before + 40);
    EXPECT_TRUE(std::ranges::equal(std::span(sequence).first(before), tokenizer->prompt_prefix()));
    const Ids first(sequence.begin() + static_cast<std::ptrdiff_t>(before), sequence.end() - 20);
    EXPECT_EQ(first, Ids(sequence.end() - 20, sequence.end()));
    EXPECT_EQ(std::set<std::int32_t>(first.begin(), first.end()).size(), 20u);
    for (const std::int32_t id : first) EXPECT_EQ(tokenizer->kind(id), TokenKind::kNormal);
    different.insert(first);
  }
  EXPECT_EQ(different.size(), 3u);
  EXPECT_EQ(repeated_sequences(*tokenizer, tokenizer->vocab_size(), settings), sequences);
  EXPECT_NE(repeated_sequences(*tokenizer, tokenizer->vocab_size(), {20, 3, 6}), sequences);
}

TEST(Stimulus, StaysBelowTheModelsVocabulary) {
  const auto tokenizer = testing::load_json(testing::synthetic_tokenizer("llama-2"));
  std::int32_t first = 0;
  while (tokenizer->kind(first) != TokenKind::kNormal) ++first;
  const std::int64_t vocabulary = first + 4;
  for (const Ids& sequence : repeated_sequences(*tokenizer, vocabulary, {3, 20, 0})) {
    for (const std::int32_t id : sequence) EXPECT_LT(id, vocabulary);
  }
  const std::string error = testing::error_of([&] { repeated_sequences(*tokenizer, vocabulary, {5, 1, 0}); });
  EXPECT_THAT(error, ::testing::HasSubstr("[--stimulus-length]"));
  EXPECT_THAT(error, ::testing::HasSubstr("got 5"));
}

}  // namespace
}  // namespace refocus
