// A task as lm-evaluation-harness 0.4.13 writes it in YAML: the keys of its TaskConfig
// (lm_eval/config/task.py), read and checked; what they make of the data is in documents.h and context.h.
// docs/harness_tasks.md lists the keys that are there, those without effect and those that are refused.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "eval/harness/filters.h"
#include "eval/harness/metrics.h"
#include "eval/text/config_node.h"
#include "template/template.h"

namespace refocus::harness {

enum class OutputType { kMultipleChoice, kGenerateUntil, kLoglikelihood, kRolling };

// "multiple_choice", "generate_until", "loglikelihood", "loglikelihood_rolling".
std::string_view output_type_name(OutputType type);

// What doc_to_text and its like say: a field's name or a template, a whole number, or a list of texts.
struct Wording {
  nlohmann::ordered_json value;                  // text, number or list
  std::string where;                             // "FILE:LINE doc_to_text"
  std::optional<jinja::Template> compiled = {};  // of a text

  bool is_text() const { return value.is_string(); }
};

// Few-shot examples: where they are from, and how they are written where that differs from the question.
struct FewshotRules {
  bool first_n = false;              // sampler first_n; otherwise a random sample
  std::optional<std::string> split;  // null: `samples`, or the training, validation or test split
  std::optional<std::vector<nlohmann::ordered_json>> samples;
  std::string samples_where;
  std::optional<Wording> text, target, choice, prefix;
  std::string target_delimiter, delimiter;
};

struct GenerationRules {
  std::vector<std::string> until;
  std::int64_t max_tokens = 256;
};

// Where the data are: a builder of local files ("json", "csv"), or the name of a data set on a hub.
struct DataRules {
  std::string path, name;  // dataset_path, dataset_name (may be empty)
  std::string where;
  // By split, files relative to the task's file; empty for a name on a hub.
  std::vector<std::pair<std::string, std::vector<std::string>>> files;
  std::string member;    // dataset_kwargs: field, the member of a JSON object that holds the rows
  char delimiter = ',';  // dataset_kwargs: delimiter or sep, of CSV

  bool is_local() const { return !files.empty(); }
};

struct TaskConfig {
  std::string name, alias, file;  // `file`: the YAML that names the task
  DataRules data;
  std::optional<std::string> training_split, validation_split, test_split;
  OutputType output = OutputType::kGenerateUntil;
  std::optional<Wording> text, target, choice, description, prefix;
  std::string target_delimiter = " ", fewshot_delimiter = "\n\n";
  FewshotRules fewshot;
  std::optional<int> num_fewshot;
  GenerationRules generation;
  int repeats = 1;
  std::vector<MetricRule> metrics;
  std::vector<FilterPipeline> filters;  // at least one
  std::string version;                  // metadata: version; may be empty
  nlohmann::ordered_json definition;    // every key with its value, for the record of a run

  // What is evaluated: the test split, or else the validation split.
  const std::string& evaluated_split() const { return test_split ? *test_split : *validation_split; }
};

// `root` is a whole task: what it includes is merged into it (task_index.h). InputError, naming line and key,
// for what needs Python (`!function`), for unknown keys, metrics, filters and settings, and for values of
// another type than lm-evaluation-harness takes.
TaskConfig read_task_config(const ConfigNode& root, const std::string& file);

// The keys whose values need Python: "process_docs: !function utils.process_docs". Empty where there are
// none.
std::vector<std::string> python_parts(const ConfigNode& root);

}  // namespace refocus::harness
