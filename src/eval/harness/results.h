// What one arm of a run scored in tasks of lm-evaluation-harness: each metric after each filter, and groups.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "eval/harness/harness_task.h"
#include "eval/task/item.h"

namespace refocus::harness {

// A number of a task or group.
struct MetricResult {
  std::string metric, filter;
  TaskNumber number;
  bool higher_is_better = true;
};

struct TaskResult {
  std::string name, alias;
  bool is_group = false;
  int shots = 0;
  std::string version;
  std::vector<MetricResult> metrics;  // in the order of the task's file, filter by filter
};

// Of one arm's responses, in any order; those to other tasks are passed over. Documents without a response
// are not counted. Tasks in their order, and behind them the groups that have numbers of their own.
// InputError where a response is none to such a document.
std::vector<TaskResult> harness_results(const LoadedSet& set, std::span<const Response> responses);

// In the harness' layout: {"results": {TASK: {"acc,none": .., "acc_stderr,none": ..}}, "groups", "n-shot",
// "versions", "higher_is_better", "n-samples"}.
nlohmann::ordered_json harness_results_json(const std::vector<TaskResult>& results);

// A table with a column an arm: {name, its results}. "" where there are none.
struct ArmResults {
  std::string arm;
  std::vector<TaskResult> results;
};
std::string harness_table(const std::vector<ArmResults>& arms);

}  // namespace refocus::harness
