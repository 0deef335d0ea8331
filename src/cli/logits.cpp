// refocus logits: the logits of every token of a prompt, float32 [tokens, vocab], as a .npy file.
#include "base/error.h"
#include "cli/asking_options.h"
#include "cli/checks.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "cli/prompt_options.h"
#include "generate/scheduler.h"
#include "io/npy.h"

namespace refocus::cli {

namespace {

struct LogitsOptions {
  ModelOptions model;
  PromptOptions prompt;
  std::string intervene = "none", output;
  std::int64_t prompt_tokens = 0;  // 0: all
};

void run(const LogitsOptions& options) {
  const AskedInterventions asked = parse_interventions({options.intervene});
  // At a time: bounds the memory for logits.
  const std::int64_t rows = asked.needs_whole_prompt() ? kRunningRows : 128;
  RunningModel model(options.model, rows);
  const ModelConfig& config = model.files.config;
  const InterventionSpec spec = asked.one_for_model(model.files);
  const ReadPrompt prompt = options.prompt.read(model.files, {&spec, 1});
  const std::vector<std::int32_t>& tokens = prompt.tokens;
  const auto count = static_cast<std::int64_t>(tokens.size());
  // A context of one more than the tokens: nothing is generated, so the prompt may fill it.
  const std::int64_t context = options.model.context_for(config);
  Scheduler(model.transformer, {1, context + 1, kv_bytes(config, 1, model.transformer.kv_type())})
      .check(tokens);

  const std::int64_t asked_tokens = options.prompt_tokens > 0 ? options.prompt_tokens : count;
  if (asked_tokens > count) {
    throw usage_error("--prompt-tokens", "expected at most {}, the tokens of the text, got {}", count,
                      asked_tokens);
  }
  check_whole_prompt(spec, asked_tokens, rows);
  KvPool pool = kv_pool_of(model.transformer, kv_bytes(config, count, model.transformer.kv_type(), rows));
  KvSequence sequence(pool);
  if (!sequence.reserve(count, rows))
    throw input_error("cache", "expected memory for {} tokens, got too little", count);
  Intervention intervention(spec, shape_of(model.transformer));
  intervention.aim(prompt.aim(spec, asked_tokens));
  NpyWriter out(options.output, {count, config.vocab_size});
  for (std::int64_t first = 0; first < count;) {
    // The prompt, and then what counts as generated, token by token where that matters.
    const bool later = first >= asked_tokens;
    std::int64_t now = std::min(rows, (later ? count : asked_tokens) - first);
    if (later && model.transformer.keys_depend_on_length(first + now)) now = 1;
    const auto of_call =
        std::span(tokens).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(now));
    const SequenceInput input{&sequence, of_call, std::max(asked_tokens, first + now), intervention.hooks(),
                              LogitRows::kAll};
    out.write(model.transformer.forward({&input, 1}));
    first += now;
  }
  out.finish();
}

}  // namespace

Action add_logits(CLI::App& command) {
  auto options = std::make_shared<LogitsOptions>();
  options->model.add_model(command);
  options->prompt.add(command);
  add_intervention(command, options->intervene);
  command
      .add_option(
          "--prompt-tokens", options->prompt_tokens,
          "The first N tokens are the prompt, the rest counts as generated (default: all are the prompt)")
      ->check(whole_number(1, 1 << 30));
  command.add_option("-o,--output", options->output, "The .npy file to write")
      ->required()
      ->check(not_empty())
      ->type_name("OUT.npy");
  options->model.add_running(command);
  return [options] { run(*options); };
}

}  // namespace refocus::cli
