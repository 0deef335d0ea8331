// A client that sends exactly the bytes it is told, and a server that runs on a thread of its own.
#pragma once

#include <arpa/inet.h>
#include <linux/tcp.h>  // has more of tcp_info than netinet/tcp.h
#include <netinet/in.h>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "eventually.h"
#include "server/http/server.h"

namespace refocus::testing {

class Client {
 public:
  // A small `receive_buffer` (bytes; 0 is the system's choice) lets the server feel at once that nobody
  // reads.
  explicit Client(std::uint16_t port, int receive_buffer = 0) : Client() {
    if (receive_buffer > 0) ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    connect(port);
  }
  // One that is not connected yet.
  Client() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  void connect(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      close();
      throw std::runtime_error("connect failed");
    }
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  ~Client() { close(); }
  Client(Client&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), received_(std::move(other.received_)) {}
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  void half_close() { ::shutdown(fd_, SHUT_WR); }
  void reset() {
    const linger now = {1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }

  // False where the server has closed or does not read for `seconds`.
  bool send(std::string_view bytes, double seconds = kPatience) {
    while (!bytes.empty()) {
      if (!wait(POLLOUT, seconds)) return false;
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0 && errno == EAGAIN) continue;
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  // What the next read gives.
  std::string some() {
    receive();
    return std::exchange(received_, "");
  }

  // Everything up to the end of the connection ("<reset>" behind it where it was reset, "<timeout>" where it
  // did not end).
  std::string rest() {
    for (std::string_view end; (end = receive()) != "more";) return std::exchange(received_, "").append(end);
    return rest();
  }

  // Up to and with `end`; empty where the connection ended before.
  std::string until(std::string_view end) {
    while (received_.find(end) == std::string::npos) {
      if (receive() != "more") return "";
    }
    return take(received_.find(end) + end.size());
  }

  // One response with a Content-Length, head and body.
  std::string response() {
    std::string head = until("\r\n\r\n");
    const std::size_t at = head.find("Content-Length: ");
    if (at == std::string::npos) return head;
    const std::size_t length = std::stoul(head.substr(at + 16));
    while (received_.size() < length) {
      if (receive() != "more") return "";
    }
    return head + take(length);
  }

  // How many segments with bytes of the server have come.
  unsigned segments() const {
    tcp_info info{};
    socklen_t size = sizeof info;
    ::getsockopt(fd_, IPPROTO_TCP, TCP_INFO, &info, &size);
    return info.tcpi_data_segs_in;
  }

  // Whether something came, or the connection ended, within so long.
  bool readable(double seconds) { return !received_.empty() || wait(POLLIN, seconds); }
  // Whether nothing came, and the connection stays, for so long.
  bool silent(double seconds) { return received_.empty() && !wait(POLLIN, seconds); }

 private:
  bool wait(short events, double seconds) {
    pollfd one = {fd_, events, 0};
    return ::poll(&one, 1, static_cast<int>(seconds * 1000)) > 0;
  }
  std::string_view receive() {
    if (!wait(POLLIN, kPatience)) return "<timeout>";
    char bytes[65536];
    const ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
    if (got < 0) return "<reset>";
    if (got == 0) return "";
    received_.append(bytes, static_cast<std::size_t>(got));
    return "more";
  }
  std::string take(std::size_t bytes) {
    std::string taken = received_.substr(0, bytes);
    received_.erase(0, bytes);
    return taken;
  }

  int fd_;
  std::string received_;
};

// Answers at once with "METHOD path body", keeps the replies of /later, and refuses /refused at the gate.
class TestServer {
 public:
  explicit TestServer(const http::Limits& limits = {}, http::Handler handler = {},
                      http::ErrorAnswer words = {})
      : server(
            limits, [](const http::Head& head) { return gate(head); },
            handler ? std::move(handler)
                    : [this](http::Request&& r,
                             std::shared_ptr<http::Reply> a) { echo(std::move(r), std::move(a)); },
            std::move(words)),
        port(server.listen("127.0.0.1", 0)),
        thread_([this] {
          server.run();
          ended_ = true;
        }) {}
  ~TestServer() { join(0); }

  void join(double grace) {
    if (!thread_.joinable()) return;
    server.stop(grace);
    thread_.join();
  }
  bool ended() const { return ended_; }
  Client client() const { return Client(port); }

  // The reply to the n-th request of /later.
  std::shared_ptr<http::Reply> later(std::size_t n = 0) {
    std::shared_ptr<http::Reply> found;
    if (!eventually([&] {
          const std::lock_guard lock(mutex_);
          if (later_.size() > n) found = later_[n];
          return found != nullptr;
        })) {
      throw std::runtime_error("the request did not reach the handler");
    }
    return found;
  }
  void forget_later() {
    const std::lock_guard lock(mutex_);
    later_.clear();
  }

 private:
  static std::optional<http::Response> gate(const http::Head& head) {
    if (head.path == "/gate-throws") throw std::runtime_error("gate");
    if (head.path == "/bye") return http::Response{200, {{"Connection", "close"}}, "bye"};
    if (head.path != "/refused") return std::nullopt;
    return http::Response{403, {{"X-Refused", "yes"}}, "no"};
  }
  void echo(http::Request&& request, std::shared_ptr<http::Reply> reply) {
    if (request.head.path == "/throws") throw std::runtime_error("handler");
    if (request.head.path == "/later") {
      const std::lock_guard lock(mutex_);
      later_.push_back(std::move(reply));
      return;
    }
    reply->send({200, {}, request.head.method + " " + request.head.path + " " + request.body});
  }

  std::mutex mutex_;
  std::vector<std::shared_ptr<http::Reply>> later_;
  std::atomic<bool> ended_{false};

 public:
  http::Server server;
  const std::uint16_t port;

 private:
  std::thread thread_;
};

inline std::string get(std::string_view path, std::string_view lines = "") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: x\r\n" + std::string(lines) + "\r\n";
}
inline std::string post(std::string_view path, std::string_view body) {
  return "POST " + std::string(path) +
         " HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}
inline int status_of(std::string_view response) {
  return response.starts_with("HTTP/1.1 ") ? std::stoi(std::string(response.substr(9, 3))) : 0;
}
inline std::string body_of(std::string_view response) {
  const std::size_t end = response.find("\r\n\r\n");
  return end == std::string_view::npos ? "" : std::string(response.substr(end + 4));
}

}  // namespace refocus::testing
