// adapter_config.json of a LoRA adapter, as PEFT 0.21.2 reads it (LoraConfig and its defaults).
//
// The types of all of PEFT's keys are checked. Null stands for a key's default, but for r and lora_alpha.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace refocus {

inline constexpr const char* kAdapterConfigName = "adapter_config.json";

// target_modules or exclude_modules: a regular expression for whole names, or names and ends of names.
struct PeftNames {
  std::optional<std::string> regex;
  std::vector<std::string> names;  // in the order of the file
  bool empty() const { return names.empty() && (!regex || regex->empty()); }
};

// A key of the configuration with a value that changes what is computed in a way that the program does not
// have.
struct PeftFeature {
  std::string key, value;  // the value as JSON
  bool mergeable = true;   // whether PEFT can fold such an adapter into a base whose weights are not tied
};

struct PeftSettings {
  std::string where;  // the file, for messages
  std::int64_t rank = 8;
  double alpha = 8;
  bool rank_stabilised = false;  // scale alpha / sqrt(rank), not alpha / rank
  std::optional<PeftNames> targets;
  PeftNames excluded;
  std::optional<std::vector<std::int64_t>> layers;  // layers_to_transform
  std::vector<std::string> layer_patterns;
  std::vector<std::pair<std::string, std::int64_t>> rank_pattern;  // in the order of the file
  std::vector<std::pair<std::string, double>> alpha_pattern;
  bool tie_adapters = false;   // ensure_weight_tying
  bool trains_biases = false;  // bias "all" or "lora_only"
  std::string base_model;
  std::vector<PeftFeature> unsupported;  // to be refused, with what can be done instead
  std::vector<std::string> warnings;
};

// InputError where the text is no JSON object, has a value of a wrong type, is of another method than LoRA,
// or where PEFT itself refuses it.
PeftSettings read_peft_settings(std::string_view text, const std::string& where);

struct PeftConfig {
  std::int64_t rank = 8;
  double alpha = 8;
  std::vector<std::string> targets;  // "q_proj", ...
  std::string base_model;
};

// adapter_config.json as PEFT writes it.
std::string peft_config_json(const PeftConfig& config);

}  // namespace refocus
