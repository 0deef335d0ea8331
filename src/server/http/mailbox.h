// What other threads leave for the thread of the sockets, and how they wake it.
//
// It is shared by the server and its replies, and lives as long as one of them: a reply that outlives the
// server leaves its word in a closed box.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace refocus::http {

// Counted since the server was made; any thread may read and write.
struct Tally {
  std::atomic<std::uint64_t> connections_open{0}, connections_accepted{0}, connections_refused{0};
  std::array<std::atomic<std::uint64_t>, 6> responses{};  // by the status's first digit
  std::atomic<std::uint64_t> bytes_in{0}, bytes_out{0};
  std::atomic<std::uint64_t> failures{0};  // exceptions out of handlers and callbacks

  void count_response(int status) {
    if (status >= 100 && status < 600) ++responses[static_cast<std::size_t>(status) / 100];
  }
};

// A descriptor that is closed at the end.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { close(); }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  int get() const { return fd_; }
  void close();

 private:
  int fd_;
};

class Mailbox {
 public:
  struct Mail {
    std::vector<std::uint64_t> connections;  // whose replies have something to send
    std::vector<std::function<void()>> calls;
  };

  // InputError where the process may open no more files.
  Mailbox();

  void answer_ready(std::uint64_t connection);
  void post(std::function<void()> call);

  int fd() const { return wake_.get(); }  // readable when there is mail
  Mail take();
  void close();  // what comes later is dropped

  Tally tally;
  // Answers that begin from now on say that the connection will be closed.
  std::atomic<bool> stopping{false};

 private:
  void wake();

  Descriptor wake_;
  std::mutex mutex_;
  Mail mail_;
  bool closed_ = false;
};

}  // namespace refocus::http
