// What a Reply and its connection share: the bytes that are on their way from one to the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "server/http/mailbox.h"
#include "server/http/message.h"
#include "server/http/reply.h"
#include "server/http/response_head.h"

namespace refocus::http {

// An error answer in the words of `words`, or plainly where these throw.
Response error_response(const ErrorAnswer& words, const Failure& failure);

class Answer {
 public:
  Answer(std::shared_ptr<Mailbox> mailbox, std::shared_ptr<const ErrorAnswer> words, std::uint64_t connection,
         const ResponseForm& form);

  // For the reply, on any thread: as in reply.h.
  void send(Response response);
  void begin(int status, const Fields& headers);
  bool write(std::string_view bytes);
  void end();
  void abandon();
  std::size_t unsent() const;
  bool gone() const;
  void on_gone(std::function<void()> call);

  // For the connection, on its thread.
  struct Taken {
    std::vector<std::string> pieces;
    bool ended = false;   // nothing follows
    bool close = false;   // the connection is to be closed after it
    bool broken = false;  // it will never be whole
  };
  Taken take();
  void count_sent(std::size_t bytes);
  void finish();  // all was sent
  void go();      // nothing more will be

 private:
  enum class State { kEmpty, kStreaming, kEnded, kBroken };

  bool open() const { return !gone_ && !finished_; }
  std::string head(int& status, const Fields& headers, BodyKind kind, std::size_t length);
  void push(std::string piece);
  void notify();
  void run(const std::vector<std::function<void()>>& calls);

  const std::shared_ptr<Mailbox> mailbox_;
  const std::shared_ptr<const ErrorAnswer> words_;
  const std::uint64_t connection_;
  ResponseForm form_;

  mutable std::mutex mutex_;
  State state_ = State::kEmpty;
  BodyKind kind_ = BodyKind::kWhole;
  std::vector<std::string> pieces_;
  std::size_t unsent_ = 0;
  bool notified_ = false;  // since the last take()
  bool gone_ = false;
  bool finished_ = false;
  std::vector<std::function<void()>> on_gone_;
};

}  // namespace refocus::http
