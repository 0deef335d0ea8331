#include "server/http/connection.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/error.h"

namespace refocus::http {
namespace {

// What one connection may write and drop before others have their turn.
constexpr std::size_t kTurn = std::size_t{4} << 20;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr double kLingerStopping = 1;  // seconds

Clock::duration as_duration(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

Connection::Connection(Hall& hall, std::uint64_t id, Descriptor socket, std::string peer)
    : hall_(&hall),
      id_(id),
      socket_(std::move(socket)),
      peer_(std::move(peer)),
      parser_(hall.limits),
      since_(Clock::now()) {
  ++hall_->mailbox->tally.connections_open;
}

Connection::~Connection() { close(); }

short Connection::events() const {
  switch (state_) {
    case State::kReading:
    case State::kLingering:
      return POLLIN;
    case State::kAnswering:
      // A client's half-close is told again and again: asked for once.
      return static_cast<short>((out_.empty() ? 0 : POLLOUT) | (half_closed_ ? 0 : POLLRDHUP));
    case State::kClosed:
      break;
  }
  return 0;
}

Clock::time_point Connection::deadline() const {
  const Limits& limits = hall_->limits;
  switch (state_) {
    case State::kReading:
      if (parser_.state() == RequestParser::State::kBody) return since_ + as_duration(limits.body_read);
      return since_ + as_duration(timing_head_ ? limits.header_read : limits.idle);
    case State::kAnswering:
      return out_.empty() ? Clock::time_point::max() : since_ + as_duration(limits.write_stall);
    case State::kLingering:
      return since_ + as_duration(hall_->stopping ? std::min(kLingerStopping, limits.linger) : limits.linger);
    case State::kClosed:
      break;
  }
  return Clock::time_point::max();
}

void Connection::on_events(short events) {
  if (state_ == State::kReading) {
    read();
  } else if (state_ == State::kLingering) {
    drop_input();
  } else if (state_ == State::kAnswering) {
    if ((events & (POLLERR | POLLHUP | POLLNVAL)) != 0) return close();
    if ((events & POLLRDHUP) != 0) {
      half_closed_ = true;
      pull();
      // Nobody can tell a client that only stopped sending from one that went; see server.h.
      if (state_ == State::kAnswering && !ended_) return drop();
    }
    if ((events & POLLOUT) != 0) flush();
    process();
  }
}

void Connection::on_answer() {
  pull();
  process();
}

void Connection::on_time(Clock::time_point now) {
  if (now < deadline()) return;
  switch (state_) {
    case State::kReading:
      if (parser_.state() == RequestParser::State::kBody) {
        refuse(
            {408, fmt::format("expected the body within {} s, got a part of it", hall_->limits.body_read)});
      } else if (timing_head_) {
        refuse({408, fmt::format("expected the headers within {} s, got a part of them",
                                 hall_->limits.header_read)});
      } else {
        close();
      }
      break;
    case State::kAnswering:
      if (taken_by_client() < taken_before_ + kLeastTaken) return drop();
      watch_stall();
      break;
    case State::kLingering:
      close();
      break;
    case State::kClosed:
      break;
  }
}

void Connection::read() {
  std::vector<char>& scratch = hall_->scratch;
  const ssize_t got = ::recv(fd(), scratch.data(), scratch.size(), 0);
  if (got < 0 && would_block()) return;
  if (got <= 0) return close();
  hall_->mailbox->tally.bytes_in += static_cast<std::uint64_t>(got);
  in_.assign(scratch.data(), static_cast<std::size_t>(got));
  in_at_ = 0;
  process();
}

void Connection::process() {
  while (state_ == State::kReading) {
    switch (parser_.state()) {
      case RequestParser::State::kHead:
      case RequestParser::State::kBody:
        if (in_at_ == in_.size()) {
          std::string().swap(in_);  // idle connections hold no buffer
          in_at_ = 0;
          return;
        }
        feed();
        break;
      case RequestParser::State::kHeadDone:
        pass_gate();
        break;
      case RequestParser::State::kDone:
        hand_over();
        break;
      case RequestParser::State::kFailed:
        refuse(parser_.failure());
        break;
    }
  }
}

void Connection::feed() {
  in_at_ += parser_.feed(std::string_view(in_).substr(in_at_));
  if (parser_.started() && !timing_head_) {
    timing_head_ = true;
    since_ = Clock::now();
  }
  count_body(parser_.body_bytes());
  if (hall_->bodies > hall_->limits.bodies && body_ > 0) {
    refuse({503, "expected room for this body, got too many others at the same time; send it again later"},
           {{"Retry-After", "1"}});
  }
}

void Connection::pass_gate() {
  parser_.set_peer(peer_);
  std::optional<Response> refusal;
  try {
    if (hall_->gate) refusal = hall_->gate(parser_.head());
  } catch (...) {
    ++hall_->mailbox->tally.failures;
    refusal = error_response(*hall_->words,
                             {500, "expected to look at this request, got a failure; this is a defect"});
  }
  const Framing framing = parser_.framing();
  if (refusal) {
    const ResponseForm its_form = form();
    parser_.read_body();
    if (!framing.has_body()) static_cast<void>(parser_.take());
    return respond(*std::move(refusal), its_form);
  }
  if (framing.expects_continue && in_at_ == in_.size()) {
    const ssize_t sent = ::send(fd(), kContinue.data(), kContinue.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      sent_ += static_cast<std::size_t>(sent);
      hall_->mailbox->tally.bytes_out += static_cast<std::uint64_t>(sent);
    }
    if (sent != static_cast<ssize_t>(kContinue.size())) return close();
  }
  parser_.read_body();
  since_ = Clock::now();
}

ResponseForm Connection::form() const {
  const bool body_unread = parser_.state() == RequestParser::State::kHeadDone && parser_.framing().has_body();
  return {.http10 = parser_.head().minor_version == 0,
          .head_only = parser_.head().method == "HEAD",
          .keep_alive = parser_.framing().keep_alive && !body_unread && !hall_->stopping};
}

void Connection::hand_over() {
  answer_ = std::make_shared<Answer>(hall_->mailbox, hall_->words, id_, form());
  Request request = parser_.take();
  count_body(0);
  state_ = State::kAnswering;
  ended_ = false;
  close_after_ = false;
  try {
    hall_->handler(std::move(request), std::make_shared<Reply>(answer_));
  } catch (...) {
    ++hall_->mailbox->tally.failures;  // the reply, destroyed, has answered
  }
  pull();
}

void Connection::respond(Response response, const ResponseForm& its_form) {
  response.status = sendable_status(response.status);
  ResponseForm last = its_form;
  if (asks_to_close(response.headers)) last.keep_alive = false;
  close_after_ = !last.keep_alive;
  hall_->mailbox->tally.count_response(response.status);
  out_.push_back(whole_response(response, last));
  ended_ = true;
  state_ = State::kAnswering;
  flush();
  watch_stall();
}

void Connection::refuse(const Failure& failure, Fields headers) {
  if (state_ != State::kReading) return;
  Response response = error_response(*hall_->words, failure);
  for (auto& field : headers) response.headers.push_back(std::move(field));
  std::string().swap(in_);
  in_at_ = 0;
  count_body(0);
  respond(std::move(response), {.keep_alive = false});
}

void Connection::pull() {
  if (state_ != State::kAnswering || !answer_) return;
  Answer::Taken taken = answer_->take();
  const bool idle = out_.empty();
  for (std::string& piece : taken.pieces) out_.push_back(std::move(piece));
  ended_ = taken.ended;
  close_after_ = close_after_ || taken.close;
  flush();
  if (taken.broken && state_ == State::kAnswering) return drop();
  if (idle) watch_stall();
}

std::size_t Connection::send_some() {
  std::array<iovec, 16> parts{};
  std::size_t count = 0;
  for (auto piece = out_.begin(); piece != out_.end() && count < parts.size(); ++piece, ++count) {
    const std::size_t skip = count == 0 ? out_at_ : 0;
    parts[count] = {piece->data() + skip, piece->size() - skip};
  }
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = count;
  const ssize_t sent = ::sendmsg(fd(), &message, MSG_NOSIGNAL);
  if (sent < 0) {
    if (!would_block()) close();
    return 0;
  }
  return static_cast<std::size_t>(sent);
}

void Connection::flush() {
  std::size_t turn = 0;
  while (!out_.empty() && turn < kTurn) {
    const std::size_t sent = send_some();
    if (sent == 0) return;
    turn += sent;
    sent_ += sent;
    hall_->mailbox->tally.bytes_out += sent;
    if (answer_) answer_->count_sent(sent);
    for (out_at_ += sent; !out_.empty() && out_at_ >= out_.front().size(); out_.pop_front()) {
      out_at_ -= out_.front().size();
    }
  }
  if (out_.empty() && ended_) end_answer();
}

void Connection::end_answer() {
  if (const std::shared_ptr<Answer> answer = std::exchange(answer_, nullptr)) answer->finish();
  ended_ = false;
  if (close_after_) return linger();
  state_ = State::kReading;
  timing_head_ = false;
  since_ = Clock::now();
}

void Connection::linger() {
  std::string().swap(in_);
  in_at_ = 0;
  ::shutdown(fd(), SHUT_WR);
  state_ = State::kLingering;
  since_ = Clock::now();
  drop_input();
}

void Connection::drop_input() {
  for (std::size_t turn = 0; turn < kTurn;) {
    const ssize_t got = ::recv(fd(), hall_->scratch.data(), hall_->scratch.size(), 0);
    if (got < 0 && would_block()) return;
    if (got <= 0) return close();
    hall_->mailbox->tally.bytes_in += static_cast<std::uint64_t>(got);
    turn += static_cast<std::size_t>(got);
    dropped_ += static_cast<std::size_t>(got);
    if (dropped_ > hall_->limits.linger_bytes) return close();
  }
}

void Connection::stop() {
  if (state_ == State::kReading && parser_.started()) {
    refuse({503, "expected a server that goes on, got one that is stopping"}, {{"Retry-After", "1"}});
  } else if (state_ == State::kReading) {
    close();
  } else if (state_ == State::kAnswering) {
    close_after_ = true;
  }
}

void Connection::drop() {
  if (state_ == State::kClosed) return;
  const ::linger reset = {1, 0};
  ::setsockopt(fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  close();
}

void Connection::close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  count_body(0);
  socket_.close();
  out_.clear();
  out_at_ = 0;
  --hall_->mailbox->tally.connections_open;
  if (const std::shared_ptr<Answer> answer = std::exchange(answer_, nullptr)) answer->go();
}

// From now on the client has the time of limits.write_stall to take something.
void Connection::watch_stall() {
  if (state_ != State::kAnswering || out_.empty()) return;
  since_ = Clock::now();
  taken_before_ = taken_by_client();
}

// What the client's system has acknowledged: what the socket took may lie in its buffer for long.
std::size_t Connection::taken_by_client() const {
  int queued = 0;
  if (::ioctl(fd(), SIOCOUTQ, &queued) != 0 || queued < 0) return sent_;
  return sent_ - std::min(sent_, static_cast<std::size_t>(queued));
}

void Connection::count_body(std::size_t bytes) {
  hall_->bodies += bytes;
  hall_->bodies -= body_;
  body_ = bytes;
}

}  // namespace refocus::http
