#include "server/api/service.h"

#include <algorithm>
#include <ctime>
#include <random>

#include "base/error.h"
#include "server/api/attention_response.h"
#include "server/api/responses.h"
#include "server/http/field.h"
#include "server/openai/model_answers.h"
#include "server/openai/openapi.h"
#include "server/page/chat_page.h"

namespace refocus::server {
namespace {

constexpr std::string_view kModelPath = "/v1/models/", kRunPath = "/v1/runs/", kReport = "/report";
constexpr std::size_t kMostSending = std::size_t{256}
                                     << 20;  // bytes of attention that clients have not taken

struct Route {
  std::string_view path, method;
};
constexpr Route kRoutes[] = {{"/v1/completions", "POST"},
                             {"/v1/chat/completions", "POST"},
                             {"/tokenize", "POST"},
                             {"/detokenize", "POST"},
                             {"/v1/models", "GET"},
                             {"/tokenizer_info", "GET"},
                             {"/health", "GET"},
                             {"/metrics", "GET"},
                             {"/openapi.json", "GET"},
                             {"/v1/runs", "GET"},
                             {"/", "GET"}};

bool is_report(std::string_view path) {
  return path.starts_with(kRunPath) && path.ends_with(kReport) &&
         path.size() > kRunPath.size() + kReport.size();
}

std::optional<std::string_view> method_of(std::string_view path) {
  for (const Route& route : kRoutes) {
    if (route.path == path) return route.method;
  }
  if (path.starts_with(kModelPath) || path.starts_with(kAttentionPath) || is_report(path)) return "GET";
  return std::nullopt;
}

http::Response no_route(const http::Head& head) {
  return error_response(openai::ApiError(
      {.status = 404, .code = "not_found"},
      fmt::format(
          "expected an endpoint, got '{}'; known ones: /v1/models, /v1/completions, /v1/chat/completions, "
          "/tokenize, /detokenize, /tokenizer_info, /v1/attention/ID, /v1/runs, /health, /metrics, "
          "/openapi.json",
          printable(head.path, 80))));
}

http::Response wrong_method(const http::Head& head, std::string_view method) {
  http::Response out =
      error_response(openai::ApiError({.status = 405, .code = "method_not_allowed"},
                                      fmt::format("expected {} for {}, got {}; use that", method,
                                                  printable(head.path, 80), printable(head.method, 20))));
  out.headers.emplace_back("Allow", std::string(method));
  return out;
}

openai::ApiError no_run() {
  return openai::ApiError({.status = 404, .code = "not_found"},
                          "expected a run of GET /v1/runs, got another; runs are those of --runs DIR");
}

// What every answer has.
http::Fields common_headers(const http::Head& head, const AccessRules& rules) {
  http::Fields out = cors_headers(head, rules);
  out.emplace_back("X-Content-Type-Options", "nosniff");
  return out;
}
void add_common(http::Response& response, const http::Head& head, const AccessRules& rules) {
  for (auto& field : common_headers(head, rules)) response.headers.push_back(std::move(field));
}

void check_tokens(const std::vector<std::int32_t>& tokens, const ServedModel& model) {
  const auto beyond =
      std::ranges::find_if(tokens, [&](std::int32_t id) { return id >= model.config.vocab_size; });
  if (beyond == tokens.end()) return;
  throw openai::bad_request(fmt::format("tokens[{}]", beyond - tokens.begin()),
                            "expected token ids from 0 to {} (the vocabulary), got {}; correct the id",
                            model.config.vocab_size - 1, *beyond);
}

// What X-Refocus-Intervene says. A header may come twice, and then the first would silently win.
std::optional<std::string> intervene_header(const http::Head& head) {
  std::optional<std::string> out;
  for (const auto& [name, value] : head.headers) {
    if (name != http::lower_case(openai::kInterveneHeader)) continue;
    if (out && *out != value) {
      throw openai::bad_request(
          openai::kInterveneHeader,
          "expected one intervention, got '{}' and '{}' from two headers {}; leave one of them out",
          printable(*out, 200), printable(value, 200), openai::kInterveneHeader);
    }
    out = value;
  }
  return out;
}

AnswerForm form_of(const openai::CompletionRequest& request) {
  AnswerForm out;
  out.echo = request.echo;
  return out;
}
AnswerForm form_of(const openai::ChatRequest&) {
  AnswerForm out;
  out.kind = openai::ChunkWriter::Kind::kChat;
  return out;
}

}  // namespace

Service::Service(const ServedModel& model, Engine& engine, const ServiceOptions& options,
                 std::unique_ptr<RunShelf> runs)
    : model_(model),
      engine_(engine),
      options_(options),
      attention_(options.attention.store, options.attention.seconds),
      start_(std::uint64_t{std::random_device()()} << 32 | std::random_device()()),
      runs_(std::move(runs)) {}

std::optional<http::Response> Service::gate(const http::Head& head) const {
  if (head.method == "OPTIONS") return std::nullopt;
  auto refusal = refusal_of(head, options_.access, head.path == "/health" || head.path == "/");
  if (!refusal) {
    const auto method = method_of(head.path);
    const bool fits = method && (head.method == *method || (head.method == "HEAD" && *method == "GET"));
    if (!method) refusal = no_route(head);
    if (method && !fits) refusal = wrong_method(head, *method);
  }
  if (!refusal) refusal = refusal_of_type(head);
  if (refusal) add_common(*refusal, head, options_.access);
  return refusal;
}

void Service::handle(http::Request&& request, std::shared_ptr<http::Reply> reply) {
  if (request.head.method == "OPTIONS") return reply->send(preflight(request.head, options_.access));
  const std::string& path = request.head.path;
  Worker& worker = is_report(path) || path.starts_with(kAttentionPath) ? slow_ : reading_;
  worker.post([this, request = std::move(request), reply = std::move(reply)] {
    send(request.head, reply, [&]() -> std::optional<http::Response> {
      if (request.head.method == "POST") {
        answer_post(request, reply);
      } else if (request.head.path.starts_with(kAttentionPath)) {
        send_attention(request.head, reply);
      } else {
        return answer_get(request.head);
      }
      return std::nullopt;
    });
  });
}

void Service::send(const http::Head& head, const Reply& reply,
                   const std::function<std::optional<http::Response>()>& answer) const {
  if (reply->gone()) return;
  std::optional<http::Response> response;
  try {
    response = answer();
  } catch (const openai::ApiError& e) {
    response = error_response(e);
  } catch (const InputError& e) {
    response = error_response(openai::api_error(e));
  } catch (const std::exception& e) {
    // No request ends the program: what nothing expected is this one's failure.
    response = error_response(
        openai::ApiError({.status = 500, .type = "server_error"}, "server", printable(e.what(), 200)));
  }
  if (!response) return;
  add_common(*response, head, options_.access);
  reply->send(std::move(*response));
}

http::Response Service::report(const std::string& path) const {
  const std::string_view id = std::string_view(path).substr(kRunPath.size());
  const ListedRun* run = runs_ ? runs_->find(id.substr(0, id.size() - kReport.size())) : nullptr;
  if (run == nullptr) throw no_run();
  return page_response(report_of(*run));
}

void Service::on_time() {
  attention_.on_time();
  std::vector<std::weak_ptr<Answering>> alive;
  {
    const std::lock_guard lock(mutex_);
    alive.swap(answering_);
  }
  std::erase_if(alive, [&](const auto& weak) {
    const auto answering = weak.lock();
    return !answering || !answering->on_time(options_.ping_seconds, options_.request_seconds);
  });
  const std::lock_guard lock(mutex_);
  answering_.insert(answering_.end(), alive.begin(), alive.end());
}

std::string Service::next_id(const char* prefix) {
  const std::lock_guard lock(mutex_);
  return fmt::format("{}-{:016x}{:08x}", prefix, start_, ++count_);
}

// What clients have not taken yet is held beside the store, so that is bounded too.
void Service::send_attention(const http::Head& head, const Reply& reply) {
  std::erase_if(sending_, [](const auto& other) { return other->unsent() == 0; });
  std::size_t unsent = 0;
  for (const auto& other : sending_) unsent += other->unsent();
  if (unsent > kMostSending) {
    throw openai::ApiError({.status = 429, .type = "rate_limit_error", .code = "attention_full"}, "server",
                           "expected room for attention on its way, got as much as may be; try again later");
  }
  http::Response response = attention_response(
      head, attention_, {model_.version, model_.names.served(), &model_.config, &model_.tokenizer});
  add_common(response, head, options_.access);
  reply->send(std::move(response));
  sending_.push_back(reply);
}

http::Response Service::answer_get(const http::Head& head) {
  const std::string& path = head.path;
  const openai::ModelFacts facts{model_.created, engine_.context(), model_.config.num_hidden_layers,
                                 model_.config.num_attention_heads, model_.chat_template != nullptr};
  if (path == "/") return chat_page();
  if (path == "/v1/runs") return json_response(runs_ ? runs_->list_text() : R"({"object":"list","data":[]})");
  if (is_report(path)) return report(path);
  if (path == "/health") return json_response(openai::health_answer(true));
  if (path == "/openapi.json") return json_response(std::string(openai::openapi_text()));
  if (path == "/metrics") {
    return {200,
            {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}},
            metrics_.text(engine_.stats(), counters_ ? counters_() : http::Counters{}, attention_)};
  }
  if (path == "/tokenizer_info") {
    return json_response(openai::tokenizer_info_answer(model_.tokenizer, engine_.context()));
  }
  if (path == "/v1/models") return json_response(openai::models_answer(model_.names, facts));
  return json_response(
      openai::model_answer(model_.names, model_.names.find(path.substr(kModelPath.size())), facts));
}

