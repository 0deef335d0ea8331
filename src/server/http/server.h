// A server of HTTP/1.1 (RFC 9110, 9112) on poll(2): one thread has all sockets, and a connection costs no
// other. It knows nothing of what is served. No TLS: that is a reverse proxy's work.
//
// Requests of one connection are answered one after the other; what a client sends ahead waits in the kernel.
// Nothing of a request is trusted, and no request ends the program: what is no HTTP, too long, too slow or
// too much is answered with a status (request_parser.h, Limits), and the connection is closed once the client
// had the time to read it.
//
// A client that closes is noticed within one turn of poll, in every state. One that closes its sending half
// alone (as `nc -N` does) looks the same until something is sent to it; since what it asked for may take
// minutes of all processors, it counts as gone and is reset, unless its answer is complete by then, as it is
// where the handler answers at once.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "server/http/limits.h"
#include "server/http/message.h"
#include "server/http/reply.h"

namespace refocus::http {

// As of one moment, since the server was made.
struct Counters {
  std::uint64_t connections_open = 0;
  std::uint64_t connections_accepted = 0;
  std::uint64_t connections_refused = 0;  // beyond Limits::connections; not among the accepted
  std::uint64_t responses[6] = {};        // by the first digit of their status, the server's own included
  std::uint64_t bytes_in = 0, bytes_out = 0;
  std::uint64_t failures = 0;  // exceptions out of gate, handler and callbacks: defects
};

// Called on the thread of run(), as all callbacks here, so they must return at once. What they throw is
// counted; a request whose gate or handler threw is answered 500.
//
// The gate sees a request before any of its body is read. A response refuses it; the connection is closed
// after it where a body was announced.
using Gate = std::function<std::optional<Response>(const Head&)>;
// Answers at once or later, through the reply.
using Handler = std::function<void(Request&&, std::shared_ptr<Reply>)>;

class Server {
 public:
  // InputError where the process may open no more files. Without an ErrorAnswer, errors are plain text.
  Server(const Limits& limits, Gate gate, Handler handler, ErrorAnswer words = {});
  // After run() has returned, or without it.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Before run(), as often as there are addresses: IPv4, IPv6, or a name (listener.h). Port 0 is any that is
  // free; returns the port. InputError that names address, port and what to do. :: is IPv6 alone, 0.0.0.0
  // IPv4.
  std::uint16_t listen(const std::string& address, std::uint16_t port);

  // Serves on this thread until stop() and the end of what was in flight; once.
  void run();

  // Any thread, before or while run() goes. Accepts no more, closes idle connections, answers 503 to requests
  // that are being received, and lets answers in flight end for at most so many seconds; then they are broken
  // off and their replies gone. A second call can shorten the time.
  void stop(double grace_seconds);

  // For signal handlers: write(2) of one byte to it does stop(Limits::signal_grace); of another, stop(0). It
  // never blocks, and is valid as long as the server.
  int stop_descriptor() const;

  // Any thread: calls it once on the thread of run(), soon; never where run() has returned.
  void post(std::function<void()> call);
  // Any thread: calls it every so many seconds (at least 0.001) as long as run() goes.
  void every(double seconds, std::function<void()> call);

  Counters counters() const;  // any thread

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace refocus::http
