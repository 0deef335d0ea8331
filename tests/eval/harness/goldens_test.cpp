// Tasks, filters and metrics against what lm-evaluation-harness makes of them (tests/golden/harness).
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/json_reader.h"
#include "base/text_file.h"
#include "eval/harness/requests.h"
#include "eval/harness/task_index.h"
#include "support.h"

namespace refocus::harness {
namespace {

using Json = nlohmann::ordered_json;
using ::refocus::testing::golden;
using ::refocus::testing::TempDir;

Json read_golden(const std::string& name) {
  const auto path = golden("harness") / name;
  return parse_ordered_json(read_text_file(path), {path.string()});
}

// A case's task and data in a folder of their own.
class GoldenTask {
 public:
  explicit GoldenTask(const Json& one) {
    for (const auto& [name, text] : one["files"].items()) put(name, text);
    put("task.yaml", one["yaml"]);
    set = load_task_set(dir / "task.yaml");
  }
  const TaskConfig& config() const { return set.tasks.front(); }
  std::vector<Request> requests(std::optional<int> shots) const {
    Dataset data(config().data, config().name, dir.path(), {});
    return build_requests(config(), data, {shots, {}});
  }

  TempDir dir;
  TaskSet set;

 private:
  void put(const std::string& name, const std::string& text) { write_file_atomically(dir / name, text); }
};

std::optional<int> shots_in(const Json& expected) {
  return expected["shots"].is_null() ? std::nullopt : std::optional(expected["shots"].get<int>());
}

std::vector<std::string> texts_of_all(const std::vector<Prompt>& prompts) {
  std::vector<std::string> out;
  for (const Prompt& prompt : prompts) out.push_back(text_of(prompt));
  return out;
}

// What is said in the golden once for each option, where all say the same.
std::vector<std::string> without_repeats(const Json& texts, std::size_t count) {
  auto out = texts.get<std::vector<std::string>>();
  if (count == 1) {
    for (const std::string& text : out) EXPECT_EQ(text, out.front());
    out.resize(1);
  }
  return out;
}

class HarnessTasks : public ::testing::TestWithParam<int> {};

Json golden_task(int place) {
  static const Json all = read_golden("tasks.json");
  return all[static_cast<std::size_t>(place)];
}

TEST_P(HarnessTasks, AskWhatTheHarnessAsks) {
  const Json one = golden_task(GetParam());
  const GoldenTask task(one);
  for (const Json& expected : one["expected"]) {
    const std::vector<Request> requests = task.requests(shots_in(expected));
    const Json& documents = expected["documents"];
    ASSERT_EQ(requests.size(), documents.size());
    for (std::size_t i = 0; i < requests.size(); ++i) {
      SCOPED_TRACE(::testing::Message()
                   << one["name"] << " document " << i << " shots " << expected["shots"]);
      const Request& request = requests[i];
      const Json& document = documents[i];
      EXPECT_EQ(request.target, document["target"].get<std::string>());
      if (document.contains("rolling")) {
        EXPECT_EQ(request.rolling, document["rolling"].get<std::string>());
        continue;
      }
      // acc_mutual_info asks for the options after nothing too.
      std::vector<std::string> contexts = document["contexts"].get<std::vector<std::string>>();
      std::vector<std::string> continuations;
      if (document.contains("continuations")) {
        continuations = document["continuations"].get<std::vector<std::string>>();
        if (continuations.size() == 2 * request.continuations.size()) {
          contexts.resize(request.continuations.size());
          continuations.resize(request.continuations.size());
        }
      }
      EXPECT_EQ(texts_of_all(request.contexts), without_repeats(Json(contexts), request.contexts.size()));
      EXPECT_EQ(texts_of_all(request.continuations), continuations);
    }
  }
}

void expect_metrics(const MetricValues& got, const Json& expected) {
  EXPECT_EQ(got.size(), expected.size());
  for (const auto& [name, numbers] : expected.items()) {
    const auto found = got.find(name);
    ASSERT_NE(found, got.end()) << name;
    EXPECT_NEAR(found->second.value, numbers[0].get<double>(), 1e-12) << name;
    EXPECT_NEAR(found->second.weight, numbers[1].get<double>(), 1e-12) << name;
  }
}

// A document's numbers, of the golden's made-up log-likelihoods or responses.
MetricValues measured(const TaskConfig& config, const Request& request, const Json& document,
                      const FilterPipeline& pipeline) {
  if (config.output == OutputType::kRolling) {
    return rolling_metrics(config.metrics, document["loglikelihood"], request.rolling);
  }
  if (config.output == OutputType::kGenerateUntil) {
    const auto responses = document["responses"].get<std::vector<std::string>>();
    const Filtered found = filtered(pipeline, responses, request.choices_field);
    const Json& expected = document["filtered"][pipeline.name];
    EXPECT_EQ(found, expected.is_null() ? std::nullopt : std::optional(expected.get<std::string>()));
    return text_metrics(config.metrics, found, request.answers);
  }
  std::vector<OptionLikelihood> options;
  std::vector<double> unconditional;
  for (const Json& pair : document["likelihoods"]) {
    if (options.size() < request.continuations.size()) {
      options.push_back({pair[0], pair[1]});
    } else {
      unconditional.push_back(pair[0]);
    }
  }
  if (config.output == OutputType::kLoglikelihood) return target_metrics(config.metrics, options.front());
  return choice_metrics(config.metrics, options, request.choices, request.gold, unconditional);
}

TEST_P(HarnessTasks, MeasureWhatTheHarnessMeasures) {
  const Json one = golden_task(GetParam());
  const GoldenTask task(one);
  const TaskConfig& config = task.config();
  for (const Json& expected : one["expected"]) {
    const std::vector<Request> requests = task.requests(shots_in(expected));
    for (const FilterPipeline& pipeline : config.filters) {
      std::map<std::string, std::vector<MetricValue>> all;
      for (std::size_t i = 0; i < requests.size(); ++i) {
        SCOPED_TRACE(::testing::Message() << one["name"] << " document " << i << " filter " << pipeline.name);
        const Json& document = expected["documents"][i];
        if (document.contains("generation")) {
          EXPECT_EQ(config.generation.until, document["generation"]["until"].get<std::vector<std::string>>());
          const Json& most = document["generation"]["max_gen_toks"];
          EXPECT_EQ(config.generation.max_tokens, most.is_null() ? 256 : most.get<int>());
        }
        const MetricValues values = measured(config, requests[i], document, pipeline);
        expect_metrics(values, document["metrics"][pipeline.name]);
        for (const auto& [name, value] : values) all[name].push_back(value);
      }
      for (const MetricRule& rule : config.metrics) {
        const std::string key = rule.name + "," + pipeline.name;
        const double total = expected["totals"][key];
        EXPECT_NEAR(aggregated(rule.aggregation, all[rule.name]), total, 1e-12 * std::abs(total)) << key;
        const auto error = standard_error(rule.aggregation, all[rule.name]);
        ASSERT_EQ(error.has_value(), expected["errors"].contains(key)) << key;
        if (error) {
          EXPECT_NEAR(*error, expected["errors"][key].get<double>(), 1e-12) << key;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Goldens, HarnessTasks, ::testing::Range(0, 18), [](const auto& one) {
  return golden_task(one.param)["name"].template get<std::string>();
});

TEST(HarnessGoldens, AreAllTested) { EXPECT_EQ(read_golden("tasks.json").size(), 18u); }

}  // namespace
}  // namespace refocus::harness
