#include "eval/task_kind.h"

#include <algorithm>

#include "base/error.h"

namespace refocus {

std::span<const TaskKind> task_kinds() {
  static const std::vector<TaskKind> kinds = {
      {"mmlu", 4, true, {"question", "A", "B", "C", "D"}},
      {"piqa", 2, false, {"goal", "sol1", "sol2"}},
      {"siqa", 3, false, {"context", "question", "answerA", "answerB", "answerC"}},
      {"worlds", 4, true, {"question", "A", "B", "C", "D"}},
  };
  return kinds;
}

const TaskKind* find_task_kind(std::string_view name) {
  const auto kinds = task_kinds();
  const auto found = std::ranges::find(kinds, name, &TaskKind::name);
  return found == kinds.end() ? nullptr : &*found;
}

const TaskKind& task_kind(std::string_view name) {
  const TaskKind* kind = find_task_kind(name);
  if (kind == nullptr) {
    throw usage_error("eval", "unknown task '{}'; known tasks: {}", printable(name), task_names());
  }
  return *kind;
}

std::string task_names(bool only_with_subjects) {
  std::string names;
  for (const TaskKind& kind : task_kinds()) {
    if (only_with_subjects && !kind.has_subjects) continue;
    names += names.empty() ? "" : ", ";
    names += kind.name;
  }
  return names;
}

}  // namespace refocus
