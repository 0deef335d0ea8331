#include "cli/cluster_run.h"

#include <fmt/core.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "base/error.h"
#include "base/machine.h"
#include "base/stopped.h"
#include "cli/cluster_session.h"
#include "cli/interrupt.h"
#include "cli/program.h"
#include "comm/cluster_library.h"

namespace refocus::cli {

namespace {

std::string shared_commands() {
  std::string out;
  for (const std::string_view name : command_names()) {
    if (find_command(name)->is_shared) out += (out.empty() ? "" : ", ") + std::string(name);
  }
  return out;
}

// A rank that cannot speak to the others has to say itself why.
std::unique_ptr<Communicator> open_own(const Launch& launch) {
  try {
    return open_cluster();
  } catch (const InputError& error) {
    if (launch.rank > 0) {
      fmt::print(stderr, "refocus: rank {} ({}): {}\n", launch.rank, host_name(),
                 printable(error.what(), 2000));
    }
    throw;
  }
}

int say_stopped() {
  const int signal = interrupt_signal();
  fmt::print(stderr,
             "refocus: stopped by {}; finished answers are kept, and the same command goes on from there\n",
             signal != 0 ? ::strsignal(signal) : "a signal on another machine");
  return signal == SIGINT ? 128 + SIGINT : 0;
}

}  // namespace

void refuse_in_cluster(const Launch& launch, const CommandEntry& command) {
  throw usage_error(launch.by, "expected a command that several processes share ({}), got {}; start it alone",
                    shared_commands(), command.name);
}

int run_in_cluster(const Launch& launch, const std::function<int()>& body) {
  ClusterSession session(launch, open_own(launch));
  try {
    const int status = body();
    return session.leads() ? status : 0;
  } catch (const Stopped&) {
    if (!session.is_shared()) session.comm().abort(128 + std::max(interrupt_signal(), 1));
    return session.leads() ? say_stopped() : 0;
  } catch (const RollRefused&) {
    return 0;
  } catch (const std::exception& error) {
    const Failure failure = failure_of(error);
    const bool in_step = session.is_in_step();
    session.tell_failure(failure.message, failure.status);
    if (!session.leads()) return 0;
    // Now: the others may be in the middle of a long step, and MPI ends when all have come.
    say_failure(failure);
    if (in_step) session.comm().abort(failure.status);
    return failure.status;
  }
}

}  // namespace refocus::cli
