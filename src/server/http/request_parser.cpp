#include "server/http/request_parser.h"

#include <utility>

#include "base/error.h"
#include "server/http/field.h"

namespace refocus::http {

RequestParser::RequestParser(const Limits& limits) : limits_(&limits) {}

std::size_t RequestParser::feed(std::string_view bytes) {
  const std::size_t before = bytes.size();
  while (!bytes.empty() && state_ == State::kHead) feed_head(bytes);
  if (!bytes.empty() && state_ == State::kBody) feed_body(bytes);
  return before - bytes.size();
}

void RequestParser::fail(Failure failure) {
  failure_ = std::move(failure);
  state_ = State::kFailed;
  request_ = {};
  body_.reset();
  line_.clear();
}

Failure RequestParser::line_failure(LineReader::Status status) const {
  if (status == LineReader::Status::kBadEnd) {
    return {400, "expected CRLF at the end of a line, got a CR or LF alone"};
  }
  if (in_headers_) {
    return {431, fmt::format("expected headers of at most {} bytes, got a longer one", limits_->header_line)};
  }
  return {414,
          fmt::format("expected a first line of at most {} bytes, got a longer one", limits_->start_line)};
}

void RequestParser::feed_head(std::string_view& bytes) {
  // What speaks TLS or anything else would wait for an answer without ever ending a line.
  if (!in_headers_ && line_.empty() && bytes.front() != '\r' && !is_token_byte(bytes.front())) {
    return fail({400,
                 "expected a request such as 'GET / HTTP/1.1', got bytes of another protocol; TLS is not "
                 "spoken here"});
  }
  const LineReader::Status status =
      line_.feed(bytes, in_headers_ ? limits_->header_line : limits_->start_line);
  started_ = started_ || !line_.line().empty();
  if (status == LineReader::Status::kMore) return;
  if (status != LineReader::Status::kLine) return fail(line_failure(status));
  if (auto failure = end_line(line_.line())) return fail(*std::move(failure));
  line_.clear();
}

std::optional<Failure> RequestParser::end_line(const std::string& line) {
  if (!in_headers_) {
    if (line.empty() && !skipped_) {
      skipped_ = true;
      return std::nullopt;
    }
    in_headers_ = true;
    return read_start_line(line, request_.head, authority_);
  }
  if (!line.empty()) {
    if (auto failure = use_.add(line.size(), *limits_)) return failure;
    return read_header_line(line, request_.head.headers);
  }
  if (auto failure = read_framing(authority_, *limits_, request_.head, framing_)) return failure;
  state_ = State::kHeadDone;
  return std::nullopt;
}

void RequestParser::read_body() {
  if (state_ != State::kHeadDone) return;
  body_.emplace(framing_, use_, *limits_);
  state_ = body_->done() ? State::kDone : State::kBody;
}

void RequestParser::feed_body(std::string_view& bytes) {
  if (auto failure = body_->feed(bytes)) return fail(*std::move(failure));
  if (body_->done()) state_ = State::kDone;
}

Request RequestParser::take() {
  Request request = std::move(request_);
  if (body_) request.body = body_->take();
  *this = RequestParser(*limits_);
  return request;
}

}  // namespace refocus::http
