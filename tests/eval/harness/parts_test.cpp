// The parts that the harness has from Python, against Python itself (tests/golden/harness/parts.json).
#include <nlohmann/json.hpp>

#include "base/json_reader.h"
#include "base/text_file.h"
#include "eval/harness/csv_columns.h"
#include "eval/harness/filters.h"
#include "eval/harness/literal.h"
#include "eval/harness/metrics.h"
#include "eval/harness/python_random.h"
#include "eval/harness/python_text.h"
#include "eval/harness/yaml_value.h"
#include "support.h"
#include "template/json_value.h"
#include "template/template.h"

namespace refocus::harness {
namespace {

using PartsJson = nlohmann::ordered_json;
using ::refocus::testing::error_of;
using ::testing::HasSubstr;

const PartsJson& parts() {
  static const PartsJson all = [] {
    const auto path = ::refocus::testing::golden("harness") / "parts.json";
    return parse_ordered_json(read_text_file(path), {path.string()});
  }();
  return all;
}

std::string repr(const jinja::Value& value) {
  const auto shown = jinja::Template::parse("{{ [value] }}", "value", jinja::Settings::of_task_templates());
  const std::string text = jinja::text_of(shown.render({{"value", value}}));
  return text.substr(1, text.size() - 2);
}

TEST(PythonRandom, SamplesAsPythonDoes) {
  for (const PartsJson& one : parts()["sample"]) {
    PythonRandom random(one["seed"].get<std::uint32_t>());
    for (const PartsJson& drawn : one["drawn"]) {
      EXPECT_EQ(random.sample(one["n"], one["k"]), drawn.get<std::vector<std::size_t>>()) << one.dump();
    }
  }
}

TEST(Literal, IsReadAsPythonReadsIt) {
  for (const PartsJson& one : parts()["literal"]) {
    const auto text = one["text"].get<std::string>();
    const auto value = literal_value(jinja::Text(text, 7));
    ASSERT_EQ(value.has_value(), one.contains("value")) << text;
    if (value) {
      EXPECT_EQ(repr(*value), one["repr"].get<std::string>()) << text;
    }
  }
}

TEST(Literal, KeepsTheOriginOfEachByte) {
  jinja::TextBuilder builder(1000);
  builder.add("['a", jinja::Source{1});
  builder.add("b\\n', 'c']", jinja::Source{2});
  const auto value = literal_value(builder.take());
  ASSERT_TRUE(value && value->is_items());
  const jinja::Text first = value->sequence().items[0].text();
  EXPECT_EQ(first.bytes(), "ab\n");
  EXPECT_EQ(first.source_at(0).origin, 1u);
  EXPECT_EQ(first.source_at(1).origin, 2u);
  EXPECT_EQ(first.source_at(2).origin, 2u) << "an escape is from where it stands";
  EXPECT_EQ(value->sequence().items[1].source().origin, 2u);
}

TEST(Literal, RefusesEndlessNesting) { EXPECT_FALSE(literal_value(jinja::Text(std::string(100'000, '[')))); }

TEST(YamlValue, IsWhatPyYamlMakesOfIt) {
  for (const PartsJson& one : parts()["yaml"]) {
    const ConfigNode node = parse_config("k: " + one["text"].get<std::string>() + "\n", "t.yaml", false);
    EXPECT_EQ(yaml_value(*node.find("k")), one["value"]) << one.dump();
    EXPECT_EQ(yaml_value(*node.find("k")).dump(), one["value"].dump()) << "and of the same type";
  }
}

TEST(YamlValue, KnowsTheTagsOfYamlItself) {
  const ConfigNode node =
      parse_config("k: [!!null null, !!str 3, !!int 3, !!float 1.5, !!bool yes]\n", "t.yaml", false);
  EXPECT_EQ(yaml_value(*node.find("k")).dump(), "[null,\"3\",3,1.5,true]");
}

TEST(YamlValue, RefusesTagsAndDates) {
  const auto error = [](const std::string& text) {
    return error_of([&] { yaml_value(parse_config("k: " + text + "\n", "t.yaml", false)); });
  };
  EXPECT_THAT(error("!function utils.f"),
              HasSubstr("[t.yaml:1] expected plain YAML, got the tag '!function'"));
  EXPECT_THAT(error("[a, !x b]"), HasSubstr("'!x'"));
  EXPECT_THAT(error("2024-01-31"), HasSubstr("write it in quotes"));
  EXPECT_THAT(error("99999999999999999999"), HasSubstr("write it in quotes"));
  EXPECT_THAT(error("{1: a}"), HasSubstr("expected texts as keys"));
}

TEST(Filters, GiveWhatTheHarnessGives) {
  for (const PartsJson& one : parts()["filters"]) {
    const ConfigNode node = parse_config("filter_list:\n" + one["steps"].get<std::string>(), "t.yaml", false);
    const auto pipelines = read_filters(node.find("filter_list"), true, 1);
    ASSERT_EQ(pipelines.size(), 1u);
    for (std::size_t i = 0; i < one["responses"].size(); ++i) {
      const std::vector<std::string> responses = {one["responses"][i].get<std::string>()};
      const PartsJson& expected = one["filtered"][i];
      EXPECT_EQ(filtered(pipelines[0], responses, one["choices"].get<std::vector<std::string>>()),
                expected.is_null() ? std::nullopt : std::optional(expected.get<std::string>()))
          << one["steps"] << responses[0];
    }
  }
}

TEST(Filters, AreRefusedByName) {
  const auto error = [](const std::string& steps, bool generates = true) {
    const ConfigNode node =
        parse_config("filter_list:\n- name: x\n  filter: " + steps + "\n", "t.yaml", false);
    return error_of([&] { read_filters(node.find("filter_list"), generates, 2); });
  };
  EXPECT_THAT(error("[{function: format_span}]"),
              HasSubstr("unknown filter 'format_span'; known ones: regex,"));
  EXPECT_THAT(error("[{function: !function utils.F}]"), HasSubstr("got the tag '!function'"));
  EXPECT_THAT(error("[{function: lowercase}]"), HasSubstr("expected take_first as the last filter"));
  EXPECT_THAT(error("[{function: take_first}, {function: lowercase}]"),
              HasSubstr("got another one behind it"));
  EXPECT_THAT(error("[{function: take_first_k, k: 3}, {function: take_first}]"), HasSubstr("from 1 to 2"));
  EXPECT_THAT(error("[{function: regex, regex_pattern: '('}, {function: take_first}]"),
              HasSubstr("regular expression"));
  EXPECT_THAT(error("[{function: regex, x: 1}, {function: take_first}]"), HasSubstr("unknown key 'x'"));
  EXPECT_THAT(error("[{function: lowercase}, {function: take_first}]", false),
              HasSubstr("where nothing is generated"));
}

TEST(ExactMatch, IsTheHarness) {
  for (const PartsJson& one : parts()["exact_match"]) {
    const ConfigNode node =
        parse_config("metric_list:\n" + one["options"].get<std::string>(), "t.yaml", false);
    const auto rules = read_metrics(node.find("metric_list"), "generate_until");
    for (std::size_t i = 0; i < one["pairs"].size(); ++i) {
      const auto pair = one["pairs"][i].get<std::vector<std::string>>();
      const std::vector<std::string> gold = {pair[1]};
      EXPECT_EQ(text_metrics(rules, pair[0], gold).at("exact_match").value, one["scores"][i].get<double>())
          << one["options"] << one["pairs"][i];
    }
  }
}

TEST(CsvDocuments, HaveTheTypesOfPandas) {
  for (const PartsJson& one : parts()["csv"]) {
    PartsJson rows = PartsJson::array();
    for (const Document& document : csv_documents(one["text"], "t.csv", ',')) rows.push_back(document.fields);
    EXPECT_EQ(rows, one["rows"]) << one["text"];
    EXPECT_EQ(rows.dump(), one["rows"].dump());
  }
}

TEST(Metrics, AreRefusedByName) {
  const auto error = [](const std::string& metrics, const char* type) {
    const ConfigNode node = parse_config("metric_list: " + metrics + "\n", "t.yaml", false);
    return error_of([&] { read_metrics(node.find("metric_list"), type); });
  };
  EXPECT_THAT(error("[{metric: mcc}]", "multiple_choice"),
              HasSubstr("unknown metric 'mcc' of multiple_choice tasks; known ones: acc,"));
  EXPECT_THAT(error("[{metric: bleu}]", "generate_until"), HasSubstr("known ones: exact_match"));
  EXPECT_THAT(error("[{metric: acc, aggregation: f1}]", "multiple_choice"), HasSubstr("expected 'mean'"));
  EXPECT_THAT(error("[{metric: exact_match, hf_evaluate: true}]", "generate_until"),
              HasSubstr("hf_evaluate"));
  const ConfigNode known =
      parse_config("metric_list: [{metric: acc, weight_by_size: true}]\n", "t.yaml", false);
  EXPECT_EQ(read_metrics(known.find("metric_list"), "multiple_choice").size(), 1u) << "without effect there";
  EXPECT_THAT(error("[{metric: !function m.f}]", "generate_until"), HasSubstr("!function"));
}

TEST(GroupNumber, WeighsAsTheHarness) {
  // aggregate_subtask_metrics, pooled_sample_stderr and unweighted_mean_stderr of these three tasks.
  const std::vector<TaskNumber> tasks = {{0.5, 0.1, 10}, {0.25, 0.2, 4}, {1, 0.05, 30}};
  const TaskNumber weighted = group_number(tasks, true), plain = group_number(tasks, false);
  EXPECT_NEAR(weighted.value, (0.5 * 10 + 0.25 * 4 + 30) / 44, 1e-15);
  EXPECT_NEAR(*weighted.standard_error,
              std::sqrt((9 * 0.01 * 10 + 3 * 0.04 * 4 + 29 * 0.0025 * 30) / (44 - 3) / 44), 1e-15);
  EXPECT_NEAR(plain.value, 1.75 / 3, 1e-15);
  EXPECT_NEAR(*plain.standard_error, std::sqrt(0.01 + 0.04 + 0.0025) / 3, 1e-15);
  EXPECT_EQ(plain.documents, 44);
  const std::vector<TaskNumber> unknown = {{0.5, 0.1, 10}, {0.25, std::nullopt, 1}};
  EXPECT_FALSE(group_number(unknown, true).standard_error);
}

}  // namespace
}  // namespace refocus::harness
