// Makes one run of several that asked parts of the same questions: shards, or runs that were cut off.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "eval/run/reports.h"

namespace refocus {

struct RecordedPlan;  // eval/run/recorded_plan.h

struct JoinedRun {
  EvalOutcome outcome;                           // without scores where no file could be made
  std::shared_ptr<const RecordedPlan> recorded;  // what the scores point to
  std::int64_t answers = 0;
  std::int64_t in_several = 0;  // of these, answers that more than one run has; they agree
  std::string left_out;         // which files the eval command alone can make, and why; empty where none
  std::string mixed;            // mixed_computation of its sessions
};

// `output` appears when it is whole: with all answers and verdicts, and with what write_reports makes of
// them, the bytes of a run that asked everything itself. The runs are read only.
//
// InputError, with nothing written, where `output` exists, a run is not one of `refocus eval`, the settings
// or the model of two runs differ (named), or two runs have different answers to a question: each of these
// goes to `on_difference`, a line without end, before.
JoinedRun join_runs(std::span<const std::filesystem::path> runs, const std::filesystem::path& output,
                    const std::function<void(const std::string&)>& on_difference);

}  // namespace refocus
