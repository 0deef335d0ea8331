#include "eval/task_data.h"

#include <algorithm>
#include <map>

#include "base/error.h"

namespace refocus {

namespace {

UsageError unknown_task(std::string_view name) {
  return usage_error("eval", "unknown task '{}'; known tasks: mmlu, piqa, siqa", printable(name));
}

}  // namespace

Task load_task(std::string_view name, const std::filesystem::path& dir,
               std::span<const std::string> subjects) {
  if (name == "mmlu") return load_mmlu(dir, subjects);
  if (name != "piqa" && name != "siqa") throw unknown_task(name);
  if (!subjects.empty()) {
    throw usage_error("eval", "expected subjects with mmlu only, got them with {}; leave --subjects out",
                      name);
  }
  return name == "piqa" ? load_piqa(dir) : load_siqa(dir);
}

void limit_items(Task& task, int per_subject) {
  std::map<std::string, int, std::less<>> kept;
  std::erase_if(task.items, [&](const Item& item) { return ++kept[item.subject] > per_subject; });
}

int choices_of_task(std::string_view name) {
  if (name == "mmlu") return 4;
  if (name == "siqa") return 3;
  if (name == "piqa") return 2;
  throw unknown_task(name);
}

}  // namespace refocus
