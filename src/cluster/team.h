// Processes that do each unit of work together, in step, since they compute one model (model/partition.h):
// the first one takes units, and tells the others which.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "comm/communicator.h"

namespace refocus {

// What a process does in a phase: takes units' payloads until there are none for good, and gives results, in
// any order; a result need not be of one unit alone. Both are called on the thread that computes.
using NextUnit = std::function<std::optional<std::string>()>;
using GiveResult = std::function<void(std::string result)>;
using DoWork = std::function<void(const NextUnit& next, const GiveResult& give)>;

// What a process does in a phase, by its name.
using WorkOf = std::function<DoWork(const std::string& phase)>;

class Team {
 public:
  explicit Team(std::unique_ptr<Communicator> ranks) : ranks_(std::move(ranks)) {}
  // The leader tells the others that there is no more.
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  bool leads() const { return ranks_->rank() == 0; }

  // The leader's: does the work, and so do the others, with the same units. What `next` throws ends it for
  // all; `give` must not throw, since the others would go on.
  void lead(const std::string& phase, const DoWork& work, const NextUnit& next, const GiveResult& give);

  // The others', whose results are dropped: returns when the leader ends. Stopped where the leader's work
  // ended by an error or a signal, which is the leader's to tell.
  void follow(const WorkOf& work_of);

 private:
  void tell(std::int64_t kind, const std::string& text = {});

  std::unique_ptr<Communicator> ranks_;
};

}  // namespace refocus
