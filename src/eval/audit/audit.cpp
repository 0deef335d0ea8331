#include "eval/audit/audit.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/text_file.h"
#include "base/thread_pool.h"
#include "base/utf8.h"
#include "eval/extract/extraction.h"
#include "eval/journal/run_directory.h"
#include "eval/score/arm_report.h"
#include "eval/score/finished_run.h"
#include "eval/task/ending.h"
#include "eval/task/file_names.h"
#include "eval/task/task_kind.h"

namespace refocus {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

// Of a run whose journal does not say what was asked: the documents in its samples files do.
Questions questions_of_reports(const fs::path& run) {
  try {
    std::vector<FinishedArm> arms = read_finished_run(run, {.documents = true});
    Questions questions;
    for (const FinishedArm& arm : arms) {
      PromptKind kind = PromptKind::kCot;
      for (const PromptKind known : {PromptKind::kDirect, PromptKind::kLoglikelihood}) {
        if (arm.prompt == prompt_kind_name(known)) kind = known;
      }
      questions.arms.push_back({arm.name, {kind, arm.intervention}});
    }
    for (const FinishedTask& task : arms.front().tasks) questions.tasks.push_back(*task.task);
    return questions;
  } catch (const UsageError&) {
    throw;
  } catch (const InputError& e) {
    throw input_error(
        run.string(),
        "its journal, of an earlier version, does not say what was asked, nor do its reports ({}); "
        "repeat the eval command, which adds it",
        e.what());
  }
}

// What an arm's report says of how it was made; nothing where there is none.
void note_report(const fs::path& run, const AskedArm& arm, Audit& audit) {
  const fs::path path = run / "arms" / checked_file_name(arm.name) / "results_refocus.json";
  if (!fs::is_regular_file(path)) return;
  const ordered_json results = parse_ordered_json_object(
      read_text_file(path), {path.string(), "repeat the eval command, which writes it anew"});
  const ordered_json config = results.value("config", ordered_json());
  if (!config.is_object()) return;
  const ordered_json rules = config.value("extraction", ordered_json());
  for (const auto known : {ExtractionRules::kAnchored, ExtractionRules::kPublished}) {
    if (rules == rules_name(known)) audit.reported = known;
  }
  audit.reports_ignore_verdicts = config.value("verdicts", ordered_json()) == kVerdictsIgnored;
}

void attach_verdicts(Audit& audit) {
  for (AuditedArm& arm : audit.arms) {
    for (AuditedTask& task : arm.tasks) {
      for (AuditedAnswer& answer : task.answers) {
        answer.verdict = audit.verdicts->find(*answer.item, answer.response.text);
      }
    }
  }
}

}  // namespace

std::int64_t Audit::answers() const {
  std::int64_t count = 0;
  for (const AuditedArm& arm : arms) {
    for (const AuditedTask& task : arm.tasks) count += std::ssize(task.answers);
  }
  return count;
}

Audit audit_run(const fs::path& run_directory, const AuditOptions& options) {
  read_run_record(run_directory);
  return audit_run(run_directory, Journal::open_read_only(run_directory), options);
}

