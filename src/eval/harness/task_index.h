// The tasks and groups of a file of lm-evaluation-harness, with what it includes and what its groups name.
//
// A file is a task (`task: NAME`) or a group (`group: NAME` with a list of tasks). Names in a group are
// looked for in the files *.yaml of the group's folder and of those below it: tasks, groups, and tags that
// tasks give themselves.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "eval/harness/task_config.h"

namespace refocus::harness {

// A metric that a group has of its tasks'.
struct GroupMetric {
  std::string name;
  std::optional<std::vector<std::string>> filters;  // nothing: all that the tasks have
  bool weight_by_size = true;
};

struct Group {
  std::string name, alias;
  std::vector<std::string> tasks;  // names of all tasks in it, those of groups within it too
  std::vector<std::string> children;
  std::vector<GroupMetric> metrics;  // none: the group has no numbers of its own
};

struct TaskSet {
  std::vector<TaskConfig> tasks;  // of different names
  std::vector<Group> groups;      // inner ones first
};

// The file with its includes merged in: later ones over earlier ones, the file's own keys over all.
// InputError for includes that come back to themselves, and files that are not there.
ConfigNode load_harness_yaml(const std::filesystem::path& path);

// Whether the text is a task or group of lm-evaluation-harness rather than a task file of this project: it
// has keys that only those have.
bool is_harness_config(const ConfigNode& root);

// InputError for an unknown name, a group within itself, and tasks that cannot be had (read_task_config); of
// a group with some of those, which they are and which tasks could be had.
TaskSet load_task_set(const std::filesystem::path& path);

}  // namespace refocus::harness
