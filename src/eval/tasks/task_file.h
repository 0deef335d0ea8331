// A task of a user's own: a YAML or JSON file that says where the data is, how it is asked, and how answers
// are measured (docs/own-tasks.md).
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/task/item.h"
#include "eval/task/task_kind.h"
#include "eval/text/config_node.h"

namespace refocus {

// Where the options of a question come from.
struct OptionSource {
  enum class Kind { kNone, kFields, kListField, kTexts };
  Kind kind = Kind::kNone;
  std::vector<std::string> names;  // of fields; or the texts themselves
};

enum class AnswerFormat { kLetter, kIndex0, kIndex1, kText };

// A template and where it was written, to be checked against the data's fields.
struct TemplateUse {
  std::string text, key, where;
  bool is_template = true;  // false: a text in which a placeholder would be a mistake
};

struct TaskFile {
  TaskKind kind;
  std::string questions;          // the built-in task that its items are of; empty: of `dataset`
  std::filesystem::path dataset;  // empty with `questions`
  std::string dataset_where;
  std::string subject_field;  // may be empty
  OptionSource options;
  std::string answer_field;  // may be empty: then nothing is known to be right
  AnswerFormat answer_format = AnswerFormat::kLetter;
  std::string corrupted_answer_field;  // may be empty; as answer_field, of the corrupted prompt
  std::vector<TemplateUse> templates;

  // What it asks for by itself: chain of thought where it has such a prompt.
  bool has(PromptKind prompt) const { return kind.prompts.contains(prompt); }
};

// Whether a TASK of the command line is such a file: its name ends in .yaml, .yml or .json, or it holds a
// slash and exists.
bool is_task_file(const std::string& task);

// InputError, naming the line where YAML is read, for anything that the file may not say. Reads no data.
TaskFile read_task_file(const std::filesystem::path& path);
TaskFile parse_task_file(std::string_view text, const std::filesystem::path& path);

// The items, with the file's kind as Task::own; subjects in the order of the data, only those of `subjects`
// unless that is empty. `data` is the folder of a built-in task's files (eval/tasks/task_data.h), of a file
// with `questions`. InputError, naming file and row, for data that do not fit the file.
Task load_own_task(const TaskFile& file, std::span<const std::string> subjects = {},
                   const std::filesystem::path& data = {});

}  // namespace refocus
