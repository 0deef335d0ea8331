// A task of lm-evaluation-harness as a task of this project, so that it is asked, kept, reported and compared
// as all others are.
#pragma once

#include <filesystem>
#include <vector>

#include "eval/harness/requests.h"
#include "eval/harness/task_index.h"
#include "eval/task/item.h"

namespace refocus::harness {

// A task with all that it asks.
struct LoadedTask {
  TaskConfig config;
  std::vector<Request> requests;
  int shots = 0;
};

// What a file holds.
struct LoadedSet {
  std::vector<LoadedTask> tasks;
  std::vector<Group> groups;
};

struct LoadSettings {
  std::filesystem::path data_folder;  // for data sets with a name on a hub; may be empty
  RequestSettings requests;
};

// InputError as load_task_set and build_requests, and for what cannot be asked: see check_askable.
LoadedSet load_harness_set(const std::filesystem::path& file, const LoadSettings& settings);

// Whether log-likelihoods are asked for rather than texts. InputError where tasks of a set differ in that.
bool asks_likelihoods(const LoadedSet& set);

// The items have ready prompts, letters for options, and the verdict of the task's first metric that is right
// or wrong: acc, or exact_match after the first filter. InputError for more than 26 options, several right
// options, and acc_mutual_info, which is not asked for.
Task task_of(const LoadedTask& loaded);

// Item::subject of its items: the task's name as a file may have it.
std::string subject_of(const TaskConfig& config);

}  // namespace refocus::harness
