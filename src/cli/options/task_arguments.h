// The TASK arguments of refocus eval: built-in tasks by name, task files, and files of lm-evaluation-harness.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "eval/harness/harness_task.h"
#include "eval/run/runner.h"
#include "eval/tasks/task_file.h"

namespace refocus::cli {

struct AskedTask {
  std::string name;
  std::optional<TaskFile> file;  // absent for a built-in task
  std::shared_ptr<const harness::LoadedSet> harness =
      nullptr;  // of a file of lm-evaluation-harness: all its tasks

  const TaskKind& kind() const { return file ? file->kind : task_kind(name); }
};

// What files of lm-evaluation-harness are read with.
struct HarnessOptions {
  std::string data;          // of --data, or empty
  std::optional<int> shots;  // of --shots
  int limit = 0;             // of --limit; 0: all
};

// Reads the files, but data only of files of lm-evaluation-harness, of which there is one at most and nothing
// beside it; without `options` they are refused. UsageError for an unknown task and for one that is there
// twice, InputError for a file that is no task.
std::vector<AskedTask> read_task_arguments(const std::vector<std::string>& tasks,
                                           const std::optional<HarnessOptions>& options = {});

// Whether no task can be asked for texts, but all for log-likelihoods of options.
bool only_likelihoods(const std::vector<AskedTask>& tasks);

// The kinds of prompt to ask with. Without a flag it is chain of thought, or direct answers where a task file
// has those only. UsageError where a task has no such prompt.
std::vector<PromptKind> prompt_kinds(const std::vector<AskedTask>& tasks, bool cot, bool direct,
                                     bool loglikelihood);

// Loads all questions; built-in tasks from `data`, or where that is empty from the default place. UsageError
// where `subjects` do not belong to one of the tasks, or where two tasks would give one name to two things.
std::vector<Task> load_tasks(const std::vector<AskedTask>& tasks, const std::string& data,
                             const std::vector<std::string>& subjects);

// The worked examples of --shots, or of a file of lm-evaluation-harness, to settings.tasks, which are those
// of `tasks`. Takes questions away that are worked examples. UsageError where a task has none.
void add_examples(EvalSettings& settings, const std::vector<AskedTask>& tasks, std::optional<int> shots,
                  const std::string& data);

}  // namespace refocus::cli
