#include "train/trained_families.h"

#include <algorithm>

#include "base/error.h"

namespace refocus {

namespace {

constexpr TrainedFamily kTrainedFamilies[] = {
    {"llama", "LlamaForCausalLM"},         {"mistral", "MistralForCausalLM"},
    {"ministral", "MinistralForCausalLM"}, {"qwen2", "Qwen2ForCausalLM"},
    {"qwen3", "Qwen3ForCausalLM"},         {"gemma", "GemmaForCausalLM"},
    {"gemma2", "Gemma2ForCausalLM"},       {"gemma3_text", "Gemma3ForCausalLM"},
    {"granite", "GraniteForCausalLM"},     {"smollm3", "SmolLM3ForCausalLM"},
    {"seed_oss", "SeedOssForCausalLM"}};

}  // namespace

std::span<const TrainedFamily> trained_families() { return kTrainedFamilies; }

const TrainedFamily* find_trained_family(std::string_view model_type) {
  const auto it = std::ranges::find(kTrainedFamilies, model_type, &TrainedFamily::model_type);
  return it == std::end(kTrainedFamilies) ? nullptr : it;
}

void expect_trained(const ModelConfig& config, const std::string& where) {
  const std::string feature = unlike_llama(config);
  if (feature.empty() && find_trained_family(config.model_type) != nullptr) return;
  std::string families;
  for (const TrainedFamily& family : kTrainedFamilies) {
    families.append(families.empty() ? "" : ", ").append(family.model_type);
  }
  throw input_error(where,
                    "expected a model of a family that is trained ({}), got {}{}{}; choose another model",
                    families, config.model_type, feature.empty() ? "" : " with ", feature);
}

}  // namespace refocus
