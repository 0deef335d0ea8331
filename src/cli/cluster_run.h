// A command as one of several processes.
#pragma once

#include <functional>

#include "cli/commands.h"
#include "comm/launch.h"

namespace refocus::cli {

// Runs the body, which gives an exit status, in a ClusterSession. Only the leader speaks, also of the
// others' errors. The exit status: the body's; 0 also where all were told to stop, since
// the same command then goes on; and of the others always, so that no launcher ends the leader before it has
// spoken.
int run_in_cluster(const Launch& launch, const std::function<int()>& body);

// UsageError: several processes cannot share the command.
[[noreturn]] void refuse_in_cluster(const Launch& launch, const CommandEntry& command);

}  // namespace refocus::cli
