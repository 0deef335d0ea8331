#include "cli/options/asking_options.h"

#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/memory_use.h"
#include "cli/checks.h"
#include "cli/model_hashes.h"
#include "cli/options/intervention_file.h"
#include "eval/task/task_kind.h"
#include "intervene/grammar/head_draw.h"
#include "opened/bundled.h"

namespace refocus::cli {

namespace {

constexpr const char* kGrammar =
    "[NAME=]SPEC: none, or parts joined by '+' such as rebalance:alpha=0.2,layers=8-31 or "
    "boost:factor=3,keys=role:system; or "
    "@FILE.yaml (docs/interventions.md)";

std::string negative_text(const InterventionSpec& spec, std::int64_t layer, std::int64_t layers) {
  const RebalanceSpec rebalance = *spec.rebalance();
  return fmt::format(
      "{} makes attention weights negative, first in layer {}, by a factor of {:.4g} (1 + alpha (1 - {} / "
      "{}))",
      spec.canonical(layers), layer, rebalance.factor(layer, layers), layer,
      rebalance.depth.value_or(layers - 1));
}

// Which they are, where there are few enough to read.
void tell_drawn_heads(std::span<const NamedIntervention> asked, const ModelConfig& config) {
  constexpr std::size_t kMostTold = 8;
  std::vector<DrawnHeads> drawn;
  for (const NamedIntervention& one : asked) {
    for (DrawnHeads& part : drawn_heads(one.spec, config.num_hidden_layers, config.num_attention_heads)) {
      drawn.push_back(std::move(part));
    }
  }
  for (std::size_t i = 0; i < std::min(kMostTold, drawn.size()); ++i) {
    spdlog::info("{} has drawn the heads {}", drawn[i].part, drawn[i].heads);
  }
  if (drawn.size() > kMostTold) spdlog::info("{} more have drawn heads", drawn.size() - kMostTold);
}

// Numbers of another model fit where its shapes do, and mean nothing.
void warn_of_files(std::span<const NamedIntervention> asked, const OpenModel& model) {
  std::optional<FileHashes> now;
  std::set<std::string> said;
  for (const NamedIntervention& one : asked) {
    for (const InterventionPart& part : one.spec.parts) {
      if (part.file == nullptr || part.file->metadata("model_files").empty()) continue;
      if (!said.insert(part.file->path()).second) continue;
      if (!now) {
        ThreadPool pool(available_threads());
        now = hash_model_files(model.files, pool);
      }
      const JsonSource source{part.file->path(), "make it anew with refocus calibrate"};
      const std::string difference = difference_of(
          read_file_hashes(parse_json(part.file->metadata("model_files"), source), source), *now);
      if (difference.empty()) continue;
      spdlog::warn("{} was computed with another model ({}; {}); make it anew with refocus calibrate",
                   printable(part.file->path()), printable(part.file->metadata("model")),
                   printable(difference));
    }
  }
}

// A special token that the words of a task write, so that they are in a model's format already; or nothing.
std::optional<std::string> written_special(const EvalSettings& settings, const Tokenizer& tokenizer) {
  for (const Task& task : settings.tasks) {
    const TaskKind& kind = kind_of(task);
    std::vector<std::string> texts = {kind.transcript.turn, kind.transcript.answer};
    for (const PromptKind how : settings.prompts) {
      if (how == PromptKind::kLoglikelihood) continue;
      const PromptParts parts = prompt_parts(settings.profile, task, how);
      texts.insert(texts.end(), {parts.instruction, parts.body, parts.suffix});
    }
    for (const std::string& text : texts) {
      for (const std::int32_t id : tokenizer.encode(text, {.parse_special = true})) {
        if (tokenizer.is_special(id) && text.find(tokenizer.piece(id)) != std::string::npos) {
          return tokenizer.piece(id);
        }
      }
    }
  }
  return std::nullopt;
}

}  // namespace

void add_intervention(CLI::App& command, std::string& intervention) {
  command.add_option("--intervene", intervention, kGrammar)->capture_default_str()->type_name("SPEC");
}

void add_sampling(CLI::App& command, SamplingOptions& sampling) {
  command.add_option("--temperature", sampling.temperature, "0: greedy; above: sampled")
      ->capture_default_str()
      ->check(number(0, 1e6));
  command.add_option("--top-k", sampling.top_k, "Sample among the k largest (0: all)")
      ->capture_default_str()
      ->check(whole_number(0, 1 << 30));
  command.add_option("--top-p", sampling.top_p, "Sample among the fewest that reach probability p")
      ->capture_default_str()
      ->check(number(0, 1));
  command.add_option("--min-p", sampling.min_p, "Drop those below min-p times the largest probability")
      ->capture_default_str()
      ->check(number(0, 1));
  command.add_option("--seed", sampling.seed, "Seed of the sampling")
      ->capture_default_str()
      ->check(whole_number<std::uint64_t>(0, ~std::uint64_t{0}));
}

void warn_of_unused_sampling(const CLI::App& command, const SamplingOptions& sampling) {
  if (sampling.temperature > 0) return;
  std::string given;
  for (const char* name : {"--top-k", "--top-p", "--min-p", "--seed"}) {
    if (command.get_option(name)->count() > 0) given += (given.empty() ? "" : ", ") + std::string(name);
  }
  if (given.empty()) return;
  spdlog::warn("no effect at temperature 0, where the most likely token is taken: {}; add --temperature 0.7",
               given);
}

CLI::Option* add_interventions(CLI::App& command, std::vector<std::string>& interventions) {
  return command
      .add_option("--intervene", interventions, fmt::format("{}; several times: several arms", kGrammar))
      ->type_name("SPEC")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

AskedInterventions parse_interventions(const std::vector<std::string>& interventions) {
  std::vector<std::string> texts;
  for (const std::string& text : interventions) texts.push_back(intervention_text(text));
  std::vector<NamedIntervention> out;
  for (WrittenIntervention& one : parse_named_interventions(texts)) out.push_back(std::move(one));
  if (out.empty()) out.emplace_back();
  return AskedInterventions(std::move(out));
}

bool AskedInterventions::needs_whole_prompt() const {
  return std::ranges::any_of(asked_, &InterventionSpec::needs_whole_prompt, &NamedIntervention::spec);
}

std::vector<NamedIntervention> AskedInterventions::for_model(const OpenModel& model) const {
  const ModelConfig& config = model.config;
  const std::int64_t layers = config.num_hidden_layers;
  std::string first;
  std::size_t negative = 0;
  for (const auto& [name, spec] : asked_) {
    check_intervention(spec, config);
    const std::optional<RebalanceSpec> rebalance = spec.rebalance();
    if (!rebalance) continue;
    if (layers < 2) {
      throw input_error(
          "--intervene",
          "expected a model of at least two layers, got one of one: re-balancing takes its mask from "
          "layer 0 and changes the later ones; use another model, or --intervene none");
    }
    const std::optional<std::int64_t> layer = rebalance->first_negative_layer(layers);
    if (layer && ++negative == 1) first = negative_text(spec, *layer, layers);
  }
  if (negative > 0) {
    spdlog::warn("{}{}", first, negative > 1 ? fmt::format("; {} interventions do so in all", negative) : "");
  }
  warn_of_files(asked_, model);
  tell_drawn_heads(asked_, config);
  return asked_;
}

Profile profile_of(const std::string& file) { return file.empty() ? default_profile() : load_profile(file); }

ExtractionRules rules_of(const std::string& rules, const Profile& profile) {
  return rules.empty() ? profile.extraction.value_or(ExtractionRules::kAnchored) : parse_rules(rules);
}

void add_chat(const ChatOptions& options, bool shots_as_turns, const OpenModel& model,
              EvalSettings& settings) {
  const bool texts = !settings.prompts.empty() && settings.prompts.front() != PromptKind::kLoglikelihood;
  const bool asked = options.asked();
  if (settings.harness) return options.refuse_with_harness();
  if (!texts && !asked) return;
  const auto chat_template = options.find(model);
  if (!chat_template) return;
  if (!asked) {
    if (const auto token = written_special(settings, *model.tokenizer)) {
      spdlog::info("the task writes {} itself: asking without the model's chat template",
                   printable(*token, 60));
      return;
    }
    spdlog::info("asking by the model's chat template; --no-chat asks without it");
  }
  // A day that does not change, so that a run can go on tomorrow.
  settings.chat = ChatAsking{chat_template, options.system, shots_as_turns, options.settings(fixed_date())};
}

EvalModel eval_model(RunningModel& model, std::string_view remedy, HashFiles hash) {
  const OpenModel& files = model.files;
  return {model.transformer,
          files.need_tokenizer(remedy),
          files.eos_ids,
          files.name(),
          name_of_model(files.directory),
          files.files,
          hash == HashFiles::kYes ? hash_model_files(files.files, model.pool) : FileHashes()};
}

DryRunMemory memory_of(const RunningModel& model) {
  return {static_cast<std::int64_t>(model.files.weights->total_bytes()), peak_resident_bytes()};
}

}  // namespace refocus::cli
