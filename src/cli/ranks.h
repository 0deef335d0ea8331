// The processes that compute one model together (--pipeline, --tensor), which mpirun or srun has started.
// All run the same command on the same input; the first one alone prints and writes files.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/program.h"
#include "model/partition.h"
#include "opened/open_settings.h"

namespace refocus::cli {

// One for a command; nothing is done where the command line asks for no such processes.
class Ranks {
 public:
  // Brings the processes together, and makes all but the first one silent. UsageError where they are not as
  // many as the command line asks for.
  explicit Ranks(const CLI::App& app);
  ~Ranks();
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  // Says the failure once: by the first process, or by the one that it came to alone, which then ends all.
  // Returns where this process is alone.
  void fail(const Failure& failure) const;
};

// Whether this process is the one that prints and writes.
bool is_first_rank();

// All of standard input, on every process.
std::string standard_input();

// The partition that the settings ask for; null for a model in one process.
std::shared_ptr<ModelPartition> partition_of(const OpenSettings& settings);

}  // namespace refocus::cli
