// Rows that are kept while sequences are generated: those of a capture of the finished text, whatever goes on
// beside, and no answer changes.
#include "analyze/kept/row_keeper.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "analyze/attention_run.h"
#include "base/text_file.h"
#include "generate/scheduler.h"
#include "io/npy.h"
#include "model/engine.h"

namespace refocus {
namespace {

using testing::Engine;
using testing::TempDir;

std::vector<std::int32_t> prompt_of(int length, int seed) {
  std::vector<std::int32_t> out;
  for (int i = 0; i < length; ++i) out.push_back(1 + (i < 40 ? i * 41 : i * 17 + seed) % 53);
  return out;
}

constexpr int kPrompt = 90;  // tokens

struct Wanted {
  std::string intervention = "none";
  std::vector<std::int64_t> queries;
  bool mean = false;
};

class KeptWhileGenerated : public ::testing::Test {
 protected:
  explicit KeptWhileGenerated(std::int64_t max_rows = 48)
      : engine_("gqa-f32", read_text_file(testing::golden_engine() / "gqa-f32/config.json"), 2, max_rows) {}

  KeepSettings settings(const Wanted& wanted, std::int64_t keys) const {
    const InterventionSpec spec = parse_intervention(wanted.intervention);
    KeepSettings out{{0, 2, 3}, {1, 2}, wanted.queries, keys, 7};
    out.mean_heads = wanted.mean;
    out.before = true;
    out.largest_factor = largest_factor_of(spec, engine_.model->config().num_hidden_layers);
    return out;
  }
  KeeperModel shape() const { return keeper_model(*engine_.model); }

  static GenerationRequest request(std::uint64_t id, std::vector<std::int32_t> prompt, const Wanted& wanted) {
    GenerationRequest out;
    out.id = id;
    out.shared_prefix = std::ssize(prompt);
    out.prompt = std::move(prompt);
    out.max_new_tokens = 12;
    out.intervention = parse_intervention(wanted.intervention);
    out.target = testing::aim_at_question(out.intervention, out.prompt, 0, 10);
    return out;
  }

  // Generates all at once, the second half after the first, with what the first left in the prefix cache.
  std::map<std::uint64_t, GenerationResult> run(std::vector<GenerationRequest> requests,
                                                std::int64_t kv_bytes = 0) {
    Scheduler scheduler(*engine_.model, {4, 200, kv_bytes});
    std::map<std::uint64_t, GenerationResult> out;
    for (int half = 0; half < 2; ++half) {
      std::size_t next = half == 0 ? 0 : requests.size() / 2;
      const std::size_t end = half == 0 ? requests.size() / 2 : requests.size();
      scheduler.run([&] { return next < end ? std::optional(requests[next++]) : std::nullopt; },
                    [&](GenerationResult&& result) { out[result.id] = std::move(result); });
    }
    preemptions_ = scheduler.stats().preemptions;
    return out;
  }

  // The same rows from a capture of the text, dense.
  void expect_captured(const KeptRows& kept, const GenerationRequest& request, const GenerationResult& result,
                       const Wanted& wanted) {
    AttentionText text;
    text.tokens = request.prompt;
    text.tokens.insert(text.tokens.end(), result.tokens.begin(), result.tokens.end());
    text.prompt_tokens = std::ssize(request.prompt);
    text.classes.assign(text.tokens.size(), TokenClass::kUnknown);
    for (const std::int64_t query : wanted.queries) {
      if (query < std::ssize(text.tokens) - 1) text.queries.push_back(query);
    }
    text.lens = {0};
    text.aim_at = [&](const InterventionSpec&) { return request.target; };
    ASSERT_EQ(kept.settings().queries, text.queries);
    ASSERT_EQ(kept.rows(), std::ssize(text.queries));
    ASSERT_EQ(kept.settings().keys, std::ssize(text.tokens));
    AttentionSettings what;
    what.layers = {0, 2, 3};
    what.heads = {1, 2};
    what.maps = {true, 0, true};
    const TempDir dir;
    const AttentionArm arm{"arm", request.intervention, 0.01};
    capture_text(*engine_.model, what, arm, text, dir.path());
    compare(kept, dir.path(), wanted.mean);
  }

