// Sets of heads scored from saved residual streams on: the bits of a whole run of each set and item.
#include "heads/head_scoring.h"

#include <map>

#include "eval/run/asking.h"
#include "model/engine.h"
#include "tokenizer/tokenizer_support.h"

namespace refocus {
namespace {

using testing::Engine;
using Ids = std::vector<std::int32_t>;

// Questions of ids, with contexts that begin alike and options of one to nine tokens.
struct Asked {
  std::vector<Item> items = std::vector<Item>(9);
  Plan plan;

  explicit Asked(std::int64_t context) {
    plan.context = context;
    constexpr std::size_t kLengths[] = {3, 40, 64, 65, 66, 80, 97, 2, 33};
    for (std::size_t i = 0; i < items.size(); ++i) {
      items[i].subject = "s";
      items[i].index = static_cast<int>(i);
      Question question{&items[i], nullptr, PromptKind::kLoglikelihood, {}, {}, 66, {}, {}, ""};
      question.tokens = testing::made_up_ids(kLengths[i], i % 4 == 3 ? 7 : 1);
      if (i % 4 == 3) question.shared_prefix = 0;
      for (std::size_t o = 0; o < 2 + i % 2; ++o) {
        question.options.push_back(
            testing::made_up_ids(i == 2 ? 1 : 1 + (i + 5 * o) % 9, 50 + static_cast<unsigned>(o)));
        if (i % 2 == 1) question.options.back().insert(question.options.back().begin(), {9, 3, 5});
      }
      plan.questions.push_back(std::move(question));
    }
  }
};

using Key = std::tuple<std::string, int>;  // arm, item
using Results = std::map<Key, std::vector<OptionLikelihood>>;

EvalModel eval_model_of(Engine& engine, const Tokenizer& tokenizer) {
  return {*engine.model, tokenizer, {}, "m", "m", {}, {}};
}

// The plain twin: a scorer of all layers, one set and item at a time.
Results one_by_one(Engine& engine, const EvalModel& model, const Plan& plan, const InterventionSpec& method,
                   const std::vector<HeadSet>& sets) {
  Results out;
  const std::int64_t layers = engine.model->config().num_hidden_layers;
  for (const HeadSet& heads : sets) {
    for (const Question& question : plan.questions) {
      LikelihoodRequest request;
      request.context = question.tokens;
      request.options = question.options;
      request.intervention = on_heads(method, heads);
      request.target = target_of(model, EvalSettings(), question, request.intervention);
      bool asked = false;
      LikelihoodScorer scorer(*engine.model, {1, plan.context, 0});
      scorer.run(
          [&]() { return std::exchange(asked, true) ? std::nullopt : std::optional(request); },
          [&](LikelihoodResult&& result) {
            out[{head_arm(method, heads, layers).name, question.item->index}] = std::move(result.options);
          });
    }
  }
  return out;
}

struct Case {
  const char* name;
  const char* model;
  const char* overrides;
  const char* method;
};

void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

class HeadScoring : public ::testing::TestWithParam<Case> {};

TEST_P(HeadScoring, HasTheBitsOfWholeRuns) {
  const auto [what, name, overrides, text] = GetParam();
  const auto tokenizer = testing::load_json(testing::synthetic_tokenizer("llama-2"));
  Engine engine(name, testing::config_with(name, overrides), 2, 48);
  const ModelConfig& config = engine.model->config();
  const InterventionSpec method = parse_intervention(text);
  const Asked asked(200);
  std::vector<HeadSet> sets = {{}, all_heads(config.num_hidden_layers, config.num_attention_heads)};
  for (const Head& head : sets[1]) sets.push_back({head});
  sets.push_back({sets[1][1], sets[1].back()});
  const EvalModel model = eval_model_of(engine, *tokenizer);
  const Results want = one_by_one(engine, model, asked.plan, method, sets);

  EvalSettings settings;
  settings.batch = 5;
  AimedChange change(model, settings, asked.plan, method);
  HeadScorer scorer(model, settings, asked.plan, change);
  std::vector<HeadArm> arms;
  for (const HeadSet& heads : sets) arms.push_back(head_arm(method, heads, config.num_hidden_layers));
  std::vector<std::size_t> questions(asked.plan.questions.size());
  for (std::size_t q = 0; q < questions.size(); ++q) questions[q] = q;
  Results got;
  scorer.run(
      arms, questions, [](const HeadArm&, const Question&) { return true; },
      [&](const HeadArm& arm, const Question& question, std::span<const OptionLikelihood> options) {
        EXPECT_TRUE(
            got.emplace(Key{arm.name, question.item->index}, std::vector(options.begin(), options.end()))
                .second);
      });
  ASSERT_EQ(got.size(), want.size());
  bool changed = false;
  for (const auto& [key, options] : want) {
    const auto& its = got.at(key);
    ASSERT_EQ(its.size(), options.size());
    for (std::size_t o = 0; o < options.size(); ++o) {
      EXPECT_EQ(its[o].loglikelihood, options[o].loglikelihood)
          << std::get<0>(key) << " " << std::get<1>(key);
      EXPECT_EQ(its[o].is_greedy, options[o].is_greedy);
      changed = changed || options[o].loglikelihood != want.at({"none", std::get<1>(key)})[o].loglikelihood;
    }
  }
  EXPECT_TRUE(changed);
  if (std::string_view(overrides) == "{}") {
    EXPECT_LT(scorer.computed(), scorer.one_by_one());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Methods, HeadScoring,
    ::testing::Values(Case{"zero", "mha-f32", "{}", "zero"},
                      Case{"uniform_with_groups", "gqa-bf16", "{}", "uniform"},
                      Case{"rebalance", "mha-f32", "{}", "rebalance:alpha=0.8"},
                      Case{"two_parts", "mha-f32", "{}", "temperature:tau=0.5+knockout:keys=sinks,rows=all"},
                      // Keys depend on a sequence's whole length: nothing can be saved.
                      Case{"dynamic", "mha-f32",
                           R"({"rope_scaling":{"type":"dynamic","factor":4.0},"max_position_embeddings":32})",
                           "zero"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(HeadScoring, AsksOnlyWhatIsOpen) {
  const auto tokenizer = testing::load_json(testing::synthetic_tokenizer("llama-2"));
  Engine engine("mha-f32", testing::config_with("mha-f32", "{}"), 1, 48);
  const Asked asked(200);
  const InterventionSpec method = parse_intervention("zero");
  EvalSettings settings;
  const EvalModel model = eval_model_of(engine, *tokenizer);
  AimedChange change(model, settings, asked.plan, method);
  HeadScorer scorer(model, settings, asked.plan, change);
  const HeadArm arms[] = {head_arm(method, {{1, 0}}, 3), head_arm(method, {{2, 1}}, 3)};
  const std::size_t questions[] = {1, 4};
  std::vector<Key> got;
  scorer.run(
      arms, questions,
      [](const HeadArm& arm, const Question& question) {
        return arm.heads.front().first == 2 && question.item->index == 4;
      },
      [&](const HeadArm& arm, const Question& question, std::span<const OptionLikelihood>) {
        got.emplace_back(arm.name, question.item->index);
      });
  EXPECT_EQ(got, (std::vector<Key>{{"zero:heads=2.1", 4}}));
}

TEST(HeadSets, AreWrittenAsHeadsTakesThem) {
  const HeadSet heads = {{2, 0}, {2, 1}, {2, 3}, {11, 4}};
  EXPECT_EQ(selector_of(heads).text(), "2.0-1;2.3;11.4");
  EXPECT_EQ(heads_json(heads), R"({"2":[0,1,3],"11":[4]})");
  const InterventionSpec spec = on_heads(parse_intervention("zero+temperature:tau=2"), heads);
  EXPECT_EQ(spec.canonical(12), "zero:heads=2.0-1;2.3;11.4+temperature:tau=2,heads=2.0-1;2.3;11.4");
  EXPECT_EQ(first_layer_of(spec, 12), 2);
  EXPECT_EQ(first_layer_of(on_heads(parse_intervention("rebalance"), heads), 12), 0);
  EXPECT_TRUE(on_heads(parse_intervention("zero"), {}).is_none());
}

}  // namespace
}  // namespace refocus
