// What the files of a run are made from, as its own record and journal say it: without the model, the data
// and the command that asked.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "eval/run/reports.h"

namespace refocus {

struct RecordedPlan {
  std::vector<Task> tasks;
  std::vector<AskedArm> arms;
  std::optional<ExtractionRules> rules;
  int shots = 0;
  std::string model;
  std::optional<ExpandedSweep> sweep;
  std::int64_t layers = 0;
  // Where some of the files can be made by the eval command alone: which and why, for a line.
  std::string left_out;
  // Whether none of them can be judged: they are of lm-evaluation-harness, whose rules are in its files.
  bool needs_task_files = false;

  ReportPlan plan(const std::string& name) const {
    return {tasks, arms, rules, shots, model, nullptr, sweep, layers, name};
  }
};

// InputError where the record or the journal is damaged, or of a version that did not keep what is needed.
RecordedPlan read_plan(const RunRecord& record, Questions questions, const std::string& where);

}  // namespace refocus
