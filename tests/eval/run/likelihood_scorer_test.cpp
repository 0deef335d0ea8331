// Log-likelihoods of options: those of a plain loop over one sequence, to the last bit, whatever is computed
// beside them.
#include "eval/run/likelihood_scorer.h"

#include <map>
#include <nlohmann/json.hpp>

#include "base/text_file.h"
#include "kernels/argmax.h"
#include "kernels/distribution.h"
#include "model/engine.h"

namespace refocus {
namespace {

using testing::Engine;
using Ids = std::vector<std::int32_t>;
using Results = std::map<std::uint64_t, std::vector<OptionLikelihood>>;

constexpr const char* kInterventions[] = {"none", "rebalance:alpha=0.5,threshold=0.01",
                                          "rebalance:mode=self"};
constexpr const char* kPlain = "{}";
constexpr const char* kDynamic =
    R"({"rope_scaling":{"type":"dynamic","factor":4.0},"max_position_embeddings":32})";

// Contexts of mixed lengths (1, block ends, beyond) that partly begin alike, two to four options each of one
// to forty tokens, some of which begin alike or are the same.
std::vector<LikelihoodRequest> mixed_requests() {
  constexpr std::size_t kLengths[] = {1, 5, 31, 32, 33, 64, 80, 97, 100, 2, 70, 71};
  std::vector<LikelihoodRequest> out;
  for (unsigned i = 0; i < 12; ++i) {
    LikelihoodRequest request;
    request.id = i;
    request.context = testing::made_up_ids(
        kLengths[i], i % 4 == 3 ? i : 1);  // those of seed 1 are beginnings of each other
    request.shared_prefix = i % 4 == 3 ? 0 : 66;
    for (unsigned o = 0; o < 2 + i % 3; ++o)
      request.options.push_back(testing::made_up_ids(1 + (i * 7 + o * o * 13) % 40, 50 + o));
    if (i == 6) request.options = {{3}, {4}, {5}, {3}};
    if (i == 8) request.options.assign(2, testing::made_up_ids(6, 50));
    constexpr std::size_t kStems[] = {0, 40, 3, 0, 20, 0, 0, 0, 0, 60, 2, 1};
    const Ids stem = testing::made_up_ids(kStems[i], 90);
    for (Ids& option : request.options) option.insert(option.begin(), stem.begin(), stem.end());
    // Some options begin with tokens that are not scored.
    if (i % 2 == 1) {
      for (const Ids& option : request.options) {
        request.leads.push_back(static_cast<std::int64_t>((option.size() - 1) * i / 24));
      }
    }
    request.intervention =
        parse_intervention(i % 5 < 2 ? testing::kAimedInterventions[i % 3] : kInterventions[i % 3]);
    request.target = testing::aim_at_question(request.intervention, request.context, i % 4, 8 + i);
    out.push_back(std::move(request));
  }
  return out;
}

// The plain twin: each option with its context in one call of its own.
std::vector<OptionLikelihood> plain(Engine& engine, const LikelihoodRequest& request) {
  std::vector<OptionLikelihood> out;
  const auto vocab = static_cast<std::size_t>(engine.model->config().vocab_size);
  for (std::size_t o = 0; o < request.options.size(); ++o) {
    const Ids& option = request.options[o];
    Intervention hooks(request.intervention, shape_of(*engine.model));
    hooks.aim(request.target);
    Ids tokens = request.context;
    tokens.insert(tokens.end(), option.begin(), option.end() - 1);
    KvSequence sequence(*engine.cache);
    std::vector<float> logits;
    testing::run_call(engine, sequence, tokens, hooks, 512, logits);
    OptionLikelihood score{0, true};
    const std::int64_t lead = request.leads.empty() ? 0 : request.leads[o];
    for (auto t = static_cast<std::size_t>(lead); t < option.size(); ++t) {
      const std::span<const float> row(logits.data() + (request.context.size() - 1 + t) * vocab, vocab);
      score.loglikelihood -= negative_log_likelihood(row, log_sum_exp(row), option[t]);
      score.is_greedy = score.is_greedy && argmax(row.data(), static_cast<std::int64_t>(vocab)) == option[t];
    }
    out.push_back(score);
  }
  return out;
}

Results score_all(Engine& engine, const SchedulerOptions& options,
                  const std::vector<LikelihoodRequest>& requests, std::int64_t* rows = nullptr) {
  LikelihoodScorer scorer(*engine.model, options);
  Results results;
  std::size_t next = 0;
  std::uint64_t expected = 0;
  scorer.run([&]() { return next < requests.size() ? std::optional(requests[next++]) : std::nullopt; },
             [&](LikelihoodResult&& result) {
               EXPECT_EQ(result.id, expected++) << "in the order of the requests";
               results[result.id] = std::move(result.options);
             });
  EXPECT_EQ(results.size(), requests.size());
  if (rows != nullptr) *rows = scorer.computed_rows();
  return results;
}

void expect_equal(const Results& got, const std::vector<std::vector<OptionLikelihood>>& want,
                  const std::string& what) {
  SCOPED_TRACE(what);
  for (const auto& [id, options] : got) {
    ASSERT_EQ(options.size(), want[id].size());
    for (std::size_t o = 0; o < options.size(); ++o) {
      EXPECT_EQ(options[o].loglikelihood, want[id][o].loglikelihood) << id << " option " << o;
      EXPECT_EQ(options[o].is_greedy, want[id][o].is_greedy) << id << " option " << o;
    }
  }
}

struct Way {
  std::int64_t batch, max_rows;
  int threads;
  std::int64_t blocks;  // of the cache; 0 for plenty
};
constexpr Way kWays[] = {{1, 512, 1, 0}, {16, 512, 2, 0}, {3, 7, 2, 0},
                         {16, 1, 1, 0},  {16, 64, 2, 7},  {5, 512, 2, 6}};

// What sinks a prompt has, its options keep; and a prompt is not cut.
TEST(LikelihoodScorer, InterventionsThatNeedTheWholeContextGetItInOneCall) {
  std::vector<LikelihoodRequest> requests = mixed_requests();
  for (LikelihoodRequest& request : requests) {
    if (request.id % 4 == 3) continue;
    request.intervention = parse_intervention(testing::kWholeInterventions[request.id % 4]);
    request.target =
        testing::aim_at_question(request.intervention, request.context, request.id % 4, 8 + request.id);
  }
  for (const char* overrides : {kPlain, kDynamic}) {
    Engine one("gqa-f16", testing::config_with("gqa-f16", overrides), 1, 512);
    std::vector<std::vector<OptionLikelihood>> want;
    for (const LikelihoodRequest& request : requests) want.push_back(plain(one, request));
    for (const Way& way : {Way{1, 512, 1, 0}, Way{16, 512, 2, 0}, Way{5, 101, 2, 0}}) {
      Engine engine("gqa-f16", testing::config_with("gqa-f16", overrides), way.threads, way.max_rows);
      expect_equal(score_all(engine, {way.batch, 400, 0}, requests), want,
                   fmt::format("{} batch {} rows {}", overrides, way.batch, way.max_rows));
    }
  }
}

TEST(LikelihoodScorer, EqualsAPlainLoopHoweverItIsComputed) {
  const std::vector<LikelihoodRequest> requests = mixed_requests();
  for (const char* model : {"mha-f32", "gqa-f16"}) {
    for (const char* overrides : {kPlain, kDynamic}) {
      Engine one(model, testing::config_with(model, overrides), 1, 512);
      std::vector<std::vector<OptionLikelihood>> want;
      for (const LikelihoodRequest& request : requests) want.push_back(plain(one, request));
      for (const Way& way : kWays) {
        Engine engine(model, testing::config_with(model, overrides), way.threads, way.max_rows);
        const std::int64_t bytes = way.blocks * kv_bytes(engine.model->config(), 1);
        expect_equal(score_all(engine, {way.batch, 400, bytes}, requests), want,
                     fmt::format("{} {} batch {} rows {} blocks {}", model, overrides, way.batch,
                                 way.max_rows, way.blocks));
      }
    }
  }
}

// Of more rows than may have their logits in one call.
TEST(LikelihoodScorer, LongBeginningsOfOptionsAreCutIntoCalls) {
  std::vector<LikelihoodRequest> requests(3);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    requests[i].id = i;
    requests[i].context = testing::made_up_ids(20 + 30 * i, 1);
    requests[i].options.assign(i + 1,
                               testing::made_up_ids(kLogitRows + 10 * static_cast<std::int64_t>(i), 4));
    for (std::size_t o = 0; o < i + 1; ++o) {
      const Ids end = testing::made_up_ids(1 + 3 * o, 60 + static_cast<unsigned>(o));
      requests[i].options[o].insert(requests[i].options[o].end(), end.begin(), end.end());
    }
  }
  Engine one("gqa-f16", testing::config_with("gqa-f16", kPlain), 1, 512);
  std::vector<std::vector<OptionLikelihood>> want;
  for (const LikelihoodRequest& request : requests) want.push_back(plain(one, request));
  for (const std::int64_t max_rows : {512, 64, 150}) {
    Engine engine("gqa-f16", testing::config_with("gqa-f16", kPlain), 2, max_rows);
    expect_equal(score_all(engine, {4, 400, 0}, requests), want, fmt::format("rows {}", max_rows));
  }
}

Engine windowed_engine(const std::string& family, std::int64_t window, int threads, std::int64_t max_rows) {
  const std::filesystem::path directory = testing::golden("families") / family;
  nlohmann::json config = nlohmann::json::parse(read_text_file(directory / "config.json"));
  config["sliding_window"] = window;
  return {directory.string(), config.dump(), threads, max_rows};
}

// Prefixes of other lengths than their window, long contexts and options, in all the memory that one needs.
TEST(LikelihoodScorer, LayersWithWindowsChangeNoBit) {
  std::vector<LikelihoodRequest> requests = mixed_requests();
  for (unsigned i = 0; i < 6; ++i) {
    LikelihoodRequest request;
    request.id = requests.size();
    request.context = testing::made_up_ids(150 + i * 9, 2);
    request.shared_prefix = i % 2 == 0 ? 140 : 100;
    request.options = {testing::made_up_ids(1 + i * 17 % 70, 5), testing::made_up_ids(90, 6), {3}};
    if (i % 2 == 1) {
      for (Ids& option : request.options) option.insert(option.begin(), {7, 8, 9, 4, 4});
    }
    requests.push_back(std::move(request));
  }
  for (LikelihoodRequest& request : requests) {
    for (std::int32_t& id : request.context) id %= 48;
    for (Ids& option : request.options) {
      for (std::int32_t& id : option) id %= 48;
    }
  }
  for (const char* model : {"mistral", "gemma3"}) {
    for (const std::int64_t window : {6, 130}) {
      Engine one = windowed_engine(model, window, 1, 512);
      std::vector<std::vector<OptionLikelihood>> want;
      for (const LikelihoodRequest& request : requests) want.push_back(plain(one, request));
      for (const auto& [batch, max_rows] : {std::pair{1, 512}, {16, 64}, {5, 7}}) {
        Engine engine = windowed_engine(model, window, 1, max_rows);
        // What the one that takes the most needs, for its context and one continuation; and more.
        std::int64_t least = 0;
        for (const LikelihoodRequest& request : requests) {
          std::size_t longest = 1;
          for (const Ids& option : request.options) longest = std::max(longest, option.size());
          const std::int64_t begin = std::ssize(request.context),
                             end = begin + static_cast<std::int64_t>(longest) - 1;
          const KvLayout layout(engine.model->config(), DType::kF32);
          const std::int64_t fork =
              longest == 1 ? 0 : layout.bytes_between(begin, end, std::min(128, max_rows));
          least = std::max(least, kv_bytes(engine.model->config(), begin, DType::kF32, max_rows) + fork);
        }
        for (const std::int64_t bytes : {least, least * 3 / 2, std::int64_t{0}}) {
          expect_equal(
              score_all(engine, {batch, 400, bytes}, requests), want,
              fmt::format("{} window {} batch {} rows {} bytes {}", model, window, batch, max_rows, bytes));
        }
      }
    }
  }
}

TEST(LikelihoodScorer, KnowsTheGreedyOption) {
  Engine engine("mha-f32", testing::config_with("mha-f32", kPlain), 1, 512);
  // The greedy continuation by hand, then that one, and one that leaves it at its end.
  Ids tokens = testing::made_up_ids(20, 3), greedy;
  const auto vocab = engine.model->config().vocab_size;
  for (int i = 0; i < 3; ++i) {
    KvSequence sequence(*engine.cache);
    std::vector<float> logits;
    testing::run_call(engine, sequence, tokens, engine.intervention("none"), 512, logits);
    greedy.push_back(static_cast<std::int32_t>(argmax(logits.data() + logits.size() - vocab, vocab)));
    tokens.push_back(greedy.back());
  }
  Ids other = greedy;
  other.back() = (other.back() + 1) % 67;
  LikelihoodRequest request;
  request.context = testing::made_up_ids(20, 3);
  request.options = {other, greedy, {greedy[0]}};
  const auto scores = score_all(engine, {1, 400, 0}, {request}).at(0);
  EXPECT_FALSE(scores[0].is_greedy);
  EXPECT_TRUE(scores[1].is_greedy);
  EXPECT_TRUE(scores[2].is_greedy);
  EXPECT_LT(scores[0].loglikelihood, scores[1].loglikelihood);
  EXPECT_LT(scores[1].loglikelihood, scores[2].loglikelihood);
}

// Rows that go through the model: each context once, options of one token for nothing, prefixes once.
TEST(LikelihoodScorer, ComputesNothingTwice) {
  Engine engine("mha-f32", testing::config_with("mha-f32", kPlain), 2, 512);
  std::vector<LikelihoodRequest> requests;
  for (unsigned i = 0; i < 6; ++i) {
    LikelihoodRequest request;
    request.id = i;
    request.context = testing::made_up_ids(70, 3);
    const Ids own = testing::made_up_ids(10, 20 + i);
    request.context.insert(request.context.end(), own.begin(), own.end());
    request.options = {{1}, {2}, {3}, {4}};
    requests.push_back(request);
  }
  std::int64_t rows = 0;
  score_all(engine, {16, 400, 0}, requests, &rows);
  EXPECT_EQ(rows, 6 * 80);
  for (LikelihoodRequest& request : requests) request.shared_prefix = 70;
  for (const std::int64_t batch : {1, 2, 16}) {
    score_all(engine, {batch, 400, 0}, requests, &rows);
    EXPECT_EQ(rows, 64 + 6 * (80 - 64)) << batch;
  }
  requests.back().options = {testing::made_up_ids(9, 1), testing::made_up_ids(4, 2), {1}};
  score_all(engine, {16, 400, 0}, requests, &rows);
  EXPECT_EQ(rows, 64 + 6 * (80 - 64) + 8 + 3);
  // What all options of a request begin with is computed once, and no option's last token at all.
  const std::vector<Ids> others =
      std::exchange(requests.back().options, {{5, 6, 7, 8}, {5, 6, 7, 9, 9}, {5, 6, 7, 8, 1}, {5, 6, 7}});
  score_all(engine, {16, 400, 0}, requests, &rows);
  EXPECT_EQ(rows, 64 + 6 * (80 - 64) + 2 + 1 + 2 + 2 + 0);
  requests.back().options = {{5, 6, 7}, {5, 6, 7}, {5, 6, 7}};
  score_all(engine, {16, 400, 0}, requests, &rows);
  EXPECT_EQ(rows, 64 + 6 * (80 - 64) + 2);
  requests.back().options = others;
  // Another intervention has other keys and values.
  requests.back().intervention = parse_intervention("rebalance");
  score_all(engine, {16, 400, 0}, requests, &rows);
  EXPECT_EQ(rows, 64 + 5 * (80 - 64) + 80 + 8 + 3);
}

// Where the context ends with a block, and what its options begin with does not.
TEST(LikelihoodScorer, BeginningsOfOptionsNeedNoMoreMemory) {
  Engine engine("mha-f32", testing::config_with("mha-f32", kPlain), 1, 512);
  LikelihoodRequest request;
  request.context = testing::made_up_ids(64, 1);
  request.options = {testing::made_up_ids(20, 2), testing::made_up_ids(20, 2)};
  request.options[1].resize(9);
  const Results plenty = score_all(engine, {4, 400, 0}, {request});
  const std::int64_t block = kv_bytes(engine.model->config(), 1);
  const Results little = score_all(engine, {4, 400, 3 * block}, {request});
  for (std::size_t o = 0; o < 2; ++o) EXPECT_EQ(little.at(0)[o].loglikelihood, plenty.at(0)[o].loglikelihood);
}

TEST(LikelihoodScorer, ARequestThatCannotFitIsAnErrorThatNamesTheFlag) {
  Engine engine("mha-f32", testing::config_with("mha-f32", kPlain), 1, 512);
  LikelihoodRequest request;
  request.context = testing::made_up_ids(70, 1);
  request.options = {testing::made_up_ids(30, 2), {1}};
  const std::int64_t block = kv_bytes(engine.model->config(), 1);
  EXPECT_NO_THROW(score_all(engine, {4, 400, 5 * block}, {request}));
  LikelihoodScorer scorer(*engine.model, {4, 400, 4 * block});
  bool asked = false;
  const auto source = [&]() { return std::exchange(asked, true) ? std::nullopt : std::optional(request); };
  try {
    scorer.run(source, [](LikelihoodResult&&) {});
    FAIL() << "no error";
  } catch (const InputError& e) {
    EXPECT_THAT(e.what(), ::testing::AllOf(::testing::HasSubstr("for 160 tokens"),
                                           ::testing::HasSubstr("enough for 128; raise --kv-memory")));
  }
}

}  // namespace
}  // namespace refocus
