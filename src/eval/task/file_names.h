// The names that reports give to files and entries.
#pragma once

#include <string>
#include <string_view>

#include "eval/task/item.h"

namespace refocus {

// Whether `name` may become a file or folder name as it is: only A-Z a-z 0-9 _ . = + - ~, no dot in front,
// at most 200 bytes. Names out of a journal or a data file are not to be trusted.
bool is_safe_file_name(std::string_view name);

// `name` itself, or an InputError where it is not safe.
const std::string& checked_file_name(const std::string& name);

// The name that lm-evaluation-harness gives to a subject of a task: "mmlu_anatomy", "piqa", "social_iqa",
// and one of that kind to our own.
std::string harness_task_name(const Task& task, const std::string& subject);

}  // namespace refocus
