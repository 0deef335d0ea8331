// librefocus_cluster.so: Communicator by MPI (MPI 3.1). Nothing here waits within MPI, whose waiting takes a
// whole core: what is not there yet is looked for, with pauses.
#include <mpi.h>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "base/error.h"
#include "comm/cluster_library.h"
#include "comm/patience.h"

namespace refocus {

namespace {

void check(int result, const char* what) {
  if (result == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "";
  int size = 0;
  MPI_Error_string(result, text, &size);
  throw input_error("cluster", "{} failed: {}; start the same command again, which goes on", what, text);
}

void finish(MPI_Request& request, const char* what) {
  Patience patience;
  for (int done = 0;;) {
    check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), what);
    if (done) return;
    patience.wait();
  }
}

class MpiCommunicator : public Communicator {
 public:
  MpiCommunicator(MPI_Comm comm, bool is_world) : comm_(comm), is_world_(is_world) {
    MPI_Comm_rank(comm, &rank_);
    MPI_Comm_size(comm, &size_);
    MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
  }

  ~MpiCommunicator() override {
    for (Sent& sent : sent_) finish(sent.request, "sending");
    MPI_Comm_free(&comm_);
    if (is_world_) MPI_Finalize();
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void send(int to, int tag, std::span<const std::byte> bytes) override {
    REFOCUS_CHECK(bytes.size() <= kMostBytes);
    forget_sent();
    Sent& sent = sent_.emplace_back();
    sent.bytes.assign(bytes.begin(), bytes.end());
    check(
        MPI_Isend(sent.bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, to, tag, comm_, &sent.request),
        "sending");
  }

  std::optional<Message> try_receive(int from, int tag) override {
    forget_sent();  // MPI goes on with what is under way within its calls only
    int there = 0, bytes = 0;
    MPI_Message handle = MPI_MESSAGE_NULL;
    MPI_Status status;
    check(MPI_Improbe(from == kAnyRank ? MPI_ANY_SOURCE : from, tag, comm_, &there, &handle, &status),
          "receiving");
    if (!there) return std::nullopt;
    check(MPI_Get_count(&status, MPI_BYTE, &bytes), "receiving");
    Message out{status.MPI_SOURCE, std::vector<std::byte>(static_cast<std::size_t>(bytes))};
    MPI_Request request = MPI_REQUEST_NULL;
    check(MPI_Imrecv(out.bytes.data(), bytes, MPI_BYTE, &handle, &request), "receiving");
    finish(request, "receiving");
    return out;
  }

  void gather_all(const std::byte* own, std::span<const std::size_t> sizes, std::byte* all) override {
    REFOCUS_CHECK(static_cast<int>(sizes.size()) == size_);
    std::vector<int> counts, begins;
    std::size_t begin = 0;
    for (const std::size_t size : sizes) {
      counts.push_back(static_cast<int>(size));
      begins.push_back(static_cast<int>(begin));
      begin += size;
    }
    REFOCUS_CHECK(begin <= kMostBytes);
    const int mine = counts[static_cast<std::size_t>(rank_)];
    const bool in_place = own == all + begins[static_cast<std::size_t>(rank_)];
    MPI_Request request = MPI_REQUEST_NULL;
    check(MPI_Iallgatherv(in_place ? MPI_IN_PLACE : own, mine, MPI_BYTE, all, counts.data(), begins.data(),
                          MPI_BYTE, comm_, &request),
          "gathering");
    finish(request, "gathering");
  }

  void broadcast(int root, std::span<std::byte> bytes) override {
    REFOCUS_CHECK(bytes.size() <= kMostBytes);
    MPI_Request request = MPI_REQUEST_NULL;
    check(MPI_Ibcast(bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, root, comm_, &request),
          "broadcasting");
    finish(request, "broadcasting");
  }

  void barrier() override {
    MPI_Request request = MPI_REQUEST_NULL;
    check(MPI_Ibarrier(comm_, &request), "waiting for all");
    finish(request, "waiting for all");
  }

  std::unique_ptr<Communicator> split(int group) override {
    MPI_Comm part = MPI_COMM_NULL;
    check(MPI_Comm_split(comm_, group, rank_, &part), "splitting");
    return std::make_unique<MpiCommunicator>(part, false);
  }

  [[noreturn]] void abort(int status) override {
    std::fflush(nullptr);
    MPI_Abort(MPI_COMM_WORLD, status);
    std::_Exit(status);
  }

 private:
  struct Sent {
    std::vector<std::byte> bytes;
    MPI_Request request = MPI_REQUEST_NULL;
  };

  // Messages that are on their way keep their bytes.
  void forget_sent() {
    while (!sent_.empty()) {
      int done = 0;
      check(MPI_Test(&sent_.front().request, &done, MPI_STATUS_IGNORE), "sending");
      if (!done) return;
      sent_.pop_front();
    }
  }

  MPI_Comm comm_;
  bool is_world_;
  int rank_ = 0, size_ = 1;
  std::deque<Sent> sent_;
};

void say(const char* text, char* error, std::size_t bytes) { std::snprintf(error, bytes, "%s", text); }

}  // namespace

}  // namespace refocus

extern "C" __attribute__((visibility("default"))) refocus::Communicator* refocus_cluster_communicator(
    int abi_version, char* error, std::size_t error_bytes) {
  using namespace refocus;
  if (abi_version != kClusterAbi) {
    say("expected the program and librefocus_cluster.so of one build, got two; build both anew", error,
        error_bytes);
    return nullptr;
  }
  int provided = 0;
  if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided) != MPI_SUCCESS) {
    say("expected MPI to begin, got an error; see what it says above", error, error_bytes);
    return nullptr;
  }
  if (provided < MPI_THREAD_MULTIPLE) {
    MPI_Finalize();
    say("expected an MPI that threads may use (MPI_THREAD_MULTIPLE), got one without; use Open MPI built "
        "with it",
        error, error_bytes);
    return nullptr;
  }
  MPI_Comm world = MPI_COMM_NULL;
  MPI_Comm_dup(MPI_COMM_WORLD, &world);
  return new MpiCommunicator(world, true);
}
