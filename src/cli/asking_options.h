// What subcommands that ask a model in several arms share: --intervene, prompts and rules, and the model as
// the evaluation wants it.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "cli/model_options.h"
#include "eval/run/runner.h"

namespace refocus::cli {

// --intervene, which may be given several times.
CLI::Option* add_interventions(CLI::App& command, std::vector<std::string>& interventions);

// In the order given; without any it is one arm without intervention. UsageError for what is no intervention.
std::vector<InterventionSpec> parse_interventions(const std::vector<std::string>& interventions);

// The file of --profile, or the default prompts.
Profile profile_of(const std::string& file);

// --rules, or else what the profile asks for, or else anchored.
ExtractionRules rules_of(const std::string& rules, const Profile& profile);

// The model to be asked, which must outlive the result. InputError, with `remedy`, where it has no tokenizer.
EvalModel eval_model(RunningModel& model, std::string_view remedy);

}  // namespace refocus::cli
