// Saved responses read again by both rule sets, beside what was recorded and what people read: what
// `refocus rescore` shows. Needs neither the model nor the data.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "eval/journal/journal.h"
#include "eval/task/profile.h"
#include "eval/task/scoring.h"

namespace refocus {

struct AuditedAnswer {
  const Item* item = nullptr;
  Response response;                   // prompt and text made valid UTF-8
  Extraction anchored, published;      // as the rules read it, whatever a verdict says
  std::optional<Extraction> recorded;  // what its file says was read; files only
  const Verdict* verdict = nullptr;    // the one that counts

  const Extraction& by(ExtractionRules rules) const {
    return rules == ExtractionRules::kPublished ? published : anchored;
  }
  bool disagrees() const { return anchored.letter != published.letter; }
};

struct AuditedTask {
  const Task* task = nullptr;
  std::vector<AuditedAnswer> answers;  // in the order of the task's items
};

struct AuditedArm {
  AskedArm asked;
  std::vector<AuditedTask> tasks;
};

// Not to be copied: answers point to items.
struct Audit {
  std::string name;  // the run's or the file's path
  bool is_run = false;
  std::unique_ptr<const std::vector<Task>> tasks;
  std::vector<AuditedArm> arms;
  std::unique_ptr<const Verdicts> verdicts;  // all that are kept
  std::int64_t items = 0;                    // questions of an arm
  std::optional<ExtractionRules> reported;   // of a run with reports: the rules that they were made by
  bool reports_ignore_verdicts = false;

  std::int64_t answers() const;
  bool finished() const { return answers() == items * std::ssize(arms); }
};

// Answers of one arm to be audited, not read yet.
struct SavedArm {
  AskedArm asked;
  std::vector<Response> responses;
  // Beside the responses where the source says what was read.
  std::vector<std::optional<char>> recorded = {};
};

struct AuditOptions {
  bool verdicts = true;  // let verdicts count
};

// The answers of a run's journal. InputError where there is no run, no journal, nothing says what was asked,
// or the run is of log-likelihoods.
Audit audit_run(const std::filesystem::path& run_directory, const AuditOptions& options = {});
// The same of a run that this process has open.
Audit audit_run(const std::filesystem::path& run_directory, const Journal& journal,
                const AuditOptions& options = {});

// Lets these verdicts count, in the place of those before.
void use_verdicts(Audit& audit, std::vector<Verdict> verdicts);

// Reads all responses by both rule sets, in parallel. `tasks` are what was asked.
std::vector<AuditedArm> read_by_both_rules(const std::vector<Task>& tasks, std::vector<SavedArm> arms);

// An arm judged by one rule set, a verdict overriding it.
std::vector<TaskAnswers> judged_by(const AuditedArm& arm, ExtractionRules rules);

}  // namespace refocus
