// The files of one arm, made from its judged answers and the run's record: what an evaluation ends with, and
// what `refocus rescore --write` makes again.
#pragma once

#include <optional>
#include <vector>

#include "eval/journal/journal.h"
#include "eval/journal/run_directory.h"
#include "eval/score/summary_table.h"
#include "eval/task/profile.h"
#include "eval/task/scoring.h"

namespace refocus {

inline constexpr const char* kVerdictsIgnored = "ignored";  // `verdicts` of such a report's config

struct ArmReport {
  AskedArm arm;
  std::optional<ExtractionRules> rules;  // letters were read by; nothing for log-likelihoods
  int shots = 0;                         // worked examples before each question
  bool ignores_verdicts = false;         // letters are the rules' own, whatever the journal's verdicts
  std::string model = {};                // its name, for transcripts
};

// Judges texts by the task's kind, letters by `rules` where no verdict of a person stands. The verdicts must
// outlive it.
Judge judge_with(ExtractionRules rules, const Verdicts& verdicts);

// ArmScores::meaning.
std::string meaning_of(const AskedArm& arm);

// Scores the answers and writes the arm's files. InputError where one cannot be written.
ArmScores write_arm_report(const RunDirectory& run, const ArmReport& report,
                           const std::vector<TaskAnswers>& answers);

}  // namespace refocus
