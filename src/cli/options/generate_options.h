// The options of refocus generate, for one prompt and for many.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/options/model_options.h"
#include "cli/options/prompt_options.h"
#include "generate/scheduler.h"
#include "prompt/answer_end.h"

namespace refocus::cli {

struct GenerateOptions {
  ModelOptions model;
  PromptOptions prompt;
  SamplingOptions sampling;
  std::int64_t max_new_tokens = 128;
  std::string intervene = "none";
  std::vector<std::string> stop;
  bool ignore_eos = false, json = false;
  std::string batch, output;     // many prompts, and where their answers go
  std::int64_t batch_size = 16;  // of them at once

  // The model's own end tokens, or none with --ignore-eos.
  std::vector<std::int32_t> eos_of(const OpenModel& model) const {
    return ignore_eos ? std::vector<std::int32_t>() : model.eos_ids;
  }
};

// --stop.
void add_stop(CLI::App& command, std::vector<std::string>& stop);

// What --stop names. InputError where there are such texts and the model has no tokenizer.
AnswerEnds answer_ends(const OpenModel& model, const std::vector<std::string>& stop);

// Gives a request what ends its answer: `eos` and `ends`.
void add_ends(GenerationRequest& request, const OpenModel& model, const AnswerEnds& ends,
              const std::vector<std::int32_t>& eos);

// Answers the prompts of a JSONL file (docs/chat.md). InputError, before anything is asked, for a line that
// is no prompt.
void generate_batch(const GenerateOptions& options);

}  // namespace refocus::cli
