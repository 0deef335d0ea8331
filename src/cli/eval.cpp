// refocus eval: asks a model the questions of one or several tasks in one or several arms; ends with a table.
// Its subcommand perplexity is in perplexity.cpp.
#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "base/error.h"
#include "cli/checks.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/model_options.h"
#include "eval/comparison_table.h"
#include "eval/fingerprint.h"
#include "eval/profile.h"
#include "eval/runner.h"
#include "eval/task_data.h"

namespace refocus::cli {

namespace {

struct Options {
  ModelOptions model;
  std::vector<std::string> tasks, subjects, interventions;
  std::string data = "data", profile, rules, run_directory;
  bool cot = false, direct = false;
  int limit = 0;
  std::int64_t batch = 16, max_new_tokens = 2048;
};

EvalSettings settings_of(const Options& options) {
  if (!options.subjects.empty() && std::ranges::find(options.tasks, "mmlu") == options.tasks.end()) {
    throw usage_error("--subjects", "expected the task mmlu beside it, got none; leave --subjects out");
  }
  EvalSettings settings;
  for (const std::string& spec : options.interventions)
    settings.interventions.push_back(parse_intervention(spec));
  if (settings.interventions.empty()) settings.interventions.emplace_back();
  settings.profile = options.profile.empty() ? default_profile() : load_profile(options.profile);
  if (options.cot || !options.direct) settings.prompts.push_back(PromptKind::kCot);
  if (options.direct) settings.prompts.push_back(PromptKind::kDirect);
  settings.rules = !options.rules.empty() ? parse_rules(options.rules)
                                          : settings.profile.extraction.value_or(ExtractionRules::kAnchored);
  for (const std::string& name : options.tasks) {
    const bool twice = std::any_of(settings.tasks.begin(), settings.tasks.end(),
                                   [&](const Task& t) { return t.name == name; });
    if (twice) throw usage_error("eval", "expected each task once, got {} twice", name);
    choices_of_task(name);  // refuses an unknown task
    settings.profile.prompts(name);
    settings.tasks.push_back(
        load_task(name, options.data, name == "mmlu" ? options.subjects : std::vector<std::string>{}));
    if (options.limit > 0) limit_items(settings.tasks.back(), options.limit);
  }
  settings.max_new_tokens = options.max_new_tokens;
  settings.batch = options.batch;
  settings.run_directory = options.run_directory;
  settings.version = REFOCUS_VERSION;
  return settings;
}

void run(const Options& options) {
  EvalSettings settings = settings_of(options);
  RunningModel model(options.model);
  const OpenModel& files = model.files;
  settings.context = options.model.context > 0 ? options.model.context : files.config.context_length();
  settings.kv_bytes = kv_budget(options.model, files.config, options.batch, settings.context);
  const EvalModel asked{
      model.transformer, files.need_tokenizer("download the model's tokenizer files"), files.eos_ids,
      files.name(),
      model_fingerprint(files.directory, files.config_json, *files.weights, files.adapter.get())};
  tell_how_to_resume();
  const EvalOutcome outcome = run_evaluation(asked, settings);
  fmt::print("{}\n", summary_table(outcome.scores));
  if (outcome.comparison)
    fmt::print("{}", comparison_table(*outcome.comparison, {.arms = false, .runs = {}}));
  fmt::print("Answers and results: {}\n", options.run_directory);
}

// What eval requires is required of tasks only: not where its subcommand `mode` follows at once.
void release_requirements(CLI::App& eval, CLI::App& mode) {
  mode.preparse_callback([&eval, name = mode.get_name()](std::size_t) {
    for (CLI::Option* option : eval.get_options()) {
      if (option->count() > 0) {
        throw CLI::ParseError(fmt::format("expected nothing between eval and {}, got {}; write it after {}",
                                          name, option->get_name(), name),
                              CLI::ExitCodes::InvalidError);
      }
      option->required(false);
    }
  });
}

}  // namespace

Action add_eval(CLI::App& command) {
  auto options = std::make_shared<Options>();
  command.add_option("task", options->tasks, "One or several of mmlu, piqa, siqa")->type_name("TASK");
  options->model.add_model(command);
  command
      .add_option("--data", options->data, "Directory that holds the tasks' folders (mmlu/, piqa/, siqa/)")
      ->capture_default_str()
      ->type_name("DIR");
  command.add_flag("--cot", options->cot, "Ask for an analysis before the answer (default)");
  command.add_flag("--direct", options->direct, "Ask for the answer at once; with --cot: both");
  command
      .add_option("--intervene", options->interventions,
                  "none, or rebalance[:alpha=0.2,threshold=0.01,depth=LAST,mode=mask|self]; several times: "
                  "several arms")
      ->type_name("SPEC")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command.add_option("--subjects", options->subjects, "MMLU subjects (default: all)")
      ->delimiter(',')
      ->type_name("a,b");
  command.add_option("--limit", options->limit, "Only the first N items of each subject")
      ->check(whole_number(1, 1 << 30));
  command.add_option("--batch", options->batch, "Sequences computed at once; does not change answers")
      ->capture_default_str()
      ->check(whole_number(1, 4096));
  command.add_option("--max-new-tokens", options->max_new_tokens, "Most tokens of an answer")
      ->capture_default_str()
      ->check(whole_number(1, 1 << 24));
  command.add_option("--profile", options->profile, "JSON file of prompts (default: Refocus' own)")
      ->type_name("FILE");
  command.add_option("--rules", options->rules, "How letters are read: anchored (default) or published");
  command
      .add_option("-o,--output", options->run_directory,
                  "The run's directory; a run that was interrupted goes on")
      ->required()
      ->check(not_empty())
      ->type_name("RUN_DIR");
  options->model.add_running(command);

  CLI::App* perplexity = command.add_subcommand(
      "perplexity", "Measure how well a model predicts a text, and how far arms are from a reference");
  const Action measure = add_perplexity(*perplexity);
  release_requirements(command, *perplexity);
  // CLI11 would take a subcommand's name for a required task.
  command.callback([options, perplexity] {
    if (options->tasks.empty() && !perplexity->parsed()) throw CLI::RequiredError("task");
  });
  return [options, perplexity, measure] { perplexity->parsed() ? measure() : run(*options); };
}

}  // namespace refocus::cli