Audit audit_run(const fs::path& run_directory, const Journal& journal, const AuditOptions& options) {
  std::optional<Questions> questions = journal.questions();
  if (!questions) questions = questions_of_reports(run_directory);
  Audit audit;
  audit.name = run_directory.string();
  audit.is_run = true;
  for (const Task& task : questions->tasks) {
    if (const AnswerType type = kind_of(task).type; type != AnswerType::kChoice) {
      throw input_error(
          run_directory.string(),
          "expected answers that are letters, which rules read, got those of a {} task ({}); give a "
          "run of multiple choice",
          type_name(type), printable(task.name));
    }
    audit.items += std::ssize(task.items);
  }
  audit.tasks = std::make_unique<const std::vector<Task>>(std::move(questions->tasks));
  std::vector<SavedArm> saved;
  for (const AskedArm& arm : questions->arms) {
    if (arm.arm.prompt == PromptKind::kLoglikelihood) {
      throw input_error(
          run_directory.string(),
          "expected responses in words, got log-likelihoods of the options, which need no rules; "
          "give a run that was made without --loglikelihood");
    }
    note_report(run_directory, arm, audit);
    SavedArm& next = saved.emplace_back(SavedArm{arm, {}});
    journal.for_each(arm.name, [&](Response response) { next.responses.push_back(std::move(response)); });
  }
  audit.arms = read_by_both_rules(*audit.tasks, std::move(saved));
  audit.verdicts = std::make_unique<const Verdicts>(journal.verdicts());
  if (options.verdicts) attach_verdicts(audit);
  if (audit.answers() == 0) {
    throw input_error(run_directory.string(),
                      "expected answers in its journal, got none yet; repeat the eval command to go on");
  }
  return audit;
}

void use_verdicts(Audit& audit, std::vector<Verdict> verdicts) {
  audit.verdicts = std::make_unique<const Verdicts>(std::move(verdicts));
  attach_verdicts(audit);
}

std::vector<AuditedArm> read_by_both_rules(const std::vector<Task>& tasks, std::vector<SavedArm> saved) {
  std::vector<AuditedArm> arms;
  std::vector<AuditedAnswer*> all;
  for (SavedArm& arm : saved) {
    AuditedArm audited{std::move(arm.asked), {}};
    std::map<ItemKey, std::optional<char>> recorded;
    for (std::size_t i = 0; i < arm.recorded.size(); ++i) {
      recorded.emplace(ItemKey(arm.responses[i].subject, arm.responses[i].index), arm.recorded[i]);
    }
    const auto nothing = [](const Item&, const std::string&) { return Extraction(); };
    for (TaskAnswers& task : judge(tasks, std::move(arm.responses), Extractor(nothing))) {
      AuditedTask& next = audited.tasks.emplace_back(AuditedTask{task.task, {}});
      for (Answer& answer : task.answers) {
        AuditedAnswer& read = next.answers.emplace_back();
        read.item = answer.item;
        read.response = std::move(answer.response);
        const auto letter = recorded.find({read.item->subject, read.item->index});
        if (letter != recorded.end()) read.recorded = Extraction{letter->second, "recorded", 0, 0};
      }
    }
    arms.push_back(std::move(audited));
  }
  for (AuditedArm& arm : arms) {
    for (AuditedTask& task : arm.tasks) {
      for (AuditedAnswer& answer : task.answers) all.push_back(&answer);
    }
  }
  ThreadPool pool(available_threads());
  pool.parallel_for(std::ssize(all), [&](std::int64_t i, int) {
    AuditedAnswer& answer = *all[static_cast<std::size_t>(i)];
    const std::vector<std::string>& choices = answer.item->choices;
    answer.anchored = extract(ExtractionRules::kAnchored, choices, answer.response.text);
    answer.published = extract(ExtractionRules::kPublished, choices, answer.response.text);
  });
  return arms;
}

std::vector<TaskAnswers> judged_by(const AuditedArm& arm, ExtractionRules rules) {
  std::vector<TaskAnswers> tasks;
  for (const AuditedTask& task : arm.tasks) {
    TaskAnswers& judged = tasks.emplace_back(TaskAnswers{task.task, {}});
    for (const AuditedAnswer& read : task.answers) {
      Answer& answer = judged.answers.emplace_back();
      answer.item = read.item;
      answer.response = read.response;
      answer.extraction = read.verdict != nullptr ? manual_extraction(*read.verdict) : read.by(rules);
      if (read.item->label) answer.correct = answer.extraction.letter == read.item->label;
      answer.unfinished = is_unfinished(read.response, answer.extraction);
    }
  }
  return tasks;
}

}  // namespace refocus
