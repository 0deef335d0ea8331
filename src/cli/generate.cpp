// refocus generate: continues one prompt; text goes to standard output as it comes, or one JSON object at the
// end.
#include <fmt/core.h>

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "cli/asking_options.h"
#include "cli/checks.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "cli/prompt_options.h"
#include "generate/scheduler.h"
#include "tokenizer/streaming_decoder.h"

namespace refocus::cli {

namespace {

struct GenerateOptions {
  ModelOptions model;
  PromptOptions prompt;
  SamplingOptions sampling;
  std::int64_t max_new_tokens = 128;
  std::string intervene = "none";
  bool ignore_eos = false, json = false;
};

double rate(std::int64_t tokens, double seconds) {
  return seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
}

void print_json(const OpenModel& model, const ModelOptions& options, const GenerationRequest& request,
                const GenerationResult& result, const SchedulerStats& stats) {
  std::vector<std::int32_t> text_ids = result.tokens;
  if (result.stopped) text_ids.pop_back();
  nlohmann::ordered_json out;
  out["prompt_tokens"] = request.prompt;
  out["tokens"] = result.tokens;
  out["text"] = model.tokenizer ? model.tokenizer->decode(text_ids) : "";
  out["finish_reason"] = result.stopped ? "eos" : "length";
  out["intervention"] = request.intervention.canonical(model.config.num_hidden_layers);
  out["activations"] = options.activations;
  out["timing"] = {{"prefill_tps", rate(stats.prefill_tokens, stats.prefill_seconds)},
                   {"decode_tps", rate(stats.decode_tokens, stats.decode_seconds)}};
  fmt::print("{}\n", json_text(out));
}

void run(const GenerateOptions& options) {
  const AskedInterventions asked = parse_interventions({options.intervene});
  RunningModel model(options.model);
  GenerationRequest request;
  request.intervention = asked.for_model(model.files.config).front();
  const ReadPrompt prompt = options.prompt.read(model.files, {&request.intervention, 1});
  request.prompt = prompt.tokens;
  request.target = prompt.aim(request.intervention);
  request.max_new_tokens = options.max_new_tokens;
  request.sampling = options.sampling;
  if (!options.ignore_eos) request.stop_tokens = model.files.eos_ids;
  const std::int64_t context = options.model.context_for(model.files.config);
  const auto needed =
      std::min(context, static_cast<std::int64_t>(request.prompt.size()) + request.max_new_tokens);
  Scheduler scheduler(model.transformer,
                      {1, context, kv_budget(options.model, model.files.config, 1, needed)});
  scheduler.check(request.prompt);

  const bool stream = !options.json;
  std::optional<StreamingDecoder> decoder;
  if (stream) decoder.emplace(model.files.need_tokenizer("print token ids with --json"));
  const auto on_token = [&](std::uint64_t, std::int32_t token) {
    if (!stream) return;
    if (!options.ignore_eos &&
        std::find(request.stop_tokens.begin(), request.stop_tokens.end(), token) != request.stop_tokens.end())
      return;
    const std::string text = decoder->push(token);
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  };
  GenerationResult result;
  bool given = false;
  scheduler.run([&]() { return std::exchange(given, true) ? std::nullopt : std::optional(request); },
                [&](GenerationResult&& r) { result = std::move(r); }, on_token);
  if (stream) {
    fmt::print("{}\n", decoder->finish());
  } else {
    print_json(model.files, options.model, request, result, scheduler.stats());
  }
}

}  // namespace

Action add_generate(CLI::App& command) {
  auto options = std::make_shared<GenerateOptions>();
  options->model.add_model(command);
  options->prompt.add(command);
  command.add_option("-n,--max-new-tokens", options->max_new_tokens, "Most tokens to generate")
      ->capture_default_str()
      ->check(whole_number(1, 1 << 24));
  add_intervention(command, options->intervene);
  add_sampling(command, options->sampling);
  command.add_flag("--ignore-eos", options->ignore_eos, "Go on after an end-of-sequence token");
  command.add_flag("--json", options->json, "Print one JSON object with tokens, text and timing");
  options->model.add_running(command);
  return [options] { run(*options); };
}

}  // namespace refocus::cli
