// PIQA and SIQA: JSONL questions with a file of labels beside them.
#include <array>
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

fs::path find_questions(const fs::path& dir, std::string_view task) {
  const std::array<fs::path, 2> places = {dir / task / "dev.jsonl", dir / "dev.jsonl"};
  for (const fs::path& place : places) {
    if (fs::is_regular_file(place)) return place;
  }
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

Task load_jsonl(const JsonlFormat& format, const fs::path& dir) {
  const fs::path path = find_questions(dir, format.task);
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
  const fs::path labels = path.parent_path() / "dev-labels.lst";
  if (fs::exists(labels)) read_labels(format, labels, task);
  return task;
}

}  // namespace

Task load_piqa(const fs::path& dir) {
  return load_jsonl({"piqa", "physicaliqa", {"goal"}, {"sol1", "sol2"}, 0}, dir);
}

Task load_siqa(const fs::path& dir) {
  return load_jsonl({"siqa", "socialiqa", {"context", "question"}, {"answerA", "answerB", "answerC"}, 1},
                    dir);
}

}  // namespace refocus
