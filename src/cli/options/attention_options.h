// What refocus attention is asked for on the command line.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analyze/attention_run.h"
#include "analyze/pictures/row_figure.h"
#include "cli/options/prompt_options.h"

namespace refocus::cli {

struct AttentionOptions {
  ModelOptions model;
  PromptOptions prompt;
  std::vector<std::string> interventions, subjects;
  std::string layers, heads, queries, lens, picture, output;
  std::string task, data, profile;
  int limit = 0;
  std::int64_t item = -1;                   // of a task, shown as a prompt is; none
  std::vector<CLI::Option*> of_one_prompt;  // that a whole task has no use for
  std::int64_t top_k = 32, window = 8, max_new_tokens = 0;
  double threshold = 0.01;
  bool dense = false, before = false, free = false, force = false, json = false, cot = false, direct = false;
  bool no_page = false;

  void add(CLI::App& command);
  // UsageError for an option of one prompt beside a whole task.
  void check() const;
  AttentionSettings settings(const ModelConfig& config) const;
  // --picture's row of a prompt that goes on to `most` tokens; none without it. UsageError where it is not
  // kept.
  std::optional<RowChoice> row_choice(const ModelConfig& config, std::int64_t prompt_tokens,
                                      std::int64_t most) const;
};

}  // namespace refocus::cli
