#include "eval/task/file_names.h"

#include <algorithm>

#include "base/error.h"
#include "eval/task/task_kind.h"

namespace refocus {

bool is_safe_file_name(std::string_view name) {
  if (name.empty() || name.size() > 200 || name.front() == '.') return false;
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view("_.=+-~").find(static_cast<char>(c)) != std::string_view::npos;
  });
}

const std::string& checked_file_name(const std::string& name) {
  if (!is_safe_file_name(name)) {
    throw input_error(
        "report",
        "expected a name fit for a file (letters, digits and _.=+-~), got '{}'; rename it in the data",
        printable(name));
  }
  return name;
}

std::string harness_task_name(const Task& task, const std::string& subject) {
  const TaskKind& kind = kind_of(task);
  if (!kind.report_name.empty()) return kind.report_name;
  return kind.has_subjects ? task.name + "_" + subject : task.name;
}

}  // namespace refocus