  static void compare(const KeptRows& kept, const std::filesystem::path& dense, bool mean) {
    const std::int64_t keys = kept.settings().keys, rows = kept.rows();
    const NpyArray all[] = {read_npy(dense / "attention.npy"), read_npy(dense / "attention_before.npy")};
    const NpyArray received = read_npy(dense / "received.npy"),
                   offsets = read_npy(dense / "mask_offsets.npy"),
                   masks = read_npy(dense / "mask_indices.npy");
    const std::int64_t heads = mean ? 1 : 2;
    for (std::int64_t at = 0; at < 2 * 3 * heads * rows; ++at) {
      const bool before = at >= 3 * heads * rows;
      const std::int64_t layer = at / (heads * rows) % 3, head = at / rows % heads, row = at % rows;
      const auto weight = [&](std::int64_t key) {
        const auto of = [&](std::int64_t h) {
          const std::int64_t i = ((layer * 2 + h) * rows + row) * keys + key;
          return all[before ? 1 : 0].f32()[static_cast<std::size_t>(i)];
        };
        return mean ? static_cast<float>((double{of(0)} + double{of(1)}) / 2) : of(head);
      };
      const KeptRow its = kept.row(before, layer, head, row);
      const std::int64_t count = kept.settings().queries[static_cast<std::size_t>(row)] + 1;
      ASSERT_EQ(std::ssize(its.keys), 7);
      double others = 0;
      for (std::int64_t key = 0; key < count; ++key) others += double{weight(key)};
      for (std::size_t i = 0; i < its.keys.size(); ++i) {
        if (static_cast<std::int64_t>(i) >= count) {
          EXPECT_EQ(its.keys[i], -1);
          continue;
        }
        EXPECT_EQ(its.weights[i], weight(its.keys[i]));
        if (i > 0) {
          EXPECT_GE(std::abs(its.weights[i - 1]), std::abs(its.weights[i]));
        }
        others -= double{its.weights[i]};
      }
      EXPECT_NEAR(its.rest, others, 1e-6);
    }
    for (std::int64_t i = 0; i < 3 * heads * keys; ++i) {
      const std::int64_t layer = i / (heads * keys), head = i / keys % heads, key = i % keys;
      const auto of = [&](std::int64_t h) {
        return received.f32()[static_cast<std::size_t>((layer * 2 + h) * keys + key)];
      };
      const float its = kept.received(layer, head)[static_cast<std::size_t>(key)];
      EXPECT_NEAR(its, mean ? (of(0) + of(1)) / 2 : of(head), mean ? 1e-6 : 0);
    }
    for (std::int64_t i = 0; i < rows * 2; ++i) {
      const auto its = kept.mask(i / 2, i % 2);
      if (mean) {
        EXPECT_TRUE(its.empty());
        continue;
      }
      const auto from = offsets.i64()[static_cast<std::size_t>(i)],
                 to = offsets.i64()[static_cast<std::size_t>(i + 1)];
      EXPECT_EQ(std::vector<std::int64_t>(its.begin(), its.end()),
                std::vector<std::int64_t>(masks.i64().begin() + from, masks.i64().begin() + to));
    }
  }

  static std::vector<std::int64_t> every() {
    std::vector<std::int64_t> out(110);
    std::iota(out.begin(), out.end(), 0);
    return out;
  }
  static std::vector<std::int64_t> generated() {
    std::vector<std::int64_t> out;
    for (std::int64_t i = kPrompt - 1; i < kPrompt + 11; ++i) out.push_back(i);
    return out;
  }
  static std::vector<Wanted> many() {
    return {{"rebalance:alpha=0.8", every()},
            {"none", generated()},
            {"rebalance:alpha=0.8", {3, 39, 40, 95, 108}, true},
            {"none", every()},
            {"rebalance:alpha=-9", generated()},
            {"rebalance:alpha=0.8", generated()}};
  }

