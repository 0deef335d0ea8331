// The families of models that are trained, wholly or by adapters.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "architecture/model_config.h"

namespace refocus {

struct TrainedFamily {
  std::string_view model_type;    // of config.json
  std::string_view architecture;  // the class that transformers has for it, for a config.json that is written
};

std::span<const TrainedFamily> trained_families();
// Null where it is not trained.
const TrainedFamily* find_trained_family(std::string_view model_type);

// InputError where the family is none of these, or the model has a feature whose gradient is not computed
// (unlike_llama): the message names both, and the families. `where` is the file of the config.
void expect_trained(const ModelConfig& config, const std::string& where);

}  // namespace refocus
