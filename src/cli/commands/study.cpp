// refocus study: asks a task in several arms and compares the attention of the answered texts
// (docs/study.md).
#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "cli/checks.h"
#include "cli/cluster_session.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/model_hashes.h"
#include "cli/options/asking_options.h"
#include "cli/options/chat_options.h"
#include "cli/options/model_options.h"
#include "cli/options/task_arguments.h"
#include "cli/options/task_options.h"
#include "cli/session.h"
#include "eval/run/plan.h"
#include "eval/task/profile.h"
#include "eval/task/task_kind.h"
#include "eval/tasks/task_data.h"
#include "opened/bundled.h"
#include "study/study_dry_run.h"
#include "study/study_files.h"
#include "study/study_table.h"

namespace refocus::cli {

namespace {

struct StudyOptions {
  ModelOptions model;
  std::string against, task = kDefaultTask, data, profile, rules, rows = "response", output;
  std::vector<std::string> subjects, interventions;
  bool cot = false, direct = false, force = false, json = false, dry_run = false;
  int limit = 0;
  std::int64_t batch = 16, max_new_tokens = 512, window = 8;
  double threshold = 0.01;
  ChatOptions chat;
};

TextRows rows_of(const std::string& name) {
  for (const TextRows rows : {TextRows::kAll, TextRows::kPrompt}) {
    if (name == name_of(rows)) return rows;
  }
  return TextRows::kResponse;
}

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
  out.eval.session = this_session();
  add_chat(options.chat, true, model, out.eval);
  out.rows = rows_of(options.rows);
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
  const auto opened = open_running(options.model);
  RunningModel& model = *opened;
  StudySettings settings = settings_of(options, model);
  std::optional<RunningModel> before;
  if (!options.against.empty()) {
    ModelOptions other = options.model;
    other.model = resolve_model(options.against, "--against").string();
    other.adapter.clear();
    before.emplace(other);
    if (!options.dry_run) settings.before = hash_model_files(before->files.files, before->pool);
  }
  Transformer* earlier = before ? &before->transformer : nullptr;
  const EvalModel asked =
      eval_model(model, "use a model that has one", options.dry_run ? HashFiles::kNo : HashFiles::kYes);
  const Plan plan = plan_study(asked, settings, earlier);
  if (options.dry_run) {
    const DryRun dry = dry_run_study(asked, settings, plan, earlier);
    DryRunMemory memory = memory_of(model);
    if (before) memory.weights += memory_of(*before).weights;
    return fmt::print("{}", dry_run_text(dry, memory));
  }
  const RunSettings recorded = study_settings(asked, settings, plan);
  if (ClusterSession* cluster = ClusterSession::current()) {
    settings.eval.share = cluster->begin(facts_of(recorded.identity, asked.in_bf16()), options.batch);
    if (!cluster->leads()) {
      return cluster->serve(
          [&](const std::string& phase) { return study_work(asked, settings, plan, earlier, phase); });
    }
  }
  if (options.force) remove_study(options.output);
  RunDirectory directory = RunDirectory::open(options.output, recorded);
  tell_how_to_resume();
  const Study study = run_study(asked, settings, plan, earlier, directory);
  const std::vector<StudyComparison> comparisons = compare_texts(study);
  nlohmann::ordered_json about = settings_json(options, asked, settings, study);
  expect_not_overwritten(asked.files);
  if (before) {
    about["before"] = options.against;
    about["before_files"] = settings.before;
    expect_not_overwritten(before->files.files);
  }
  const nlohmann::ordered_json numbers = study_json(study, comparisons, about);
  write_study(study, comparisons, numbers, directory.path());
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
  options.chat.add(command, /*has_default=*/true);
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
  command
      .add_option("-o,--output", options->output,
                  "The study's directory; one that was interrupted goes on, and one with fewer items, "
                  "subjects or arms "
                  "grows")
      ->required()
      ->check(not_empty())
      ->type_name("OUT_DIR");
  command.add_flag("--force", options->force, "Begin anew in place of the study that is there");
  CLI::Option* dry_run = add_dry_run(command, options->dry_run);
  command.add_flag("--json", options->json, "Print one JSON object instead of tables")->excludes(dry_run);
  options->model.add_running(command);
  return [options] { run(*options); };
}

}  // namespace refocus::cli
