// The answer to one request, given at any time by any thread.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "server/http/message.h"

namespace refocus::http {

class Answer;

// Either send(), or begin(), any number of write(), and end(). What is called out of this order, after the
// end or after the client went does nothing; a status outside 200 to 599 is sent as 500.
//
// All may be called by any thread, and after connection and server are gone. No call waits: what the socket
// does not take yet is kept, so who writes much looks at unsent() between.
//
// A reply that is destroyed without an answer is answered 500, and one in the midst of a stream breaks its
// connection off, so that no client waits for what nobody will send.
class Reply {
 public:
  explicit Reply(std::shared_ptr<Answer> answer) : answer_(std::move(answer)) {}
  ~Reply();
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;

  void send(Response response);

  // A body of unknown length: chunked for HTTP/1.1, until the connection closes for 1.0.
  void begin(int status, const Fields& headers);
  // False where nobody will read it.
  bool write(std::string_view bytes);
  void end();

  // Bytes that the socket has not taken yet; 0 when the client went.
  std::size_t unsent() const;
  // Whether the client went, took too little for too long, or the server stopped before all was sent. A
  // client that closes its sending half counts as one that went (server.h).
  bool gone() const;
  // To be called once when that happens, on the thread of Server::run, or at once on this thread where it
  // has; never after all was sent. It must not block. It may own this reply.
  void on_gone(std::function<void()> call);

 private:
  std::shared_ptr<Answer> answer_;
};

// The body and headers of answers that the server gives by itself: 4xx and 5xx with one sentence for people.
// May be called by any thread.
using ErrorAnswer = std::function<Response(int status, std::string_view message)>;

// text/plain, the sentence and a line end.
Response plain_error(int status, std::string_view message);

}  // namespace refocus::http
