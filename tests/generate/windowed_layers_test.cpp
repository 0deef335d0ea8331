// Models with sliding windows in the scheduler: company, chunks, prefixes that are shared and preemption
// change no token, and memory stays within what windows need.
#include <map>
#include <nlohmann/json.hpp>

#include "base/text_file.h"
#include "generate/scheduler.h"
#include "kernels/argmax.h"
#include "model/engine.h"

namespace refocus {
namespace {

using testing::Engine;
using WindowedResults = std::map<std::uint64_t, GenerationResult>;

constexpr const char* kModels[] = {"mistral", "gemma3", "gpt_oss"};  // all layers, every other, with sinks

Engine windowed_engine(const std::string& family, std::int64_t window, int threads, std::int64_t max_rows) {
  const std::filesystem::path directory = testing::golden("families") / family;
  nlohmann::json config = nlohmann::json::parse(read_text_file(directory / "config.json"));
  config["sliding_window"] = window;
  config["max_position_embeddings"] = 512;
  return {directory.string(), config.dump(), threads, max_rows};
}

std::vector<std::int32_t> ids_below_48(std::size_t count, unsigned seed) {
  std::vector<std::int32_t> out = testing::made_up_ids(count, seed);
  for (std::int32_t& id : out) id %= 48;
  return out;
}

GenerationRequest windowed_request(std::uint64_t id, std::vector<std::int32_t> prompt, const char* spec,
                                   std::int64_t new_tokens) {
  GenerationRequest out;
  out.id = id;
  out.prompt = std::move(prompt);
  out.intervention = parse_intervention(spec);
  out.max_new_tokens = new_tokens;
  return out;
}

// The plain twin: each token from the whole sequence in one call, in which nothing is left behind.
std::vector<std::int32_t> tokens_without_a_cache(Engine& engine, const GenerationRequest& request) {
  const ModelConfig& config = engine.model->config();
  const Intervention intervention(request.intervention, shape_of(*engine.model));
  std::vector<std::int32_t> tokens = request.prompt;
  for (std::int64_t i = 0; i < request.max_new_tokens; ++i) {
    KvSequence sequence(*engine.cache);
    EXPECT_TRUE(sequence.reserve(std::ssize(tokens)));
    const SequenceInput input{&sequence, tokens, std::ssize(tokens), intervention.hooks(), LogitRows::kLast};
    const std::span<const float> logits = engine.model->forward({&input, 1});
    tokens.push_back(static_cast<std::int32_t>(argmax(logits.data(), config.vocab_size)));
  }
  return {tokens.begin() + std::ssize(request.prompt), tokens.end()};
}

struct WindowedRun {
  WindowedResults results = {};
  SchedulerStats stats = {};
};

WindowedRun run_scheduled(Engine& engine, const SchedulerOptions& options,
                          const std::vector<GenerationRequest>& requests) {
  Scheduler scheduler(*engine.model, options);
  WindowedRun out;
  std::size_t next = 0;
  scheduler.run([&]() { return next < requests.size() ? std::optional(requests[next++]) : std::nullopt; },
                [&](GenerationResult&& result) { out.results[result.id] = std::move(result); });
  EXPECT_EQ(out.results.size(), requests.size());
  out.stats = scheduler.stats();
  return out;
}

using TokensById = std::map<std::uint64_t, std::vector<std::int32_t>>;

TokensById expected_tokens(const std::string& family, std::int64_t window,
                           const std::vector<GenerationRequest>& requests) {
  Engine engine = windowed_engine(family, window, 1, 512);
  TokensById out;
  for (const GenerationRequest& r : requests) out[r.id] = tokens_without_a_cache(engine, r);
  return out;
}

void expect_same(const WindowedRun& run, const TokensById& expected, const std::string& what) {
  for (const auto& [id, tokens] : expected)
    EXPECT_EQ(run.results.at(id).tokens, tokens) << what << ", " << id;
}

std::vector<GenerationRequest> long_requests() {
  constexpr const char* kSpecs[] = {"none", "rebalance:alpha=0.5,threshold=0.01", "rebalance:mode=self"};
  std::vector<GenerationRequest> out;
  for (unsigned i = 0; i < 8; ++i)
    out.push_back(windowed_request(i, ids_below_48(1 + i * 61 % 200, i), kSpecs[i % 3], 20 + i * 13 % 31));
  return out;
}

TEST(WindowedLayers, BatchAndChunksChangeNoToken) {
  const std::vector<GenerationRequest> requests = long_requests();
  for (const char* model : kModels) {
    for (const std::int64_t window : {6, 40}) {
      const TokensById expected = expected_tokens(model, window, requests);
      for (const auto& [batch, max_rows] : {std::pair{1, 512}, {8, 7}, {3, 64}}) {
        Engine engine = windowed_engine(model, window, 1, max_rows);
        expect_same(run_scheduled(engine, {batch, 400, 0}, requests), expected,
                    fmt::format("{} window {} batch {} rows {}", model, window, batch, max_rows));
      }
    }
  }
}

TEST(WindowedLayers, PreemptedSequencesGiveTheSameTokensInAllThatIsThere) {
  const std::vector<GenerationRequest> requests = long_requests();
  for (const char* model : kModels) {
    for (const std::int64_t window : {6, 40}) {
      const TokensById expected = expected_tokens(model, window, requests);
      for (const std::int64_t max_rows : {64, 17}) {
        Engine engine = windowed_engine(model, window, 1, max_rows);
        // The longest alone fits as well as it may be.
        std::int64_t longest = 0;
        for (const GenerationRequest& r : requests)
          longest = std::max(longest, std::ssize(r.prompt) + r.max_new_tokens);
        const std::int64_t bytes = kv_bytes(engine.model->config(), longest, DType::kF32, max_rows);
        const WindowedRun run = run_scheduled(engine, {8, 400, bytes}, requests);
        expect_same(run, expected, fmt::format("{} window {} rows {}", model, window, max_rows));
        EXPECT_LE(run.stats.peak_kv_bytes, bytes);
        EXPECT_TRUE(run.stats.preemptions > 0 || model != std::string("gemma3")) << window << " " << max_rows;
      }
    }
  }
}

// Prefixes of three blocks and of two, the second the beginning of the first.
std::vector<GenerationRequest> requests_with_prefixes() {
  std::vector<GenerationRequest> out;
  for (unsigned i = 0; i < 8; ++i) {
    std::vector<std::int32_t> prompt = ids_below_48(100, 3);
    const std::vector<std::int32_t> rest = ids_below_48(2 + i * 17 % 60, 20 + i);
    prompt.insert(prompt.end(), rest.begin(), rest.end());
    out.push_back(windowed_request(i, std::move(prompt), i < 6 ? "rebalance:alpha=0.5" : "none", 30));
    out.back().shared_prefix = i % 2 == 0 ? 100 : 70;
  }
  return out;
}

TEST(WindowedLayers, APrefixIsSharedWhereAllIsThereThatIsSeenAfterIt) {
  const std::vector<GenerationRequest> requests = requests_with_prefixes();
  for (const char* model : kModels) {
    for (const std::int64_t window : {6, 40, 100}) {
      const TokensById expected = expected_tokens(model, window, requests);
      // The second prefix is in the first, but only within the window do its last positions stay with it.
      const std::int64_t within = window == 100 ? 64 : 0;
      const std::int64_t alone[] = {0, within, 96, 64, 96, 64, 0, within};
      for (const auto& [batch, max_rows] : {std::pair{1, 512}, {1, 20}, {8, 33}}) {
        Engine engine = windowed_engine(model, window, 1, max_rows);
        const std::int64_t plenty = 8 * kv_bytes(engine.model->config(), 400);
        const WindowedRun run = run_scheduled(engine, {batch, 400, plenty}, requests);
        const std::string what = fmt::format("{} window {} batch {} rows {}", model, window, batch, max_rows);
        expect_same(run, expected, what);
        for (std::size_t i = 0; batch == 1 && i < requests.size(); ++i)
          EXPECT_EQ(run.results.at(i).shared_tokens, alone[i]) << what << ", " << i;
        EXPECT_EQ(run.results.at(4).shared_tokens, 96) << what;
      }
      // With room for one and a half of them prefixes and sequences take turns.
      Engine engine = windowed_engine(model, window, 1, 33);
      const std::int64_t bytes = kv_bytes(engine.model->config(), 190, DType::kF32, 33) * 3 / 2;
      expect_same(run_scheduled(engine, {4, 400, bytes}, requests), expected,
                  fmt::format("{} window {} in {} bytes", model, window, bytes));
    }
  }
}

TEST(WindowedLayers, MemoryStaysWithinTheWindow) {
  for (const std::int64_t max_rows : {1, 16, 64}) {
    Engine all = windowed_engine("mistral", 40, 1, max_rows),
           some = windowed_engine("gemma3", 40, 1, max_rows);
    for (Engine* engine : {&all, &some}) {
      const ModelConfig& config = engine->model->config();
      const auto peak = [&](std::size_t prompt) {
        const auto request = windowed_request(0, ids_below_48(prompt, 1), "none", 20);
        return run_scheduled(*engine, {1, 500, 0}, {request}).stats.peak_kv_bytes;
      };
      const KvLayout layout(config, DType::kF32);
      // Where calls begin decides whether they see one block more or less, and the last block of other layers
      // may come after the call that sees most.
      const std::int64_t most = kv_bytes(config, 440 + 19, DType::kF32, max_rows);
      EXPECT_LE(peak(440), most);
      EXPECT_GE(peak(440), most - layout.block_bytes());
      // 192 tokens more are six blocks more of the layers without a window, and nothing of the others.
      const std::int64_t more = layout.groups() > 1 ? 6 * layout.part_bytes(0) : 0;
      EXPECT_EQ(peak(440) - peak(248), more);
    }
  }
}

TEST(WindowedLayers, WhatCouldNeverFitIsAnError) {
  const auto request = windowed_request(0, ids_below_48(300, 1), "none", 20);
  Engine engine = windowed_engine("gemma3", 40, 1, 16);
  const std::int64_t needed = kv_bytes(engine.model->config(), 319, DType::kF32, 16);
  EXPECT_EQ(run_scheduled(engine, {4, 400, needed}, {request}).results.size(), 1u);
  const std::string error = testing::error_of([&] {
    run_scheduled(engine, {4, 400, needed - 1}, {request});
  });
  EXPECT_THAT(error, ::testing::AllOf(::testing::HasSubstr("for 300 tokens"),
                                      ::testing::HasSubstr("enough for 288; raise --kv-memory")));
}

}  // namespace
}  // namespace refocus
