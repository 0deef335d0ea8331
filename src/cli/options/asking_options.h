// What subcommands that ask a model in several arms share: --intervene, prompts and rules, and the model as
// the evaluation wants it.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options/chat_options.h"
#include "cli/options/model_options.h"
#include "eval/run/dry_run.h"
#include "eval/run/runner.h"

namespace refocus::cli {

// --intervene, which may be given several times.
CLI::Option* add_interventions(CLI::App& command, std::vector<std::string>& interventions);

// --temperature, --top-k, --top-p, --min-p, --seed.
void add_sampling(CLI::App& command, SamplingOptions& sampling);
// Warns, in one line, of those of them that were given and change nothing, since tokens are chosen greedily.
void warn_of_unused_sampling(const CLI::App& command, const SamplingOptions& sampling);

// --intervene where it may be given once.
void add_intervention(CLI::App& command, std::string& intervention);

// Interventions that were asked for, before a model is open: what they do depends on how many layers it has.
class AskedInterventions {
 public:
  AskedInterventions() = default;
  explicit AskedInterventions(std::vector<NamedIntervention> asked) : asked_(std::move(asked)) {}

  // Those for a model. InputError where it has too few layers for them, or not those that they name, and for
  // files of from= that do not fit it. Warns, in one line whatever their number, where weights of a later
  // layer become negative, and of files that were computed with another model.
  std::vector<NamedIntervention> for_model(const OpenModel& model) const;

  // The same, of a command that takes one: a name has no meaning there, but what was given to eval may be
  // given to it too.
  InterventionSpec one_for_model(const OpenModel& model) const { return for_model(model).front().spec; }

  // Whether one of them needs a prompt in one call.
  bool needs_whole_prompt() const;

 private:
  std::vector<NamedIntervention> asked_;
};

// In the order given; without any it is one arm without intervention. UsageError for what is no intervention,
// and for a name that two have.
AskedInterventions parse_interventions(const std::vector<std::string>& interventions);

// The file of --profile, or the default prompts.
Profile profile_of(const std::string& file);

// --rules, or else what the profile asks for, or else anchored.
ExtractionRules rules_of(const std::string& rules, const Profile& profile);

// Asks by the model's chat template, where it has one and texts are asked for, or --chat says so; says on
// standard error where it does so unasked, and where a task writes a model's format itself. UsageError and
// InputError as ChatOptions has them.
void add_chat(const ChatOptions& options, bool shots_as_turns, const OpenModel& model,
              EvalSettings& settings);

// The model to be asked, which must outlive the result. InputError, with `remedy`, where it has no tokenizer.
// Without hashes of its files nothing can be kept of what it answers.
enum class HashFiles { kYes, kNo };
EvalModel eval_model(RunningModel& model, std::string_view remedy, HashFiles hash = HashFiles::kYes);

// After the measurement of a dry run.
DryRunMemory memory_of(const RunningModel& model);

}  // namespace refocus::cli
