// Interventions that the program makes itself: methods of ours written anew have the bits of ours.
#include <atomic>
#include <numeric>

#include "intervene/capture.h"
#include "model/engine.h"
#include "model/own_changes.h"

namespace refocus {
namespace {

using testing::Engine;
using testing::kPrompt;
using testing::kTokens;
using testing::own_engine;
using testing::own_logits;
using testing::own_tokens;
using testing::OwnRebalance;
using testing::OwnRun;
using testing::Registered;
using When = OwnChange::When;

constexpr const char* kOwnModels[] = {"mha-f32", "gqa-f16", "mqa-bf16", "mistral", "gpt_oss", "gemma2"};

// The functions that tests name, for models of so many layers.
struct OwnMethods {
  Registered boost{"boost", When::kWeights, [](const OwnRows& rows) { testing::own_boost(rows, 3); }};
  Registered scale{"scale", When::kWeights, [](const OwnRows& rows) { testing::own_scale(rows, 0.25f); }};
  Registered guide{"guide", When::kScores, [](const OwnRows& rows) { testing::own_guide(rows, 1.5); }};
  std::shared_ptr<const OwnRebalance> of_layers;
  Registered rebalance;
  explicit OwnMethods(const Engine& engine)
      : of_layers(std::make_shared<OwnRebalance>(0.5, 0.02, engine.model->config().num_hidden_layers)),
        rebalance(of_layers) {}
};

// With what is built in, and with a function instead.
constexpr const char* kKeys = "keys=positions:2-9;40;57|generated";
struct Pair {
  std::string built_in, own;
};
std::vector<Pair> own_pairs() {
  const std::string keys = kKeys, rebalance = "rebalance:alpha=0.5,threshold=0.02",
                    own_rebalance = "own:function=rebalance", boost = "boost:factor=3," + keys,
                    own_boost = "own:function=boost," + keys, guide = "guide:delta=1.5," + keys,
                    own_guide = "own:function=guide," + keys,
                    scale = "scale:factor=0.25,renormalise=no,keys=not:positions:3",
                    own_scale = "own:function=scale,keys=not:positions:3";
  std::vector<Pair> out = {
      {boost, own_boost},
      {guide, own_guide},
      {scale, own_scale},
      {scale + ",layers=1,heads=1.0;1.2", own_scale + ",layers=1,heads=1.0;1.2"},
      {boost + ",rows=last", own_boost + ",rows=last"},
      {guide + ",rows=generated", own_guide + ",rows=generated"},
      {guide + ",rows=positions:0;5-7;31-33;70", own_guide + ",rows=positions:0;5-7;31-33;70"},
      {boost + "+" + rebalance, own_boost + "+" + rebalance},
      {boost + "+" + rebalance, boost + "+" + own_rebalance},
      {boost + "+" + rebalance, own_boost + "+" + own_rebalance},
      {rebalance + "+" + boost, own_rebalance + "+" + boost},
      {guide + "+" + scale, own_guide + "+" + own_scale},
      {"temperature:tau=2+" + guide, "temperature:tau=2+" + own_guide},
      {guide + "+temperature:tau=2+" + scale, own_guide + "+temperature:tau=2+" + scale},
      {guide + "+uniform:rows=generated", own_guide + "+uniform:rows=generated"},
      {scale + "+" + guide + "+spotlight:target=0.3," + keys,
       own_scale + "+" + guide + "+spotlight:target=0.3," + keys},
      {guide + "+zero:heads=0.0", own_guide + "+zero:heads=0.0"},
  };
  // Alone it is done by devices, which sum in another order.
  if (testing::test_device() == nullptr) out.push_back({rebalance, own_rebalance});
  return out;
}

class OwnChangeOf : public ::testing::TestWithParam<const char*> {};

TEST_P(OwnChangeOf, HasTheBitsOfTheBuiltInMethod) {
  Engine one = own_engine(GetParam(), 1), two = own_engine(GetParam(), 2);
  const OwnMethods methods(one);
  const std::vector<float> plain = own_logits(two, "none", 512, 512);
  for (const auto& [built_in, own] : own_pairs()) {
    const std::vector<float> expected = own_logits(two, built_in, 512, 1);
    EXPECT_NE(expected, plain) << built_in;
    EXPECT_EQ(own_logits(two, own, 512, 1), expected) << own;
    EXPECT_EQ(own_logits(one, own, 7, 3), expected) << own;
    EXPECT_EQ(own_logits(two, own, 33, 15), expected) << own;
  }
  EXPECT_EQ(methods.of_layers->sequences(), 0u);  // all have ended
}

TEST_P(OwnChangeOf, HasThemInABatch) {
  Engine engine = own_engine(GetParam(), 2);
  const OwnMethods methods(engine);
  const std::vector<Pair> pairs = own_pairs();
  std::vector<std::unique_ptr<OwnRun>> runs;
  std::vector<SequenceInput> inputs;
  for (std::size_t s = 0; s < 2 * pairs.size(); ++s) {
    runs.push_back(
        std::make_unique<OwnRun>(engine, pairs[s % pairs.size()].own, own_tokens(static_cast<unsigned>(s))));
  }
  // Some begin, some go on with a prompt, some decode; then all do the rest.
  for (std::size_t s = 0; s < runs.size(); ++s) {
    if (s % 3 != 0) inputs.push_back(runs[s]->next(s % 3 == 1 ? kTokens - 1 : 3 + s, LogitRows::kNone));
  }
  engine.model->forward(inputs);
  inputs.clear();
  for (const auto& run : runs) inputs.push_back(run->next(kTokens, LogitRows::kLast));
  const std::span<const float> view = engine.model->forward(inputs);
  const std::vector<float> together(view.begin(), view.end());
  const std::size_t vocab = testing::own_vocab(engine);
  for (std::size_t s = 0; s < runs.size(); ++s) {
    const std::vector<float> expected =
        own_logits(engine, pairs[s % pairs.size()].built_in, 512, 512, static_cast<unsigned>(s));
    EXPECT_TRUE(std::equal(expected.end() - static_cast<std::ptrdiff_t>(vocab), expected.end(),
                           together.begin() + static_cast<std::ptrdiff_t>(s * vocab)))
        << pairs[s % pairs.size()].own << ", sequence " << s;
  }
}

// Beside a method that looks at a whole prompt.
TEST_P(OwnChangeOf, HasThemBesideWhatLooksAtAllRowsFirst) {
  Engine engine = own_engine(GetParam(), 2);
  const OwnMethods methods(engine);
  const std::string act = "act:beta=0.1,theta=0.02,layers=every:1",
                    boost = std::string("boost:factor=3,") + kKeys,
                    guide = std::string("guide:delta=1.5,") + kKeys,
                    own_boost = std::string("own:function=boost,") + kKeys,
                    own_guide = std::string("own:function=guide,") + kKeys;
  for (const auto& [built_in, own] : {Pair{boost + "+" + act, own_boost + "+" + act},
                                      {act + "+" + boost, act + "+" + own_boost},
                                      {guide + "+" + act, own_guide + "+" + act}}) {
    EXPECT_EQ(own_logits(engine, own, 512, 4), own_logits(engine, built_in, 512, 4)) << own;
  }
}

// What it writes where a row sees nothing is put back, also for the part after it.
TEST_P(OwnChangeOf, CannotReachWhatRowsDoNotSee) {
  Engine engine = own_engine(GetParam(), 2);
  const auto scribble = [](const OwnRows& rows) {
    for (std::int64_t r = 0; r < rows.rows; ++r) {
      std::fill_n(rows.row(r), rows.first_key(r), std::nanf(""));
      std::fill(rows.row(r) + rows.first_position + r + 1, rows.row(r) + rows.keys, 7.0f);
    }
  };
  const Registered scores{"scores", When::kScores, scribble}, weights{"weights", When::kWeights, scribble};
  const std::string boost = std::string("boost:factor=3,") + kKeys,
                    guide = std::string("guide:delta=1.5,") + kKeys;
  for (const std::string& built_in : {boost, guide, guide + "+" + boost}) {
    const std::vector<float> expected = own_logits(engine, built_in, 512, 1);
    for (const std::string& own : {"own:function=scores+" + built_in, built_in + "+own:function=weights"}) {
      EXPECT_EQ(own_logits(engine, own, 512, 1), expected) << own;
    }
  }
  EXPECT_EQ(own_logits(engine, "own:function=weights+" + boost, 512, 1), own_logits(engine, boost, 512, 1));
}

INSTANTIATE_TEST_SUITE_P(Models, OwnChangeOf, ::testing::ValuesIn(kOwnModels), [](const auto& info) {
  std::string name = info.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

// What a function is handed.
struct SeenRows {
  std::mutex mutex;
  std::map<std::array<std::int64_t, 3>, int> calls;  // of a layer, head and position
  std::int64_t layer = 0, wrong = 0;
  std::set<std::uint64_t> sequences;
  const InterventionTarget* target = nullptr;
  const KeyRanges* chosen = nullptr;

  void see(const OwnRows& rows) {
    const std::scoped_lock lock(mutex);
    if (rows.layer < layer) ++wrong;
    layer = rows.layer;
    sequences.insert(rows.sequence);
    target = rows.target;
    chosen = rows.chosen;
    if (rows.keys != rows.first_position + rows.rows) ++wrong;
    for (std::int64_t r = 0; r < rows.rows; ++r) {
      const std::int64_t position = rows.first_position + r;
      ++calls[{rows.layer, rows.head, position}];
      if (rows.first_key(r) !=
          (rows.window > 0 ? std::max<std::int64_t>(0, position - rows.window + 1) : 0)) {
        ++wrong;
      }
      double sum = 0;
      for (std::int64_t j = 0; j < rows.keys; ++j) {
        const bool sees = j >= rows.first_key(r) && j <= position;
        const float nothing = rows.sums != nullptr ? 0 : -std::numeric_limits<float>::infinity();
        if (sees ? !std::isfinite(rows.row(r)[j]) : rows.row(r)[j] != nothing) ++wrong;
        sum += rows.sums != nullptr ? rows.row(r)[j] : 0;
      }
      if (rows.sums != nullptr && std::abs(sum - rows.sums[r]) > 1e-4 * sum) ++wrong;
    }
  }
};

std::vector<std::int32_t> own_prompt(unsigned seed) {
  std::vector<std::int32_t> out = own_tokens(seed);
  out.resize(kPrompt);
  return out;
}

TEST(OwnChange, SeesEachChosenRowOnceALayer) {
  for (const char* model : {"gqa-f32", "mistral"}) {
    Engine engine = own_engine(model, 2);
    const std::int64_t layers = engine.model->config().num_hidden_layers,
                       heads = engine.model->config().num_attention_heads;
    for (const When when : {When::kScores, When::kWeights}) {
      SeenRows seen;
      const Registered looks{"looks", when, [&](const OwnRows& rows) { seen.see(rows); }};
      // Also of the last layer, whose other rows nobody else wants.
      OwnRun run(engine, "own:function=looks", own_tokens(2));
      const SequenceInput input = run.next(kTokens, LogitRows::kLast);
      engine.model->forward({&input, 1});
      EXPECT_EQ(std::ssize(seen.calls), layers * heads * std::ssize(run.tokens));
      EXPECT_TRUE(std::ranges::all_of(seen.calls, [](const auto& calls) { return calls.second == 1; }));
      EXPECT_EQ(seen.wrong, 0);
      EXPECT_EQ(seen.sequences.size(), 1u);
      ASSERT_NE(seen.target, nullptr);
      EXPECT_EQ(seen.target->tokens, own_prompt(2)) << "which a function may look at";
      EXPECT_EQ(seen.chosen, nullptr);

      SeenRows chosen;
      const Registered some{"some", when, [&](const OwnRows& rows) { chosen.see(rows); }};
      OwnRun part(engine, "own:function=some,layers=1,heads=1.1;1.2,rows=last,keys=positions:3",
                  own_tokens(2));
      const SequenceInput whole = part.next(kTokens, LogitRows::kLast);
      engine.model->forward({&whole, 1});
      ASSERT_EQ(chosen.calls.size(), 2u);
      EXPECT_EQ(chosen.calls.begin()->first, (std::array<std::int64_t, 3>{1, 1, kPrompt - 1}));
      EXPECT_EQ(chosen.wrong, 0);
      ASSERT_NE(chosen.target, nullptr);
      EXPECT_EQ(chosen.target->prompt, std::int64_t{kPrompt});
      EXPECT_EQ(chosen.chosen, &chosen.target->keys[0]);
    }
  }
}

// A part that looks at all rows first makes what stands before it come once more, and nothing else.
TEST(OwnChange, SeesRowsOnceMoreBeforeAPartThatLooksAtAllRowsFirst) {
  Engine engine = own_engine("gqa-f32", 2);
  const std::string act = "act:beta=0.1,theta=0.02,layers=every:1";
  for (const auto& [text, expected] :
       {std::pair{act + "+own:function=looks", 1}, {"own:function=looks+" + act, 2}}) {
    SeenRows seen;
    const Registered looks{"looks", When::kWeights, [&](const OwnRows& rows) {
                             const std::scoped_lock lock(seen.mutex);
                             for (std::int64_t r = 0; r < rows.rows; ++r) {
                               ++seen.calls[{rows.layer, rows.head, rows.first_position + r}];
                             }
                           }};
    OwnRun run(engine, text, own_tokens(2));
    const SequenceInput input = run.next(kTokens);
    engine.model->forward({&input, 1});
    EXPECT_EQ(seen.calls.size(), 4 * 6 * kTokens);
    for (const auto& [row, calls] : seen.calls) EXPECT_EQ(calls, expected) << text << " row " << row[2];
  }
}

TEST(OwnChange, ThatOnlyLooksChangesNoBit) {
  if (testing::test_device()) GTEST_SKIP() << "devices' softmax hooks have another rounding";
  for (const char* model : kOwnModels) {
    Engine engine = own_engine(model, 2);
    const Registered scores{"scores", When::kScores, [](const OwnRows&) {}},
        weights{"weights", When::kWeights, [](const OwnRows&) {}};
    const std::vector<float> plain = own_logits(engine, "none", 512, 1);
    EXPECT_EQ(own_logits(engine, "own:function=scores", 512, 1), plain) << model;
    EXPECT_EQ(own_logits(engine, "own:function=weights", 512, 1), plain) << model;
    EXPECT_EQ(own_logits(engine, "own:function=scores,layers=1+own:function=weights", 9, 2), plain) << model;
  }
}

// Keeps rows, before and after, as sinks are shown them.
struct KeptRows : CaptureSink {
  std::mutex mutex;
  std::map<std::array<std::int64_t, 3>, std::pair<std::vector<float>, bool>> rows;
  void take(const CapturedRow& row) override {
    std::vector<float> both(row.before, row.before + row.position + 1);
    both.insert(both.end(), row.after, row.after + row.position + 1);
    for (const std::int32_t key : row.mask) both.push_back(static_cast<float>(key));
    const std::scoped_lock lock(mutex);
    rows[{row.layer, row.head_place, row.position}] = {std::move(both), row.rewritten};
  }
};

void capture(Engine& engine, const std::string& text, KeptRows& kept) {
  const ModelConfig& config = engine.model->config();
  OwnRun run(engine, text, own_tokens(3));
  CaptureSelection all;
  const auto count = [](std::vector<std::int64_t>& numbers, std::int64_t most) {
    numbers.resize(static_cast<std::size_t>(most));
    std::iota(numbers.begin(), numbers.end(), 0);
  };
  count(all.layers, config.num_hidden_layers);
  count(all.heads, config.num_attention_heads);
  count(all.queries, kTokens);
  Capture beside(run.intervention.hooks(),
                 {config.num_hidden_layers, config.num_attention_heads, 512, kTokens, 2}, all, 0.02f,
                 {&kept});
  SequenceInput input = run.next(kTokens, LogitRows::kLast);
  input.hooks = beside.hooks();
  engine.model->forward({&input, 1});
}

TEST(OwnChange, IsCapturedAsABuiltInMethodIs) {
  for (const char* model : {"gqa-f32", "mistral"}) {
    Engine engine = own_engine(model, 2);
    const OwnMethods methods(engine);
    for (const auto& [built_in, own] : own_pairs()) {
      KeptRows expected, kept;
      capture(engine, built_in, expected);
      capture(engine, own, kept);
      EXPECT_EQ(kept.rows.size(), expected.rows.size());
      for (const auto& [row, weights] : expected.rows) {
        EXPECT_EQ(kept.rows[row].first, weights.first) << own << " layer " << row[0] << " row " << row[2];
        // What is only looked at is not said to be rewritten.
        EXPECT_LE(kept.rows[row].second, weights.second) << own << " layer " << row[0] << " row " << row[2];
      }
    }
  }
}

TEST(OwnChange, AnExceptionReachesTheCallerAndLeavesTheModelWhole) {
  for (const int threads : {1, 2}) {
    Engine engine = own_engine("gqa-f32", threads);
    std::atomic<std::int64_t> fails_at = -1;
    const auto body = [&](const OwnRows& rows) {
      if (rows.layer == fails_at && rows.head == 1) throw std::runtime_error("of the function");
    };
    const Registered scores{"scores", When::kScores, body}, weights{"weights", When::kWeights, body};
    for (const char* own :
         {"own:function=scores+boost:keys=positions:4", "boost:keys=positions:4+own:function=weights"}) {
      const std::vector<float> expected = own_logits(engine, own, 512, 512);
      for (const std::int64_t layer : {0, 3}) {
        OwnRun run(engine, own, own_tokens(1));
        const SequenceInput input = run.next(kTokens);
        fails_at = layer;
        try {
          engine.model->forward({&input, 1});
          ADD_FAILURE() << own;
        } catch (const std::runtime_error& e) {
          EXPECT_STREQ(e.what(), "of the function");
        }
        fails_at = -1;
        EXPECT_EQ(run.cache.length(), 0);
        const std::span<const float> again = engine.model->forward({&input, 1});
        EXPECT_TRUE(std::ranges::equal(again, expected)) << own;
      }
    }
  }
}

TEST(OwnChange, OutlivesBeingForgotten) {
  Engine engine = own_engine("gqa-f32", 2);
  auto change = std::make_shared<testing::TestChange>(
      "rule", When::kWeights, [](const OwnRows& rows) { testing::own_boost(rows, 3); });
  const std::weak_ptr<const OwnChange> left = change;
  register_own_change(change);
  change.reset();
  const std::vector<std::int32_t> tokens = own_tokens(1);
  std::vector<float> logits;
  {
    OwnRun run(engine, std::string("own:function=rule,") + kKeys, tokens);
    forget_own_change("rule@0123456789abcdef");
    EXPECT_THROW(parse_intervention("own:function=rule"), UsageError);
    const SequenceInput input = run.next(kTokens);
    const std::span<const float> rows = engine.model->forward({&input, 1});
    logits.assign(rows.begin(), rows.end());
  }
  EXPECT_EQ(logits, own_logits(engine, std::string("boost:factor=3,") + kKeys, 512, 512));
  EXPECT_TRUE(left.expired());
}

// Each time a sequence is aimed it is another one, and the one before has ended.
TEST(OwnChange, IsToldWhenSequencesBeginAndEnd) {
  Engine engine = own_engine("gqa-f32", 1);
  const auto change = std::make_shared<OwnRebalance>(0.5, 0.02, 4);
  const Registered known(change);
  for (const std::string text : {"own:function=rebalance", "own:function=rebalance,rows=prompt"}) {
    const InterventionSpec spec = parse_intervention(text + "+" + text);
    const std::vector<std::int32_t> tokens = own_tokens(1);
    InterventionPool pool(*engine.model, 1);
    auto a = pool.take("own", spec, aim(spec, {tokens})), b = pool.take("own", spec, aim(spec, {tokens}));
    EXPECT_EQ(change->sequences(), 2u) << text;
    const std::size_t begun = change->begun();
    pool.give_back("own", std::move(a));
    a = pool.take("own", spec, aim(spec, {tokens}));
    EXPECT_EQ(change->begun(), begun + 1) << text;
    EXPECT_EQ(change->sequences(), 2u) << text;
    Intervention moved = std::move(*b);
    b.reset();
    EXPECT_EQ(change->sequences(), 2u) << text;
    a.reset();
    EXPECT_EQ(change->sequences(), 1u) << text;
  }
  EXPECT_EQ(change->sequences(), 0u);
}

}  // namespace
}  // namespace refocus
