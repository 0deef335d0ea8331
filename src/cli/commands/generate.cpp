// refocus generate: continues one prompt; text goes to standard output as it comes, or one JSON object at the
// end.
#include <fmt/core.h>

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "cli/checks.h"
#include "cli/command.h"
#include "cli/options/asking_options.h"
#include "cli/options/generate_options.h"

namespace refocus::cli {

namespace {

double rate(std::int64_t tokens, double seconds) {
  return seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
}

void print_json(const OpenModel& model, const GenerateOptions& options, const AnswerEnds& ends,
                const GenerationRequest& request, const GenerationResult& result,
                const SchedulerStats& stats) {
  FinishedAnswer answer;
  if (model.tokenizer) {
    answer = finished_answer(*model.tokenizer, ends, result.tokens, options.eos_of(model));
  } else if (result.stopped) {
    answer.finish_reason = kFinishEos;
  }
  nlohmann::ordered_json out;
  out["prompt_tokens"] = request.prompt;
  out["tokens"] = result.tokens;
  out["text"] = answer.text;
  out["finish_reason"] = answer.finish_reason;
  out["intervention"] = request.intervention.canonical(model.config.num_hidden_layers);
  out["activations"] = name_of(options.model.activation_type());
  if (!options.model.on_cpu()) out["device"] = options.model.device;
  out["timing"] = {{"prefill_tps", rate(stats.prefill_tokens, stats.prefill_seconds)},
                   {"decode_tps", rate(stats.decode_tokens, stats.decode_seconds)}};
  fmt::print("{}\n", json_text(out));
}

void run(const GenerateOptions& options) {
  const AskedInterventions asked = parse_interventions({options.intervene});
  const auto opened = open_running(options.model);
  RunningModel& model = *opened;
  const AnswerEnds ends = answer_ends(model.files, options.stop);
  const std::vector<std::int32_t> eos = options.eos_of(model.files);
  GenerationRequest request;
  request.intervention = asked.one_for_model(model.files);
  const ReadPrompt prompt = options.prompt.read(model.files, {&request.intervention, 1});
  request.prompt = prompt.tokens;
  request.target = prompt.aim(request.intervention);
  request.max_new_tokens = options.max_new_tokens;
  request.sampling = options.sampling;
  add_ends(request, model.files, ends, eos);
  const std::int64_t context = options.model.context_for(model.files.config);
  const auto needed =
      std::min(context, static_cast<std::int64_t>(request.prompt.size()) + request.max_new_tokens);
  Scheduler scheduler(model.transformer,
                      {1, context, kv_budget(options.model, model.transformer, 1, needed)});
  scheduler.check(request.prompt, request.intervention);

  std::optional<AnswerStream> stream;
  if (!options.json) stream.emplace(model.files.need_tokenizer("print token ids with --json"), ends, eos);
  const auto on_token = [&](const GeneratedToken& generated) {
    const std::int32_t token = generated.token;
    if (!stream) return;
    const std::string text = stream->push(token);
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  };
  GenerationResult result;
  bool given = false;
  scheduler.run([&]() { return std::exchange(given, true) ? std::nullopt : std::optional(request); },
                [&](GenerationResult&& r) { result = std::move(r); }, on_token);
  if (stream) {
    fmt::print("{}\n", stream->finish());
  } else {
    print_json(model.files, options, ends, request, result, scheduler.stats());
  }
}

// --batch, which takes the place of the prompt, and what goes with it.
void add_batch(CLI::App& command, CLI::Option_group& prompt, GenerateOptions& options) {
  CLI::Option* batch =
      prompt
          .add_option(
              "--batch", options.batch,
              "Many prompts: lines {\"prompt\": TEXT} or {\"messages\": [..]}, answered as such lines")
          ->check(not_empty())
          ->type_name("FILE.jsonl");
  command
      .add_option("-o,--output", options.output, "File for the answers of --batch (default: standard output)")
      ->needs(batch)
      ->check(not_empty())
      ->type_name("FILE");
  command
      .add_option("--batch-size", options.batch_size,
                  "Prompts of --batch computed at once; does not change answers")
      ->needs(batch)
      ->capture_default_str()
      ->check(whole_number(1, 4096));
}

}  // namespace

void add_stop(CLI::App& command, std::vector<std::string>& stop) {
  command
      .add_option("--stop", stop,
                  "A text, or the name of a special token such as <|im_end|>, that ends the answer; several "
                  "times")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->check(not_empty())
      ->type_name("TEXT");
}

AnswerEnds answer_ends(const OpenModel& model, const std::vector<std::string>& stop) {
  if (stop.empty()) return {};
  return AnswerEnds(model.need_tokenizer("leave out --stop"), stop);
}

void add_ends(GenerationRequest& request, const OpenModel& model, const AnswerEnds& ends,
              const std::vector<std::int32_t>& eos) {
  request.stop_tokens = eos;  // without a tokenizer there are no others
  if (model.tokenizer) refocus::add_ends(request, *model.tokenizer, ends, eos);
}

Action add_generate(CLI::App& command) {
  auto options = std::make_shared<GenerateOptions>();
  options->model.add_model(command);
  CLI::Option_group* prompt = options->prompt.add(command);
  add_batch(command, *prompt, *options);
  command.add_option("-n,--max-new-tokens", options->max_new_tokens, "Most tokens to generate")
      ->capture_default_str()
      ->check(whole_number(1, 1 << 24));
  add_intervention(command, options->intervene);
  add_sampling(command, options->sampling);
  command.add_flag("--ignore-eos", options->ignore_eos, "Go on after an end-of-sequence token");
  add_stop(command, options->stop);
  command.add_flag("--json", options->json, "Print one JSON object with tokens, text and timing")
      ->excludes(prompt->get_option("--batch"));
  options->model.add_running(command);
  options->model.add_shared(command);
  return [options, &command] {
    warn_of_unused_sampling(command, options->sampling);
    options->batch.empty() ? run(*options) : generate_batch(*options);
  };
}

}  // namespace refocus::cli
