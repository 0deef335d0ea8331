#include "eval/score/results.h"

#include <unordered_map>

#include "base/error.h"
#include "base/text_file.h"
#include "eval/score/published_files.h"
#include "eval/task/file_names.h"
#include "eval/task/task_kind.h"
#include "eval/task/transcript.h"

namespace refocus {
namespace {

std::string samples_text(const std::vector<const Answer*>& answers, const ReportOptions& options,
                         const TaskKind& kind) {
  const std::string metric(kind.metric());
  std::string out;
  for (const Answer* answer : answers) {
    out += sample_line(*answer, options, metric);
    out += '\n';
  }
  return out;
}

void write_task(const std::filesystem::path& directory, const TaskAnswers& answers, const TaskScores& scores,
                const ReportOptions& options) {
  std::unordered_map<std::string, std::vector<const Answer*>> by_subject;
  for (const Answer& answer : answers.answers) by_subject[answer.item->subject].push_back(&answer);
  const Task& task = *answers.task;
  const TaskKind& kind = kind_of(task);
  ReportOptions own = options;
  if (!options.loglikelihood && !kind.until.empty()) own.generation_kwargs["until"] = kind.until;
  for (const SubjectScore& subject : scores.subjects) {
    const std::vector<const Answer*>& of_subject = by_subject[subject.subject];
    const std::string name = checked_file_name(harness_task_name(task, subject.subject));
    // The last underscore ends the task's name for readers of lm-evaluation-harness files.
    write_file_atomically(directory / ("samples_" + name + "_refocus.jsonl"),
                          samples_text(of_subject, own, kind));
    write_file_atomically(
        directory / (checked_file_name(subject.subject) + ".csv"),
        kind.published_predictions ? prediction_csv(answers) : subject_csv(of_subject, kind));
  }
  if (kind.type != AnswerType::kTranscript) return;
  write_file_atomically(directory / ("model_answer_" + checked_file_name(task.name) + ".jsonl"),
                        model_answers(answers, options.model + "-" + options.arm));
}

}  // namespace

void write_arm_reports(const std::filesystem::path& directory, const std::vector<TaskAnswers>& answers,
                       const std::vector<TaskScores>& scores, const ReportOptions& options) {
  REFOCUS_CHECK(answers.size() == scores.size());
  for (std::size_t i = 0; i < answers.size(); ++i) write_task(directory, answers[i], scores[i], options);
  write_file_atomically(directory / "results_refocus.json", results_json(scores, options));
}

}  // namespace refocus
