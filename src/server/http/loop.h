// The thread of the sockets: waits for them, for other threads and for time, and moves connections on.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include <poll.h>

#include "server/http/connection.h"
#include "server/http/listener.h"
#include "server/http/server.h"

namespace refocus::http {

class Server::Loop {
 public:
  explicit Loop(Hall hall);
  ~Loop();

  std::uint16_t listen(const std::string& address, std::uint16_t port);
  void run();
  void stop(double grace_seconds);
  int stop_descriptor() const { return signal_write_.get(); }
  void post(std::function<void()> call) { hall_.mailbox->post(std::move(call)); }
  void every(double seconds, std::function<void()> call);
  Counters counters() const;

 private:
  struct Guest {
    std::unique_ptr<Connection> connection;
    bool refused = false;  // beyond the limit: only to be told so
  };
  struct Timer {
    Clock::duration period;
    Clock::time_point next;
    std::function<void()> call;
  };

  void turn();
  void wait_for_events();
  int timeout() const;
  void read_mail();
  void read_signal();
  void begin_stop(double grace_seconds);
  void accept_from(const Listener& listener);
  void admit(Descriptor socket, const sockaddr_storage& address);
  void run_timers(Clock::time_point now);
  void call(const std::function<void()>& function);
  void close_all();

  Hall hall_;
  Descriptor signal_read_, signal_write_;
  std::vector<Listener> listeners_;
  std::map<std::uint64_t, Guest> guests_;
  std::size_t refused_ = 0;  // of guests_
  std::uint64_t next_id_ = 1;
  std::vector<Timer> timers_;
  std::vector<pollfd> polled_;  // mailbox, signal, listeners, guests in their order
  Clock::time_point accept_after_;
  std::optional<Clock::time_point> stop_at_;  // when what is in flight is broken off
};

}  // namespace refocus::http
