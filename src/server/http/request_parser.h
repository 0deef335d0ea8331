// Requests of HTTP/1.x (RFC 9112) from bytes that arrive in any cuts; the same bytes give the same requests
// and the same refusal however they are cut.
//
// It holds no more than one line, the headers and the body within Limits, and between the head and the body
// it stops, so that a request can be refused before any of its body is taken. After a refusal nothing can be
// known of what follows: the connection has to be closed.
//
// Lines end in CRLF alone. One empty line before a request is skipped (RFC 9112, 2.2). What is refused, and
// with which status, is said at head_fields.h, target.h and body_reader.h.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "server/http/body_reader.h"
#include "server/http/head_fields.h"
#include "server/http/limits.h"
#include "server/http/line_reader.h"
#include "server/http/message.h"

namespace refocus::http {

class RequestParser {
 public:
  enum class State {
    kHead,      // reads a head, or waits for one
    kHeadDone,  // head() and framing() are there; read_body() goes on
    kBody,
    kDone,    // take() gives the request
    kFailed,  // failure() says why, for good
  };

  // `limits` has to outlive the parser.
  explicit RequestParser(const Limits& limits);

  // How many bytes it took: all of them in kHead and kBody, none in other states.
  std::size_t feed(std::string_view bytes);

  State state() const { return state_; }
  bool started() const { return started_; }  // something of a request has come
  const Head& head() const { return request_.head; }
  void set_peer(const std::string& peer) { request_.head.peer = peer; }  // in kHeadDone
  const Framing& framing() const { return framing_; }
  const Failure& failure() const { return failure_; }
  std::size_t body_bytes() const { return body_ ? body_->body().size() : 0; }

  // In kHeadDone: the body may come.
  void read_body();
  // In kDone: the request; the parser is ready for the next.
  Request take();

 private:
  void feed_head(std::string_view& bytes);
  void feed_body(std::string_view& bytes);
  std::optional<Failure> end_line(const std::string& line);
  void fail(Failure failure);
  Failure line_failure(LineReader::Status status) const;

  const Limits* limits_;
  State state_ = State::kHead;
  bool started_ = false;
  bool skipped_ = false;  // the empty line before a request
  bool in_headers_ = false;
  LineReader line_;
  HeaderUse use_;
  std::string authority_;
  Request request_;
  Framing framing_;
  std::optional<BodyReader> body_;
  Failure failure_;
};

}  // namespace refocus::http
