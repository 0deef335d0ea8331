// The tasks that there are, and in what they differ.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace refocus {

struct TaskKind {
  std::string_view name;
  int choices;        // options of a question
  bool has_subjects;  // one file a subject, which --subjects chooses from
  // The fields that a profile's body may name. "answer" is left out on purpose: it would give the label away.
  std::vector<std::string_view> placeholders;
};

// In alphabetical order.
std::span<const TaskKind> task_kinds();

// Null where there is no such task.
const TaskKind* find_task_kind(std::string_view name);

// UsageError, listing the tasks, where there is no such task.
const TaskKind& task_kind(std::string_view name);

// "mmlu, piqa, siqa, worlds"; with `only_with_subjects` those alone.
std::string task_names(bool only_with_subjects = false);

}  // namespace refocus
