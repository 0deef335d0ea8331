// How refocus heads searches (docs/heads.md).
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "architecture/model_config.h"
#include "cli/options/patch_options.h"
#include "heads/head_search.h"

namespace refocus::cli {

struct HeadSearchOptions {
  std::string by = "ablate", want, rank = "likelihood", random = "any";
  std::vector<std::int64_t> top;
  std::int64_t draws = 20, layers_first = 0;
  std::uint64_t seed = 0;
  std::optional<std::uint64_t> shuffle_labels;
  PatchOptions patch;

  bool patches() const { return is_patch(by); }
  void add(CLI::App& command);

  // Of --by. UsageError where it is none for heads.
  InterventionSpec method() const;
  // UsageError where the model has too few heads or layers.
  HeadSearchSettings settings(const InterventionSpec& method, const ModelConfig& config) const;
};

}  // namespace refocus::cli
