#include "eval/run/reports.h"

#include <algorithm>

#include "base/json_reader.h"
#include "base/text_file.h"
#include "eval/journal/likelihood_answer.h"
#include "eval/report/comparison_files.h"
#include "eval/report/html_report.h"
#include "eval/report/sweep/sweep_files.h"
#include "eval/score/arm_report.h"

namespace refocus {
namespace {

// The numbers of an arm as lm-evaluation-harness names them, in the arm's results_harness.json.
harness::ArmResults report_harness(const harness::LoadedSet& set, const RunDirectory& run,
                                   const AskedArm& arm, const std::vector<Response>& responses) {
  harness::ArmResults out{arm.name, harness::harness_results(set, responses)};
  write_file_atomically(run.arm_directory(arm.name) / "results_harness.json",
                        json_text(harness::harness_results_json(out.results), 2) + "\n");
  return out;
}

ArmScores report_arm(const RunDirectory& run, const Journal& journal, const ReportPlan& plan,
                     const AskedArm& arm, EvalOutcome& outcome) {
  std::vector<Response> responses;
  journal.for_each(arm.name, [&](Response response) { responses.push_back(std::move(response)); });
  if (plan.harness) outcome.harness.push_back(report_harness(*plan.harness, run, arm, responses));
  const Verdicts verdicts(journal.verdicts());
  const std::vector<TaskAnswers> answers =
      judge(plan.tasks, std::move(responses),
            plan.rules ? judge_with(*plan.rules, verdicts) : Judge(judge_likelihoods));
  return write_arm_report(run, {arm, plan.rules, plan.shots, false, plan.model}, answers);
}

void remove_whole_reports(const std::filesystem::path& run) {
  std::error_code ignored;
  for (const char* file : {RunDirectory::kComparisonFile, RunDirectory::kReportFile, kSweepFile, kSweepFigure,
                           kSweepGridFigure}) {
    std::filesystem::remove(run / file, ignored);
  }
}

}  // namespace

EvalOutcome write_reports(const RunDirectory& run, const Journal& journal, const ReportPlan& plan) {
  EvalOutcome outcome{run.path(), {}, {}, {}, {}};
  std::int64_t items = 0;
  for (const Task& task : plan.tasks) items += std::ssize(task.items);
  for (const AskedArm& arm : plan.arms) {
    outcome.open += items - journal.count(arm.name);
    outcome.scores.push_back(report_arm(run, journal, plan, arm, outcome));
  }
  if (outcome.open > 0) {
    remove_whole_reports(run.path());
    return outcome;
  }
  if (plan.arms.size() > 1) outcome.comparison = write_comparison(run.path());
  if (plan.sweep) {
    outcome.sweep = sweep_report(*plan.sweep, plan.layers, *outcome.comparison);
    write_sweep(run.path(), *outcome.sweep);
  }
  write_run_report(run.path(), outcome.comparison ? &*outcome.comparison : nullptr, plan.name);
  return outcome;
}

}  // namespace refocus
