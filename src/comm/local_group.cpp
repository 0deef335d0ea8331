#include "comm/local_group.h"

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "base/error.h"

namespace refocus {

namespace {

struct GroupFailed : std::runtime_error {
  GroupFailed() : std::runtime_error("another rank has failed") {}
};

// What the ranks of one group share.
struct Group {
  struct Letter {
    int from, tag;
    std::vector<std::byte> bytes;
  };

  explicit Group(int ranks) : size(ranks), boxes(static_cast<std::size_t>(ranks)), given(boxes.size()) {}

  // All ranks come here, then all go on. The last one does `act` while the others wait.
  template <class Act>
  void meet(const Act& act) {
    std::unique_lock lock(mutex);
    if (++arrived == size) {
      act();
      arrived = 0;
      ++meeting;
      changed.notify_all();
      return;
    }
    changed.wait(lock, [this, now = meeting] { return failed || meeting != now; });
    if (failed) throw GroupFailed();
  }
  void meet() {
    meet([] {});
  }

  const int size;
  std::mutex mutex;
  std::condition_variable changed;
  bool failed = false;
  std::vector<std::deque<Letter>> boxes;  // [ranks]
  int arrived = 0;
  std::uint64_t meeting = 0;
  std::vector<std::span<const std::byte>> given;  // [ranks], within a meeting
  std::vector<int> colours = std::vector<int>(boxes.size());
  std::map<int, std::shared_ptr<Group>> parts;  // of the last split
};

class LocalCommunicator : public Communicator {
 public:
  LocalCommunicator(std::shared_ptr<Group> group, int rank) : group_(std::move(group)), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return group_->size; }

  void send(int to, int tag, std::span<const std::byte> bytes) override {
    const std::lock_guard lock(group_->mutex);
    group_->boxes[static_cast<std::size_t>(to)].push_back({rank_, tag, {bytes.begin(), bytes.end()}});
  }

  std::optional<Message> try_receive(int from, int tag) override {
    const std::lock_guard lock(group_->mutex);
    if (group_->failed) throw GroupFailed();
    auto& box = group_->boxes[static_cast<std::size_t>(rank_)];
    const auto letter = std::ranges::find_if(box, [&](const Group::Letter& one) {
      return one.tag == tag && (from == kAnyRank || one.from == from);
    });
    if (letter == box.end()) return std::nullopt;
    Message out{letter->from, std::move(letter->bytes)};
    box.erase(letter);
    return out;
  }

  void gather_all(const std::byte* own, std::span<const std::size_t> sizes, std::byte* all) override {
    give({own, sizes[static_cast<std::size_t>(rank_)]});
    group_->meet();
    std::size_t begin = 0;
    for (std::size_t r = 0; r < sizes.size(); begin += sizes[r++]) {
      const std::span<const std::byte> from = group_->given[r];
      REFOCUS_CHECK(from.size() == sizes[r]);
      if (from.data() != all + begin && !from.empty()) std::memmove(all + begin, from.data(), from.size());
    }
    group_->meet();  // nobody changes what others still copy
  }

  void broadcast(int root, std::span<std::byte> bytes) override {
    give(bytes);
    group_->meet();
    const std::span<const std::byte> from = group_->given[static_cast<std::size_t>(root)];
    REFOCUS_CHECK(from.size() == bytes.size());
    if (rank_ != root) std::ranges::copy(from, bytes.begin());
    group_->meet();
  }

  void barrier() override { group_->meet(); }

  std::unique_ptr<Communicator> split(int colour) override {
    {
      const std::lock_guard lock(group_->mutex);
      group_->colours[static_cast<std::size_t>(rank_)] = colour;
    }
    group_->meet([&] {
      group_->parts.clear();
      for (const int one : group_->colours) {
        if (group_->parts.contains(one)) continue;
        group_->parts[one] =
            std::make_shared<Group>(static_cast<int>(std::ranges::count(group_->colours, one)));
      }
    });
    const auto before = group_->colours.begin() + rank_;
    const auto place = static_cast<int>(std::count(group_->colours.begin(), before, colour));
    auto out = std::make_unique<LocalCommunicator>(group_->parts.at(colour), place);
    group_->meet();
    return out;
  }

  [[noreturn]] void abort(int status) override { std::_Exit(status); }

 private:
  void give(std::span<const std::byte> bytes) {
    const std::lock_guard lock(group_->mutex);
    group_->given[static_cast<std::size_t>(rank_)] = bytes;
  }

  std::shared_ptr<Group> group_;
  int rank_;
};

std::vector<std::unique_ptr<Communicator>> members(const std::shared_ptr<Group>& group) {
  std::vector<std::unique_ptr<Communicator>> out;
  for (int r = 0; r < group->size; ++r) out.push_back(std::make_unique<LocalCommunicator>(group, r));
  return out;
}

}  // namespace

std::vector<std::unique_ptr<Communicator>> local_group(int ranks) {
  REFOCUS_CHECK(ranks >= 1);
  return members(std::make_shared<Group>(ranks));
}

void run_local_group(int ranks, const std::function<void(Communicator&)>& body) {
  REFOCUS_CHECK(ranks >= 1);
  const auto group = std::make_shared<Group>(ranks);
  const auto comms = members(group);
  std::vector<std::exception_ptr> failures(comms.size());
  std::vector<std::thread> threads;
  const auto fail = [&] {
    const std::lock_guard lock(group->mutex);
    group->failed = true;
    for (auto& [colour, part] : group->parts) {
      const std::lock_guard its(part->mutex);
      part->failed = true;
      part->changed.notify_all();
    }
    group->changed.notify_all();
  };
  for (std::size_t r = 0; r < comms.size(); ++r) {
    threads.emplace_back([&, r] {
      try {
        body(*comms[r]);
      } catch (const GroupFailed&) {
        // not its own
      } catch (...) {
        failures[r] = std::current_exception();
        fail();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

}  // namespace refocus
