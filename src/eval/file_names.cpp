#include "eval/file_names.h"

#include <algorithm>

#include "base/error.h"

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
  if (task.name == "mmlu") return "mmlu_" + subject;
  if (task.name == "siqa") return "social_iqa";
  return task.subjects.size() <= 1 ? task.name : task.name + "_" + subject;
}

}  // namespace refocus
