// The TASK arguments of refocus eval: built-in tasks by name, and task files.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "eval/tasks/task_file.h"

namespace refocus::cli {

struct AskedTask {
  std::string name;
  std::optional<TaskFile> file;  // absent for a built-in task

  const TaskKind& kind() const { return file ? file->kind : task_kind(name); }
};

// Reads the files, but none of their data. UsageError for an unknown task and for one that is there twice,
// InputError for a file that is no task.
std::vector<AskedTask> read_task_arguments(const std::vector<std::string>& tasks);

// The kinds of prompt to ask with. Without a flag it is chain of thought, or direct answers where a task file
// has those only. UsageError where a task has no such prompt.
std::vector<PromptKind> prompt_kinds(const std::vector<AskedTask>& tasks, bool cot, bool direct,
                                     bool loglikelihood);

// Loads all questions; built-in tasks from `data`, or where that is empty from the default place. UsageError
// where `subjects` do not belong to one of the tasks, or where two tasks would give one name to two things.
std::vector<Task> load_tasks(const std::vector<AskedTask>& tasks, const std::string& data,
                             const std::vector<std::string>& subjects);

}  // namespace refocus::cli
