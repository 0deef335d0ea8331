// Reads a task file into a TaskFile; what its data hold is read in own_task.cpp.
#include "eval/tasks/task_file.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/text_file.h"
#include "eval/extract/short_answer.h"
#include "eval/task/file_names.h"
#include "eval/task/prompt_template.h"

namespace refocus {

namespace {

namespace fs = std::filesystem;

using Keys = std::vector<std::string_view>;

constexpr const char* kDefaultTurn = "### Human: {turn}\n### Assistant:";
constexpr const char* kDefaultAnswer = " {answer}\n";

Keys known_keys(AnswerType type) {
  Keys keys = {"task", "type", "description", "dataset", "questions", "prompt", "cot", "direct", "until"};
  const auto add = [&](const Keys& more) { keys.insert(keys.end(), more.begin(), more.end()); };
  if (type == AnswerType::kChoice) {
    add({"subject_field", "options", "answer", "answer_format", "metric", "loglikelihood"});
  }
  if (type == AnswerType::kShort) {
    add({"subject_field", "answer", "metric", "tolerance", "answer_pattern"});
  }
  if (type == AnswerType::kTranscript) add({"turn_template", "answer_template"});
  return keys;
}

const ConfigNode& required(const ConfigNode& root, std::string_view key) {
  const ConfigNode* node = root.find(key);
  if (node == nullptr) throw input_error(root.where, "expected '{}', got none; see docs/own-tasks.md", key);
  return *node;
}

// One of `known`, or an InputError that lists them.
template <class T, std::size_t kCount>
T choice(const ConfigNode& node, std::string_view key,
         const std::array<std::pair<std::string_view, T>, kCount>& known) {
  const std::string& text = node.as_text(key);
  std::string names;
  for (const auto& [name, value] : known) {
    if (name == text) return value;
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  throw input_error(node.where, "unknown {} '{}'; known ones: {}", key, printable(text), names);
}

AnswerType type_of(const ConfigNode& root) {
  if (const ConfigNode* type = root.find("type")) {
    return choice<AnswerType, 3>(*type, "type",
                                 {{{type_name(AnswerType::kChoice), AnswerType::kChoice},
                                   {type_name(AnswerType::kShort), AnswerType::kShort},
                                   {type_name(AnswerType::kTranscript), AnswerType::kTranscript}}});
  }
  const bool has_options = root.find("options") != nullptr || root.find("questions") != nullptr;
  return has_options ? AnswerType::kChoice : AnswerType::kShort;
}

std::string task_name(const ConfigNode& root, const fs::path& path) {
  const ConfigNode* node = root.find("task");
  const std::string name = node != nullptr ? node->as_text("task") : path.stem().string();
  const std::string where = node != nullptr ? node->where : root.where;
  if (!is_safe_file_name(name) || name.size() > 80) {
    throw input_error(
        where,
        "expected a task name fit for a file (letters, digits and _.=+-~, at most 80), got '{}'; "
        "write another as task",
        printable(name));
  }
  if (find_task_kind(name) != nullptr || name == "social_iqa" || name == "perplexity") {
    throw input_error(where, "expected a task name of its own, got the built-in '{}'; write another as task",
                      name);
  }
  return name;
}

void read_options(const ConfigNode& root, TaskFile& file) {
  const ConfigNode& node = required(root, "options");
  if (node.kind == ConfigNode::Kind::kText) {
    file.options = {OptionSource::Kind::kListField, {node.text}};
  } else if (node.kind == ConfigNode::Kind::kMap) {
    node.check_keys("options", {"texts"});
    file.options = {OptionSource::Kind::kTexts, required(node, "texts").as_texts("texts")};
    for (const std::string& text : file.options.names) {
      if (text.find_first_not_of(" \t\r\n") == std::string::npos) {
        throw input_error(node.where, "expected options with a text, got an empty one; correct it");
      }
    }
  } else {
    file.options = {OptionSource::Kind::kFields, node.as_texts("options")};
  }
  const std::size_t count = file.options.names.size();
  if (file.options.kind != OptionSource::Kind::kListField && (count < 2 || count > 26)) {
    throw input_error(node.where, "expected 2 to 26 options, got {}; letters go from A to Z", count);
  }
}

// The other prompt of each item, and which option is right after it.
void read_corrupted(const ConfigNode& section, TaskFile& file, LikelihoodWording& wording) {
  const ConfigNode* corrupted = section.find("corrupted");
  if (corrupted != nullptr) {
    wording.corrupted = corrupted->as_text("corrupted");
    file.templates.push_back({wording.corrupted, "corrupted", corrupted->where});
  }
  const ConfigNode* answer = section.find("corrupted_answer");
  if (answer == nullptr) return;
  file.corrupted_answer_field = answer->as_text("corrupted_answer");
  if (corrupted != nullptr && !file.answer_field.empty()) return;
  throw input_error(answer->where, "expected corrupted_answer beside {}, got none; add it",
                    corrupted == nullptr ? "a template corrupted" : "answer");
}

// Where the items come from: a built-in task, or a data file with what its fields mean.
void read_source(const ConfigNode& root, const fs::path& path, TaskFile& file) {
  const ConfigNode* questions = root.find("questions");
  if (questions == nullptr) {
    const ConfigNode& dataset = required(root, "dataset");
    file.dataset = path.parent_path() / dataset.as_text("dataset");
    file.dataset_where = dataset.where;
    if (const ConfigNode* node = root.find("subject_field")) {
      file.subject_field = node->as_text("subject_field");
      file.kind.has_subjects = true;
    }
    return;
  }
  const TaskKind* source = find_task_kind(questions->as_text("questions"));
  if (source == nullptr || file.kind.type != AnswerType::kChoice) {
    throw input_error(questions->where,
                      "expected as questions one of {}, of a multiple_choice task, got '{}'", task_names(),
                      printable(questions->text));
  }
  for (const char* key : {"dataset", "subject_field", "options", "answer", "answer_format"}) {
    if (const ConfigNode* node = root.find(key)) {
      throw input_error(node->where, "expected no {} beside questions, which have it from {}; leave it out",
                        key, source->name);
    }
  }
  file.questions = source->name;
  file.dataset_where = questions->where;
  file.kind.has_subjects = source->has_subjects;
  file.kind.choices = source->choices;
}

void read_choice(const ConfigNode& root, TaskFile& file) {
  if (file.questions.empty()) read_options(root, file);
  if (const ConfigNode* node = root.find("metric")) {
    choice<int, 1>(*node, "metric", {{{"accuracy", 0}}});
  }
  if (const ConfigNode* node = root.find("answer")) file.answer_field = node->as_text("answer");
  if (const ConfigNode* node = root.find("answer_format")) {
    file.answer_format = choice<AnswerFormat, 4>(*node, "answer_format",
                                                 {{{"letter", AnswerFormat::kLetter},
                                                   {"index0", AnswerFormat::kIndex0},
                                                   {"index1", AnswerFormat::kIndex1},
                                                   {"text", AnswerFormat::kText}}});
  }
  const ConfigNode* section = root.find("loglikelihood");
  if (section == nullptr) return;
  section->check_keys("loglikelihood", {"context", "corrupted", "corrupted_answer", "option", "metrics"});
  LikelihoodWording wording;
  if (const TaskKind* source = find_task_kind(file.questions)) {
    wording.strips_fields = source->likelihood && source->likelihood->strips_fields;
  }
  const ConfigNode& context = required(*section, "context");
  wording.context = context.as_text("context");
  file.templates.push_back({wording.context, "context", context.where});
  read_corrupted(*section, file, wording);
  const ConfigNode* option = section->find("option");
  wording.option = option != nullptr ? option->as_text("option") : " {option}";
  const std::vector<std::string> known = {"option", "letter"};
  check_template(wording.option, "option", known, option != nullptr ? option->where : section->where);
  wording.length_normalised = wording.option.find("{option}") != std::string::npos;
  if (const ConfigNode* metrics = section->find("metrics")) {
    const std::vector<std::string> names = metrics->as_texts("metrics");
    for (const std::string& name : names) {
      if (name == "acc" || name == "acc_norm") continue;
      throw input_error(metrics->where, "unknown metric '{}'; known ones: acc, acc_norm", printable(name));
    }
    wording.length_normalised = std::ranges::find(names, "acc_norm") != names.end();
  }
  file.kind.likelihood = std::move(wording);
}

void read_short(const ConfigNode& root, TaskFile& file) {
  ShortAnswerRules& rules = file.kind.short_answer;
  file.answer_field = required(root, "answer").as_text("answer");
  const ConfigNode& metric = required(root, "metric");
  rules.metric = choice<ShortMetric, 3>(metric, "metric",
                                        {{{"exact_match", ShortMetric::kExactMatch},
                                          {"numeric", ShortMetric::kNumeric},
                                          {"f1", ShortMetric::kF1}}});
  if (const ConfigNode* node = root.find("tolerance")) {
    rules.tolerance = node->as_number("tolerance");
    if (rules.tolerance < 0 || rules.metric != ShortMetric::kNumeric) {
      throw input_error(
          node->where, "expected a tolerance of at least 0 with metric numeric, got {} with {}; {}",
          node->text, metric.text, rules.tolerance < 0 ? "write a positive one" : "leave it out");
    }
  }
  if (const ConfigNode* node = root.find("answer_pattern")) {
    rules.pattern = node->as_text("answer_pattern");
    const auto error = short_answer_pattern_error(rules.pattern);
    if (error || rules.pattern.empty()) {
      throw input_error(node->where, "expected a regular expression (PCRE2) as answer_pattern, got '{}': {}",
                        printable(rules.pattern), error.value_or("it is empty"));
    }
  }
}

// The literal text before {turn}: where the model writes it, it has begun the user's next turn itself.
std::string next_turn_mark(const std::string& turn, const std::string& where) {
  const std::vector<TemplatePiece> pieces = parse_template(turn, where);
  if (pieces.empty() || pieces.front().is_field) return "";
  const std::string& text = pieces.front().text;
  const std::size_t begin = text.find_first_not_of(" \t\r\n"), end = text.find_last_not_of(" \t\r\n");
  return begin == std::string::npos ? "" : text.substr(begin, end - begin + 1);
}

void read_transcript(const ConfigNode& root, TaskFile& file) {
  const auto read = [&](const char* key, const char* placeholder, const char* standard) {
    const ConfigNode* node = root.find(key);
    const std::string text = node != nullptr ? node->as_text(key) : standard;
    const std::string& where = node != nullptr ? node->where : root.where;
    const std::vector<std::string> known = {placeholder};
    check_template(text, key, known, where);
    const auto pieces = parse_template(text, where);
    if (std::ranges::count(pieces, true, &TemplatePiece::is_field) == 1) return text;
    throw input_error(where, "expected {{{}}} once in {}, got '{}'; add it", placeholder, key,
                      printable(text));
  };
  file.kind.transcript = {read("turn_template", "turn", kDefaultTurn),
                          read("answer_template", "answer", kDefaultAnswer)};
  if (file.kind.until.empty()) {
    const std::string mark = next_turn_mark(file.kind.transcript.turn, root.where);
    if (!mark.empty()) file.kind.until = {mark};
  }
}

// Reads a section over what `parts` holds already.
void read_parts(const ConfigNode& section, std::string_view name, TaskFile& file, PromptParts& parts) {
  const bool transcript = file.kind.type == AnswerType::kTranscript;
  const Keys keys = transcript ? Keys{"instruction"} : Keys{"instruction", "body", "suffix"};
  section.check_keys(name, keys);
  for (const std::string_view key : keys) {
    const ConfigNode* node = section.find(key);
    if (node == nullptr) continue;
    (key == "instruction" ? parts.instruction
     : key == "body"      ? parts.body
                          : parts.suffix) = node->as_text(key);
    file.templates.push_back({node->text, std::string(key), node->where, key == "body"});
  }
}

void read_prompts(const ConfigNode& root, TaskFile& file) {
  PromptParts common;
  const ConfigNode* prompt = root.find("prompt");
  if (prompt != nullptr && prompt->kind == ConfigNode::Kind::kText &&
      file.kind.type != AnswerType::kTranscript) {
    common.body = prompt->text;
    file.templates.push_back({prompt->text, "prompt", prompt->where});
  } else if (prompt != nullptr) {
    read_parts(*prompt, "prompt", file, common);
  }
  for (const auto& [key, kind] :
       {std::pair("cot", PromptKind::kCot), std::pair("direct", PromptKind::kDirect)}) {
    const ConfigNode* section = root.find(key);
    if (section == nullptr) continue;
    PromptParts parts = common;
    read_parts(*section, key, file, parts);
    file.kind.prompts[kind] = std::move(parts);
  }
  // Without a section of either kind the prompt asks as it stands; a task may have log-likelihoods alone.
  if (file.kind.prompts.empty() && (prompt != nullptr || root.find("loglikelihood") == nullptr)) {
    file.kind.prompts[PromptKind::kDirect] = common;
  }
  for (const auto& [kind, parts] : file.kind.prompts) {
    if (file.kind.type == AnswerType::kTranscript || !parts.body.empty()) continue;
    throw input_error(root.where, "expected a body for the {} prompt, got none; write one under prompt",
                      prompt_kind_name(kind));
  }
}

}  // namespace

bool is_task_file(const std::string& task) {
  for (const char* ending : {".yaml", ".yml", ".json"}) {
    if (task.ends_with(ending)) return true;
  }
  return task.find('/') != std::string::npos && fs::exists(task);
}

TaskFile parse_task_file(std::string_view text, const fs::path& path) {
  const ConfigNode root = parse_config(text, path.string(), path.extension() == ".json");
  TaskFile file;
  if (root.kind != ConfigNode::Kind::kMap) root.check_keys("the task file", {});
  file.kind.type = type_of(root);
  root.check_keys(std::string("a ") + std::string(type_name(file.kind.type)) + " task",
                  known_keys(file.kind.type));
  file.kind.name = task_name(root, path);
  read_source(root, path, file);
  if (const ConfigNode* node = root.find("until")) {
    file.kind.until = node->as_texts("until");
    if (std::ranges::count(file.kind.until, "") > 0) {
      throw input_error(node->where, "expected texts that end an answer, got an empty one; remove it");
    }
  }
  read_prompts(root, file);
  if (file.kind.type == AnswerType::kChoice) read_choice(root, file);
  if (file.kind.type == AnswerType::kShort) read_short(root, file);
  if (file.kind.type == AnswerType::kTranscript) read_transcript(root, file);
  file.kind.definition = json_text(root.as_json());
  return file;
}

TaskFile read_task_file(const fs::path& path) {
  if (!fs::is_regular_file(path)) {
    throw input_error(path.string(), "expected a task file, got no such file; known tasks beside files: {}",
                      task_names());
  }
  return parse_task_file(read_text_file(path), path);
}

}  // namespace refocus