  // Rows are kept of all sequences, the last of which begins as the first; all answers are those without.
  void expect_kept(const std::vector<Wanted>& wanted, std::int64_t kv_bytes) {
    std::vector<GenerationRequest> plain, watched;
    std::vector<std::shared_ptr<RowKeeper>> keepers;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const int seed = i + 1 == wanted.size() ? 0 : static_cast<int>(i);
      plain.push_back(request(i, prompt_of(kPrompt, seed), wanted[i]));
      watched.push_back(plain.back());
      keepers.push_back(std::make_shared<RowKeeper>(
          settings(wanted[i], 110), shape(), plain[i].intervention.needs_whole_prompt() ? kPrompt : 0));
      watched.back().watch = keepers.back();
    }
    const auto without = run(plain), with = run(watched, kv_bytes);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      SCOPED_TRACE(i);
      ASSERT_EQ(with.at(i).tokens, without.at(i).tokens);
      const auto kept = keepers[i]->finish(kPrompt + std::ssize(with.at(i).tokens));
      expect_captured(*kept, plain[i], with.at(i), wanted[i]);
      EXPECT_LE(kept->bytes(), most_bytes(settings(wanted[i], 110)));
    }
    for (const auto& [id, result] : with) shared_[id] = result.shared_tokens;
  }

  Engine engine_;
  std::int64_t preemptions_ = 0;
  std::map<std::uint64_t, std::int64_t> shared_;
};

TEST_F(KeptWhileGenerated, AreThoseOfACaptureOfTheText) {
  expect_kept(many(), 0);
  EXPECT_GT(shared_[5], 0) << "what was computed before came from the cache";
  EXPECT_EQ(shared_[3], 0) << "rows that are wanted are computed";
}

TEST_F(KeptWhileGenerated, AreTheSameWhereMemoryRunsShort) {
  // Room for two prompts, of three blocks each, and one block more: two answers need two.
  expect_kept(many(), kv_bytes(engine_.model->config(), 7 * kKeyBlock));
  EXPECT_GT(preemptions_, 0);
}

// Prompts that go in one call, and come again with what was generated where memory runs short.
class KeptOfWholePrompts : public KeptWhileGenerated {
 protected:
  KeptOfWholePrompts() : KeptWhileGenerated(96) {}
};

TEST_F(KeptOfWholePrompts, AreThoseOfACaptureOfTheText) {
  expect_kept({{"act", every()}, {"act", generated()}, {"none", every()}, {"act", {3, 95, 100, 101}, true}},
              kv_bytes(engine_.model->config(), 7 * kKeyBlock));
  EXPECT_GT(preemptions_, 0);
}

TEST(KeepSettings, BytesAreThoseOfAllRows) {
  const KeepSettings settings{{0, 1}, {0, 1, 2}, {5, 6, 7, 8}, 100, 32};
  // Of a row 2 * 3 maps of 32 keys and weights and a rest, and of 3 heads a mask of at most 100 keys.
  EXPECT_EQ(most_bytes(settings), 4 * (6 * (32 * 8 + 4) + 3 * 100 * 4) + 6 * 100 * 4);
}

// A prompt that goes in one call has all its kept rows in it.
TEST(RowKeeper, TakesAWholePromptInOneCall) {
  Engine engine("gqa-f32", read_text_file(testing::golden_engine() / "gqa-f32/config.json"), 2, 128);
  KeepSettings settings{{0, 1, 2, 3}, {0, 1, 2, 3}, {}, 90, 7};
  for (std::int64_t i = 0; i < 82; ++i) settings.queries.push_back(i);
  const KeeperModel model = keeper_model(*engine.model);
  EXPECT_GT(keeper_bytes(settings, model, 70), keeper_bytes(settings, model, 0) / 2);
  const auto keeper = std::make_shared<RowKeeper>(settings, model, 70);
  EXPECT_NE(keeper->begin_call(nullptr, 0, 70), nullptr);
}

}  // namespace
}  // namespace refocus
