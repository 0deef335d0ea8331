#include "eval/harness/task_config.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "eval/harness/setting.h"
#include "eval/harness/yaml_value.h"

namespace refocus::harness {

namespace {

using Json = nlohmann::ordered_json;

// Known, and without effect on what is asked or measured here.
constexpr std::string_view kWithoutEffect[] = {
    "tag",         "task_alias", "metadata", "should_decontaminate", "doc_to_decontamination_query",
    "unsafe_code", "task_list"};
// What cannot be had without Python, with or without a tag.
constexpr std::string_view kPython[] = {"process_docs", "process_results", "custom_dataset", "class",
                                        "doc_to_image", "doc_to_audio",    "use_prompt"};
constexpr std::string_view kRead[] = {"task",
                                      "dataset_path",
                                      "dataset_name",
                                      "dataset_kwargs",
                                      "training_split",
                                      "validation_split",
                                      "test_split",
                                      "fewshot_split",
                                      "doc_to_text",
                                      "doc_to_target",
                                      "doc_to_choice",
                                      "description",
                                      "target_delimiter",
                                      "fewshot_delimiter",
                                      "fewshot_config",
                                      "num_fewshot",
                                      "metric_list",
                                      "output_type",
                                      "generation_kwargs",
                                      "repeats",
                                      "filter_list",
                                      "gen_prefix"};

bool is_one_of(std::string_view key, std::span<const std::string_view> keys) {
  return std::ranges::find(keys, key) != keys.end();
}

// "FILE:LINE KEY: !function f" for each tag within; keys that have no effect may have any.
void find_tags(const ConfigNode& node, const std::string& key, std::vector<std::string>& out) {
  if (!node.tag.empty()) out.push_back(fmt::format("{}: {} {}", key, node.tag, printable(node.text)));
  for (const ConfigNode& item : node.items) find_tags(item, key, out);
  for (const auto& entry : node.entries) find_tags(entry.value, key, out);
}

void check_keys(const ConfigNode& root) {
  for (const auto& entry : root.entries) {
    if (is_one_of(entry.key, kRead) || is_one_of(entry.key, kWithoutEffect)) continue;
    if (is_one_of(entry.key, kPython)) continue;  // refuse_python names those that are not null
    throw input_error(entry.value.where,
                      "unknown key '{}' in a task of lm-evaluation-harness; known keys: {}, {}",
                      printable(entry.key), fmt::join(kRead, ", "), fmt::join(kWithoutEffect, ", "));
  }
}

void refuse_python(const ConfigNode& root) {
  const std::vector<std::string> parts = python_parts(root);
  if (parts.empty()) return;
  throw input_error(
      root.where,
      "expected a task without Python, got {}; write it as a Jinja template in a copy of the file "
      "(docs/harness_tasks.md has some), or choose another task",
      fmt::join(parts, ", "));
}

std::optional<std::string> text_or_none(const ConfigNode& root, std::string_view key) {
  const ConfigNode* node = root.find(key);
  if (node == nullptr) return std::nullopt;
  return Setting(*node, key).text();
}

std::optional<Wording> wording(const ConfigNode& root, std::string_view key) {
  const ConfigNode* node = root.find(key);
  if (node == nullptr) return std::nullopt;
  Wording out{yaml_value(*node), fmt::format("{} {}", node->where, key)};
  if (out.value.is_object() && key == "doc_to_choice") {  // the values of a map, in order
    Json list = Json::array();
    for (const auto& [name, value] : out.value.items()) list.push_back(value);
    out.value = std::move(list);
  }
  const bool may_be_list = key == "doc_to_choice" || key == "doc_to_target";
  const bool may_be_number = key == "doc_to_text" || key == "doc_to_target";
  const bool right = out.value.is_string() || (may_be_list && out.value.is_array()) ||
                     (may_be_number && (out.value.is_number_integer() || out.value.is_boolean()));
  if (!right) {
    throw input_error(node->where, "expected a field's name or a template{} as '{}', got {}; correct it",
                      may_be_list     ? ", or a list,"
                      : may_be_number ? ", or a whole number,"
                                      : "",
                      key, kind_name(node->kind));
  }
  if (out.is_text()) {
    out.compiled = jinja::Template::parse(out.value.get_ref<const std::string&>(), out.where,
                                          jinja::Settings::of_task_templates());
  }
  return out;
}

OutputType output_type(const ConfigNode& root) {
  const ConfigNode* node = root.find("output_type");
  if (node == nullptr) return OutputType::kGenerateUntil;
  const std::string name = Setting(*node, "output_type").text();
  for (const OutputType type : {OutputType::kMultipleChoice, OutputType::kGenerateUntil,
                                OutputType::kLoglikelihood, OutputType::kRolling}) {
    if (name == output_type_name(type)) return type;
  }
  throw input_error(node->where,
                    "unknown output_type '{}'; known ones: multiple_choice, generate_until, loglikelihood, "
                    "loglikelihood_rolling",
                    printable(name));
}

std::vector<std::string> file_list(const ConfigNode& node) {
  std::vector<std::string> files = Setting(node, "data_files").texts();
  for (const std::string& file : files) {
    if (file.find("://") != std::string::npos || file.find_first_of("*?[") != std::string::npos) {
      throw input_error(node.where, "expected the name of a local file as data_files, got '{}'; {}",
                        printable(file),
                        file.find("://") != std::string::npos ? "download it, and name the copy"
                                                              : "list the files by their names");
    }
  }
  return files;
}

DataRules data_rules(const ConfigNode& root) {
  DataRules data;
  const ConfigNode* path = root.find("dataset_path");
  if (path == nullptr)
    throw input_error(root.where, "expected 'dataset_path', got none; see docs/harness_tasks.md");
  data.path = Setting(*path, "dataset_path").text();
  data.where = path->where;
  data.name = text_or_none(root, "dataset_name").value_or("");
  const bool is_builder = data.path == "json" || data.path == "csv";
  const ConfigNode* arguments = root.find("dataset_kwargs");
  if (arguments != nullptr) {
    arguments->check_keys("dataset_kwargs", {"data_files", "field", "delimiter", "sep", "trust_remote_code"});
    if (const ConfigNode* field = arguments->find("field")) data.member = Setting(*field, "field").text();
    for (const char* key : {"delimiter", "sep"}) {
      const ConfigNode* node = arguments->find(key);
      if (node == nullptr) continue;
      const std::string text = Setting(*node, key).text();
      if (text.size() != 1 || data.path != "csv") {
        throw input_error(node->where, "expected one character as {} of csv data, got '{}'; correct it", key,
                          printable(text));
      }
      data.delimiter = text[0];
    }
    if (const ConfigNode* files = arguments->find("data_files")) {
      if (!is_builder) {
        throw input_error(files->where,
                          "expected dataset_path json or csv beside data_files, got '{}'; write one",
                          printable(data.path));
      }
      if (files->kind != ConfigNode::Kind::kMap) {
        data.files.emplace_back("train", file_list(*files));
      } else {
        for (const auto& entry : files->entries) data.files.emplace_back(entry.key, file_list(entry.value));
      }
    }
  }
  if (is_builder && data.files.empty()) {
    throw input_error(data.where, "expected data_files under dataset_kwargs, got none; name the files");
  }
  return data;
}

GenerationRules generation_rules(const ConfigNode& root, const std::string& fewshot_delimiter) {
  GenerationRules rules;
  rules.until = {fewshot_delimiter};
  const ConfigNode* section = root.find("generation_kwargs");
  if (section == nullptr) return rules;
  section->check_keys("generation_kwargs",
                      {"until", "do_sample", "temperature", "top_p", "top_k", "max_gen_toks",
                       "max_new_tokens", "max_tokens", "max_completion_tokens"});
  if (const ConfigNode* node = section->find("until")) {
    rules.until = Setting(*node, "until").texts();
    std::erase(rules.until, "");
  }
  for (const char* key : {"max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens"}) {
    const ConfigNode* node = section->find(key);
    if (node == nullptr) continue;
    rules.max_tokens = Setting(*node, key).whole(1, 1'000'000'000);
    break;
  }
  // lm-evaluation-harness lets do_sample decide, and the temperature where it is not there.
  const ConfigNode* sample = section->find("do_sample");
  const ConfigNode* temperature = section->find("temperature");
  const bool samples = sample != nullptr
                           ? Setting(*sample, "do_sample").flag()
                           : temperature != nullptr && Setting(*temperature, "temperature").number() > 0;
  if (samples) {
    throw input_error((sample != nullptr ? sample : temperature)->where,
                      "expected the most likely token each time, got sampling; write do_sample: false");
  }
  return rules;
}

void read_fewshot(const ConfigNode& root, TaskConfig& config) {
  FewshotRules& rules = config.fewshot;
  rules.split = text_or_none(root, "fewshot_split");
  rules.text = config.text;
  rules.target = config.target;
  rules.choice = config.choice;
  rules.prefix = config.prefix;
  rules.target_delimiter = config.target_delimiter;
  rules.delimiter = config.fewshot_delimiter;
  const ConfigNode* section = root.find("fewshot_config");
  if (section == nullptr) return;
  section->check_keys("fewshot_config", {"sampler", "split", "samples", "process_docs", "fewshot_indices",
                                         "doc_to_text", "doc_to_choice", "doc_to_target", "gen_prefix",
                                         "fewshot_delimiter", "target_delimiter"});
  for (const auto& [key, value] : section->entries) {
    const bool is_null = value.kind == ConfigNode::Kind::kNull;
    if (key == "split") rules.split = text_or_none(*section, key);
    if (key == "doc_to_text") rules.text = wording(*section, key);
    if (key == "doc_to_target") rules.target = wording(*section, key);
    if (key == "doc_to_choice") rules.choice = wording(*section, key);
    if (key == "gen_prefix") rules.prefix = wording(*section, key);
    if (is_null) continue;
    if (key == "target_delimiter") rules.target_delimiter = Setting(value, key).text();
    if (key == "fewshot_delimiter") rules.delimiter = Setting(value, key).text();
    if (key == "sampler") {
      const std::string name = Setting(value, key).text();
      rules.first_n = name == "first_n";
      if (!rules.first_n && name != "default") {
        throw input_error(value.where, "unknown sampler '{}'; known ones: default, first_n", printable(name));
      }
    }
    if (key == "samples") {
      const Json samples = yaml_value(value);
      rules.samples.emplace();
      rules.samples_where = value.where;
      for (const Json& sample : samples) {
        if (samples.is_array() && sample.is_object()) {
          rules.samples->push_back(sample);
          continue;
        }
        throw input_error(value.where, "expected a list of maps as samples, got something else; correct it");
      }
    }
  }
}

void require_wording(const TaskConfig& config, const ConfigNode& root) {
  const auto require = [&](const std::optional<Wording>& wording, std::string_view key) {
    if (wording) return;
    throw input_error(root.where, "expected '{}' in a {} task, got none; see docs/harness_tasks.md", key,
                      output_type_name(config.output));
  };
  require(config.text, "doc_to_text");
  require(config.target, "doc_to_target");
  if (config.output == OutputType::kMultipleChoice) require(config.choice, "doc_to_choice");
  if (!config.test_split && !config.validation_split) {
    throw input_error(root.where, "expected 'test_split' or 'validation_split', got neither; name one");
  }
}

}  // namespace

std::string_view output_type_name(OutputType type) {
  switch (type) {
    case OutputType::kMultipleChoice:
      return "multiple_choice";
    case OutputType::kGenerateUntil:
      return "generate_until";
    case OutputType::kLoglikelihood:
      return "loglikelihood";
    case OutputType::kRolling:
      break;
  }
  return "loglikelihood_rolling";
}

std::vector<std::string> python_parts(const ConfigNode& root) {
  std::vector<std::string> out;
  for (const auto& entry : root.entries) {
    if (entry.value.kind == ConfigNode::Kind::kNull || is_one_of(entry.key, kWithoutEffect)) continue;
    const std::size_t before = out.size();
    find_tags(entry.value, entry.key, out);
    if (is_one_of(entry.key, kPython) && out.size() == before) {
      out.push_back(fmt::format("{}: {}", entry.key, printable(entry.value.text)));
    }
  }
  if (const ConfigNode* node = root.find("unsafe_code");
      node != nullptr && Setting(*node, "unsafe_code").flag()) {
    out.emplace_back("unsafe_code: true");
  }
  return out;
}

TaskConfig read_task_config(const ConfigNode& root, const std::string& file) {
  if (root.kind != ConfigNode::Kind::kMap) root.check_keys("a task of lm-evaluation-harness", {});
  check_keys(root);
  refuse_python(root);
  TaskConfig config;
  config.file = file;
  config.name = text_or_none(root, "task").value_or("");
  config.alias = text_or_none(root, "task_alias").value_or(config.name);
  config.data = data_rules(root);
  config.training_split = text_or_none(root, "training_split");
  config.validation_split = text_or_none(root, "validation_split");
  config.test_split = text_or_none(root, "test_split");
  config.output = output_type(root);
  config.text = wording(root, "doc_to_text");
  config.target = wording(root, "doc_to_target");
  config.choice = wording(root, "doc_to_choice");
  config.description = wording(root, "description");
  config.prefix = wording(root, "gen_prefix");
  config.target_delimiter = text_or_none(root, "target_delimiter").value_or(" ");
  config.fewshot_delimiter = text_or_none(root, "fewshot_delimiter").value_or("\n\n");
  require_wording(config, root);
  read_fewshot(root, config);
  if (const ConfigNode* node = root.find("num_fewshot")) {
    config.num_fewshot = static_cast<int>(Setting(*node, "num_fewshot").whole(0, 1000));
  }
  if (const ConfigNode* node = root.find("repeats")) {
    config.repeats = static_cast<int>(Setting(*node, "repeats").whole(1, 1000));
  }
  config.generation = generation_rules(root, config.fewshot_delimiter);
  config.metrics = read_metrics(root.find("metric_list"), output_type_name(config.output));
  config.filters =
      read_filters(root.find("filter_list"), config.output == OutputType::kGenerateUntil, config.repeats);
  if (const ConfigNode* metadata = root.find("metadata")) {
    if (const ConfigNode* version = metadata->find("version")) config.version = version->text;
  }
  config.definition = root.as_json();
  return config;
}

}  // namespace refocus::harness
