// PIQA and SIQA: JSONL questions with a file of labels beside them.
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/text_file.h"
#include "eval/tasks/task_data.h"
#include "eval/text/text_limit.h"

namespace refocus {

namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

struct JsonlFormat {
  std::string_view task, subject;
  std::vector<std::string_view> question_fields, choice_fields;
  int first_label;
};

// Empty where there are none.
fs::path find_split(const fs::path& dir, std::string_view task, const std::string& split) {
  for (const fs::path& place : {dir / task / (split + ".jsonl"), dir / (split + ".jsonl")}) {
    if (fs::is_regular_file(place)) return place;
  }
  return {};
}

fs::path find_questions(const fs::path& dir, std::string_view task) {
  if (const fs::path found = find_split(dir, task, "dev"); !found.empty()) return found;
  throw input_error(
      dir.string(),
      "expected {}/dev.jsonl or dev.jsonl, found neither; give the folder that holds {} with --data", task,
      task);
}

Item parse_item(const JsonlFormat& format, std::string_view line, const std::string& where) {
  const Json json = parse_ordered_json_object(line, {where, "write one object a line", true});
  Item item;
  item.subject = format.subject;
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string()) continue;
    item.fields.emplace_back(key, value.get<std::string>());
    check_field_size(item.fields.back().second, where, "field '" + printable(key) + "'");
  }
  for (const auto* names : {&format.question_fields, &format.choice_fields}) {
    for (const std::string_view name : *names) {
      const auto field = json.find(name);
      if (field == json.end() || !field->is_string()) {
        throw input_error(where, "expected a text '{}', got {}; is this a file of {}?", name,
                          field == json.end() ? "none" : field->type_name(), format.task);
      }
      if (names == &format.choice_fields) item.choices.push_back(field->get<std::string>());
    }
  }
  return item;
}

void read_labels(const JsonlFormat& format, const fs::path& path, Task& task) {
  const std::string text = read_text_file(path);
  const std::vector<JsonLine> lines = json_lines(text, path.string(), BlankLines::kAtEnd);
  if (lines.size() != task.items.size()) {
    throw input_error(path.string(),
                      "expected {} labels, one for each question, got {}; use the labels of "
                      "the same dev.jsonl, or remove the file to go without",
                      task.items.size(), lines.size());
  }
  const int last_label = format.first_label + static_cast<int>(format.choice_fields.size()) - 1;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string_view line = lines[i].text;
    const int label = line.size() == 1 ? line[0] - '0' : -1;
    if (label < format.first_label || label > last_label) {
      throw input_error(fmt::format("{}:{}", path.string(), i + 1),
                        "expected a label from {} to {}, got '{}'; write one a line", format.first_label,
                        last_label, printable(line));
    }
    task.items[i].label = static_cast<char>('A' + label - format.first_label);
  }
}

// `path`: SPLIT.jsonl, beside which SPLIT-labels.lst may lie.
Task load_split(const JsonlFormat& format, const fs::path& path) {
  Task task;
  task.name = format.task;
  task.subjects = {std::string(format.subject)};
  const std::string text = read_text_file(path);
  for (const JsonLine& line : json_lines(text, path.string(), BlankLines::kAtEnd)) {
    const int index = static_cast<int>(task.items.size());
    task.items.push_back(parse_item(format, line.text, fmt::format("{}:{}", path.string(), line.number)));
    task.items.back().index = index;
  }
  if (task.items.empty())
    throw input_error(path.string(), "expected questions, got an empty file; restore it");
  const fs::path labels = path.parent_path() / (path.stem().string() + "-labels.lst");
  if (fs::exists(labels)) read_labels(format, labels, task);
  return task;
}

const JsonlFormat& piqa_format() {
  static const JsonlFormat format = {"piqa", "physicaliqa", {"goal"}, {"sol1", "sol2"}, 0};
  return format;
}

const JsonlFormat& siqa_format() {
  static const JsonlFormat format = {
      "siqa", "socialiqa", {"context", "question"}, {"answerA", "answerB", "answerC"}, 1};
  return format;
}

Task load_questions(const JsonlFormat& format, const fs::path& dir) {
  return load_split(format, find_questions(dir, format.task));
}

}  // namespace

Task load_piqa(const fs::path& dir) { return load_questions(piqa_format(), dir); }

Task load_siqa(const fs::path& dir) { return load_questions(siqa_format(), dir); }

WorkedExamples load_jsonl_examples(std::string_view name, const fs::path& dir, int count) {
  REFOCUS_CHECK(name == "piqa" || name == "siqa");
  const JsonlFormat& format = name == "piqa" ? piqa_format() : siqa_format();
  const fs::path train = find_split(dir, format.task, "train");
  const fs::path path = train.empty() ? find_questions(dir, format.task) : train;
  Task task = load_split(format, path);
  if (!task.items.front().label) {
    throw input_error(path.string(),
                      "expected labels of worked examples beside it, in {}-labels.lst, got none; add it, or "
                      "leave --shots out",
                      path.stem().string());
  }
  const std::size_t wanted = static_cast<std::size_t>(count);
  // Of the questions themselves one at least is left to ask.
  if (task.items.size() < wanted + (train.empty() ? 1 : 0)) {
    throw input_error(path.string(),
                      "expected more than {} questions for --shots {}, got {}; use fewer shots", count, count,
                      task.items.size());
  }
  if (train.empty()) task.items.erase(task.items.begin(), task.items.end() - count);
  task.items.resize(wanted);
  return {std::move(task.items), train.empty()};
}

}  // namespace refocus
