// refocus serve: one model for many clients, through the API of OpenAI (server/api/service.h).
#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include <csignal>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <sstream>

#include "base/error.h"
#include "base/text_file.h"
#include "cli/checks.h"
#include "cli/command.h"
#include "cli/commit.h"
#include "cli/model_hashes.h"
#include "cli/options/asking_options.h"
#include "cli/options/chat_options.h"
#include "cli/options/model_options.h"
#include "intervene/grammar/named.h"
#include "kernels/instruction_set.h"
#include "server/api/responses.h"
#include "server/api/service.h"

#include <unistd.h>

namespace refocus::cli {
namespace {

struct ServeOptions {
  ModelOptions model;
  ChatOptions chat;
  std::string host = "127.0.0.1", name, key_file, runs;
  int port = 8080;
  std::vector<std::string> arms, hosts, origins;
  bool no_free_specs = false;
  std::int64_t sequences = 64, queue = 1024;
  http::Limits limits;
  double request_seconds = 600, ping_seconds = 15;
  server::AttentionLimits attention;
};

// Of arms such as "reb=rebalance:alpha=0.2".
std::vector<openai::ModelAlias> aliases_of(const std::vector<std::string>& arms) {
  for (const std::string& arm : arms) {
    if (end_of_arm_name(arm) != std::string::npos) continue;
    throw usage_error("--arm", "expected NAME=SPEC, such as reb=rebalance:alpha=0.2, got '{}'",
                      printable(arm, 80));
  }
  std::vector<openai::ModelAlias> out;
  for (const WrittenIntervention& arm : parse_named_interventions(arms, "--arm")) {
    const std::string& text = arms[out.size()];
    out.push_back({arm.name.empty() ? "none" : arm.name, text.substr(end_of_arm_name(text) + 1)});
  }
  return out;
}

// What clients call the model: --name, or the file or directory it is in.
std::string served_name(const ServeOptions& options, const OpenModel& model) {
  if (!options.name.empty()) return options.name;
  std::filesystem::path path = model.directory;
  if (path.filename().empty()) path = path.parent_path();
  return path.extension() == ".gguf" ? path.stem().string() : path.filename().string();
}

std::vector<std::string> keys_of(const ServeOptions& options) {
  std::vector<std::string> out;
  if (const char* key = std::getenv("REFOCUS_API_KEY"); key != nullptr && *key != '\0') out.emplace_back(key);
  if (!options.key_file.empty()) {
    std::istringstream lines(read_text_file(options.key_file));
    for (std::string line; std::getline(lines, line);) {
      if (line.ends_with('\r')) line.pop_back();
      if (!line.empty()) out.push_back(line);
    }
    if (out.empty()) {
      throw input_error(options.key_file, "expected a key on each line, got none; write one");
    }
  }
  return out;
}

server::AccessRules access_of(const ServeOptions& options) {
  server::AccessRules out{keys_of(options), options.hosts, options.origins};
  if (!server::is_loopback(options.host)) {
    if (out.keys.empty()) {
      throw usage_error(
          "--host",
          "expected an API key for an address that others can reach, got none for {}; give --api-key-file "
          "FILE, or listen on 127.0.0.1",
          printable(options.host, 80));
    }
    out.hosts.push_back(options.host);
  }
  return out;
}

// All that decides an answer beside the request.
std::string identity_of(const ServeOptions& options, RunningModel& model) {
  std::string out = std::string("refocus " REFOCUS_VERSION " ") + REFOCUS_COMMIT + " " + instruction_set();
  out += fmt::format(" {} {} {}", name_of(options.model.activation_type()), options.model.kv_name(),
                     options.model.context_for(model.files.config));
  for (const auto& [kind, files] : hash_model_files(model.files.files, model.pool)) {
    for (const auto& [name, hash] : files) out += " " + hash;
  }
  return out;
}

int stop_descriptor = -1;

extern "C" void stop_by_signal(int) {
  const char byte = 0;
  // Nothing can be done about a failure here, and none can happen while the pipe has room.
  if (write(stop_descriptor, &byte, 1) < 0) return;
}

void stop_on_signals(const http::Server& server) {
  stop_descriptor = server.stop_descriptor();
  struct sigaction action {};
  action.sa_handler = stop_by_signal;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaction(signal, &action, nullptr);
}

// Where clients ask, for programs on standard output; the page is for people.
void say_address(const std::string& host, std::uint16_t port) {
  const bool six = host.find(':') != std::string::npos;
  const std::string address = fmt::format("http://{}{}{}:{}", six ? "[" : "", host, six ? "]" : "", port);
  spdlog::info("page: {}/", address);
  fmt::print("{}/v1\n", address);
  std::fflush(stdout);
}

void run(const ServeOptions& options) {
  const server::AccessRules access = access_of(options);
  std::vector<openai::ModelAlias> aliases = aliases_of(options.arms);
  std::unique_ptr<server::RunShelf> runs;
  if (!options.runs.empty()) runs = std::make_unique<server::RunShelf>(options.runs);
  const auto opened = open_running(options.model);
  RunningModel& model = *opened;
  const Tokenizer& tokenizer = model.files.need_tokenizer("serve a model that has one");
  ChatSettings chat = options.chat.settings(today());
  if (options.chat.date.empty()) chat.date.reset();  // the day of each request
  const std::int64_t context = options.model.context_for(model.files.config);
  const server::ServedModel served{
      tokenizer,
      model.files.config,
      model.files.eos_ids,
      options.chat.find(model.files),
      chat,
      openai::ModelNames(served_name(options, model.files), aliases, !options.no_free_specs),
      identity_of(options, model),
      std::time(nullptr),
      REFOCUS_VERSION};
  for (const openai::ModelAlias& alias : aliases)
    served.canonical(alias.spec);  // refused now, not when asked for
  server::Engine engine(
      model.transformer,
      {options.sequences, context, kv_budget(options.model, model.transformer, options.sequences, context),
       static_cast<std::size_t>(options.queue)});
  server::Service service(served, engine,
                          {access, options.ping_seconds, options.request_seconds, options.attention},
                          std::move(runs));
  const auto error = [](int status, std::string_view message) {
    const openai::ApiFault fault{.status = status, .code = "http_error"};
    return server::error_response(fault, "[request] " + std::string(message));
  };
  http::Server http(
      options.limits, [&](const http::Head& head) { return service.gate(head); },
      [&](http::Request&& request, std::shared_ptr<http::Reply> reply) {
        service.handle(std::move(request), std::move(reply));
      },
      error);
  service.set_counters([&] { return http.counters(); });
  const std::uint16_t port = http.listen(options.host, static_cast<std::uint16_t>(options.port));
  http.every(1, [&] { service.on_time(); });
  stop_on_signals(http);
  for (const openai::ServedModel& name : served.names.listed()) spdlog::info("serves {}", name.id);
  say_address(options.host, port);
  http.run();
  engine.stop();
  spdlog::info("stopped");
}

void add_access(CLI::App& command, ServeOptions& options) {
  command.add_option("--host", options.host, "Address to listen on; one that others can reach needs a key")
      ->capture_default_str()
      ->check(not_empty())
      ->type_name("ADDRESS");
  command.add_option("--port", options.port, "Port; 0: any that is free")
      ->capture_default_str()
      ->check(whole_number(0, 65535))
      ->type_name("N");
  command
      .add_option("--api-key-file", options.key_file,
                  "Keys that clients must give, a line each; also the variable REFOCUS_API_KEY")
      ->check(not_empty())
      ->type_name("FILE");
  command
      .add_option("--allow-host", options.hosts,
                  "A name that clients may call the server by, beside this machine's own; *: any")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("NAME");
  command
      .add_option("--cors-origin", options.origins,
                  "An origin whose pages may ask, such as https://example.org; *: any")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("ORIGIN");
}

void add_limits(CLI::App& command, ServeOptions& options) {
  command.add_option("--sequences", options.sequences, "Sequences computed at once; does not change answers")
      ->capture_default_str()
      ->check(whole_number(1, 4096))
      ->type_name("N");
  command.add_option("--queue", options.queue, "Sequences that may wait; one more is answered 429")
      ->capture_default_str()
      ->check(whole_number(1, 1 << 20))
      ->type_name("N");
  command
      .add_option("--connections", options.limits.connections,
                  "Connections at once; one more is answered 503")
      ->capture_default_str()
      ->check(whole_number(1, 60000))
      ->type_name("N");
  command.add_option("--body-bytes", options.limits.body, "Longest body of a request")
      ->capture_default_str()
      ->check(whole_number<std::size_t>(1024, std::size_t{1} << 30))
      ->type_name("N");
  command.add_option("--request-seconds", options.request_seconds, "Longest time for one answer")
      ->capture_default_str()
      ->check(number(1, 1e6))
      ->type_name("X");
  command
      .add_option("--ping-seconds", options.ping_seconds,
                  "Silence of a stream after which a comment says that the server is there")
      ->capture_default_str()
      ->check(number(1, 1e6))
      ->type_name("X");
}

void add_attention_limits(CLI::App& command, server::AttentionLimits& limits) {
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  command.add_option("--attention-bytes", limits.bytes, "Most attention that a request may have kept")
      ->capture_default_str()
      ->check(whole_number<std::int64_t>(1024, kMost))
      ->type_name("N");
  command.add_option("--attention-store", limits.store, "Bytes of attention that are kept at a time")
      ->capture_default_str()
      ->check(whole_number<std::int64_t>(1024, kMost))
      ->type_name("N");
  command
      .add_option("--attention-seconds", limits.seconds,
                  "Time that attention is kept after it was last asked for")
      ->capture_default_str()
      ->check(number(1, 1e6))
      ->type_name("X");
}

}  // namespace

Action add_serve(CLI::App& command) {
  auto options = std::make_shared<ServeOptions>();
  options->model.add_model(command);
  command
      .add_option("--name", options->name,
                  "What clients call the model (default: its file's or directory's name)")
      ->check(not_empty())
      ->type_name("NAME");
  command
      .add_option("--arm", options->arms, "Serve an intervention as the model MODEL@NAME too; several times")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("NAME=SPEC");
  command
      .add_option("--runs", options->runs,
                  "A directory with runs of refocus eval, which the page lists, with their reports")
      ->check(not_empty())
      ->type_name("DIR");
  command.add_flag("--no-free-specs", options->no_free_specs,
                   "Serve no model MODEL@SPEC beside the arms that are named");
  options->chat.add_settings(command);
  add_access(command, *options);
  add_limits(command, *options);
  add_attention_limits(command, options->attention);
  options->model.add_running(command);
  return [options] { run(*options); };
}

}  // namespace refocus::cli
