// refocus study: asks a task in several arms and compares the attention of the answered texts
// (docs/study.md).
#include <fmt/core.h>

#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "cli/asking_options.h"
#include "cli/bundled.h"
#include "cli/checks.h"
#include "cli/command.h"
#include "cli/model_hashes.h"
#include "cli/model_options.h"
#include "cli/task_arguments.h"
#include "cli/task_options.h"
#include "eval/task/profile.h"
#include "eval/task/task_kind.h"
#include "eval/tasks/task_data.h"
#include "io/atomic_directory.h"
#include "study/study_files.h"
#include "study/study_table.h"

namespace refocus::cli {

namespace {

struct StudyOptions {
  ModelOptions model;
  std::string against, task = kDefaultTask, data, profile, rules, rows = "response", output;
  std::vector<std::string> subjects, interventions;
  bool cot = false, direct = false, force = false, json = false;
  int limit = 0;
  std::int64_t batch = 16, max_new_tokens = 512, window = 8;
  double threshold = 0.01;
};

const std::map<std::string, TextRows> kRows = {
    {"all", TextRows::kAll}, {"prompt", TextRows::kPrompt}, {"response", TextRows::kResponse}};

StudySettings settings_of(const StudyOptions& options, const RunningModel& running) {
  const OpenModel& model = running.files;
  StudySettings out;
  out.eval.interventions = parse_interventions(options.interventions).for_model(model);
  out.eval.profile = profile_of(options.profile);
  out.eval.rules = rules_of(options.rules, out.eval.profile);
  const std::vector<AskedTask> tasks = read_task_arguments({options.task});
  if (tasks.front().kind().type == AnswerType::kTranscript) {
    throw usage_error(
        "study", "expected a task whose answers are right or wrong, got transcripts ({}); choose another",
        printable(options.task));
  }
  out.eval.prompts = prompt_kinds(tasks, options.cot, options.direct, false);
  out.eval.tasks = load_tasks(tasks, options.data, options.subjects);
  for (Task& task : out.eval.tasks) {
    if (options.limit > 0) limit_items(task, options.limit);
  }
  out.eval.max_new_tokens = options.max_new_tokens;
  out.eval.batch = options.batch;
  out.eval.context = options.model.context_for(model.config);
  out.eval.kv_bytes = kv_budget(options.model, running.transformer, options.batch, out.eval.context);
  out.rows = kRows.at(options.rows);
  out.window = options.window;
  out.threshold = options.threshold;
  return out;
}

nlohmann::ordered_json settings_json(const StudyOptions& options, const EvalModel& model,
                                     const StudySettings& settings, const Study& study) {
  nlohmann::ordered_json out = {{"refocus", REFOCUS_VERSION},
                                {"model", model.path},
                                {"task", options.task},
                                {"limit", options.limit},
                                {"profile", settings.eval.profile.name},
                                {"extraction", rules_name(settings.eval.rules)},
                                {"max_new_tokens", options.max_new_tokens},
                                {"rows", options.rows},
                                {"window", options.window},
                                {"threshold", options.threshold},
                                {"identity", study.identity}};
  return out;
}

void run(const StudyOptions& options) {
  AtomicDirectory directory(
      options.output, options.force ? "study.json" : "",
      options.force ? "choose another with -o" : "choose another with -o, or replace it with --force");
  RunningModel model(options.model);
  const StudySettings settings = settings_of(options, model);
  std::optional<RunningModel> before;
  if (!options.against.empty()) {
    ModelOptions other = options.model;
    other.model = resolve_model(options.against, "--against").string();
    other.adapter.clear();
    before.emplace(other);
  }
  const EvalModel asked = eval_model(model, "use a model that has one");
  const Study study = run_study(asked, settings, before ? &before->transformer : nullptr);
  const std::vector<StudyComparison> comparisons = compare_texts(study);
  nlohmann::ordered_json about = settings_json(options, asked, settings, study);
  expect_not_overwritten(asked.files);
  if (before) {
    about["before"] = options.against;
    about["before_files"] = hash_model_files(before->files.files, before->pool);
    expect_not_overwritten(before->files.files);
  }
  const nlohmann::ordered_json numbers = study_json(study, comparisons, about);
  write_study(study, comparisons, numbers, directory.path());
  directory.commit();
  if (options.json) {
    fmt::print("{}\n", json_text(numbers));
  } else {
    fmt::print("{}Texts, numbers and pictures: {}\n", study_table(study, comparisons), options.output);
  }
}

void add_asking(CLI::App& command, StudyOptions& options) {
  command
      .add_option("task", options.task, fmt::format("One of {}, or a task file of your own", task_names()))
      ->capture_default_str()
      ->type_name("TASK");
  options.model.add_model(command);
  command
      .add_option("--against", options.against,
                  "Another model, such as the one before fine-tuning: reads the same texts, so that both can "
                  "be compared")
      ->check(not_empty())
      ->type_name("MODEL");
  add_data(command, options.data);
  add_prompt_kinds(command, options.cot, options.direct);
  add_interventions(command, options.interventions);
  add_subjects(command, options.subjects);
  add_limit(command, options.limit);
  add_batch(command, options.batch);
  add_max_new_tokens(command, options.max_new_tokens);
  add_profile(command, options.profile);
  add_rules(command, options.rules);
}

}  // namespace

Action add_study(CLI::App& command) {
  auto options = std::make_shared<StudyOptions>();
  add_asking(command, *options);
  command
      .add_option(
          "--rows", options->rows,
          "Which rows of attention: those that answers were predicted from (response), prompt, or all")
      ->capture_default_str()
      ->check(one_of({"response", "prompt", "all"}));
  command
      .add_option("--window", options->window, "Keys within the window: the query's own and those before it")
      ->capture_default_str()
      ->check(whole_number(1, 1 << 24));
  command
      .add_option("--threshold", options->threshold,
                  "Weights of layer 0 above it make the mask M where the intervention does not say it")
      ->capture_default_str()
      ->check(number(0, 1));
  command.add_option("-o,--output", options->output, "The directory to write, which must not exist")
      ->required()
      ->check(not_empty())
      ->type_name("OUT_DIR");
  command.add_flag("--force", options->force, "Replace the directory, if it is one of this command");
  command.add_flag("--json", options->json, "Print one JSON object instead of tables");
  options->model.add_running(command);
  return [options] { run(*options); };
}

}  // namespace refocus::cli
