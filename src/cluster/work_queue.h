// What is still to be done, by group: units of a group have something in common that is computed once where
// they are done together, such as the worked examples that their prompts begin with.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace refocus {

struct WorkUnit {
  std::string group;    // what it shares with others
  std::string payload;  // what to do, for whoever does it
};

class WorkQueue {
 public:
  // Groups in the order in which they first occur, each with its units in their order.
  explicit WorkQueue(std::vector<WorkUnit> units);

  // The next units for a worker, at most `wanted`, and at most half of its share of what is left, so that all
  // end at about the same time; none where nothing is left. It goes on with its own group; after that with
  // one that nobody has, and where there is none, it helps with the one that has the most left.
  std::vector<std::string> take(int worker, std::int64_t wanted, int workers);

  std::int64_t left() const { return left_; }

 private:
  struct Group {
    std::deque<std::string> units;
    bool taken = false;
  };

  std::size_t group_for(int worker) const;

  std::vector<Group> groups_;
  std::vector<std::size_t> of_worker_;  // [workers]: the group that it is at; beyond the last one for none
  std::int64_t left_ = 0;
};

}  // namespace refocus
