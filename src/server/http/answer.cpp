#include "server/http/answer.h"

#include <utility>

namespace refocus::http {
namespace {

// Small writes to one stream travel as one piece.
constexpr std::size_t kJoined = std::size_t{16} << 10;

}  // namespace

Response plain_error(int status, std::string_view message) {
  return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::string(message) + "\n"};
}

Response error_response(const ErrorAnswer& words, const Failure& failure) {
  Response response;
  try {
    response = words ? words(failure.status, failure.message) : plain_error(failure.status, failure.message);
  } catch (...) {
    response = plain_error(failure.status, failure.message);
  }
  response.status = failure.status;
  return response;
}

Answer::Answer(std::shared_ptr<Mailbox> mailbox, std::shared_ptr<const ErrorAnswer> words,
               std::uint64_t connection, const ResponseForm& form)
    : mailbox_(std::move(mailbox)), words_(std::move(words)), connection_(connection), form_(form) {}

std::string Answer::head(int& status, const Fields& headers, BodyKind kind, std::size_t length) {
  status = sendable_status(status);
  kind_ = may_have_body(status) ? kind : BodyKind::kNone;
  if (kind_ == BodyKind::kToClose || asks_to_close(headers) || mailbox_->stopping) form_.keep_alive = false;
  mailbox_->tally.count_response(status);
  return response_head(status, headers, form_, kind_, length);
}

void Answer::push(std::string piece) {
  unsent_ += piece.size();
  if (!pieces_.empty() && pieces_.back().size() + piece.size() <= kJoined) {
    pieces_.back() += piece;
  } else {
    pieces_.push_back(std::move(piece));
  }
}

void Answer::notify() {
  if (!std::exchange(notified_, true)) mailbox_->answer_ready(connection_);
}

void Answer::send(Response response) {
  const std::lock_guard lock(mutex_);
  if (!open() || state_ != State::kEmpty) return;
  push(head(response.status, response.headers, BodyKind::kWhole, response.body.size()));
  if (kind_ != BodyKind::kNone && !form_.head_only && !response.body.empty()) push(std::move(response.body));
  state_ = State::kEnded;
  notify();
}

void Answer::begin(int status, const Fields& headers) {
  const std::lock_guard lock(mutex_);
  if (!open() || state_ != State::kEmpty) return;
  push(head(status, headers, form_.http10 ? BodyKind::kToClose : BodyKind::kChunked, 0));
  state_ = State::kStreaming;
  notify();
}

bool Answer::write(std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  if (!open() || state_ != State::kStreaming) return false;
  if (bytes.empty() || form_.head_only || kind_ == BodyKind::kNone) return true;
  std::string piece;
  if (kind_ == BodyKind::kChunked) {
    append_chunk(bytes, piece);
  } else {
    piece = bytes;
  }
  push(std::move(piece));
  notify();
  return true;
}

void Answer::end() {
  const std::lock_guard lock(mutex_);
  if (!open() || state_ != State::kStreaming) return;
  if (kind_ == BodyKind::kChunked && !form_.head_only) push(std::string(kLastChunk));
  state_ = State::kEnded;
  notify();
}

void Answer::abandon() {
  bool empty = false;
  {
    const std::lock_guard lock(mutex_);
    if (!open() || state_ == State::kEnded) return;
    empty = state_ == State::kEmpty;
    if (!empty) {
      state_ = State::kBroken;
      notify();
    }
  }
  if (empty)
    send(error_response(*words_, {500, "expected an answer to this request, got none; this is a defect"}));
}

std::size_t Answer::unsent() const {
  const std::lock_guard lock(mutex_);
  return unsent_;
}

bool Answer::gone() const {
  const std::lock_guard lock(mutex_);
  return gone_;
}

void Answer::on_gone(std::function<void()> call) {
  {
    const std::lock_guard lock(mutex_);
    if (finished_) return;
    if (!gone_) {
      on_gone_.push_back(std::move(call));
      return;
    }
  }
  run({std::move(call)});
}

Answer::Taken Answer::take() {
  const std::lock_guard lock(mutex_);
  notified_ = false;
  return {std::exchange(pieces_, {}), state_ == State::kEnded, !form_.keep_alive, state_ == State::kBroken};
}

void Answer::count_sent(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  unsent_ -= bytes;
}

void Answer::finish() {
  std::vector<std::function<void()>> dropped;  // destroyed without the lock: they may own the reply
  const std::lock_guard lock(mutex_);
  finished_ = true;
  dropped = std::exchange(on_gone_, {});
}

void Answer::go() {
  std::vector<std::function<void()>> calls;
  {
    const std::lock_guard lock(mutex_);
    if (!open()) return;
    gone_ = true;
    pieces_.clear();
    unsent_ = 0;
    calls = std::exchange(on_gone_, {});
  }
  run(calls);
}

void Answer::run(const std::vector<std::function<void()>>& calls) {
  for (const auto& call : calls) {
    try {
      call();
    } catch (...) {
      ++mailbox_->tally.failures;
    }
  }
}

Reply::~Reply() { answer_->abandon(); }
void Reply::send(Response response) { answer_->send(std::move(response)); }
void Reply::begin(int status, const Fields& headers) { answer_->begin(status, headers); }
bool Reply::write(std::string_view bytes) { return answer_->write(bytes); }
void Reply::end() { answer_->end(); }
std::size_t Reply::unsent() const { return answer_->unsent(); }
bool Reply::gone() const { return answer_->gone(); }
void Reply::on_gone(std::function<void()> call) { answer_->on_gone(std::move(call)); }

}  // namespace refocus::http
