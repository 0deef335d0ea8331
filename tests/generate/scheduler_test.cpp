// Continuous batching: whatever runs beside a sequence, its tokens are those of a plain loop over one
// sequence.
#include "generate/scheduler.h"

#include <map>

#include "kernels/argmax.h"
#include "model/engine.h"

namespace refocus {
namespace {

using testing::Engine;
using Ids = std::vector<std::int32_t>;
using Results = std::map<std::uint64_t, GenerationResult>;

constexpr const char* kInterventions[] = {"none", "rebalance:alpha=0.5,threshold=0.01",
                                          "rebalance:mode=self"};
constexpr const char* kPlain = "{}";
// 32 positions were trained; the prompts and answers of these tests go to more than 100.
constexpr const char* kDynamic =
    R"({"rope_scaling":{"type":"dynamic","factor":4.0},"max_position_embeddings":32})";

GenerationRequest request(std::uint64_t id, Ids prompt, const std::string& intervention,
                          std::int64_t new_tokens) {
  GenerationRequest out;
  out.id = id;
  out.prompt = std::move(prompt);
  out.intervention = parse_intervention(intervention);
  out.target = testing::aim_at_question(out.intervention, out.prompt, id % 5, id % 5 + 9 + id);
  out.max_new_tokens = new_tokens;
  return out;
}

// Sixteen requests of mixed lengths, interventions and ends.
std::vector<GenerationRequest> mixed_requests() {
  std::vector<GenerationRequest> out;
  for (unsigned i = 0; i < 16; ++i)
    out.push_back(request(i, testing::made_up_ids(1 + i * 29 % 83, i),
                          i % 2 == 0 ? kInterventions[i / 2 % 3] : testing::kAimedInterventions[i / 2 % 3],
                          3 + i * 13 % 31));
  return out;
}

Results run_all(Engine& engine, const SchedulerOptions& options,
                const std::vector<GenerationRequest>& requests, SchedulerStats* stats = nullptr) {
  Scheduler scheduler(*engine.model, options);
  Results results;
  std::map<std::uint64_t, Ids> heard;
  std::size_t next = 0;
  scheduler.run([&]() { return next < requests.size() ? std::optional(requests[next++]) : std::nullopt; },
                [&](GenerationResult&& result) {
                  const std::uint64_t id = result.id;
                  EXPECT_TRUE(results.emplace(id, std::move(result)).second)
                      << "request " << id << " ended twice";
                },
                [&](const GeneratedToken& t) { heard[t.id].push_back(t.token); });
  EXPECT_EQ(results.size(), requests.size());
  for (const auto& [id, result] : results) EXPECT_EQ(heard[id], result.tokens) << "each token is told once";
  if (stats != nullptr) *stats = scheduler.stats();
  return results;
}

// The plain twin: one sequence, the prompt in one call, then token by token, greedy.
Ids plain_tokens(Engine& engine, const GenerationRequest& request, const std::string& intervention) {
  Intervention hooks = engine.intervention(intervention);
  hooks.aim(request.target);
  KvSequence sequence(*engine.cache);
  std::vector<float> logits;
  Ids next = request.prompt, out;
  const std::int64_t vocab = engine.model->config().vocab_size;
  while (static_cast<std::int64_t>(out.size()) < request.max_new_tokens) {
    logits.clear();
    testing::run_call(engine, sequence, next, hooks, 512, logits);
    next = {static_cast<std::int32_t>(argmax(logits.data() + logits.size() - vocab, vocab))};
    out.push_back(next[0]);
  }
  return out;
}

std::map<std::uint64_t, Ids> plain_all(const std::string& model, const std::string& overrides,
                                       const std::vector<GenerationRequest>& requests) {
  Engine engine(model, testing::config_with(model, overrides), 1, 512);
  std::map<std::uint64_t, Ids> out;
  for (const GenerationRequest& r : requests) {
    out[r.id] = plain_tokens(engine, r, r.intervention.canonical(engine.model->config().num_hidden_layers));
  }
  return out;
}

void expect_tokens(const Results& results, const std::map<std::uint64_t, Ids>& expected,
                   const std::string& what) {
  for (const auto& [id, tokens] : expected)
    EXPECT_EQ(results.at(id).tokens, tokens) << what << ", request " << id;
}

struct Way {
  std::int64_t batch;
  int threads;
  std::int64_t max_rows;  // few rows cut prompts into many chunks
};
constexpr Way kWays[] = {{1, 1, 512}, {3, 2, 512}, {16, 1, 512}, {16, 2, 17},
                         {3, 1, 3},   {16, 2, 5},  {1, 2, 1}};

TEST(Scheduler, BatchThreadsAndChunksChangeNoToken) {
  const std::vector<GenerationRequest> requests = mixed_requests();
  for (const char* model : {"mha-f32", "gqa-f16", "mqa-bf16"}) {
    for (const char* overrides : {kPlain, kDynamic}) {
      const auto expected = plain_all(model, overrides, requests);
      for (const Way& way : kWays) {
        Engine engine(model, testing::config_with(model, overrides), way.threads, way.max_rows);
        expect_tokens(run_all(engine, {way.batch, 400, 0}, requests), expected,
                      fmt::format("{} {} batch {} rows {}", model, overrides, way.batch, way.max_rows));
      }
    }
  }
}

TEST(Scheduler, SampledTokensDoNotDependOnCompanyEither) {
  std::vector<GenerationRequest> requests = mixed_requests();
  for (GenerationRequest& r : requests)
    r.sampling = {.temperature = 1.2, .top_k = 40, .top_p = 0.95, .seed = 9};
  Engine engine("gqa-f16", testing::config_with("gqa-f16", kPlain), 2, 64);
  const Results alone = run_all(engine, {1, 400, 0}, requests);
  const std::int64_t tight = 7 * kv_bytes(engine.model->config(), 1);
  for (const SchedulerOptions& options : {SchedulerOptions{3, 400, 0}, {16, 400, 0}, {16, 400, tight}}) {
    const Results together = run_all(engine, options, requests);
    for (const auto& [id, result] : alone) EXPECT_EQ(together.at(id).tokens, result.tokens) << id;
  }
}

std::vector<GenerationRequest> requests_with_prefix(const std::vector<std::string>& interventions) {
  std::vector<GenerationRequest> out;
  const Ids prefix = testing::made_up_ids(70, 3);
  for (unsigned i = 0; i < 12; ++i) {
    Ids prompt = prefix;
    const Ids rest = testing::made_up_ids(2 + i * 7 % 40, 20 + i);
    prompt.insert(prompt.end(), rest.begin(), rest.end());
    out.push_back(request(i, std::move(prompt), interventions[i % interventions.size()], 12));
    out.back().shared_prefix = 70;
  }
  return out;
}

constexpr std::int64_t kShared = 70 / kKeyBlock * kKeyBlock;

TEST(Scheduler, ASharedPrefixIsComputedOnceAndChangesNoToken) {
  const auto requests = requests_with_prefix({"rebalance:alpha=0.5"});
  const auto expected = plain_all("mha-f32", kPlain, requests);
  for (const Way& way : kWays) {
    Engine engine("mha-f32", testing::config_with("mha-f32", kPlain), way.threads, way.max_rows);
    SchedulerStats stats;
    const Results results = run_all(engine, {way.batch, 400, 0}, requests, &stats);
    expect_tokens(results, expected, fmt::format("batch {} rows {}", way.batch, way.max_rows));
    std::int64_t prompt_tokens = 0;
    for (const auto& [id, result] : results) {
      EXPECT_EQ(result.shared_tokens, id == 0 ? 0 : kShared) << id;
      prompt_tokens += result.prompt_tokens;
    }
    EXPECT_EQ(stats.prefill_tokens, prompt_tokens - 11 * kShared);
  }
}

TEST(Scheduler, APrefixIsNotSharedAcrossInterventions) {
  const std::vector<std::string> specs = {"none", "rebalance:alpha=0.5", "rebalance:alpha=1",
                                          "rebalance:mode=self"};
  const auto requests = requests_with_prefix(specs);
  const auto expected = plain_all("gqa-f16", kPlain, requests);
  for (const std::int64_t batch : {1, 3, 16}) {
    Engine engine("gqa-f16", testing::config_with("gqa-f16", kPlain), 2, 512);
    const Results results = run_all(engine, {batch, 400, 0}, requests);
    expect_tokens(results, expected, fmt::format("batch {}", batch));
    for (const auto& [id, result] : results)
      EXPECT_EQ(result.shared_tokens, id < specs.size() ? 0 : kShared) << id;
  }
}

// Three kinds of prompts: two whose chosen keys differ within the prefix, and one that has them behind it.
TEST(Scheduler, APrefixIsSharedWhereTheSameKeysAreChosen) {
  auto requests = requests_with_prefix({"boost:factor=5,keys=field:question"});
  for (GenerationRequest& r : requests) {
    const std::size_t first = r.id % 3 == 2 ? 70 : 5 + r.id % 3;
    r.target = testing::aim_at_question(r.intervention, r.prompt, first, first + 1 + r.id);
    if (r.id % 3 != 2) r.target = testing::aim_at_question(r.intervention, r.prompt, first, 30);
  }
  const auto expected = plain_all("gqa-f16", kPlain, requests);
  for (const std::int64_t batch : {1, 3, 16}) {
    Engine engine("gqa-f16", testing::config_with("gqa-f16", kPlain), 2, 512);
    const Results results = run_all(engine, {batch, 400, 0}, requests);
    expect_tokens(results, expected, fmt::format("batch {}", batch));
    for (const auto& [id, result] : results) EXPECT_EQ(result.shared_tokens, id < 3 ? 0 : kShared) << id;
  }
}

TEST(Scheduler, DynamicScalingBeyondItsLengthSharesNothing) {
  const auto requests = requests_with_prefix({"none"});
  const auto expected = plain_all("mha-f32", kDynamic, requests);
  Engine engine("mha-f32", testing::config_with("mha-f32", kDynamic), 1, 512);
  const Results results = run_all(engine, {3, 400, 0}, requests);
  expect_tokens(results, expected, "dynamic");
  for (const auto& [id, result] : results) EXPECT_EQ(result.shared_tokens, 0);
}

TEST(Scheduler, PreemptedSequencesGiveTheSameTokens) {
  std::vector<GenerationRequest> requests = mixed_requests();
  for (GenerationRequest& r : requests) r.max_new_tokens += 40;
  for (const char* overrides : {kPlain, kDynamic}) {
    const auto expected = plain_all("mha-f32", overrides, requests);
    for (const std::int64_t max_rows : {512, 17}) {
      Engine engine("mha-f32", testing::config_with("mha-f32", overrides), 2, max_rows);
      const std::int64_t block = kv_bytes(engine.model->config(), 1);
      for (const std::int64_t blocks : {6, 9}) {
        SchedulerStats stats;
        const Results results = run_all(engine, {16, 400, blocks * block}, requests, &stats);
        EXPECT_GT(stats.preemptions, 0);
        expect_tokens(results, expected, fmt::format("{} blocks {} rows {}", overrides, blocks, max_rows));
      }
    }
  }
}

// Prompts go whole, whatever is computed beside them, and after a preemption again; the shared beginnings are
// not.
TEST(Scheduler, InterventionsThatNeedTheWholePromptGetItInOneCall) {
  std::vector<GenerationRequest> requests;
  for (unsigned i = 0; i < 12; ++i) {
    const char* intervention = i % 4 == 3 ? "none" : testing::kWholeInterventions[i % 4];
    requests.push_back(request(i, testing::made_up_ids(40 + i * 29 % 43, 1), intervention, 3 + i * 13 % 31));
    requests.back().shared_prefix = 39;
  }
  Engine plain("gqa-f16", testing::config_with("gqa-f16", kPlain), 1, 512);
  const std::int64_t little = 12 * kv_bytes(plain.model->config(), 1);
  for (const auto& [batch, rows, threads, bytes] :
       {std::tuple{1, 512, 1, std::int64_t{0}}, {16, 83, 2, std::int64_t{0}}, {5, 100, 2, little}}) {
    Engine engine("gqa-f16", testing::config_with("gqa-f16", kPlain), threads, rows);
    SchedulerStats stats;
    const Results results = run_all(engine, {batch, 400, bytes}, requests, &stats);
    EXPECT_EQ(stats.preemptions > 0, bytes > 0);
    for (const GenerationRequest& r : requests) {
      const std::string intervention = r.id % 4 == 3 ? "none" : testing::kWholeInterventions[r.id % 4];
      EXPECT_EQ(results.at(r.id).tokens, plain_tokens(plain, r, intervention)) << r.id << " " << intervention;
      if (intervention != "none") {
        EXPECT_EQ(results.at(r.id).shared_tokens, 0);
      }
    }
  }
  Engine small("gqa-f16", testing::config_with("gqa-f16", kPlain), 1, 50);
  EXPECT_THAT(testing::error_of([&] {
                run_all(small, {1, 400, 0}, {requests[1]});
              }),
              ::testing::HasSubstr(
                  "expected at most 50 tokens, since act and spotlight:scope=layer look at all rows"));
}

TEST(Scheduler, PrefixesGiveWayToSequencesWhenMemoryIsShort) {
  std::vector<GenerationRequest> requests =
      requests_with_prefix({"none", "rebalance:alpha=0.5", "rebalance:mode=self"});
  for (GenerationRequest& r : requests) r.max_new_tokens = 50;
  const auto expected = plain_all("mha-f32", kPlain, requests);
  Engine engine("mha-f32", testing::config_with("mha-f32", kPlain), 2, 64);
  for (const std::int64_t blocks : {6, 7, 11}) {
    expect_tokens(run_all(engine, {16, 400, blocks * kv_bytes(engine.model->config(), 1)}, requests),
                  expected, fmt::format("{} blocks", blocks));
  }
}

TEST(Scheduler, ASequenceThatCannotFitIsAnErrorThatNamesTheFlag) {
  Engine engine("mha-f32", testing::config_with("mha-f32", kPlain), 1, 512);
  const std::int64_t block = kv_bytes(engine.model->config(), 1);
  const auto run = [&](std::size_t prompt, std::int64_t new_tokens, std::int64_t bytes) {
    return testing::error_of([&] {
      run_all(engine, {4, 400, bytes}, {request(0, testing::made_up_ids(prompt, 1), "none", new_tokens)});
    });
  };
  EXPECT_THAT(run(100, 5, 2 * block), ::testing::HasSubstr("--kv-memory"));
  EXPECT_THAT(run(10, 100, 2 * block), ::testing::HasSubstr("--kv-memory"));
}

TEST(Scheduler, StopsAtAStopTokenTheVeryFirstIncluded) {
  Engine engine("mha-f32", testing::config_with("mha-f32", kPlain), 1, 512);
  GenerationRequest r = request(7, testing::made_up_ids(20, 4), "none", 25);
  const Ids free = plain_tokens(engine, r, "none");
  for (const std::size_t at : {std::size_t{0}, std::size_t{5}, std::size_t{24}}) {
    r.stop_tokens = {66, free[at]};
    const auto end =
        std::find_if(free.begin(), free.end(),
                     [&](std::int32_t t) {
                       return std::find(r.stop_tokens.begin(), r.stop_tokens.end(), t) != r.stop_tokens.end();
                     }) +
        1;
    const GenerationResult result = run_all(engine, {4, 400, 0}, {r}).at(7);
    EXPECT_EQ(result.tokens, Ids(free.begin(), end));
    EXPECT_TRUE(result.stopped);
    EXPECT_EQ(result.prompt_tokens, 20);
  }
  r.stop_tokens = {};
  EXPECT_FALSE(run_all(engine, {4, 400, 0}, {r}).at(7).stopped);
}

TEST(Scheduler, EndsWithTheContext) {
  Engine engine("mha-f32", testing::config_with("mha-f32", kPlain), 1, 512);
  const GenerationRequest r = request(0, testing::made_up_ids(20, 4), "none", 25);
  const Ids free = plain_tokens(engine, r, "none");
  const GenerationResult result = run_all(engine, {2, 28, 0}, {r}).at(0);
  EXPECT_EQ(result.tokens, Ids(free.begin(), free.begin() + 8));
  EXPECT_FALSE(result.stopped);
}

TEST(Scheduler, RefusesPromptsThatCannotBe) {
  Engine engine("mha-f32", testing::config_with("mha-f32", kPlain), 1, 512);
  const Scheduler scheduler(*engine.model, {1, 16, 0});
  const auto error = [&](const Ids& prompt) { return testing::error_of([&] { scheduler.check(prompt); }); };
  EXPECT_THAT(error({}), ::testing::HasSubstr("[prompt] expected at least one token"));
  EXPECT_THAT(error(testing::made_up_ids(16, 1)), ::testing::HasSubstr("at most 15 tokens, got 16"));
  EXPECT_THAT(error({1, 101}), ::testing::HasSubstr("from 0 to 100"));
  EXPECT_THAT(error({-1}), ::testing::HasSubstr("got -1"));
  scheduler.check(testing::made_up_ids(15, 1));
}

TEST(Scheduler, WithoutRequestsItDoesNothing) {
  Engine engine("mha-f32", testing::config_with("mha-f32", kPlain), 1, 512);
  EXPECT_TRUE(run_all(engine, {4, 400, 0}, {}).empty());
}

}  // namespace
}  // namespace refocus
