// The processes that this one was started with, by mpirun or srun: who leads, which of them compute a model
// together, whether all are alike, and how all stop together (docs/cluster.md).
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cluster/roll_call.h"
#include "cluster/team.h"
#include "cluster/work_share.h"
#include "comm/communicator.h"
#include "comm/launch.h"
#include "model/partition.h"
#include "opened/open_settings.h"

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
  int size() const { return comm_->size(); }
  const std::string& name() const { return name_; }  // "rank 3 (node7)"
  Communicator& comm() { return *comm_; }

  // Once the logger is what the command line wants: messages are the leader's, who has the same to say.
  void log_leader_only() const;

  // From here on the command is one that several teams may share; otherwise all processes are one team.
  void share_command() { is_shared_ = true; }
  bool is_shared() const { return is_shared_; }
  // Whether others may wait for this process in calls of their common model, where no roll call reaches them.
  bool is_in_step() const { return !called_ && (partitioned_ || !is_shared_); }

  // The processes of a model as the settings ask for them: neighbours. Once, collective. UsageError where
  // they are not as many as can be teams of that size, or one such team.
  std::shared_ptr<ModelPartition> partition(const OpenSettings& settings);

  // Once, by all, before anything is asked or written: refuses processes that are not alike in program,
  // instruction set, and `facts`. The share that the leader gives work through; null on the others, which
  // serve(). `ahead`: WorkShare::Options::ahead.
  WorkShare* begin(const std::vector<RollFact>& facts, std::int64_t ahead);
  // Of those that do not lead: does what the leader gives until there is no more.
  void serve(const WorkOf& work_of);

  // For a command that has failed before it began to share: so that the others do not wait. A process in
  // step with others, whose failure may be its own alone, says so and ends all.
  void tell_failure(const std::string& message, int status);

 private:
  std::unique_ptr<Communicator> comm_;
  std::string host_, name_;
  bool is_shared_ = false, called_ = false, partitioned_ = false;
  std::unique_ptr<Team> team_;            // null where every process has a whole model
  std::unique_ptr<Communicator> takers_;  // the first ones of all teams
  std::unique_ptr<WorkShare> share_;      // of these
};

// How the processes of a run must be alike: its settings and questions, its model's files, and where
// activations are `in_bf16`, what multiplies them.
std::vector<RollFact> facts_of(const nlohmann::ordered_json& identity, bool in_bf16);

// Whether this process is the one that prints and writes.
bool is_first_rank();

// All of standard input, on every process: a launcher gives it to the first one alone.
std::string standard_input();

// The partition that the settings ask for; null for a model in one process.
std::shared_ptr<ModelPartition> partition_of(const OpenSettings& settings);

}  // namespace refocus::cli
