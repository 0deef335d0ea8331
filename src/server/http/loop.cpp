#include "server/http/loop.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace refocus::http {
namespace {

constexpr int kAcceptedInOneTurn = 64;
// Connections beyond the limit that are being told so at one moment; more are closed without a word.
constexpr std::size_t kRefusedAtOnce = 64;
// How long to wait where the system has no descriptor for a new connection: it stays in the backlog.
constexpr std::chrono::milliseconds kAcceptPause(200);
constexpr double kLongest = 1e6;  // seconds that fit into every clock

Clock::duration clock_duration(double seconds) {
  const double bounded = seconds > 0 ? std::min(seconds, kLongest) : 0;  // not a number counts as 0
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(bounded));
}

}  // namespace

Server::Loop::Loop(Hall hall) : hall_(std::move(hall)) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) != 0) {
    throw input_error("server",
                      "expected to open a pipe, got '{}'; raise the limit of open files (ulimit -n)",
                      std::strerror(errno));
  }
  signal_read_ = Descriptor(ends[0]);
  signal_write_ = Descriptor(ends[1]);
}

Server::Loop::~Loop() { close_all(); }

std::uint16_t Server::Loop::listen(const std::string& address, std::uint16_t port) {
  listeners_.push_back(listen_on(address, port));
  return listeners_.back().port;
}

void Server::Loop::stop(double grace_seconds) {
  post([this, grace_seconds] { begin_stop(grace_seconds); });
}

void Server::Loop::every(double seconds, std::function<void()> call) {
  post([this, seconds, call = std::move(call)] {
    const Clock::duration period = clock_duration(std::max(seconds, 0.001));
    timers_.push_back({period, Clock::now() + period, call});
  });
}

Counters Server::Loop::counters() const {
  const Tally& tally = hall_.mailbox->tally;
  Counters now;
  now.connections_open = tally.connections_open;
  now.connections_accepted = tally.connections_accepted;
  now.connections_refused = tally.connections_refused;
  for (std::size_t i = 0; i < tally.responses.size(); ++i) now.responses[i] = tally.responses[i];
  now.bytes_in = tally.bytes_in;
  now.bytes_out = tally.bytes_out;
  now.failures = tally.failures;
  return now;
}

void Server::Loop::run() {
  do {
    turn();
  } while (!stop_at_ || !guests_.empty());
  close_all();
}

void Server::Loop::turn() {
  wait_for_events();
  const std::size_t first_guest = 2 + listeners_.size();
  // Guests first: mail and new connections change their list, and the events are theirs in its order.
  std::size_t at = first_guest;
  for (auto& [id, guest] : guests_) {
    const short events = polled_[at++].revents;
    if (events != 0) guest.connection->on_events(events);
  }
  const Clock::time_point now = Clock::now();
  for (std::size_t i = 0; i < listeners_.size(); ++i) {
    if (polled_[2 + i].revents != 0) accept_from(listeners_[i]);
  }
  if (polled_[0].revents != 0) read_mail();
  if (polled_[1].revents != 0) read_signal();
  run_timers(now);
  for (auto& [id, guest] : guests_) guest.connection->on_time(now);
  if (stop_at_ && *stop_at_ <= now) {
    for (auto& [id, guest] : guests_) guest.connection->drop();
  }
  std::erase_if(guests_, [&](const auto& entry) {
    if (!entry.second.connection->closed()) return false;
    if (entry.second.refused) --refused_;
    return true;
  });
}

void Server::Loop::wait_for_events() {
  polled_.clear();
  polled_.push_back({hall_.mailbox->fd(), POLLIN, 0});
  polled_.push_back({signal_read_.get(), POLLIN, 0});
  const bool accepts = Clock::now() >= accept_after_;
  for (const Listener& listener : listeners_) {
    polled_.push_back({listener.socket.get(), static_cast<short>(accepts ? POLLIN : 0), 0});
  }
  for (const auto& [id, guest] : guests_)
    polled_.push_back({guest.connection->fd(), guest.connection->events(), 0});
  if (::poll(polled_.data(), polled_.size(), timeout()) < 0) {
    for (pollfd& one : polled_) one.revents = 0;  // interrupted by a signal
  }
}

