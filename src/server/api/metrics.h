// What a server has done, as Prometheus reads it (text format 0.0.4). No label has a value from a request.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <string>

#include "server/api/answering.h"
#include "server/api/attention_store.h"
#include "server/engine/engine.h"
#include "server/http/server.h"

namespace refocus::server {

class Histogram {
 public:
  static constexpr std::array<double, 12> kBounds = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                                     0.5,   1,    2.5,   5,    10,  60};

  void add(double seconds);
  std::string text(const std::string& name, const std::string& help) const;

 private:
  std::array<std::uint64_t, kBounds.size() + 1> counts_{};
  double sum_ = 0;
};

// All of any thread.
class Metrics {
 public:
  void add(const AnswerTimes& times);
  void count_ignored(std::size_t fields);
  std::string text(const EngineStats& engine, const http::Counters& connections,
                   const AttentionStore& attention) const;

 private:
  mutable std::mutex mutex_;
  Histogram first_token_, whole_;
  std::uint64_t answers_ = 0, tokens_ = 0, ignored_ = 0;
};

}  // namespace refocus::server
