// The processes that this one was started with, by mpirun or srun: who leads, whether all are alike, and how
// all stop together (docs/cluster.md).
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cluster/roll_call.h"
#include "cluster/work_share.h"
#include "comm/communicator.h"
#include "comm/launch.h"

namespace refocus::cli {

class ClusterSession {
 public:
  // Of this process; null where it stands alone.
  static ClusterSession* current();

  // Collective. The processors that several processes of a machine may use become everyone's in equal parts,
  // and from here on signals that end a process (and SIGUSR1, which batch systems send before a time limit)
  // make all stop in order.
  ClusterSession(const Launch& launch, std::unique_ptr<Communicator> comm);
  ~ClusterSession();
  ClusterSession(const ClusterSession&) = delete;
  ClusterSession& operator=(const ClusterSession&) = delete;

  bool leads() const { return comm_->rank() == 0; }
  int rank() const { return comm_->rank(); }
  int size() const { return comm_->size(); }

  // Once, by all, before anything is asked or written: refuses processes that are not alike in program,
  // instruction set, and `facts`. Returns the share that they work through. `ahead`:
  // WorkShare::Options::ahead.
  WorkShare& begin(const std::vector<RollFact>& facts, std::int64_t ahead);
  // For a command that has failed: so that the others do not wait for its answer. Does nothing after begin().
  void tell_failure(const std::string& message);

 private:
  std::unique_ptr<Communicator> comm_;
  std::string host_;
  bool called_ = false;
  std::unique_ptr<WorkShare> share_;
};

// How the processes of a run must be alike: its settings and questions, its model's files, and where
// activations are `in_bf16`, what multiplies them.
std::vector<RollFact> facts_of(const nlohmann::ordered_json& identity, bool in_bf16);

}  // namespace refocus::cli
