// The engine's answers are those of each request alone, whoever comes, goes and stays; and whatever is
// cancelled, refused or stopped is told once or never.
#include "server/engine/engine.h"

#include <fmt/format.h>
#include <atomic>
#include <chrono>
#include <future>

#include "eventually.h"
#include "model/engine.h"

namespace refocus::server {
namespace {

using Tokens = std::vector<std::int32_t>;
using testing::made_up_ids;

testing::Engine golden_model() { return {"gqa-f16", testing::config_with("gqa-f16", "{}"), 2, 64}; }

GenerationRequest asked(unsigned i) {
  const char* specs[] = {"none", "rebalance:alpha=0.5,threshold=0.01", "rebalance:mode=self"};
  GenerationRequest r;
  r.prompt = made_up_ids(3 + i * 11 % 70, i % 4);
  r.shared_prefix = std::ssize(r.prompt);
  r.intervention = parse_intervention(specs[i % 3]);
  r.max_new_tokens = 4 + i * 7 % 20;
  r.sampling = {.temperature = i % 2 == 0 ? 0.0 : 1.0, .seed = 5};
  r.stream = 3;
  if (i % 5 == 0) r.prompt_top_logprobs = 1;
  r.top_logprobs = 1;
  return r;
}

// Everything of an answer that a client may see.
std::string told(const GenerationResult& result) {
  std::string out;
  for (const auto& scores : {result.prompt_scores, result.scores}) {
    for (const TokenScore& s : scores) out += fmt::format("{}:{} ", s.token, s.logprob);
  }
  return out + fmt::format("{}", fmt::join(result.tokens, ","));
}

struct Answers {
  std::mutex mutex;
  std::map<unsigned, std::string> done;
  std::map<unsigned, std::string> failed;
  std::map<unsigned, Tokens> heard;

