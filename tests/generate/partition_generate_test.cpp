// Schedulers on the ranks of one model stay in step: with batches, shared prefixes, and caches that are full.
#include <map>
#include <mutex>

#include "generate/scheduler.h"
#include "model/shared_models.h"

namespace refocus {
namespace {

using RankAnswers = std::map<std::uint64_t, std::vector<std::int32_t>>;

std::vector<GenerationRequest> requests_of_ranks() {
  constexpr const char* kSpecs[] = {"none", "rebalance:alpha=0.5,threshold=0.01", "boost:keys=positions:2-9"};
  std::vector<GenerationRequest> out;
  for (unsigned i = 0; i < 12; ++i) {
    GenerationRequest& one = out.emplace_back();
    one.id = i;
    one.prompt =
        testing::made_up_ids(i % 4 == 0 ? 70 : 3 + i * 29 % 83, 5);  // of one seed: common beginnings
    const std::vector<std::int32_t> rest = testing::made_up_ids(2 + i, 20 + i);
    one.prompt.insert(one.prompt.end(), rest.begin(), rest.end());
    one.shared_prefix = std::ssize(one.prompt) - std::ssize(rest);
    one.intervention = parse_intervention(kSpecs[i % 3]);
    one.target = aim(one.intervention, {one.prompt});
    one.max_new_tokens = 4 + i * 13 % 23;
    if (i % 2 == 0) one.sampling = {.temperature = 1.2, .top_k = 40, .seed = 9};
  }
  return out;
}

RankAnswers answers_of(Transformer& model, const SchedulerOptions& options, SchedulerStats& stats) {
  const std::vector<GenerationRequest> requests = requests_of_ranks();
  Scheduler scheduler(model, options);
  RankAnswers out;
  std::size_t next = 0;
  scheduler.run([&]() { return next < requests.size() ? std::optional(requests[next++]) : std::nullopt; },
                [&](GenerationResult&& result) { out[result.id] = result.tokens; });
  stats = scheduler.stats();
  return out;
}

TEST(PartitionScheduler, AnswersAreThoseOfOneProcess) {
  for (const char* name : {"mha-f32", "gqa-f16"}) {
    const testing::SharedModel model = testing::shared_model(testing::golden_engine() / name);
    ThreadPool pool(2);
    Transformer alone(model.config, model.weights, model.name, pool, 128);
    SchedulerStats stats;
    const RankAnswers expected = answers_of(alone, {1, 200, 0}, stats);
    const std::int64_t tight = 7 * kv_bytes(model.config, 1);
    for (const std::int64_t bytes : {std::int64_t{0}, tight}) {
      const SchedulerOptions options{6, 200, bytes};
      answers_of(alone, options, stats);
      EXPECT_EQ(stats.preemptions > 0, bytes > 0);  // else a full cache is not tried
      for (const testing::PartitionSizes& sizes : {testing::PartitionSizes{2, 1}, {4, 1}, {1, 2}, {2, 2}}) {
        testing::on_ranks(model, sizes, [&](Transformer& part, int rank) {
          SchedulerStats its;
          EXPECT_TRUE(answers_of(part, options, its) == expected) << name << " rank " << rank;
          EXPECT_EQ(its.preemptions, stats.preemptions);
          EXPECT_EQ(its.prefill_tokens, stats.prefill_tokens);
        });
      }
    }
  }
}

}  // namespace
}  // namespace refocus
