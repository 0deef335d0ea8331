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

}  // namespace refocus
