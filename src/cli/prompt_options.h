// A prompt as text (-p) or as token ids (--tokens).
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "cli/model_options.h"

namespace refocus::cli {

struct PromptOptions {
  std::string text, ids;
  CLI::Option* text_option = nullptr;
  CLI::Option* ids_option = nullptr;

  // Returns the group of which exactly one must be given, so that a command can add other choices to it.
  CLI::Option_group* add(CLI::App& command);
  // The prompt's ids: the text's with the BOS that the model's tokenizer adds, or --tokens as given.
  std::vector<std::int32_t> tokens(const OpenModel& model) const;
};

}  // namespace refocus::cli
