// The endpoints: what a request of HTTP asks for, and who answers it.
//
// POST /v1/completions, /v1/chat/completions, /tokenize, /detokenize; GET /v1/models, /v1/models/ID,
// /v1/attention/ID, /tokenizer_info, /v1/runs, /v1/runs/ID/report, /health, /metrics, /openapi.json, and /
// for people. Reading a request, its template and its tokens is one thread's work beside the sockets' and the
// model's, so that a long prompt keeps neither waiting; reports and attention are made by another.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/worker.h"
#include "server/api/access.h"
#include "server/api/attention_keeping.h"
#include "server/api/metrics.h"
#include "server/api/preparation.h"
#include "server/api/served_model.h"
#include "server/engine/engine.h"
#include "server/http/server.h"
#include "server/page/run_shelf.h"

namespace refocus::server {

struct ServiceOptions {
  AccessRules access;
  double ping_seconds = 15;      // of silence in a stream
  double request_seconds = 600;  // most for one answer
  AttentionLimits attention;
};

class Service {
 public:
  // `model` and `engine` outlive it; it outlives the server whose requests it is given.
  // `runs` may be null: none to show.
  Service(const ServedModel& model, Engine& engine, const ServiceOptions& options,
          std::unique_ptr<RunShelf> runs = nullptr);
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // For http::Server, whose counters stand among the metrics.
  std::optional<http::Response> gate(const http::Head& head) const;
  void handle(http::Request&& request, std::shared_ptr<http::Reply> reply);
  void set_counters(std::function<http::Counters()> counters) { counters_ = std::move(counters); }
  // To be called about once a second.
  void on_time();

 private:
  using Reply = std::shared_ptr<http::Reply>;

  // Sends what `answer` gives, if it gives anything, or what it throws as an error of the API.
  void send(const http::Head& head, const Reply& reply,
            const std::function<std::optional<http::Response>()>& answer) const;
  http::Response answer_get(const http::Head& head);
  void send_attention(const http::Head& head, const Reply& reply);
  http::Response report(const std::string& path) const;
  void answer_post(const http::Request& request, const std::shared_ptr<http::Reply>& reply);
  template <class Request>
  void generate(const Request& request, const http::Request& sent, const std::shared_ptr<http::Reply>& reply);
  std::unique_ptr<AttentionKeeping> keep_attention(const std::optional<openai::AttentionRequest>& request,
                                                   const Prepared& prepared);
  std::string next_id(const char* prefix);

  const ServedModel& model_;
  Engine& engine_;
  const ServiceOptions options_;
  std::function<http::Counters()> counters_;
  Metrics metrics_;
  AttentionStore attention_;
  std::vector<std::shared_ptr<http::Reply>> sending_;  // attention, on the thread of slow_

  std::mutex mutex_;
  std::vector<std::weak_ptr<Answering>> answering_;
  std::uint64_t count_ = 0;
  const std::uint64_t start_;
  std::unique_ptr<RunShelf> runs_;
  Worker slow_;     // what takes long and waits for nobody: reports, attention
  Worker reading_;  // all else; the last members, since their work uses the others
};

}  // namespace refocus::server