  Job job(unsigned i) {
    return {asked(i),
            [this, i](const GeneratedToken& t) {
              const std::lock_guard lock(mutex);
              heard[i].push_back(t.token);
            },
            [this, i](GenerationResult&& result) {
              const std::lock_guard lock(mutex);
              EXPECT_EQ(heard[i], result.tokens);
              EXPECT_TRUE(done.emplace(i, told(result)).second);
            },
            [this, i](const std::string& message) {
              const std::lock_guard lock(mutex);
              EXPECT_TRUE(failed.emplace(i, message).second);
            }};
  }
  std::size_t ended() {
    const std::lock_guard lock(mutex);
    return done.size() + failed.size();
  }
};

std::map<unsigned, std::string> answers_alone(unsigned count) {
  std::map<unsigned, std::string> out;
  for (unsigned i = 0; i < count; ++i) {
    testing::Engine model = golden_model();
    Scheduler scheduler(*model.model, {1, 400, 0});
    std::optional<GenerationRequest> request = asked(i);
    scheduler.run([&] { return std::exchange(request, std::nullopt); },
                  [&](GenerationResult&& result) { out[i] = told(result); });
  }
  return out;
}

TEST(Engine, AnswersAreThoseOfEachRequestAlone) {
  constexpr unsigned kCount = 40;
  const auto alone = answers_alone(kCount);
  testing::Engine model = golden_model();
  Answers answers, again;
  Engine engine(*model.model, {.sequences = 16, .context = 400});
  std::vector<std::thread> clients;
  for (unsigned c = 0; c < 4; ++c) {
    clients.emplace_back([&, c] {
      for (unsigned i = c; i < kCount; i += 4) {
        std::vector<Job> jobs;
        jobs.push_back(answers.job(i));
        EXPECT_TRUE(engine.submit(std::move(jobs)));
      }
    });
  }
  for (std::thread& client : clients) client.join();
  ASSERT_TRUE(testing::eventually([&] { return answers.ended() == kCount; }));
  EXPECT_EQ(answers.done, alone);
  // Again, with all that is now in the prefix cache.
  for (unsigned i = 0; i < kCount; ++i) {
    std::vector<Job> jobs;
    jobs.push_back(again.job(i));
    engine.submit(std::move(jobs));
  }
  ASSERT_TRUE(testing::eventually([&] { return again.ended() == kCount; }));
  EXPECT_EQ(again.done, alone);
  const EngineStats stats = engine.stats();
  EXPECT_EQ(stats.done, 2 * kCount);
  EXPECT_EQ(stats.queued + stats.running, 0u);
}

TEST(Engine, WhatIsCancelledIsNeverToldAndDisturbsNobody) {
  const auto alone = answers_alone(12);
  testing::Engine model = golden_model();
  Answers answers;
  Engine engine(*model.model, {.sequences = 2, .context = 400});
  std::vector<Job> jobs;
  for (unsigned i = 0; i < 12; ++i) jobs.push_back(answers.job(i));
  // The engine waits in the middle of the first answer until all is cancelled.
  std::promise<void> begun, go_on;
  jobs[0].on_token = [&, count = 0, listen = jobs[0].on_token](const GeneratedToken& t) mutable {
    listen(t);
    if (++count != 2) return;
    begun.set_value();
    go_on.get_future().wait();
  };
  const auto ids = engine.submit(std::move(jobs)).value();
  begun.get_future().wait();
  engine.cancel(ids[11]);  // queued
  engine.cancel(ids[5]);
  engine.cancel(ids[1]);  // running
  engine.cancel(ids[0]);  // itself
  engine.cancel(ids[0]);
  engine.cancel(987654);
  go_on.set_value();
  ASSERT_TRUE(testing::eventually([&] { return engine.stats().queued + engine.stats().running == 0; }));
  const std::lock_guard lock(answers.mutex);
  EXPECT_TRUE(answers.failed.empty());
  EXPECT_EQ(answers.done.size(), 8u);
  for (const unsigned i : {0, 1, 5, 11}) EXPECT_FALSE(answers.done.contains(i)) << i;
  for (const auto& [i, answer] : answers.done) EXPECT_EQ(answer, alone.at(i)) << i;
  EXPECT_EQ(engine.stats().done, 8u);
  EXPECT_EQ(engine.stats().cancelled, 4u);
}

TEST(Engine, AFullQueueTakesAllOfARequestOrNothing) {
  testing::Engine model = golden_model();
  Answers answers;
  Engine engine(*model.model, {.sequences = 1, .context = 400, .queue = 3});
  std::vector<Job> jobs;
  for (unsigned i = 0; i < 4; ++i) jobs.push_back(answers.job(i));
  EXPECT_FALSE(engine.submit(std::move(jobs)));
  EXPECT_EQ(engine.stats().refused, 1u);
  jobs.clear();
  for (unsigned i = 0; i < 3; ++i) jobs.push_back(answers.job(i));
  EXPECT_TRUE(engine.submit(std::move(jobs)));
  ASSERT_TRUE(testing::eventually([&] { return answers.ended() == 3; }));
}

TEST(Engine, TakesTheLowestPriorityFirstAndThenWhoCameFirst) {
  testing::Engine model = golden_model();
  Engine engine(*model.model, {.sequences = 1, .context = 400});
  std::mutex mutex;
  std::vector<unsigned> order;
  std::promise<void> gate;
  const std::shared_future<void> opened = gate.get_future().share();
  const auto job = [&](unsigned i, std::int64_t priority) {
    Job out{asked(i), nullptr,
            [&, i](GenerationResult&&) {
              if (i == 0) opened.wait();  // until all others wait
              const std::lock_guard lock(mutex);
              order.push_back(i);
            },
            [](const std::string& message) { ADD_FAILURE() << message; }, priority};
    return out;
  };
  const std::int64_t priorities[] = {0, 5, 0, -3, 5, 0, -3};
  for (unsigned i = 0; i < 7; ++i) {
    std::vector<Job> jobs;
    jobs.push_back(job(i, priorities[i]));
    engine.submit(std::move(jobs));
    // The first one is taken before the others come.
    ASSERT_TRUE(i > 0 || testing::eventually([&] { return engine.stats().queued == 0; }));
  }
  gate.set_value();
  ASSERT_TRUE(testing::eventually([&] { return engine.stats().done == 7; }));
  ASSERT_TRUE(testing::eventually([&] {
    const std::lock_guard lock(mutex);
    return order.size() == 7;
  }));
  EXPECT_EQ(order, (std::vector<unsigned>{0, 3, 6, 2, 5, 1, 4}));
}

TEST(Engine, StoppingFailsWhatIsLeftOnce) {
  testing::Engine model = golden_model();
  Answers answers;
  Engine engine(*model.model, {.sequences = 2, .context = 400});
  std::vector<Job> jobs;
  for (unsigned i = 0; i < 30; ++i) jobs.push_back(answers.job(i));
  engine.submit(std::move(jobs));
  engine.stop("closing");
  EXPECT_EQ(answers.ended(), 30u);
  for (const auto& [i, message] : answers.failed) EXPECT_EQ(message, "closing");
  std::vector<Job> late;
  late.push_back(answers.job(30));
  engine.submit(std::move(late));
  EXPECT_TRUE(answers.failed.contains(30));
}

TEST(Engine, RefusesWhatCouldNeverBeComputed) {
  testing::Engine model = golden_model();
  Engine engine(*model.model,
                {.sequences = 2, .context = 400, .kv_bytes = 4 * kv_bytes(model.model->config(), 32)});
  const auto refused = [&](std::size_t prompt, std::int64_t answer) -> std::string {
    try {
      engine.check(made_up_ids(prompt, 1), {}, answer);
      return "";
    } catch (const InputError& e) {
      return e.what();
    }
  };
  EXPECT_EQ(refused(20, 20), "");
  EXPECT_NE(refused(0, 1).find("at least one token"), std::string::npos);
  EXPECT_NE(refused(400, 1).find("at most 399 tokens"), std::string::npos);
  EXPECT_NE(refused(100, 200).find("for which there is memory, got 300"), std::string::npos);
}

}  // namespace
}  // namespace refocus::server
