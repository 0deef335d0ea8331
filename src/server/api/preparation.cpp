#include "server/api/preparation.h"

#include <algorithm>
#include <variant>

#include "base/error.h"
#include "intervene/read_prompt.h"
#include "server/openai/api_error.h"

namespace refocus::server {
namespace {

const ChatTemplate& template_of(const ServedModel& model) {
  if (model.chat_template) return *model.chat_template;
  throw openai::bad_request(
      "messages",
      "expected a model with a chat template, got one without; use /v1/completions, or start "
      "the server with --chat-template FILE");
}

struct Conversation {
  const std::vector<ChatMessage>& messages;
  bool generation_prompt = true;
  nlohmann::ordered_json arguments = nullptr;
};
Prompt prompt_of(const Conversation& conversation, const ServedModel& model) {
  ChatSettings settings = model.chat;
  settings.generation_prompt = conversation.generation_prompt;
  if (settings.arguments.is_null()) settings.arguments = nlohmann::ordered_json::object();
  if (conversation.arguments.is_object()) settings.arguments.update(conversation.arguments);
  if (!settings.date) settings.date = today();
  return template_of(model).apply(conversation.messages, settings).prompt;
}

// Text that is read as `refocus generate` reads it: special tokens in it are read.
struct Read {
  Prompt pieces;
  PromptEnds ends = PromptEnds::kModel;
};

PreparedPrompt prepared(const ReadPrompt& read, const InterventionSpec& spec) {
  return {read.tokens, read.encoded.text, read.aim(spec)};
}

PreparedPrompt prepared(Read read, const ServedModel& model, const InterventionSpec& spec) {
  return prepared(read_prompt(model.tokenizer, std::move(read.pieces), read.ends, {&spec, 1}), spec);
}

PreparedPrompt prepared(const openai::PromptInput& input, bool special, const ServedModel& model,
                        const InterventionSpec& spec) {
  if (const auto* tokens = std::get_if<std::vector<std::int32_t>>(&input))
    return prepared(read_prompt(*tokens, &model.tokenizer), spec);
  if (const auto* text = std::get_if<std::string>(&input)) {
    return prepared(Read{{template_piece(*text)}, special ? PromptEnds::kModel : PromptEnds::kNone}, model,
                    spec);
  }
  const auto& messages = std::get<std::vector<ChatMessage>>(input);
  return prepared(Read{prompt_of({messages}, model), PromptEnds::kBegin}, model, spec);
}

// What completions and chats share; prompts and limits follow.
Prepared common(const openai::GenerationRequest& request, const ServedModel& model,
                const std::optional<std::string>& header) {
  Prepared out;
  const openai::ServedModel served = model.names.find(request.model);
  const auto canonical = [&](const std::string& spec) { return model.canonical(spec); };
  const auto spec = openai::intervention_of({served.spec, request.refocus.intervene, header}, canonical);
  out.intervention = model.intervention(spec.value_or("none"));
  out.canonical = out.intervention.canonical(model.config.num_hidden_layers);
  out.sampling = {request.sampling.temperature, request.sampling.top_k, request.sampling.top_p,
                  request.sampling.min_p, static_cast<std::uint64_t>(request.sampling.seed.value_or(0))};
  out.n = request.n;
  out.priority = request.priority;
  if (!request.stop.empty()) out.ends = AnswerEnds(model.tokenizer, request.stop);
  out.eos = model.eos;
  out.prompt_logprobs = request.prompt_logprobs;
  return out;
}

// Refuses before anything is computed what would fail on its way.
void check(const Prepared& prepared, const Engine& engine) {
  const std::size_t sequences = prepared.prompts.size() * static_cast<std::size_t>(prepared.n);
  if (sequences > engine.queue_limit()) {  // a later try would find no more room
    throw openai::bad_request(
        "n", "expected at most {} sequences a request (prompts times 'n'), got {}; send several requests",
        engine.queue_limit(), sequences);
  }
  for (const PreparedPrompt& prompt : prepared.prompts) {
    const std::int64_t count = std::ssize(prompt.tokens);
    if (count + prepared.max_tokens > engine.context())
      throw openai::context_length_error(count, prepared.max_tokens, engine.context());
    engine.check(prompt.tokens, prepared.intervention, prepared.max_tokens);
  }
}

}  // namespace

Prepared prepare(const openai::CompletionRequest& request, const ServedModel& model, const Engine& engine,
                 const std::optional<std::string>& header) {
  Prepared out = common(request, model, header);
  for (const openai::PromptInput& input : request.prompts) {
    out.prompts.push_back(prepared(input, request.add_special_tokens, model, out.intervention));
    const bool tokens = std::holds_alternative<std::vector<std::int32_t>>(input);
    if (request.echo && tokens) {
      engine.check(out.prompts.back().tokens, {}, 0);  // before its ids are read
      out.prompts.back().text = model.tokenizer.decode(out.prompts.back().tokens);
    }
  }
  out.max_tokens = request.max_tokens;
  out.logprobs = request.logprobs;
  if (request.echo && request.logprobs) {
    out.prompt_logprobs = std::max(*request.logprobs, out.prompt_logprobs.value_or(0));
  }
  check(out, engine);
  return out;
}

Prepared prepare(const openai::ChatRequest& request, const ServedModel& model, const Engine& engine,
                 const std::optional<std::string>& header) {
  Prepared out = common(request, model, header);
  const Conversation conversation{request.messages, request.add_generation_prompt,
                                  request.template_arguments};
  out.prompts.push_back(
      prepared(Read{prompt_of(conversation, model), PromptEnds::kBegin}, model, out.intervention));
  const std::int64_t room = engine.most_tokens() - std::ssize(out.prompts.back().tokens);
  out.max_tokens = request.max_tokens.value_or(std::max<std::int64_t>(1, room));
  if (request.logprobs) out.logprobs = request.top_logprobs;
  check(out, engine);
  return out;
}

std::vector<std::int32_t> tokens_of(const openai::TokenizeRequest& request, const ServedModel& model) {
  if (const auto* messages = std::get_if<std::vector<ChatMessage>>(&request.prompt)) {
    const Conversation conversation{*messages, request.add_generation_prompt, request.template_arguments};
    return encode_prompt(model.tokenizer, prompt_of(conversation, model),
                         request.add_special_tokens ? PromptEnds::kBegin : PromptEnds::kNone)
        .tokens;
  }
  const std::string& text = std::get<std::string>(request.prompt);
  const Prompt pieces = {request.parse_special.value_or(true) ? template_piece(text) : data_piece(text)};
  return encode_prompt(model.tokenizer, pieces,
                       request.add_special_tokens ? PromptEnds::kModel : PromptEnds::kNone)
      .tokens;
}

std::vector<Job> jobs_of(const Prepared& prepared, const Tokenizer& tokenizer) {
  std::vector<Job> out;
  for (const PreparedPrompt& prompt : prepared.prompts) {
    for (std::int64_t j = 0; j < prepared.n; ++j) {
      GenerationRequest request;
      request.stream = static_cast<std::uint64_t>(j);
      request.prompt = prompt.tokens;
      request.max_new_tokens = std::max<std::int64_t>(1, prepared.max_tokens);
      request.shared_prefix = std::ssize(prompt.tokens);
      request.intervention = prepared.intervention;
      request.target = prompt.target;
      request.sampling = prepared.sampling;
      add_ends(request, tokenizer, prepared.ends, prepared.eos);
      request.top_logprobs = prepared.logprobs;
      request.prompt_top_logprobs = prepared.prompt_logprobs;
      out.push_back({std::move(request), nullptr, nullptr, nullptr, prepared.priority});
    }
  }
  return out;
}

}  // namespace refocus::server