std::unique_ptr<AttentionKeeping> Service::keep_attention(
    const std::optional<openai::AttentionRequest>& request, const Prepared& prepared) {
  if (!request) return nullptr;
  const KeeperModel shape = keeper_model(engine_.model());
  AttentionSubject subject{{}, prepared.max_tokens, prepared.n, prepared.intervention};
  for (const PreparedPrompt& prompt : prepared.prompts) subject.prompts.push_back(std::ssize(prompt.tokens));
  return std::make_unique<AttentionKeeping>(plan_attention(*request, subject, shape, options_.attention),
                                            prepared.n, shape, attention_);
}

template <class Request>
void Service::generate(const Request& request, const http::Request& sent,
                       const std::shared_ptr<http::Reply>& reply) {
  metrics_.count_ignored(request.ignored.size());
  const std::optional<std::string> header = intervene_header(sent.head);
  Prepared prepared = prepare(request, model_, engine_, header);
  AnswerForm form = form_of(request);
  const bool chat = form.kind == openai::ChunkWriter::Kind::kChat;
  form.head = {next_id(chat ? "chatcmpl" : "cmpl"), std::time(nullptr),
               request.model.empty() ? model_.names.served() : request.model,
               model_.fingerprint(prepared.canonical)};
  form.headers = common_headers(sent.head, options_.access);
  form.ignored = request.ignored;
  form.stream = request.stream;
  form.include_usage = request.include_usage;
  form.prompt_logprobs = request.prompt_logprobs.has_value();
  form.prompt_candidates = request.prompt_logprobs;
  auto keeping = keep_attention(request.refocus.attention, prepared);
  const auto answering = std::make_shared<Answering>(std::move(prepared), std::move(form), std::move(keeping),
                                                     model_.tokenizer, engine_, reply);
  answering->on_end([this](const AnswerTimes& times) { metrics_.add(times); });
  {
    const std::lock_guard lock(mutex_);
    answering_.push_back(answering);
  }
  answering->begin();
}

void Service::answer_post(const http::Request& request, const std::shared_ptr<http::Reply>& reply) {
  const std::string& path = request.head.path;
  if (path == "/v1/completions")
    return generate(openai::read_completion_request(request.body), request, reply);
  if (path == "/v1/chat/completions")
    return generate(openai::read_chat_request(request.body), request, reply);
  std::string body;
  if (path == "/tokenize") {
    const openai::TokenizeRequest asked = openai::read_tokenize_request(request.body);
    model_.names.find(asked.model);
    body = openai::tokenize_answer(asked, model_.tokenizer, tokens_of(asked, model_), engine_.context());
  } else {
    const openai::DetokenizeRequest asked = openai::read_detokenize_request(request.body);
    model_.names.find(asked.model);
    check_tokens(asked.tokens, model_);
    body = openai::detokenize_answer(model_.tokenizer.decode(asked.tokens));
  }
  http::Response response = json_response(std::move(body));
  add_common(response, request.head, options_.access);
  reply->send(std::move(response));
}

}  // namespace refocus::server
