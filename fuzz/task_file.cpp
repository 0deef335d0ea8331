// A task of a user's own, in YAML (and, where it begins with "{", in JSON).
#include "eval/tasks/task_file.h"

#include "target.h"

REFOCUS_FUZZ_TARGET(task_file) {
  refocus::parse_task_file(input, input.starts_with("{") ? "task.json" : "task.yaml");
}
