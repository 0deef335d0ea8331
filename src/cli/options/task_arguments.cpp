#include "cli/options/task_arguments.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/file_kind.h"
#include "base/text_file.h"
#include "eval/task/file_names.h"
#include "eval/tasks/task_data.h"
#include "opened/bundled.h"

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

// Whether the file is one of lm-evaluation-harness rather than of this project.
bool is_harness_file(const std::string& task) {
  const fs::path path = task;
  if (!is_task_file(task) || !fs::is_regular_file(path)) return false;
  return harness::is_harness_config(
      parse_config(read_text_file(path), path.string(), path.extension() == ".json"));
}

// What stands in the place of a task and is a file or directory of another kind.
void refuse_other_kind(const std::string& task) {
  std::error_code failed;
  if (find_task_kind(task) != nullptr || !fs::exists(task, failed)) return;
  const auto refuse = [](std::string_view got, std::string_view remedy) {
    throw usage_error("task", "expected a task ({}) or a task file (.yaml, .json), got {}; {}", task_names(),
                      got, remedy);
  };
  if (fs::is_directory(task, failed)) {
    if (fs::exists(fs::path(task) / "run.json", failed))
      refuse("a run's directory", "give it to `refocus compare`, or go on with it by -o");
    if (fs::exists(fs::path(task) / "config.json", failed)) refuse("a model", "name it with -m");
    refuse("a directory", "name the data's directory with --data");
  }
  const FileKind kind = kind_of_file(task);
  const bool data = kind.format == FileFormat::kTable || kind.format == FileFormat::kJson;
  if (data) refuse(kind.name, "name it in a task file, as its dataset (docs/own-tasks.md)");
  if (kind.format == FileFormat::kGguf) refuse(kind.name, "name it with -m");
  refuse(kind.name, "check the path");
}

AskedTask harness_argument(const std::string& file, const HarnessOptions& options) {
  harness::LoadSettings settings;
  settings.data_folder = options.data.empty() ? "data" : options.data;
  settings.requests.shots = options.shots;
  if (options.limit > 0) settings.requests.limit = static_cast<std::size_t>(options.limit);
  AskedTask one{file, std::nullopt};
  one.harness = std::make_shared<const harness::LoadedSet>(harness::load_harness_set(file, settings));
  return one;
}

// The file says how it is asked: by its output_type.
PromptKind harness_prompt_kind(const harness::LoadedSet& set, bool cot, bool direct, bool loglikelihood) {
  const bool scored = harness::asks_likelihoods(set);
  const bool generates = cot || direct;
  if (cot || (scored && generates) || (!scored && loglikelihood)) {
    throw usage_error(
        cot      ? "--cot"
        : direct ? "--direct"
                 : "--loglikelihood",
        "expected a task of lm-evaluation-harness to be asked as its output_type says, by {}, got another "
        "way; leave it out",
        scored ? "--loglikelihood" : "--direct");
  }
  return scored ? PromptKind::kLoglikelihood : PromptKind::kDirect;
}

void check_prompt(const AskedTask& task, PromptKind prompt, std::string_view flag) {
  if (!task.file) return;
  const TaskKind& kind = task.kind();
  if (prompt != PromptKind::kLoglikelihood) {
    if (task.file->has(prompt)) return;
    throw usage_error(flag,
                      "expected tasks with a section '{}', got {} without; add it to the task file, or ask "
                      "with {}",
                      prompt_kind_name(prompt), task.name,
                      kind.prompts.empty()         ? "eval --loglikelihood"
                      : prompt == PromptKind::kCot ? "--direct"
                                                   : "--cot");
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

std::vector<AskedTask> read_task_arguments(const std::vector<std::string>& tasks,
                                           const std::optional<HarnessOptions>& options) {
  std::vector<AskedTask> asked;
  for (const std::string& argument : tasks) {
    const std::string task = resolve_file(argument);
    AskedTask one{task, std::nullopt};
    if (is_harness_file(task)) {
      if (!options) {
        throw usage_error(
            "task",
            "expected a task or a task file of your own, got a file of lm-evaluation-harness, which "
            "`refocus eval` alone asks");
      }
      if (tasks.size() == 1) return {harness_argument(task, *options)};
      throw usage_error("eval",
                        "expected a file of lm-evaluation-harness alone, got {} tasks; write a group, or "
                        "evaluate them in runs of their own",
                        tasks.size());
    }
    const std::string ending = fs::path(task).extension().string();
    if (ending != ".yaml" && ending != ".yml" && ending != ".json") refuse_other_kind(task);
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

bool only_likelihoods(const std::vector<AskedTask>& tasks) {
  return std::ranges::all_of(
      tasks, [](const AskedTask& t) { return t.file && t.kind().prompts.empty() && t.kind().likelihood; });
}

std::vector<PromptKind> prompt_kinds(const std::vector<AskedTask>& tasks, bool cot, bool direct,
                                     bool loglikelihood) {
  if (tasks.front().harness) return {harness_prompt_kind(*tasks.front().harness, cot, direct, loglikelihood)};
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
  std::vector<Task> out;
  if (tasks.front().harness) {
    if (!subjects.empty()) {
      throw usage_error("--subjects",
                        "expected no subjects of a file of lm-evaluation-harness, got {}; name the file of "
                        "a task, or write a group",
                        subjects.size());
    }
    for (const harness::LoadedTask& loaded : tasks.front().harness->tasks)
      out.push_back(harness::task_of(loaded));
    check_names(out);
    return out;
  }
  check_subjects(tasks, subjects);
  for (const AskedTask& task : tasks) {
    const std::vector<std::string> wanted = may_have_subjects(task) ? subjects : std::vector<std::string>();
    const std::string source = task.file ? task.file->questions : task.name;
    fs::path folder = data;
    if (data.empty() && !source.empty()) folder = default_data(source);
    out.push_back(task.file ? load_own_task(*task.file, wanted, folder)
                            : load_task(task.name, folder, wanted));
  }
  check_names(out);
  return out;
}

void add_examples(EvalSettings& settings, const std::vector<AskedTask>& tasks, std::optional<int> shots,
                  const std::string& data) {
  if (settings.harness) {
    settings.shots = settings.harness->tasks.front().shots;
    return;
  }
  settings.shots = shots.value_or(0);
  if (settings.shots == 0) return;
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    Task& task = settings.tasks[t];
    const std::string source = tasks[t].file ? tasks[t].file->questions : tasks[t].name;
    const fs::path folder = data.empty() && !source.empty() ? default_data(source) : fs::path(data);
    if (source == "mmlu") {
      settings.examples.merge(load_mmlu_examples(folder, task.subjects, settings.shots));
    } else if (source == "piqa" || source == "siqa") {
      WorkedExamples examples = load_jsonl_examples(source, folder, settings.shots);
      if (examples.of_the_questions) {
        const int first = examples.items.front().index;
        std::erase_if(task.items, [&](const Item& item) { return item.index >= first; });
        spdlog::info(
            "{} has no train.jsonl: its last {} questions are the worked examples, and are not asked",
            task.name, settings.shots);
      }
      settings.examples[task.subjects.front()] = std::move(examples.items);
    } else {
      throw usage_error("--shots",
                        "expected mmlu, piqa or siqa, which have worked examples, got {}; leave --shots out",
                        task.name);
    }
  }
}

}  // namespace refocus::cli
