// Messages between the processes (ranks) that do one piece of work together, in the words of MPI. What sends
// them is a library that is loaded where processes were started together (comm/mpi), or threads
// (local_group.h).
//
// One object is for one thread at a time; different objects may be used by different threads at once. A lost
// rank is not an exception that the caller could go on after: the library ends the process or the call
// throws.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace refocus {

struct Message {
  int from = 0;
  std::vector<std::byte> bytes;
};

class Communicator {
 public:
  static constexpr int kAnyRank = -1;
  // Of one message, and of what one rank gives to a collective call.
  static constexpr std::size_t kMostBytes = std::size_t{1} << 30;

  virtual ~Communicator() = default;

  virtual int rank() const = 0;  // [0, size())
  virtual int size() const = 0;

  // Copies the bytes and returns at once. Messages from one rank to another arrive, tag by tag, in order.
  // `tag` is 0 to 1000.
  virtual void send(int to, int tag, std::span<const std::byte> bytes) = 0;

  // The next message with the tag, from a rank or from any; nothing where none is here.
  virtual std::optional<Message> try_receive(int from, int tag) = 0;

  // Waits for it: attentively at first (tens of microseconds), then with ever longer sleeps, up to half a
  // millisecond.
  Message receive(int from, int tag);

  // Collective: every rank calls them, in the same order, with the same sizes. They wait as receive() does.
  //
  // Puts what each rank has, `sizes[rank]` bytes, one after the other into `all` on every rank. `own` may lie
  // in `all`, at its own place.
  virtual void gather_all(const std::byte* own, std::span<const std::size_t> sizes, std::byte* all) = 0;
  // Gives every rank what `root` has.
  virtual void broadcast(int root, std::span<std::byte> bytes) = 0;
  virtual void barrier() = 0;

  // The ranks that give the same group, in their order here, as a communicator of their own. Collective.
  virtual std::unique_ptr<Communicator> split(int group) = 0;

  // Ends all processes at once, wherever they are.
  [[noreturn]] virtual void abort(int status) = 0;
};

// A text to every rank: what `root` has. Collective.
std::string broadcast_text(Communicator& comm, int root, const std::string& text);

// The texts of all ranks, on every rank. Collective.
std::vector<std::string> gather_texts(Communicator& comm, const std::string& own);

}  // namespace refocus
