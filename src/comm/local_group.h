// Ranks that are threads of one process: for tests of what many processes do, and for what is measured
// without a network.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "comm/communicator.h"

namespace refocus {

// One communicator a rank. abort() ends the whole process.
std::vector<std::unique_ptr<Communicator>> local_group(int ranks);

// Calls body(communicator) on a thread for each rank, and waits for all. The first exception, by rank, is
// rethrown; the others must not wait for that rank for ever, so their waiting calls throw then.
void run_local_group(int ranks, const std::function<void(Communicator&)>& body);

}  // namespace refocus