// Milliseconds until something is due, rounded up so that it is due then; -1 where nothing is.
int Server::Loop::timeout() const {
  const Clock::time_point now = Clock::now();
  Clock::time_point next = Clock::time_point::max();
  if (accept_after_ > now) next = accept_after_;
  if (stop_at_) next = std::min(next, *stop_at_);
  for (const Timer& timer : timers_) next = std::min(next, timer.next);
  for (const auto& [id, guest] : guests_) next = std::min(next, guest.connection->deadline());
  if (next == Clock::time_point::max()) return -1;
  if (next <= now) return 0;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - now).count();
  return static_cast<int>(std::min<long long>(left, 60 * 60 * 1000));
}

void Server::Loop::read_mail() {
  const Mailbox::Mail mail = hall_.mailbox->take();
  for (const std::uint64_t id : mail.connections) {
    if (const auto found = guests_.find(id); found != guests_.end()) found->second.connection->on_answer();
  }
  for (const auto& function : mail.calls) call(function);
}

void Server::Loop::read_signal() {
  std::array<char, 64> bytes{};
  const ssize_t got = ::read(signal_read_.get(), bytes.data(), bytes.size());
  if (got > 0) begin_stop(got > 1 || stop_at_ ? 0 : hall_.limits.signal_grace);
}

void Server::Loop::begin_stop(double grace_seconds) {
  const Clock::time_point at = Clock::now() + clock_duration(grace_seconds);
  if (stop_at_) {
    stop_at_ = std::min(*stop_at_, at);
    return;
  }
  stop_at_ = at;
  hall_.stopping = true;
  hall_.mailbox->stopping = true;
  listeners_.clear();
  for (auto& [id, guest] : guests_) guest.connection->stop();
}

void Server::Loop::accept_from(const Listener& listener) {
  for (int i = 0; i < kAcceptedInOneTurn; ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    Descriptor socket(::accept4(listener.socket.get(), reinterpret_cast<sockaddr*>(&address), &size,
                                SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket.get() >= 0) {
      admit(std::move(socket), address);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      accept_after_ = Clock::now() + kAcceptPause;  // poll would say at once that there is one
      return;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return;
    }
    // Other errors are of a connection that was given up before it was taken.
  }
}

void Server::Loop::admit(Descriptor socket, const sockaddr_storage& address) {
  const bool refused = guests_.size() - refused_ >= hall_.limits.connections;
  ++(refused ? hall_.mailbox->tally.connections_refused : hall_.mailbox->tally.connections_accepted);
  if (refused && refused_ >= kRefusedAtOnce) return;
  set_up_connection(socket.get());
  const std::uint64_t id = next_id_++;
  auto connection = std::make_unique<Connection>(hall_, id, std::move(socket), peer_name(address));
  if (refused) {
    ++refused_;
    connection->refuse({503, fmt::format("expected at most {} connections, got one more; try again later",
                                         hall_.limits.connections)},
                       {{"Retry-After", "1"}});
  }
  guests_.emplace(id, Guest{std::move(connection), refused});
}

void Server::Loop::run_timers(Clock::time_point now) {
  for (std::size_t i = 0; i < timers_.size(); ++i) {
    if (timers_[i].next > now) continue;
    timers_[i].next = now + timers_[i].period;
    call(timers_[i].call);
  }
}

void Server::Loop::call(const std::function<void()>& function) {
  try {
    function();
  } catch (...) {
    ++hall_.mailbox->tally.failures;
  }
}

void Server::Loop::close_all() {
  hall_.mailbox->close();
  for (auto& [id, guest] : guests_) guest.connection->drop();
  guests_.clear();
  listeners_.clear();
  timers_.clear();
}

}  // namespace refocus::http
