#include "eval/tasks/task_data.h"

#include <map>

#include "base/error.h"
#include "eval/task/task_kind.h"

namespace refocus {

Task load_task(std::string_view name, const std::filesystem::path& dir,
               std::span<const std::string> subjects) {
  if (!task_kind(name).has_subjects && !subjects.empty()) {
    throw usage_error("eval", "expected subjects with {} only, got them with {}; leave --subjects out",
                      task_names(true), name);
  }
  if (name == "mmlu") return load_mmlu(dir, subjects);
  if (name == "worlds") return load_worlds(dir, subjects);
  return name == "piqa" ? load_piqa(dir) : load_siqa(dir);
}

void limit_items(Task& task, int per_subject) {
  std::map<std::string, int, std::less<>> kept;
  // The turns of a transcript stay together.
  std::erase_if(task.items, [&](const Item& item) {
    if (item.turn == 0) ++kept[item.subject];
    return kept[item.subject] > per_subject;
  });
}

}  // namespace refocus
