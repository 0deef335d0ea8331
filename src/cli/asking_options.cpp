#include "cli/asking_options.h"

#include "cli/bundled.h"
#include "cli/model_hashes.h"

namespace refocus::cli {

CLI::Option* add_interventions(CLI::App& command, std::vector<std::string>& interventions) {
  return command
      .add_option("--intervene", interventions,
                  "none, or rebalance[:alpha=0.2,threshold=0.01,depth=LAST,mode=mask|self]; several times: "
                  "several arms")
      ->type_name("SPEC")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

std::vector<InterventionSpec> parse_interventions(const std::vector<std::string>& interventions) {
  std::vector<InterventionSpec> out;
  for (const std::string& text : interventions) out.push_back(parse_intervention(text));
  if (out.empty()) out.emplace_back();
  return out;
}

Profile profile_of(const std::string& file) { return file.empty() ? default_profile() : load_profile(file); }

ExtractionRules rules_of(const std::string& rules, const Profile& profile) {
  return rules.empty() ? profile.extraction.value_or(ExtractionRules::kAnchored) : parse_rules(rules);
}

EvalModel eval_model(RunningModel& model, std::string_view remedy) {
  const OpenModel& files = model.files;
  return {model.transformer,
          files.need_tokenizer(remedy),
          files.eos_ids,
          files.name(),
          name_of_model(files.directory),
          files.files,
          hash_model_files(files.files, model.pool)};
}

}  // namespace refocus::cli
