// refocus eval: asks a model the questions of one or several tasks in one or several arms; ends with a table.
// Its subcommand perplexity is in perplexity.cpp.
#include <fmt/core.h>

#include "base/error.h"
#include "cli/checks.h"
#include "cli/cluster_session.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/options/asking_options.h"
#include "cli/options/chat_options.h"
#include "cli/options/intervention_file.h"
#include "cli/options/model_options.h"
#include "cli/options/task_arguments.h"
#include "cli/options/task_options.h"
#include "cli/outcome.h"
#include "cli/session.h"
#include "eval/journal/run_directory.h"
#include "eval/run/dry_run.h"
#include "eval/run/plan.h"
#include "eval/run/runner.h"
#include "eval/run/shared_asking.h"
#include "eval/task/profile.h"
#include "eval/tasks/task_data.h"
#include "opened/bundled.h"

namespace refocus::cli {

namespace {

struct EvalOptions {
  ModelOptions model;
  std::vector<std::string> tasks, subjects, interventions, sweeps;
  std::string data, profile, rules, run_directory, shard;
  bool cot = false, direct = false, loglikelihood = false, skip_long = false, dry_run = false;
  int limit = 0;
  std::optional<int> shots;
  std::optional<std::size_t> budget;
  std::string seam = "difference", shots_as = "turns";
  ChatOptions chat;
  std::int64_t batch = 16, max_new_tokens = 2048;
};

// Options that belong to log-likelihoods alone; what is not asked for by --loglikelihood is a file of
// lm-evaluation-harness, which may also have examples before texts.
void check_scored_only(const EvalOptions& options, const EvalSettings& settings) {
  if (settings.prompts.front() == PromptKind::kLoglikelihood) return;
  if (options.shots && !settings.harness) throw usage_error("--shots", "requires --loglikelihood; add it");
  if (options.seam != "difference") throw usage_error("--seam", "requires --loglikelihood; add it");
}

EvalSettings settings_of(const EvalOptions& options, AskedInterventions& interventions) {
  EvalSettings settings;
  if (!options.sweeps.empty()) {
    std::vector<std::string> texts;
    for (const std::string& text : options.interventions) texts.push_back(intervention_text(text));
    settings.sweep = expand_sweep(parse_sweep(options.sweeps, options.budget), texts);
    interventions = AskedInterventions(settings.sweep->interventions());
  } else {
    interventions = parse_interventions(options.interventions);
  }
  settings.profile = profile_of(options.profile);
  settings.rules = rules_of(options.rules, settings.profile);
  const std::vector<AskedTask> tasks =
      read_task_arguments(options.tasks, HarnessOptions{options.data, options.shots, options.limit});
  settings.harness = tasks.front().harness;
  const bool likelihoods = !options.cot && !options.direct && only_likelihoods(tasks);
  settings.prompts = prompt_kinds(tasks, options.cot, options.direct, options.loglikelihood || likelihoods);
  check_scored_only(options, settings);
  if (settings.prompts.front() != PromptKind::kLoglikelihood) {
    for (const AskedTask& task : tasks) {
      if (!task.file && !task.harness) settings.profile.prompts(task.name);
    }
  }
  settings.tasks = load_tasks(tasks, options.data, options.subjects);
  for (Task& task : settings.tasks) {
    if (options.limit > 0) limit_items(task, options.limit);
  }
  add_examples(settings, tasks, options.shots, options.data);
  settings.seam = parse_seam(options.seam);
  settings.max_new_tokens = options.max_new_tokens;
  settings.batch = options.batch;
  settings.run_directory = options.run_directory;
  settings.session = this_session();
  if (!options.shard.empty()) settings.shard = parse_shard(options.shard);
  return settings;
}

void show_dry_run(const RunningModel& model, const EvalModel& asked, const EvalSettings& settings) {
  const DryRun run = dry_run(asked, settings);
  fmt::print("{}", dry_run_text(run, memory_of(model)));
  if (const std::string note = left_out_text(settings.left_out); !note.empty()) fmt::print("{}\n", note);
}

void run(const EvalOptions& options) {
  if (options.dry_run && options.model.is_shared()) {
    throw usage_error("--dry-run", "expected one process, got --pipeline or --tensor; leave them out");
  }
  AskedInterventions interventions;
  EvalSettings settings = settings_of(options, interventions);
  const auto opened = open_running(options.model);
  RunningModel& model = *opened;
  const ModelConfig& config = model.files.config;
  settings.interventions = interventions.for_model(model.files);
  settings.context = options.model.context_for(config);
  settings.kv_bytes = kv_budget(options.model, model.transformer, options.batch, settings.context);
  settings.refused_chat = options.chat.no_chat;
  add_chat(options.chat, options.shots_as == "turns", model.files, settings);
  const EvalModel asked = eval_model(model, "download the model's tokenizer files",
                                     options.dry_run ? HashFiles::kNo : HashFiles::kYes);
  if (options.skip_long) {
    if (settings.harness) {
      throw usage_error(
          "--skip-long",
          "expected tasks of Refocus, got one of lm-evaluation-harness, which counts all of its "
          "items; use a larger --context, or --limit");
    }
    leave_out_long(asked, settings);
  }
  if (options.dry_run) return show_dry_run(model, asked, settings);
  const Plan plan = make_plan(asked, settings);
  if (model.partition) check_weights(asked, plan);
  if (ClusterSession* cluster = ClusterSession::current()) {
    const RunSettings run = run_settings(asked, settings, plan);
    settings.share = cluster->begin(facts_of(run.identity, asked.in_bf16()), options.batch);
    if (!cluster->leads()) {
      return cluster->serve([&](const std::string&) { return answering_work(asked, settings, plan); });
    }
  }
  tell_how_to_resume();
  const EvalOutcome outcome = run_evaluation(asked, settings, plan);
  print_tables(outcome);
  if (const std::string note = left_out_text(settings.left_out); !note.empty()) fmt::print("{}\n", note);
  if (outcome.open > 0) {
    fmt::print(
        "{} answers are left to other shards; when all are there: refocus join RUN_DIR... -o RUN_DIR\n",
        outcome.open);
  }
  print_places(outcome);
}

void add_sweep(CLI::App& command, EvalOptions& options) {
  CLI::Option* sweep =
      command
          .add_option(
              "--sweep", options.sweeps,
              "Values of a key of a method, such as boost:factor=1:19:2, or of re-balancing: alpha=0:1:0.1; "
              "several times: every combination of a method's keys, and methods beside each other")
          ->type_name("[METHOD:]KEY=VALUES")
          ->expected(1)
          ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command
      .add_option("--budget", options.budget,
                  "Most swept points of each method, so that methods have equal tries (docs/sweeps.md says "
                  "which are kept)")
      ->needs(sweep)
      ->check(whole_number(1, 200));
}

// What eval takes is for tasks only: its subcommand `mode` must follow at once.
void refuse_options_before(CLI::App& eval, CLI::App& mode) {
  mode.preparse_callback([&eval, name = mode.get_name()](std::size_t) {
    for (CLI::Option* option : eval.get_options()) {
      if (option->count() > 0) {
        throw CLI::ParseError(fmt::format("expected nothing between eval and {}, got {}; write it after {}",
                                          name, option->get_name(), name),
                              CLI::ExitCodes::InvalidError);
      }
    }
  });
}

}  // namespace

Action add_eval(CLI::App& command) {
  auto options = std::make_shared<EvalOptions>();
  add_tasks(command, options->tasks,
            fmt::format("One or several of {}, or task files of your own or of lm-evaluation-harness, .yaml "
                        "or .json (default: {})",
                        task_names(), kDefaultTask));
  options->model.add_model(command);
  add_data(command, options->data);
  add_prompt_kinds(command, options->cot, options->direct);
  CLI::Option* loglikelihood =
      command.add_flag("--loglikelihood", options->loglikelihood,
                       "Generate nothing: the option that the model finds most likely is its answer");
  command
      .add_option(
          "--shots", options->shots,
          "Worked examples before each question of mmlu, from its dev split, or of piqa and siqa, from train "
          "or else the last of dev (default: 0), or of a task of lm-evaluation-harness (default: as it says)")
      ->check(whole_number(0, 1 << 20));
  command
      .add_option("--shots-as", options->shots_as,
                  "Worked examples of a conversation: turns (a message of the user and one of the assistant "
                  "each), or text in the user's message")
      ->needs(loglikelihood)
      ->capture_default_str()
      ->check(one_of({"turns", "text"}));
  options->chat.add(command, /*has_default=*/true);
  command
      .add_option("--seam", options->seam,
                  "Where an option's tokens begin: difference (with the first that the question alone does "
                  "not have), or lm-eval (after as many as the question alone has)")
      ->capture_default_str()
      ->check(one_of({"difference", "lm-eval"}));
  add_interventions(command, options->interventions);
  add_sweep(command, *options);
  add_subjects(command, options->subjects);
  add_limit(command, options->limit);
  command
      .add_option(
          "--shard", options->shard,
          "Ask only the I-th of N equal parts of each subject, in a run directory of its own; refocus join "
          "makes one run of them")
      ->check(not_empty())
      ->type_name("I/N");
  command.add_flag("--skip-long", options->skip_long,
                   "Leave out items whose prompt is too long for the context; they are counted and told");
  add_batch(command, options->batch);
  add_max_new_tokens(command, options->max_new_tokens);
  add_profile(command, options->profile);
  add_rules(command, options->rules);
  for (const char* text_only : {"--cot", "--direct", "--max-new-tokens", "--profile", "--rules"}) {
    loglikelihood->excludes(command.get_option(text_only));
  }
  command
      .add_option("-o,--output", options->run_directory,
                  "The run's directory; a run that was interrupted goes on (default: a name of its own in "
                  "runs/ for each model and choice of options)")
      ->check(not_empty())
      ->type_name("RUN_DIR");
  add_dry_run(command, options->dry_run);
  options->model.add_running(command);
  options->model.add_shared(command);

  CLI::App* perplexity = command.add_subcommand(
      "perplexity", "Measure how well a model predicts a text, and how far arms are from a reference");
  const Action measure = add_perplexity(*perplexity);
  refuse_options_before(command, *perplexity);
  return [options, perplexity, measure] {
    if (perplexity->parsed()) return measure();
    if (options->tasks.empty()) options->tasks = {kDefaultTask};
    run(*options);
  };
}

}  // namespace refocus::cli
