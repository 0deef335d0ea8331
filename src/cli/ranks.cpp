#include "cli/ranks.h"

#include <fcntl.h>
#include <spdlog/sinks/null_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <optional>
#include <thread>

#include "base/error.h"
#include "comm/cluster_library.h"
#include "comm/launch.h"

namespace refocus::cli {

namespace {

// How long a process that fails waits for the first one to fail in the same way, and to say so.
constexpr std::chrono::seconds kOthersFailToo{5};

std::unique_ptr<Communicator> world;  // null where the process is alone

// The value of an option of a command that was asked for, or 1.
std::int64_t asked_number(const CLI::App& app, const std::string& name) {
  for (const CLI::App* command : app.get_subcommands()) {
    if (const std::int64_t found = asked_number(*command, name); found > 1) return found;
    const CLI::Option* option = command->get_option_no_throw(name);
    if (option != nullptr && option->count() > 0) return option->as<std::int64_t>();
  }
  return 1;
}

void be_silent() {
  const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (nowhere >= 0) ::dup2(nowhere, STDOUT_FILENO);
  if (nowhere > STDERR_FILENO) ::close(nowhere);
  auto logger = std::make_shared<spdlog::logger>("refocus", std::make_shared<spdlog::sinks::null_sink_mt>());
  logger->set_level(spdlog::level::off);
  spdlog::set_default_logger(std::move(logger));
}

std::string host_name() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return name;
}

}  // namespace

Ranks::Ranks(const CLI::App& app) {
  const std::int64_t pipeline = asked_number(app, "--pipeline"), tensor = asked_number(app, "--tensor"),
                     wanted = pipeline * tensor;
  if (wanted == 1) return;
  const std::optional<Launch> launch = find_launch();
  const int size = launch ? launch->size : 1;
  const std::string option = tensor == 1     ? fmt::format("--pipeline {}", pipeline)
                             : pipeline == 1 ? fmt::format("--tensor {}", tensor)
                                             : fmt::format("--pipeline {} --tensor {}", pipeline, tensor);
  if (launch && launch->rank > 0) be_silent();
  if (size != wanted) {
    // The first one says it; a launcher that sees another one fail would end it before it has.
    if (launch && launch->rank > 0) std::_Exit(0);
    throw usage_error(option, "expected {} processes, got {}; start with mpirun -n {} or srun -n {}", wanted,
                      size, wanted, wanted);
  }
  world = open_cluster();
}

Ranks::~Ranks() { world = nullptr; }

void Ranks::fail(const Failure& failure) const {
  if (world == nullptr) return;
  std::fflush(stdout);
  std::string who;
  if (world->rank() > 0) {
    // Most errors come to all; the first process then says it, and ends all.
    std::this_thread::sleep_for(kOthersFailToo);
    who = fmt::format("rank {} ({}): ", world->rank(), host_name());
  }
  std::fprintf(stderr, "refocus: %s%s\n", who.c_str(), printable(failure.message, kMostShownOfError).c_str());
  world->abort(failure.status);
}

bool is_first_rank() { return world == nullptr || world->rank() == 0; }

std::string standard_input() {
  // The launcher gives it to the first process alone.
  const auto read = [] { return std::string(std::istreambuf_iterator<char>(std::cin), {}); };
  if (world == nullptr) return read();
  return broadcast_text(*world, 0, is_first_rank() ? read() : std::string());
}

std::shared_ptr<ModelPartition> partition_of(const OpenSettings& settings) {
  if (settings.pipeline * settings.tensor == 1) return nullptr;
  if (world == nullptr) {
    throw usage_error("--pipeline, --tensor",
                      "expected the program started with mpirun or srun, got a call within another program; "
                      "leave them out");
  }
  return std::make_shared<ModelPartition>(world->split(0), settings.pipeline, settings.tensor);
}

}  // namespace refocus::cli
