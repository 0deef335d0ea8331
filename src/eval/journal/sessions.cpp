#include "eval/journal/sessions.h"

#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <span>
#include <vector>

#include "base/error.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;

// What may change the last bits of numbers, and how it is called.
constexpr std::pair<const char*, const char*> kComputation[] = {{"instruction_set", "instruction set"},
                                                                {"bf16_products", "bf16 products"},
                                                                {"version", "program version"},
                                                                {"commit", "commit"},
                                                                {"build", "build"}};

// A text of a session, or of its machine; empty where it does not say.
std::string text_of(const ordered_json& session, const char* key) {
  if (!session.is_object()) return "";
  if (const auto at = session.find(key); at != session.end() && at->is_string())
    return at->get<std::string>();
  const auto machine = session.find("machine");
  return machine == session.end() ? "" : text_of(*machine, key);
}

bool asked_something(const ordered_json& session) {
  if (!session.is_object()) return true;
  const auto open = session.find(kToAsk);
  return open == session.end() || *open != 0;
}

// The different texts of the sessions that asked something, in their order.
std::vector<std::string> values_of(std::span<const ordered_json> sessions, const char* key) {
  std::vector<std::string> out;
  for (const ordered_json& session : sessions) {
    const std::string value = asked_something(session) ? text_of(session, key) : "";
    if (!value.empty() && std::ranges::find(out, value) == out.end()) out.push_back(value);
  }
  return out;
}

}  // namespace

ordered_json session_json(const SessionFacts& facts, bool in_bf16) {
  ordered_json out = ordered_json::object(), machine = ordered_json::object();
  const auto put = [](ordered_json& to, const char* key, const std::string& value) {
    if (!value.empty()) to[key] = value;
  };
  put(out, "version", facts.version);
  put(out, "commit", facts.commit);
  put(out, "build", facts.build);
  put(machine, "host", facts.host);
  put(machine, "processor", facts.processor);
  put(machine, "instruction_set", facts.instructions);
  if (in_bf16) put(machine, "bf16_products", facts.bf16_products);
  if (!machine.empty()) out["machine"] = std::move(machine);
  put(out, "command", facts.command);
  return out;
}

const ordered_json* newest_session_with(const RunRecord& record, const char* key) {
  for (auto session = record.sessions.rbegin(); session != record.sessions.rend(); ++session) {
    if (session->is_object() && session->contains(key)) return &*session;
  }
  return nullptr;
}

std::optional<std::string> other_computation(const RunRecord& record) {
  if (record.sessions.size() < 2 || !asked_something(record.sessions.back())) return std::nullopt;
  const auto before = std::span(record.sessions).first(record.sessions.size() - 1);
  std::string out;
  for (const auto& [key, name] : kComputation) {
    const std::string now = text_of(record.sessions.back(), key);
    const std::vector<std::string> known = values_of(before, key);
    if (now.empty() || known.empty() || std::ranges::find(known, now) != known.end()) continue;
    out += fmt::format("{}{} {}, now {}", out.empty() ? "" : "; ", name, fmt::join(known, " and "), now);
  }
  if (out.empty()) return std::nullopt;
  return out;
}

std::string mixed_computation(const RunRecord& record) {
  std::string out;
  for (const auto& [key, name] : kComputation) {
    const std::vector<std::string> values = values_of(record.sessions, key);
    if (values.size() < 2) continue;
    out += fmt::format("{}{} {}", out.empty() ? "" : "; ", name, fmt::join(values, " and "));
  }
  if (out.empty()) return "";
  const std::vector<std::string> hosts = values_of(record.sessions, "host");
  return fmt::format(
      "Answers differ in how they were computed: {}{}. The last bits of their numbers may differ.", out,
      hosts.empty() ? "" : fmt::format(" (on {})", fmt::join(hosts, ", ")));
}

void tell_resumed(const RunDirectory& run, std::int64_t answers) {
  if (!run.resumed()) return;
  spdlog::info("going on with the run in {}, {} answers are there{}", printable(run.path().string(), 400),
               answers, run.growth().empty() ? "" : "; new: " + run.growth());
  const auto other = other_computation(run.record());
  if (!other) return;
  spdlog::warn("answers so far are of {}; the last bits of numbers may differ", printable(*other, 400));
}

}  // namespace refocus
