// Arms that share layers: the bits, and the order, of every arm asked alone.
#include "eval/run/layer_sharing.h"

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/text_file.h"
#include "eval/run/asking.h"
#include "model/engine.h"
#include "tokenizer/tokenizer_support.h"

namespace refocus {
namespace {

using testing::Engine;

// Questions of ids below 48, some with beginnings in common, with options of one token, of several, or both.
struct SharedPlan {
  std::vector<Item> items;
  Plan plan;

  SharedPlan(const std::vector<std::string>& arms, bool several_tokens) : items(14) {
    constexpr std::size_t kLengths[] = {3, 40, 70, 71, 66, 80, 97, 2, 33, 130, 131, 75, 1, 68};
    plan.context = 400;
    for (const std::string& arm : arms) plan.arms.push_back({{}, arm, parse_intervention(arm)});
    for (std::size_t i = 0; i < items.size(); ++i) {
      items[i].subject = "s";
      items[i].index = static_cast<int>(i);
      Question question{&items[i], nullptr, PromptKind::kLoglikelihood, {}, {}, 66, {}, {}, ""};
      question.tokens = testing::made_up_ids(kLengths[i], i % 5 == 3 ? 7 : i % 5 == 4 ? 8 : 1);
      if (i % 7 == 6) question.shared_prefix = 0;
      for (std::size_t o = 0; o < 2 + i % 2; ++o) {
        const std::size_t tokens = several_tokens ? 1 + (i * 7 + o * o * 13) % 40 : 1;
        question.options.push_back(testing::made_up_ids(tokens, 50 + static_cast<unsigned>(o)));
        if (several_tokens && i % 3 == 1) {  // options that begin alike
          question.options.back().insert(question.options.back().begin(), {9, 3, 5, 5, 1, 30});
        }
      }
      for (std::int32_t& id : question.tokens) id %= 48;
      for (auto& option : question.options) {
        for (std::int32_t& id : option) id %= 48;
      }
      plan.longest = std::max(plan.longest, question.length());
      plan.questions.push_back(std::move(question));
    }
  }
};

EvalSettings scored_settings(std::int64_t batch) {
  EvalSettings out;
  out.prompts = {PromptKind::kLoglikelihood};
  out.batch = batch;
  return out;
}

using JobKey = std::pair<std::string, int>;  // arm, item

// Asks what `is_open` says, question by question; the answers in the order in which they were told.
struct Answers {
  std::vector<std::pair<JobKey, std::string>> told;
  std::int64_t computed = 0;  // tokens times layers
};
Answers answer_all(Engine& engine, const EvalSettings& settings, const Plan& plan,
                   const std::function<bool(std::size_t question, std::size_t arm)>& is_open) {
  static const auto tokenizer = testing::load_json(testing::synthetic_tokenizer("llama-2"));
  const EvalModel model{*engine.model, *tokenizer, {}, "m", "m", {}, {}};
  std::vector<Job> jobs;
  for (std::size_t q = 0; q < plan.questions.size(); ++q) {
    for (std::size_t a = 0; a < plan.arms.size(); ++a) {
      if (is_open(q, a)) jobs.push_back({&plan.questions[q], &plan.arms[a]});
    }
  }
  Answers out;
  std::size_t next = 0;
  const SchedulerStats stats = answer_jobs(
      model, settings, plan, [&]() -> const Job* { return next < jobs.size() ? &jobs[next++] : nullptr; },
      [&](const Job& job, const Response& response, std::span<const std::int32_t>) {
        EXPECT_EQ(&job, &jobs.at(out.told.size())) << "in the jobs' own order";
        out.told.push_back({{job.arm->name, job.question->item->index}, response.text});
      });
  EXPECT_EQ(out.told.size(), jobs.size());
  out.computed = stats.prefill_tokens;
  return out;
}
bool all_open(std::size_t, std::size_t) { return true; }

// The plain twin: each arm in a run of its own, one question after the other.
std::map<JobKey, std::string> alone(Engine& engine, const std::vector<std::string>& arms, bool several) {
  std::map<JobKey, std::string> out;
  for (const std::string& arm : arms) {
    const SharedPlan one({arm}, several);
    for (auto& [key, text] : answer_all(engine, scored_settings(1), one.plan, all_open).told) {
      out[key] = std::move(text);
    }
  }
  return out;
}

std::size_t different_arms(const std::map<JobKey, std::string>& answers) {
  std::map<std::string, std::string> of_arm;
  for (const auto& [key, text] : answers) of_arm[key.first] += text;
  std::set<std::string> out;
  for (const auto& [arm, texts] : of_arm) out.insert(texts);
  return out.size();
}

struct SharingCase {
  std::string name, model, overrides;
  std::vector<std::string> arms;
  bool whole = false;  // an arm needs the whole prompt in one call
};
void PrintTo(const SharingCase& one, std::ostream* out) { *out << one.name; }

const std::string kTensors = (testing::golden("interventions") / "gemma3.safetensors").string();

std::vector<SharingCase> sharing_cases() {
  return {
      {"layers",
       "mha-f32",
       "{}",
       {"none", "rebalance:alpha=0.8,layers=2-3", "temperature:tau=0.5,layers=2-3", "zero:layers=3",
        "boost:factor=5,keys=positions:4-7,heads=1.0-2;3.1", "pasta:alpha=0.1,keys=sinks,layers=last:2"}},
      {"groups",
       "gqa-f16",
       "{}",
       {"rebalance:alpha=0.8,threshold=0.03", "none", "rebalance:alpha=0.8,heads=2.0;3.1-4",
        "rebalance:alpha=0.8,layers=2,rows=last", "uniform:heads=1.1",
        "temperature:tau=2,layers=1+rebalance:alpha=0.5"}},
      // The arm that changes things last is computed whole, where there is no `none`.
      {"without_none",
       "mha-f16",
       "{}",
       {"zero:layers=1", "rebalance:alpha=0.8,layers=3,depth=9", "boost:factor=3,keys=bos,layers=2-3",
        "zero"}},
      {"idle_arms", "mha-bf16", "{}", {"rebalance:alpha=0", "none", "temperature:tau=1", "zero:layers=2"}},
      {"windows",
       "gemma3",
       "{}",
       {"none", "rebalance:alpha=0.8", "rebalance:alpha=0.8,layers=2,depth=5", "temperature:tau=0.5,layers=2",
        "seka:from=" + kTensors + ",keys=sinks,layers=last:1", "mean:from=" + kTensors + ",layers=1-2"}},
      {"wide_windows",
       "mistral",
       R"({"sliding_window":70})",
       {"none", "rebalance:alpha=0.8,layers=2,depth=5", "zero:layers=2", "temperature:tau=0.5,layers=1-2"}},
      {"whole_prompts",
       "gqa-f32",
       "{}",
       {"none", "act:beta=0.1,theta=0.04,layers=2-3",
        "spotlight:target=0.6,scope=layer,keys=positions:3-9,layers=3",
        "rebalance:alpha=0.8,layers=3,depth=9"},
       true},
      // Keys depend on a sequence's whole length: nothing is shared of the longer questions.
      {"dynamic",
       "mha-f32",
       R"({"rope_scaling":{"type":"dynamic","factor":4.0},"max_position_embeddings":64})",
       {"none", "rebalance:alpha=0.8,layers=3,depth=9", "zero:layers=2"}}};
}

Engine engine_of(const SharingCase& one, int threads, std::int64_t max_rows) {
  const bool family = one.model.find('-') == std::string::npos;
  const std::string directory = family ? (testing::golden("families") / one.model).string() : one.model;
  nlohmann::json config =
      family ? nlohmann::json::parse(read_text_file(testing::golden("families") / one.model / "config.json"))
             : nlohmann::json::parse(testing::config_with(one.model, "{}"));
  config.update(nlohmann::json::parse(one.overrides));
  return {directory, config.dump(), threads, max_rows};
}

// For the context and one continuation of the question that takes the most.
std::int64_t least_bytes(const Engine& engine, const Plan& plan, std::int64_t max_rows) {
  const KvLayout layout(engine.model->config(), DType::kF32);
  std::int64_t out = 0;
  for (const Question& question : plan.questions) {
    const std::int64_t begin = std::ssize(question.tokens), end = question.length();
    const std::int64_t fork =
        begin == end ? 0 : layout.bytes_between(begin, end, std::min<std::int64_t>(128, max_rows));
    out = std::max(out, kv_bytes(engine.model->config(), begin, DType::kF32, max_rows) + fork);
  }
  return out;
}

class LayerSharingBits : public ::testing::TestWithParam<SharingCase> {};

TEST_P(LayerSharingBits, AreThoseOfArmsAloneHoweverTheyAreComputed) {
  const SharingCase& one = GetParam();
  struct Way {
    std::int64_t batch, max_rows;
    int threads;
    bool scarce;  // memory for little more than the longest question
  };
  for (const bool several : {true, false}) {
    Engine plain = engine_of(one, 1, 512);
    const std::map<JobKey, std::string> want = alone(plain, one.arms, several);
    EXPECT_EQ(different_arms(want), one.name == "idle_arms" ? 2u : one.arms.size());
    const SharedPlan shared(one.arms, several);
    for (const Way& way : {Way{1, 512, 1, false}, Way{16, 512, 2, false}, Way{3, 7, 2, false},
                           Way{2, 140, 1, false}, Way{16, 150, 2, true}, Way{4, 20, 1, true}}) {
      if (one.whole && way.max_rows < 131) continue;
      if (!several && way.batch != 16) continue;
      if (one.name == "dynamic" && (way.scarce || way.max_rows < 140))
        continue;  // each option takes its context
      SCOPED_TRACE(fmt::format("batch {} rows {} threads {} scarce {}", way.batch, way.max_rows, way.threads,
                               way.scarce));
      Engine engine = engine_of(one, way.threads, way.max_rows);
      EvalSettings settings = scored_settings(way.batch);
      if (way.scarce) {
        settings.kv_bytes = least_bytes(engine, shared.plan, way.max_rows) * 5 / 4;
      }
      // All that is open, and what a run that was broken off in some arms has left.
      const auto all = answer_all(engine, settings, shared.plan, all_open);
      const auto some = answer_all(engine, settings, shared.plan, [&](std::size_t q, std::size_t a) {
        return (q * 5 + a * 3) % 7 > 2 && (q < 4 || one.arms[a] != "none");
      });
      for (const Answers& answers : {all, some}) {
        for (const auto& [key, text] : answers.told) {
          EXPECT_EQ(text, want.at(key)) << key.first << " item " << key.second;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, LayerSharingBits, ::testing::ValuesIn(sharing_cases()),
                         [](const auto& info) { return info.param.name; });

// A plan of questions with nothing in common.
SharedPlan apart(const std::vector<std::string>& arms) {
  SharedPlan out(arms, true);
  for (Question& question : out.plan.questions) question.shared_prefix = 0;
  return out;
}

TEST(LayerSharing, ComputesEachLayerOnce) {
  Engine engine("mha-f32", testing::config_with("mha-f32", "{}"), 2, 64);
  ASSERT_EQ(engine.model->config().num_hidden_layers, 4);
  const auto computed = [&](const std::vector<std::string>& arms) {
    return answer_all(engine, scored_settings(3), apart(arms).plan, all_open).computed;
  };
  std::int64_t rows = 0;
  for (const Question& question : apart({"none"}).plan.questions) {
    rows += std::ssize(question.tokens) + question.option_rows();
  }
  EXPECT_EQ(computed({"none"}), rows);
  EXPECT_EQ(computed({"none", "zero"}), 2 * rows);
  EXPECT_EQ(computed({"none", "zero:layers=3"}), (4 + 1) * rows / 4);
  EXPECT_EQ(computed({"none", "zero:layers=3", "zero:layers=1,heads=1.0", "rebalance:layers=2-3"}),
            (4 + 1 + 3 + 2) * rows / 4);
  EXPECT_EQ(computed({"rebalance", "temperature:tau=1", "none"}), (3 + 4 + 1) * rows / 4)
      << "the first of those that change nothing is whole";
  EXPECT_EQ(computed({"zero:layers=2", "zero:layers=3"}), (2 + 4) * rows / 4);
}

// Worked examples are computed once an arm, and saved once.
TEST(LayerSharing, ComputesPrefixesOnce) {
  Engine engine("mha-f32", testing::config_with("mha-f32", "{}"), 1, 64);
  SharedPlan shared({"none", "zero:layers=2-3"}, true);
  std::int64_t own = 0;
  for (std::size_t q = 0; q < shared.plan.questions.size(); ++q) {
    Question& question = shared.plan.questions[q];
    question.tokens = testing::made_up_ids(64 + 1 + q, 1);
    question.tokens.back() = static_cast<std::int32_t>(q);
    question.shared_prefix = 64;
    own += static_cast<std::int64_t>(q + 1) + question.option_rows();
  }
  for (const std::int64_t batch : {1, 4, 16}) {
    EXPECT_EQ(answer_all(engine, scored_settings(batch), shared.plan, all_open).computed,
              (64 + own) * (4 + 2) / 4)
        << batch;
  }
}

// A beginning that one question's rows were saved of before one layer, and another one needs before another.
TEST(LayerSharing, SavesABeginningForWhoeverNeedsIt) {
  const std::vector<std::string> arms = {"none", "temperature:tau=0.5,layers=2-3",
                                         "temperature:tau=0.5,layers=3"};
  Engine engine("mha-f32", testing::config_with("mha-f32", "{}"), 1, 200);
  const auto with_beginning = [](SharedPlan shared) {
    shared.plan.questions.resize(2);
    for (Question& question : shared.plan.questions) {
      question.tokens = testing::made_up_ids(70, 1);
      question.tokens.back() = question.item->index;
      question.shared_prefix = 64;
    }
    return shared;
  };
  std::map<JobKey, std::string> want;
  for (const std::string& arm : arms) {
    const SharedPlan one = with_beginning(SharedPlan({arm}, true));
    for (const auto& [key, text] : answer_all(engine, scored_settings(1), one.plan, all_open).told) {
      want[key] = text;
    }
  }
  const SharedPlan shared = with_beginning(SharedPlan(arms, true));
  for (const std::int64_t batch : {1, 4}) {
    const Answers got = answer_all(engine, scored_settings(batch), shared.plan,
                                   [](std::size_t q, std::size_t a) { return a == 0 || a == q + 1; });
    for (const auto& [key, text] : got.told) EXPECT_EQ(text, want.at(key)) << key.first << " " << batch;
  }
}

TEST(LayerSharing, SavesWithinBounds) {
  Engine engine("mha-f32", testing::config_with("mha-f32", "{}"), 1, 64);
  const auto tokenizer = testing::load_json(testing::synthetic_tokenizer("llama-2"));
  const EvalModel model{*engine.model, *tokenizer, {}, "m", "m", {}, {}};
  const EvalSettings settings = scored_settings(2);
  SharedPlan shared = apart({"none", "zero:layers=3", "zero:layers=1"});
  const std::size_t arms[] = {0, 1, 2};
  const LayerSharing sharing(model, settings, shared.plan);
  EXPECT_TRUE(sharing.is_on());
  using Layers = std::vector<std::int64_t>;
  EXPECT_EQ(sharing.starts(shared.plan.questions[1], arms).layers, (Layers{0, 3, 1}));
  // Two layers of the questions of a tile, and of the next: two, or one that fills two calls.
  std::int64_t most = 0, rows = 0;
  bool second = false;
  for (const Question& question : shared.plan.questions) {
    second = !second && rows > 0 && rows < 2 * 64;
    if (!second) rows = 0;
    rows += std::ssize(question.tokens);
    for (const auto& option : question.options) rows += std::ssize(option) - 1;
    most = std::max(most, rows);
  }
  EXPECT_EQ(sharing.saved_bytes(), 2 * most * 2 * 48 * std::int64_t{sizeof(float)});
  // Half a GiB for two layers: one has room, then none.
  Question& longest = shared.plan.questions[1];
  longest.tokens.assign((std::size_t{1} << 29) / (48 * sizeof(float)) - 200, 1);
  EXPECT_EQ(sharing.starts(longest, arms).layers, (Layers{0, 1, 1}));
  longest.tokens.resize(longest.tokens.size() + 400);
  EXPECT_EQ(sharing.starts(longest, arms).layers, (Layers{0, 0, 0}));
  EXPECT_FALSE(LayerSharing(model, settings, apart({"none", "zero"}).plan).is_on());
  EXPECT_FALSE(LayerSharing(model, settings, apart({"zero:layers=3"}).plan).is_on());
  EvalSettings texts = settings;
  texts.prompts = {PromptKind::kDirect};
  EXPECT_FALSE(LayerSharing(model, texts, shared.plan).is_on());
}

}  // namespace
}  // namespace refocus
