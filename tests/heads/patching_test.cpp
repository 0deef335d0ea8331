// Heads patched from one prompt's run into another's: against transformers, and against whole computations.
#include "heads/patching.h"

#include <map>
#include <nlohmann/json.hpp>

#include "base/text_file.h"
#include "heads/head_scoring.h"
#include "kernels/distribution.h"
#include "model/engine.h"
#include "tokenizer/tokenizer_support.h"

namespace refocus {
namespace {

using nlohmann::json;
using testing::Engine;
using TokenIds = std::vector<std::int32_t>;
using Direction = PatchSettings::Direction;
using Positions = PatchSettings::Positions;

// Questions about items that have a prompt each in both plans.
struct PairedPlans {
  std::vector<Item> items;
  Plan clean, corrupted;

  explicit PairedPlans(std::size_t count, std::int64_t context = 200) : items(count) {
    for (std::size_t i = 0; i < count; ++i) {
      items[i].subject = "s";
      items[i].index = static_cast<int>(i);
    }
    clean.context = corrupted.context = context;
  }
  void add(const TokenIds& clean_tokens, const TokenIds& corrupted_tokens,
           const std::vector<TokenIds>& options) {
    const Item* item = &items[clean.questions.size()];
    for (Plan* plan : {&clean, &corrupted}) {
      Question question{item, nullptr, PromptKind::kLoglikelihood, {}, {}, 66, {}, {}, ""};
      question.tokens = plan == &clean ? clean_tokens : corrupted_tokens;
      question.shared_prefix = std::min<std::int64_t>(66, std::ssize(question.tokens));
      question.options = options;
      plan->questions.push_back(std::move(question));
    }
  }
};

constexpr int kOtherEnd = 1;  // of made_up_pairs: the pair whose last tokens differ

// Prompts that begin alike, of which some differ from their pairs early and some late.
PairedPlans made_up_pairs(bool identical = false) {
  PairedPlans out(6);
  constexpr std::size_t kLengths[] = {3, 40, 80, 97, 66, 97};
  for (std::size_t i = 0; i < out.items.size(); ++i) {
    const TokenIds clean = testing::made_up_ids(kLengths[i], 1);
    TokenIds corrupted = clean;
    const std::size_t first = i == 3 ? 70 : i == 5 ? 94 : kLengths[i] / 3;
    if (!identical) {
      corrupted[first] = (clean[first] + 9) % 67;
      const std::size_t last = kLengths[i] - (i == kOtherEnd ? 1 : 2);
      corrupted[last] = (clean[last] + 21) % 67;
    }
    out.add(clean, corrupted, {testing::made_up_ids(1 + i % 3, 50), testing::made_up_ids(1, 51)});
  }
  return out;
}

using PatchedKey = std::tuple<HeadSet, int>;  // heads, item
using PatchedResults = std::map<PatchedKey, std::vector<OptionLikelihood>>;

PatchedResults patched(Engine& engine, const PairedPlans& plans, const PatchSettings& patch,
                       const std::vector<HeadSet>& sets, std::int64_t batch = 5) {
  const auto tokenizer = testing::load_json(testing::synthetic_tokenizer("llama-2"));
  const EvalModel model{*engine.model, *tokenizer, {}, "m", "m", {}, {}};
  EvalSettings settings;
  settings.batch = batch;
  const PromptPairs pairs(model, settings, plans.clean, plans.corrupted, patch);
  Patching change(model, pairs);
  HeadScorer scorer(model, settings, pairs.base(), change);
  std::vector<HeadArm> arms;
  for (const HeadSet& heads : sets) {
    arms.push_back(head_arm(change.method(), heads, engine.model->config().num_hidden_layers));
  }
  std::vector<std::size_t> questions(plans.items.size());
  for (std::size_t q = 0; q < questions.size(); ++q) questions[q] = q;
  PatchedResults out;
  scorer.run(
      arms, questions, [](const HeadArm&, const Question&) { return true; },
      [&](const HeadArm& arm, const Question& question, std::span<const OptionLikelihood> options) {
        out[{arm.heads, question.item->index}] = {options.begin(), options.end()};
      });
  EXPECT_EQ(out.size(), sets.size() * questions.size());
  return out;
}

void expect_same_bits(const PatchedResults& own, const PatchedResults& other) {
  ASSERT_EQ(own.size(), other.size());
  for (const auto& [key, options] : own) {
    const auto& its = other.at(key);
    ASSERT_EQ(its.size(), options.size());
    for (std::size_t o = 0; o < options.size(); ++o) {
      EXPECT_EQ(its[o].loglikelihood, options[o].loglikelihood) << "item " << std::get<1>(key);
      EXPECT_EQ(its[o].is_greedy, options[o].is_greedy);
    }
  }
}

std::vector<HeadSet> sets_of(const Engine& engine) {
  const ModelConfig& config = engine.model->config();
  std::vector<HeadSet> out = {{}, all_heads(config.num_hidden_layers, config.num_attention_heads)};
  for (const Head& head : out[1]) out.push_back({head});
  out.push_back({out[1][1], out[1].back()});
  return out;
}

// The plain twin: hooks of its own on whole sequences of one call, one option at a time.
class WholeRun {
 public:
  explicit WholeRun(Engine& engine) : engine_(engine) {
    for (std::int64_t l = 0; l < engine.model->config().num_hidden_layers; ++l) layers_.push_back({this, l});
    for (Layer& layer : layers_) {
      AttentionHooks hooks;
      hooks.context = &layer;
      hooks.output = output;
      hooks_.push_back(hooks);
    }
  }

