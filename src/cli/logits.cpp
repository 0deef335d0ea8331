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
};

void run(const LogitsOptions& options) {
  constexpr std::int64_t kRows = 128;  // at a time: bounds the memory for logits
  const AskedInterventions asked = parse_interventions({options.intervene});
  RunningModel model(options.model, kRows);
  const ModelConfig& config = model.files.config;
  const InterventionSpec spec = asked.for_model(config).front();
  const ReadPrompt prompt = options.prompt.read(model.files, {&spec, 1});
  const std::vector<std::int32_t>& tokens = prompt.tokens;
  const auto count = static_cast<std::int64_t>(tokens.size());
  // A context of one more than the tokens: nothing is generated, so the prompt may fill it.
  const std::int64_t context = options.model.context_for(config);
  Scheduler(model.transformer, {1, context + 1, kv_bytes(config, 1, model.transformer.kv_type())})
      .check(tokens);

  const DType type = model.transformer.kv_type();
  KvPool pool(config, kv_bytes(config, count, type, kRows), type);
  KvSequence sequence(pool);
  if (!sequence.reserve(count, kRows))
    throw input_error("cache", "expected memory for {} tokens, got too little", count);
  Intervention intervention(spec, {config.num_hidden_layers, config.num_attention_heads, kRows});
  intervention.aim(prompt.aim(spec));
  NpyWriter out(options.output, {count, config.vocab_size});
  for (std::int64_t first = 0; first < count; first += kRows) {
    const auto now = std::span(tokens).subspan(static_cast<std::size_t>(first),
                                               static_cast<std::size_t>(std::min(kRows, count - first)));
    const SequenceInput input{&sequence, now, count, intervention.hooks(), LogitRows::kAll};
    out.write(model.transformer.forward({&input, 1}));
  }
  out.finish();
}

}  // namespace

Action add_logits(CLI::App& command) {
  auto options = std::make_shared<LogitsOptions>();
  options->model.add_model(command);
  options->prompt.add(command);
  add_intervention(command, options->intervene);
  command.add_option("-o,--output", options->output, "The .npy file to write")
      ->required()
      ->check(not_empty())
      ->type_name("OUT.npy");
  options->model.add_running(command);
  return [options] { run(*options); };
}

}  // namespace refocus::cli
