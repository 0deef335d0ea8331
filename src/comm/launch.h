// Whether this process was started as one of several that belong together.
#pragma once

#include <optional>
#include <string>

namespace refocus {

struct Launch {
  std::string by;  // "mpirun", "srun"
  int rank = 0, size = 1;
};

// Nothing for a process that stands alone, also within a batch script of Slurm, which is one process of a
// job. InputError where srun started several processes that MPI would not bring together (--mpi=none).
std::optional<Launch> find_launch();

// Whether it is the first of those that were started together, or stands alone: the one that speaks for all
// where all would say the same. Does not throw.
bool is_first_process();

}  // namespace refocus
