// What a run ends with: its answers judged, and every file that is made from them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "eval/harness/results.h"
#include "eval/journal/journal.h"
#include "eval/report/sweep/sweep_report.h"
#include "eval/score/comparison.h"
#include "eval/score/summary_table.h"
#include "eval/task/profile.h"

namespace refocus {

// What the files are made from, beside the run's journal and record.
struct ReportPlan {
  const std::vector<Task>& tasks;
  std::vector<AskedArm> arms;
  std::optional<ExtractionRules> rules;               // letters are read by; nothing of log-likelihoods
  int shots = 0;                                      // worked examples before each question
  std::string model;                                  // its name, for transcripts
  std::shared_ptr<const harness::LoadedSet> harness;  // or null
  std::optional<ExpandedSweep> sweep;
  std::int64_t layers = 0;  // of the model, for a sweep
  std::string name = {};    // the run's, in the report's title; its directory's where empty
};

struct EvalOutcome {
  std::filesystem::path run_directory;
  std::vector<ArmScores> scores;             // of every arm
  std::optional<Comparison> comparison;      // where there are several, and all is answered
  std::optional<SweepReport> sweep;          // where a sweep was asked for, and all is answered
  std::vector<harness::ArmResults> harness;  // of every arm, where there are tasks of lm-evaluation-harness
  std::int64_t open = 0;                     // answers that are not there
};

// Writes the files of every arm, and where every arm has all answers those of the whole run: comparison,
// sweep and report. Where not, takes away what an earlier session has left of these.
EvalOutcome write_reports(const RunDirectory& run, const Journal& journal, const ReportPlan& plan);

}  // namespace refocus