  void take(const TokenIds& prompt) {
    giving_ = false;
    kept_.assign(layers_.size() * static_cast<std::size_t>(heads()) * prompt.size(), {});
    rows_ = prompt.size();
    run(prompt);
  }

  // With the last `rows` tokens of the prompt taken from the run that was taken last.
  OptionLikelihood give(const TokenIds& prompt, const TokenIds& option, const HeadSet& heads,
                        std::size_t rows) {
    giving_ = true;
    given_ = heads;
    first_ = prompt.size() - rows;
    prompt_ = prompt.size();
    TokenIds all = prompt;
    all.insert(all.end(), option.begin(), option.end() - 1);
    const std::vector<float> logits = run(all);
    const auto vocab = static_cast<std::size_t>(engine_.model->config().vocab_size);
    OptionLikelihood out{0, true};
    for (std::size_t t = 0; t < option.size(); ++t) {
      const std::span<const float> x(logits.data() + (prompt.size() - 1 + t) * vocab, vocab);
      out.loglikelihood += -negative_log_likelihood(x, log_sum_exp(x), option[t]);
      out.is_greedy = out.is_greedy && std::ranges::max_element(x) - x.begin() == option[t];
    }
    return out;
  }

 private:
  struct Layer {
    WholeRun* owner;
    std::int64_t layer;
  };
  std::int64_t heads() const { return engine_.model->config().num_attention_heads; }

  std::vector<float> run(const TokenIds& tokens) {
    KvSequence sequence(*engine_.cache);
    const std::int64_t rows = std::ssize(tokens);
    EXPECT_TRUE(sequence.reserve(rows));
    const SequenceInput input{&sequence, tokens, rows, hooks_.data(), LogitRows::kAll};
    const std::span<const float> logits = engine_.model->forward({&input, 1});
    return {logits.begin(), logits.end()};
  }

  static void output(void* context, const AttentionRow& at, std::span<float> out) {
    const Layer& layer = *static_cast<const Layer*>(context);
    layer.owner->see(layer.layer, at, out);
  }

  void see(std::int64_t layer, const AttentionRow& at, std::span<float> out) {
    const auto place = static_cast<std::size_t>(layer * heads() + at.head) * rows_;
    const auto position = static_cast<std::size_t>(at.position);
    if (!giving_) {
      kept_[place + position].assign(out.begin(), out.end());
    } else if (position >= first_ && position < prompt_ &&
               std::ranges::find(given_, Head{layer, at.head}) != given_.end()) {
      std::ranges::copy(kept_[place + position + rows_ - prompt_], out.begin());
    }
  }

