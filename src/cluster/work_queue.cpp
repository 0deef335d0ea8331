#include "cluster/work_queue.h"

#include <algorithm>
#include <map>

#include "base/error.h"

namespace refocus {

WorkQueue::WorkQueue(std::vector<WorkUnit> units) : left_(std::ssize(units)) {
  std::map<std::string, std::size_t> places;
  for (WorkUnit& unit : units) {
    const auto [place, is_new] = places.emplace(std::move(unit.group), groups_.size());
    if (is_new) groups_.emplace_back();
    groups_[place->second].units.push_back(std::move(unit.payload));
  }
}

std::size_t WorkQueue::group_for(int worker) const {
  const auto own = static_cast<std::size_t>(worker);
  if (own < of_worker_.size() && of_worker_[own] < groups_.size() &&
      !groups_[of_worker_[own]].units.empty()) {
    return of_worker_[own];
  }
  const auto untaken = std::ranges::find(groups_, false, &Group::taken);
  if (untaken != groups_.end()) return static_cast<std::size_t>(untaken - groups_.begin());
  const auto largest =
      std::ranges::max_element(groups_, {}, [](const Group& group) { return group.units.size(); });
  return static_cast<std::size_t>(largest - groups_.begin());
}

std::vector<std::string> WorkQueue::take(int worker, std::int64_t wanted, int workers) {
  REFOCUS_CHECK(worker >= 0 && workers >= 1 && wanted >= 1);
  std::vector<std::string> out;
  if (left_ == 0) return out;
  const std::int64_t most = std::min(wanted, std::max<std::int64_t>(1, left_ / (2 * workers)));
  const std::size_t at = group_for(worker);
  if (std::ssize(of_worker_) <= worker)
    of_worker_.resize(static_cast<std::size_t>(worker) + 1, groups_.size());
  of_worker_[static_cast<std::size_t>(worker)] = at;
  Group& group = groups_[at];
  group.taken = true;
  while (!group.units.empty() && std::ssize(out) < most) {
    out.push_back(std::move(group.units.front()));
    group.units.pop_front();
  }
  left_ -= std::ssize(out);
  return out;
}

}  // namespace refocus
