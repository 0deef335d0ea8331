#include "cli/task_arguments.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "cli/bundled.h"
#include "eval/task/file_names.h"
#include "eval/tasks/task_data.h"

namespace refocus::cli {

namespace {

namespace fs = std::filesystem;

// Transcripts have subjects where their data have categories.
bool may_have_subjects(const AskedTask& task) {
  return task.kind().has_subjects || task.kind().type == AnswerType::kTranscript;
}

// Refuses --subjects where it is not clear whose they are.
void check_subjects(const std::vector<AskedTask>& tasks, const std::vector<std::string>& subjects) {
  const auto count = std::ranges::count_if(tasks, may_have_subjects);
  if (subjects.empty() || count == 1) return;
  throw usage_error("--subjects",
                    "expected one task with subjects ({}), or one file with a subject_field, "
                    "beside it, got {}; {}",
                    task_names(true), count == 0 ? "none" : "several",
                    count == 0 ? "leave --subjects out" : "evaluate them in runs of their own");
}

// Answers are kept by subject, and results by the names of lm-evaluation-harness, so no two tasks of a run
// may share one.
void check_names(const std::vector<Task>& tasks) {
  std::map<std::string, std::string> by_subject, by_result;
  const auto check = [](std::map<std::string, std::string>& names, const std::string& name,
                        const std::string& task, const char* what) {
    const auto [at, added] = names.emplace(name, task);
    if (added) return;
    throw usage_error("eval",
                      "expected tasks without a common {}, got '{}' in {} and {}; evaluate them in runs of "
                      "their own",
                      what, printable(name), at->second, task);
  };
  for (const Task& task : tasks) {
    for (const std::string& subject : task.subjects) {
      check(by_subject, subject, task.name, "subject");
      check(by_result, harness_task_name(task, subject), task.name, "name of results");
    }
    if (kind_of(task).has_subjects) check(by_result, task.name, task.name, "name of results");
  }
}

void check_prompt(const AskedTask& task, PromptKind prompt, std::string_view flag) {
  if (!task.file) return;
  const TaskKind& kind = task.kind();
  if (prompt != PromptKind::kLoglikelihood) {
    if (task.file->has(prompt)) return;
    throw usage_error(flag,
                      "expected tasks with a section '{}', got {} without; add it to the task file, or ask "
                      "with {}",
                      prompt_kind_name(prompt), task.name, prompt == PromptKind::kCot ? "--direct" : "--cot");
  }
  if (kind.likelihood) return;
  if (kind.type == AnswerType::kChoice) {
    throw usage_error(flag,
                      "expected tasks with a section 'loglikelihood', got {} without; add it to the task "
                      "file",
                      task.name);
  }
  throw usage_error(flag, "expected tasks with options, got the {} task {}; leave {} out",
                    type_name(kind.type), task.name, flag);
}

}  // namespace

std::vector<AskedTask> read_task_arguments(const std::vector<std::string>& tasks) {
  std::vector<AskedTask> asked;
  for (const std::string& task : tasks) {
    AskedTask one{task, std::nullopt};
    if (is_task_file(task)) {
      one.file = read_task_file(task);
      one.name = one.file->kind.name;
    }
    one.kind();  // refuses an unknown name
    if (std::ranges::find(asked, one.name, &AskedTask::name) != asked.end()) {
      throw usage_error("eval",
                        "expected each task once, got {} twice; name the tasks of files by their key task",
                        one.name);
    }
    asked.push_back(std::move(one));
  }
  return asked;
}

std::vector<PromptKind> prompt_kinds(const std::vector<AskedTask>& tasks, bool cot, bool direct,
                                     bool loglikelihood) {
  const auto all_have = [&](PromptKind prompt) {
    return std::ranges::all_of(tasks, [&](const AskedTask& t) { return !t.file || t.file->has(prompt); });
  };
  std::vector<std::pair<PromptKind, const char*>> wanted;
  if (loglikelihood) wanted.emplace_back(PromptKind::kLoglikelihood, "--loglikelihood");
  if (cot) wanted.emplace_back(PromptKind::kCot, "--cot");
  if (direct) wanted.emplace_back(PromptKind::kDirect, "--direct");
  if (wanted.empty()) {
    const bool only_direct = !all_have(PromptKind::kCot) && all_have(PromptKind::kDirect);
    if (only_direct) wanted.emplace_back(PromptKind::kDirect, "--direct");
    if (!only_direct) wanted.emplace_back(PromptKind::kCot, "--cot");
  }
  std::vector<PromptKind> prompts;
  for (const auto& [prompt, flag] : wanted) {
    for (const AskedTask& task : tasks) check_prompt(task, prompt, flag);
    prompts.push_back(prompt);
  }
  return prompts;
}

std::vector<Task> load_tasks(const std::vector<AskedTask>& tasks, const std::string& data,
                             const std::vector<std::string>& subjects) {
  check_subjects(tasks, subjects);
  std::vector<Task> out;
  for (const AskedTask& task : tasks) {
    const std::vector<std::string> wanted = may_have_subjects(task) ? subjects : std::vector<std::string>();
    out.push_back(
        task.file ? load_own_task(*task.file, wanted)
                  : load_task(task.name, data.empty() ? default_data(task.name) : fs::path(data), wanted));
  }
  check_names(out);
  return out;
}

}  // namespace refocus::cli
