#include "server/api/metrics.h"

#include <algorithm>

#include <fmt/format.h>

namespace refocus::server {
namespace {

template <class Number>
std::string one(const char* kind, const std::string& name, const std::string& help, Number value) {
  return fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n{0} {3}\n", name, help, kind, value);
}

}  // namespace

void Histogram::add(double seconds) {
  const auto bound = std::ranges::lower_bound(kBounds, seconds);
  ++counts_[static_cast<std::size_t>(bound - kBounds.begin())];
  sum_ += seconds;
}

std::string Histogram::text(const std::string& name, const std::string& help) const {
  std::string out = fmt::format("# HELP {0} {1}\n# TYPE {0} histogram\n", name, help);
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < kBounds.size(); ++i) {
    below += counts_[i];
    out += fmt::format("{}_bucket{{le=\"{}\"}} {}\n", name, kBounds[i], below);
  }
  below += counts_.back();
  return out + fmt::format("{0}_bucket{{le=\"+Inf\"}} {1}\n{0}_sum {2}\n{0}_count {1}\n", name, below, sum_);
}

void Metrics::add(const AnswerTimes& times) {
  const std::lock_guard lock(mutex_);
  first_token_.add(times.first_token);
  whole_.add(times.whole);
  ++answers_;
  tokens_ += static_cast<std::uint64_t>(times.tokens);
}

void Metrics::count_ignored(std::size_t fields) {
  const std::lock_guard lock(mutex_);
  ignored_ += fields;
}

std::string Metrics::text(const EngineStats& engine, const http::Counters& http,
                          const AttentionStore& attention) const {
  const std::lock_guard lock(mutex_);
  std::string out;
  out += one("counter", "refocus_answers_total", "Requests whose answer was computed whole.", answers_);
  out += one("counter", "refocus_generated_tokens_total", "Tokens of these answers.", tokens_);
  out += one("counter", "refocus_ignored_fields_total", "Unknown fields of requests.", ignored_);
  out += one("counter", "refocus_prefill_tokens_total", "Tokens of prompts that were computed.",
             engine.scheduler.prefill_tokens);
  out += one("counter", "refocus_decode_tokens_total", "Tokens that were computed one by one.",
             engine.scheduler.decode_tokens);
  out += one("counter", "refocus_preemptions_total", "Sequences that gave way for want of memory.",
             engine.scheduler.preemptions);
  out +=
      one("counter", "refocus_sequences_cancelled_total", "Sequences whose client went.", engine.cancelled);
  out += one("counter", "refocus_sequences_failed_total", "Sequences that failed.", engine.failed);
  out += one("counter", "refocus_queue_full_total", "Requests refused for a full queue.", engine.refused);
  out += one("gauge", "refocus_sequences_queued", "Sequences that wait to be taken.", engine.queued);
  out += one("gauge", "refocus_sequences_running", "Sequences that are being computed.", engine.running);
  out += one("gauge", "refocus_kv_peak_bytes", "Most memory of keys and values so far.",
             engine.scheduler.peak_kv_bytes);
  out += one("gauge", "refocus_attention_kept", "Choices whose attention is kept.", attention.count());
  out += one("gauge", "refocus_attention_bytes", "Bytes of attention that is kept.", attention.bytes());
  out += one("gauge", "refocus_connections_open", "Connections.", http.connections_open);
  out +=
      one("counter", "refocus_connections_accepted_total", "Connections so far.", http.connections_accepted);
  out += one("counter", "refocus_connections_refused_total", "Connections beyond the limit.",
             http.connections_refused);
  out +=
      "# HELP refocus_responses_total Responses by class of status.\n# TYPE refocus_responses_total "
      "counter\n";
  for (int i = 2; i <= 5; ++i) {
    out += fmt::format("refocus_responses_total{{class=\"{}xx\"}} {}\n", i, http.responses[i]);
  }
  out += one("counter", "refocus_received_bytes_total", "Bytes received.", http.bytes_in);
  out += one("counter", "refocus_sent_bytes_total", "Bytes sent.", http.bytes_out);
  out += one("counter", "refocus_defects_total", "Exceptions that nothing expected.", http.failures);
  out += first_token_.text("refocus_first_token_seconds", "From a request to its first token.");
  out += whole_.text("refocus_answer_seconds", "From a request to the end of its answer.");
  return out;
}

}  // namespace refocus::server