  Engine& engine_;
  std::vector<Layer> layers_;
  std::vector<AttentionHooks> hooks_;
  bool giving_ = false;
  HeadSet given_;
  std::size_t rows_ = 0, first_ = 0, prompt_ = 0;
  std::vector<std::vector<float>> kept_;  // [layers, heads, rows]
};

PatchedResults whole_runs(Engine& engine, const Plan& source, const Plan& base, Positions positions,
                          const std::vector<HeadSet>& sets) {
  PatchedResults out;
  WholeRun whole(engine);
  for (std::size_t q = 0; q < base.questions.size(); ++q) {
    whole.take(source.questions[q].tokens);
    const Question& question = base.questions[q];
    const std::size_t rows = positions == Positions::kLast ? 1 : question.tokens.size();
    for (const HeadSet& heads : sets) {
      for (const TokenIds& option : question.options) {
        out[{heads, question.item->index}].push_back(whole.give(question.tokens, option, heads, rows));
      }
    }
  }
  return out;
}

class PatchingBits : public ::testing::TestWithParam<std::tuple<const char*, Direction, Positions>> {
 protected:
  static Engine open(const char* name, int threads, std::int64_t max_rows) {
    return {name, testing::config_with(name, "{}"), threads, max_rows};
  }
};

// Restarts at layers, shared beginnings, chunks, batches and threads, of single heads, sets and all heads.
TEST_P(PatchingBits, AreThoseOfWholeComputations) {
  const auto [name, direction, positions] = GetParam();
  const PairedPlans plans = made_up_pairs();
  PatchSettings patch;
  patch.direction = direction;
  patch.positions = positions;
  Engine whole = open(name, 1, 512);
  const std::vector<HeadSet> sets = sets_of(whole);
  const bool noise = patch.noise();
  const PatchedResults want = whole_runs(whole, noise ? plans.corrupted : plans.clean,
                                         noise ? plans.clean : plans.corrupted, positions, sets);
  Engine chunked = open(name, 3, 48);
  const PatchedResults got = patched(chunked, plans, patch, sets, 5);
  expect_same_bits(got, want);
  expect_same_bits(patched(whole, plans, patch, sets, 1), want);
  // With all heads patched a row is the source's, bit for bit, where it begins with the same embedding; it is
  // not where the tokens differ.
  const PatchedResults source = whole_runs(whole, noise ? plans.corrupted : plans.clean,
                                           noise ? plans.corrupted : plans.clean, positions, {{}});
  constexpr std::size_t kOneToken = 1;  // the option that the last row alone decides on
  for (const Item& item : plans.items) {
    const double all = got.at({sets[1], item.index})[kOneToken].loglikelihood;
    EXPECT_NE(all, got.at({HeadSet(), item.index})[kOneToken].loglikelihood);
    const double its = source.at({HeadSet(), item.index})[kOneToken].loglikelihood;
    if (item.index == kOtherEnd) {
      EXPECT_NE(all, its);
    } else {
      EXPECT_EQ(all, its);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, PatchingBits,
                         ::testing::Combine(::testing::Values("mha-f32", "gqa-bf16"),
                                            ::testing::Values(Direction::kDenoise, Direction::kNoise),
                                            ::testing::Values(Positions::kAll, Positions::kLast)));

TEST(Patching, NoisesAsItDenoisesExchangedPairs) {
  Engine engine("gqa-bf16", testing::config_with("gqa-bf16", "{}"), 2, 48);
  PairedPlans plans = made_up_pairs(), exchanged = made_up_pairs();
  std::swap(exchanged.clean.questions, exchanged.corrupted.questions);
  for (std::size_t q = 0; q < plans.items.size(); ++q) {
    exchanged.clean.questions[q].item = exchanged.corrupted.questions[q].item = &exchanged.items[q];
  }
  PatchSettings noise;
  noise.direction = Direction::kNoise;
  const std::vector<HeadSet> sets = sets_of(engine);
  expect_same_bits(patched(engine, plans, noise, sets), patched(engine, exchanged, PatchSettings(), sets));
}

TEST(Patching, ChangesNothingBetweenEqualPrompts) {
  Engine engine("gqa-bf16", testing::config_with("gqa-bf16", "{}"), 2, 48);
  const PairedPlans plans = made_up_pairs(true);
  const std::vector<HeadSet> sets = sets_of(engine);
  for (const Positions positions : {Positions::kAll, Positions::kLast}) {
    PatchSettings patch;
    patch.positions = positions;
    const PatchedResults got = patched(engine, plans, patch, sets);
    for (const auto& [key, options] : got) {
      const auto& none = got.at({HeadSet(), std::get<1>(key)});
      for (std::size_t o = 0; o < options.size(); ++o) {
        EXPECT_EQ(options[o].loglikelihood, none[o].loglikelihood);
      }
    }
  }
}

TEST(Patching, RefusesPromptsThatCannotBeAligned) {
  Engine engine("mha-f32", testing::config_with("mha-f32", "{}"), 1, 48);
  PairedPlans plans(1);
  plans.add({1, 2, 3}, {1, 2, 3, 4}, {{5}, {6}});
  try {
    patched(engine, plans, {}, {{}});
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("got 3 and 4 (s item 0)"));
    EXPECT_THAT(error.what(), ::testing::HasSubstr("--positions last"));
  }
}

class PatchingGolden : public ::testing::TestWithParam<const char*> {};

TEST_P(PatchingGolden, EqualsTransformers) {
  const json goldens = json::parse(read_text_file(testing::golden("interventions") / "patching.json"));
  const auto directory = testing::golden("families") / GetParam();
  Engine engine(directory.string(), read_text_file(directory / "config.json"), 2, 512);
  const std::vector<TokenIds> options = goldens["options"];
  double moved = 0;
  for (const json& one : goldens["models"][GetParam()]) {
    PairedPlans plans(1);
    plans.add(one["clean"], one["corrupted"], options);
    PatchSettings patch;
    if (one["direction"] == "noise") patch.direction = Direction::kNoise;
    if (one["positions"] == "last") patch.positions = Positions::kLast;
    std::vector<HeadSet> sets;
    for (const json& arm : one["arms"]) sets.push_back(arm["heads"].get<HeadSet>());
    const PatchedResults got = patched(engine, plans, patch, sets);
    for (std::size_t a = 0; a < sets.size(); ++a) {
      const std::vector<double> want = one["arms"][a]["likelihoods"], none = one["arms"][0]["likelihoods"];
      for (std::size_t o = 0; o < options.size(); ++o) {
        EXPECT_NEAR(got.at({sets[a], 0})[o].loglikelihood, want[o], 1e-4) << one["direction"] << " set " << a;
        moved = std::max(moved, std::abs(want[o] - none[o]));
      }
    }
  }
  EXPECT_GT(moved, 0.01);  // else the comparison says nothing of patches
}

INSTANTIATE_TEST_SUITE_P(Families, PatchingGolden, ::testing::Values("llama_bias", "qwen3", "gemma3"));

}  // namespace
}  // namespace refocus
