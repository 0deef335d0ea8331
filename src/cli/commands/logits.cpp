// refocus logits: the logits of every token of a prompt, float32 [tokens, vocab], as a .npy file.
#include "base/error.h"
#include "cli/checks.h"
#include "cli/command.h"
#include "cli/options/asking_options.h"
#include "cli/options/model_options.h"
#include "cli/options/prompt_options.h"
#include "generate/prompt_logits.h"
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
  const auto opened = open_running(options.model);
  RunningModel& model = *opened;
  PromptLogits what;
  what.intervention = asked.one_for_model(model.files);
  const ReadPrompt prompt = options.prompt.read(model.files, {&what.intervention, 1});
  const std::int64_t count = std::ssize(prompt.tokens);
  what.tokens = prompt.tokens;
  what.context = options.model.context_for(model.files.config);
  what.rows = rows_of_logits(what.intervention, model.transformer);
  what.prompt_tokens = options.prompt_tokens > 0 ? options.prompt_tokens : count;
  if (what.prompt_tokens > count) {
    throw usage_error("--prompt-tokens", "expected at most {}, the tokens of the text, got {}", count,
                      what.prompt_tokens);
  }
  check_prompt_logits(model.transformer, what);  // before the file is begun
  what.target = prompt.aim(what.intervention, what.prompt_tokens);
  NpyWriter out(options.output, {count, model.files.config.vocab_size});
  prompt_logits(model.transformer, what, [&](std::span<const float> rows) { out.write(rows); });
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
