// Texts scored by the engine, against the executable specification; golden/perplexity has how its numbers
// were made.
#include "eval/run/perplexity_run.h"

#include <nlohmann/json.hpp>

#include "base/text_file.h"
#include "model/engine.h"
#include "support.h"

namespace refocus {
namespace {

using Json = nlohmann::json;
using testing::Engine;

const Json& golden_texts() {
  static const Json texts = Json::parse(read_text_file(testing::golden("perplexity") / "texts.json"));
  return texts;
}

// The models and arms of a golden text.
struct Arms {
  std::map<std::string, std::unique_ptr<Engine>> engines;
  std::vector<PerplexityArm> arms;

  Arms(const Json& text, int threads, std::int64_t max_rows = kPerplexityRows) {
    for (const Json& arm : text["arms"]) {
      const auto name = arm["model"].get<std::string>();
      std::unique_ptr<Engine>& engine = engines[name];
      if (!engine) {
        Json config = Json::parse(read_text_file(testing::golden_engine() / name / "config.json"));
        config.update(text["overrides"]);
        engine = std::make_unique<Engine>(name, config.dump(), threads, max_rows);
      }
      arms.push_back({engine->model.get(), parse_intervention(arm["intervention"].get<std::string>())});
    }
  }

  std::vector<TokenScores> score(const Json& text) const {
    const auto tokens = text["token_ids"].get<std::vector<std::int32_t>>();
    return score_tokens(arms, tokens, windows_of(text));
  }

  static std::vector<TextWindow> windows_of(const Json& text) {
    return sliding_windows(std::ssize(text["token_ids"]), text["context"].get<std::int64_t>(),
                           text["stride"].get<std::int64_t>());
  }
};

TEST(ScoreTokens, EqualsTheSpecification) {
  ASSERT_GE(golden_texts().size(), 6u);
  for (const Json& text : golden_texts()) {
    SCOPED_TRACE(text["name"].get<std::string>());
    std::vector<std::int64_t> scored;
    for (const TextWindow& w : Arms::windows_of(text)) {
      for (std::int64_t i = w.first_counted; i < w.end; ++i) scored.push_back(i);
    }
    EXPECT_EQ(scored, text["scored"].get<std::vector<std::int64_t>>());
    const std::vector<TokenScores> got = Arms(text, 2).score(text);
    ASSERT_EQ(got.size(), text["arms"].size());
    for (std::size_t arm = 0; arm < got.size(); ++arm) {
      SCOPED_TRACE(text["arms"][arm]["intervention"].get<std::string>());
      const auto nll = text["arms"][arm]["nll"].get<std::vector<double>>();
      ASSERT_EQ(got[arm].nll.size(), nll.size());
      // Logits are within 1e-4 of the specification's, so log-probabilities are within twice that.
      for (std::size_t i = 0; i < nll.size(); ++i) ASSERT_NEAR(got[arm].nll[i], nll[i], 2e-4) << i;
      if (arm == 0) {
        EXPECT_TRUE(got[arm].divergence.empty());
        continue;
      }
      const auto kl = text["arms"][arm]["kl"].get<std::vector<double>>();
      ASSERT_EQ(got[arm].divergence.size(), kl.size());
      for (std::size_t i = 0; i < kl.size(); ++i) ASSERT_NEAR(got[arm].divergence[i], kl[i], 1e-4) << i;
      EXPECT_EQ(got[arm].same_top, text["arms"][arm]["same_top"].get<std::int64_t>());
    }
  }
}

// Threads and chunks of rows change no bit.
TEST(ScoreTokens, IsTheSameHoweverItIsComputed) {
  for (const Json& text : golden_texts()) {
    SCOPED_TRACE(text["name"].get<std::string>());
    const std::vector<TokenScores> want = Arms(text, 1).score(text);
    for (const auto& [threads, rows] : {std::pair{3, 128}, std::pair{2, 7}, std::pair{1, 1}}) {
      const std::vector<TokenScores> got = Arms(text, threads, rows).score(text);
      for (std::size_t arm = 0; arm < want.size(); ++arm) {
        EXPECT_EQ(got[arm].nll, want[arm].nll);
        EXPECT_EQ(got[arm].divergence, want[arm].divergence);
        EXPECT_EQ(got[arm].same_top, want[arm].same_top);
      }
    }
  }
}

TEST(ScoreTokens, FindsNoDivergenceBetweenEqualArms) {
  const Json& text = golden_texts()[0];
  Arms arms(text, 2);
  arms.arms = {arms.arms[1], arms.arms[1]};
  const std::vector<TokenScores> got = arms.score(text);
  EXPECT_EQ(got[0].nll, got[1].nll);
  EXPECT_EQ(got[1].divergence, std::vector<double>(got[0].nll.size(), 0.0));
  EXPECT_EQ(got[1].same_top, std::ssize(got[0].nll));
}

TEST(ScoreTokens, TellsEachWindow) {
  const Json& text = golden_texts()[0];
  const Arms arms(text, 1);
  const auto tokens = text["token_ids"].get<std::vector<std::int32_t>>();
  std::vector<std::int64_t> told;
  score_tokens(arms.arms, tokens, Arms::windows_of(text), [&](std::int64_t count) { told.push_back(count); });
  EXPECT_THAT(told, ::testing::ElementsAre(31, 16, 16, 16, 16, 4));
}

}  // namespace
}  // namespace refocus
