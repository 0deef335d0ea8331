#include "comm/launch.h"

#include <charconv>
#include <cstdlib>
#include <cstring>

#include "base/error.h"

namespace refocus {

namespace {

std::optional<int> number_of(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  int out = 0;
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, out);
  if (error != std::errc() || stop != end || out < 0) return std::nullopt;
  return out;
}

std::optional<Launch> launch_of(const char* by, const char* rank, const char* size) {
  const auto its_rank = number_of(rank), its_size = number_of(size);
  if (!its_rank || !its_size || *its_size < 1 || *its_rank >= *its_size) return std::nullopt;
  return Launch{by, *its_rank, *its_size};
}

}  // namespace

std::optional<Launch> find_launch() {
  // Open MPI's launcher sets the first ones. Under srun the process manager's interface is what MPI finds the
  // others by: PMIx, or PMI-2; a step of several tasks without either would be as many programs that do not
  // know of one another.
  if (auto launch = launch_of("mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE")) return launch;
  if (std::getenv("SLURM_STEP_ID") == nullptr) return std::nullopt;
  auto launch = launch_of("srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS");
  if (!launch || launch->size == 1) return std::nullopt;
  if (std::getenv("PMIX_RANK") == nullptr && std::getenv("PMI_RANK") == nullptr) {
    throw input_error("srun",
                      "expected tasks that MPI can bring together, got {} without it; start them with "
                      "srun --mpi=pmix",
                      launch->size);
  }
  return launch;
}

bool is_first_process() {
  if (const auto launch = launch_of("mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"))
    return launch->rank == 0;
  if (std::getenv("SLURM_STEP_ID") == nullptr) return true;
  return number_of("SLURM_PROCID").value_or(0) == 0;
}

}  // namespace refocus
