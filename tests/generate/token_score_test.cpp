// Scores of tokens: bitwise those of a plain call over the whole sequence, whatever they are computed beside;
// and the scheduler's steps, which may be taken one by one, and whose requests may be cancelled.
#include "generate/token_score.h"

#include <cmath>
#include <map>

#include "generate/scheduler.h"
#include "kernels/distribution.h"
#include "model/engine.h"

namespace refocus {
namespace {

using testing::Engine;
using Tokens = std::vector<std::int32_t>;
using Scored = std::map<std::uint64_t, GenerationResult>;

TEST(TokenScore, IsTheLogarithmOfTheSoftmaxAndNamesTheLargest) {
  const std::vector<float> logits = {0.5f, 2, -1, 2, 0.25f};
  double sum = 0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x));
  const TokenScore score = score_token(logits, 2, 3);
  EXPECT_EQ(score.token, 2);
  EXPECT_NEAR(score.logprob, -1 - std::log(sum), 1e-12);
  ASSERT_EQ(score.top.size(), 3u);
  EXPECT_EQ(score.top[0].token, 1);  // of equal ones the first
  EXPECT_EQ(score.top[1].token, 3);
  EXPECT_EQ(score.top[2].token, 0);
  EXPECT_EQ(score.top[0].logprob, score.top[1].logprob);
  EXPECT_NEAR(score.top[2].logprob, 0.5 - std::log(sum), 1e-12);
  EXPECT_EQ(score_token(logits, 1, 0).top.size(), 0u);
  EXPECT_EQ(score_token(logits, 1, 99).top.size(), 5u);
}

// Twelve prompts with 70 tokens in common, some of which are scored, with different numbers of candidates.
std::vector<GenerationRequest> scored_requests(const std::string& intervention) {
  std::vector<GenerationRequest> out;
  for (unsigned i = 0; i < 12; ++i) {
    GenerationRequest r;
    r.id = i;
    r.prompt = testing::made_up_ids(70, 3);
    for (const std::int32_t token : testing::made_up_ids(2 + i * 7 % 40, 20 + i)) r.prompt.push_back(token);
    r.max_new_tokens = 5;
    r.shared_prefix = std::ssize(r.prompt);
    r.intervention = parse_intervention(intervention);
    if (i % 4 != 3) r.prompt_top_logprobs = i % 3;
    r.top_logprobs = 2;
    out.push_back(std::move(r));
  }
  return out;
}

Scored scored_by(Engine& engine, const SchedulerOptions& options,
                 const std::vector<GenerationRequest>& requests, SchedulerStats* stats = nullptr) {
  Scheduler scheduler(*engine.model, options);
  Scored out;
  std::size_t next = 0;
  scheduler.run([&]() { return next < requests.size() ? std::optional(requests[next++]) : std::nullopt; },
                [&](GenerationResult&& result) { out[result.id] = std::move(result); },
                [&](const GeneratedToken& t) {
                  ASSERT_NE(t.score, nullptr);
                  EXPECT_EQ(t.score->token, t.token);
                });
  if (stats != nullptr) *stats = scheduler.stats();
  return out;
}

void expect_score(const TokenScore& score, std::span<const float> logits, std::int32_t token,
                  std::int64_t top) {
  EXPECT_EQ(score.token, token);
  EXPECT_EQ(score.logprob, -negative_log_likelihood(logits, log_sum_exp(logits), token));
  EXPECT_EQ(std::ssize(score.top), top);
}

// Every logit of prompt and answer, in one call.
void expect_plain_scores(Engine& engine, const GenerationRequest& request, const GenerationResult& result,
                         const std::string& intervention) {
  Intervention hooks = engine.intervention(intervention);
  KvSequence sequence(*engine.cache);
  Tokens all = request.prompt;
  all.insert(all.end(), result.tokens.begin(), result.tokens.end() - 1);
  std::vector<float> logits;
  testing::run_call(engine, sequence, all, hooks, 512, logits);
  const auto vocab = static_cast<std::size_t>(engine.model->config().vocab_size);
  const auto row = [&](std::int64_t r) {
    return std::span<const float>(logits).subspan(static_cast<std::size_t>(r) * vocab, vocab);
  };
  const std::int64_t prompt = std::ssize(request.prompt);
  ASSERT_EQ(std::ssize(result.prompt_scores), request.prompt_top_logprobs ? prompt - 1 : 0);
  if (request.prompt_top_logprobs) {
    for (std::int64_t i = 1; i < prompt; ++i) {
      expect_score(result.prompt_scores[static_cast<std::size_t>(i - 1)], row(i - 1),
                   request.prompt[static_cast<std::size_t>(i)], *request.prompt_top_logprobs);
    }
  }
  ASSERT_EQ(result.scores.size(), result.tokens.size());
  for (std::size_t i = 0; i < result.tokens.size(); ++i) {
    expect_score(result.scores[i], row(prompt - 1 + static_cast<std::int64_t>(i)), result.tokens[i], 2);
  }
}

