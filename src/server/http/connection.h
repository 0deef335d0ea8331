// One client's connection: a state that bytes, answers and time move on. All on the thread of Server::run.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/http/answer.h"
#include "server/http/mailbox.h"
#include "server/http/request_parser.h"
#include "server/http/server.h"

namespace refocus::http {

using Clock = std::chrono::steady_clock;

// What all connections of a server have in common.
struct Hall {
  Limits limits;
  Gate gate;
  Handler handler;
  std::shared_ptr<const ErrorAnswer> words;
  std::shared_ptr<Mailbox> mailbox;
  std::vector<char> scratch = std::vector<char>(std::size_t{64} << 10);  // for one read
  std::size_t bodies = 0;                                                // bytes of bodies being received
  bool stopping = false;
};

class Connection {
 public:
  Connection(Hall& hall, std::uint64_t id, Descriptor socket, std::string peer);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int fd() const { return socket_.get(); }
  bool closed() const { return state_ == State::kClosed; }
  short events() const;                // for poll
  Clock::time_point deadline() const;  // when on_time is to be called

  void on_events(short events);
  void on_answer();  // its reply has something to send
  void on_time(Clock::time_point now);

  // Answers `failure` and closes, whatever is being read.
  void refuse(const Failure& failure, Fields headers = {});
  // Takes no further request: one that is being answered is answered.
  void stop();
  // Closes at once, and lets the client see that something is missing.
  void drop();

 private:
  enum class State {
    kReading,    // a request, or idle
    kAnswering,  // one request is being answered; what else the client sends stays in the kernel
    kLingering,  // all was sent; what still comes is dropped, so that no reset overtakes the answer
    kClosed,
  };

  void read();
  void process();
  void feed();
  void pass_gate();
  void hand_over();
  void respond(Response response, const ResponseForm& its_form);
  void pull();
  void flush();
  void end_answer();
  void linger();
  void drop_input();
  void close();
  void watch_stall();
  std::size_t taken_by_client() const;
  void count_body(std::size_t bytes);
  ResponseForm form() const;
  std::size_t send_some();

  Hall* hall_;
  const std::uint64_t id_;
  Descriptor socket_;
  const std::string peer_;
  State state_ = State::kReading;
  RequestParser parser_;
  std::string in_;  // read and not parsed yet, from in_at_ on; at most one read
  std::size_t in_at_ = 0;
  std::size_t body_ = 0;     // what of hall_->bodies is this connection's
  Clock::time_point since_;  // when the phase began that has a time limit
  bool timing_head_ = false;

  std::shared_ptr<Answer> answer_;  // none where the server itself answers
  std::deque<std::string> out_;
  std::size_t out_at_ = 0;  // of the first piece
  bool ended_ = false;      // out_ is the last of the answer
  bool close_after_ = false;
  bool half_closed_ = false;
  std::size_t sent_ = 0;          // bytes given to the socket in all
  std::size_t taken_before_ = 0;  // of these, what the client had at since_
  std::size_t dropped_ = 0;
};

}  // namespace refocus::http