TEST(Scheduler, ScoresAreThoseOfAPlainCallWhateverIsBeside) {
  for (const std::string spec : {"none", "rebalance:alpha=0.5,threshold=0.01"}) {
    const auto requests = scored_requests(spec);
    struct Way {
      std::int64_t batch, rows, blocks;
    };
    for (const Way& way : {Way{1, 512, 0}, Way{4, 17, 0}, Way{12, 5, 0}, Way{12, 512, 0}, Way{12, 64, 7}}) {
      Engine engine("gqa-f16", testing::config_with("gqa-f16", "{}"), 2, way.rows);
      SchedulerStats stats;
      const Scored results = scored_by(
          engine, {way.batch, 400, way.blocks * kv_bytes(engine.model->config(), 1)}, requests, &stats);
      EXPECT_EQ(stats.preemptions > 0, way.blocks == 7);
      Engine plain("gqa-f16", testing::config_with("gqa-f16", "{}"), 1, 512);
      for (const GenerationRequest& request : requests) {
        expect_plain_scores(plain, request, results.at(request.id), spec);
      }
    }
  }
}

TEST(Scheduler, ScoredPromptsShareTheBlocksWhoseScoresAreKept) {
  auto requests = scored_requests("none");
  Engine engine("gqa-f16", testing::config_with("gqa-f16", "{}"), 1, 512);
  for (GenerationRequest& r : requests) r.prompt_top_logprobs = r.id == 5 ? 3 : 1;
  const Scored results = scored_by(engine, {1, 400, 0}, requests);
  for (const auto& [id, result] : results) {
    // Two blocks are alike; the second is computed again for what its last row says of the next token.
    EXPECT_EQ(result.shared_tokens, id == 0 || id == 5 ? 0 : kKeyBlock) << id;
  }
}

TEST(Scheduler, StepsGoOnWhenRequestsComeLaterAndForgetWhatIsCancelled) {
  const auto requests = scored_requests("rebalance:alpha=0.5,threshold=0.01");
  Engine engine("gqa-f16", testing::config_with("gqa-f16", "{}"), 1, 64);
  const Scored alone = scored_by(engine, {1, 400, 0}, requests);
  Scheduler scheduler(*engine.model, {3, 400, 0});
  std::vector<GenerationRequest> given;
  Scored ended;
  const auto source = [&]() -> std::optional<GenerationRequest> {
    if (given.empty()) return std::nullopt;
    GenerationRequest next = std::move(given.front());
    given.erase(given.begin());
    return next;
  };
  const auto on_done = [&](GenerationResult&& r) { ended[r.id] = std::move(r); };
  EXPECT_FALSE(scheduler.advance(source, on_done));
  given = {requests[0], requests[1], requests[2], requests[3]};
  EXPECT_TRUE(scheduler.advance(source, on_done));
  EXPECT_FALSE(scheduler.cancel(9));
  EXPECT_TRUE(scheduler.cancel(1));
  EXPECT_FALSE(scheduler.cancel(1));
  given.push_back(requests[4]);
  while (scheduler.advance(source, on_done)) {
  }
  EXPECT_EQ(scheduler.running() + scheduler.waiting(), 0u);
  given.push_back(requests[5]);
  while (scheduler.advance(source, on_done)) {
  }
  ASSERT_EQ(ended.size(), 5u);
  EXPECT_FALSE(ended.contains(1));
  for (const auto& [id, result] : ended) EXPECT_EQ(result.tokens, alone.at(id).tokens) << id;
  given = {requests[6], requests[7]};
  EXPECT_TRUE(scheduler.advance(source, on_done));
  EXPECT_EQ(scheduler.abandon().size(), 2u);
  EXPECT_FALSE(scheduler.advance(source, on_done));
}

TEST(Scheduler, TheStreamOfRandomNumbersIsTheRequestsOwn) {
  Engine engine("gqa-f16", testing::config_with("gqa-f16", "{}"), 1, 64);
  std::vector<GenerationRequest> requests(2, scored_requests("none")[0]);
  for (GenerationRequest& r : requests) r.sampling.temperature = 2, r.max_new_tokens = 20;
  requests[1].id = 77;
  requests[1].stream = requests[0].id;
  const Scored results = scored_by(engine, {2, 400, 0}, requests);
  EXPECT_EQ(results.at(0).tokens, results.at(77).tokens);
  requests[1].stream = 78;
  EXPECT_NE(scored_by(engine, {2, 400, 0}, requests).at(77).tokens, results.at(0).tokens);
}

}  // namespace
}  // namespace refocus
