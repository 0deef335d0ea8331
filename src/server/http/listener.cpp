#include "server/http/listener.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/error.h"

namespace refocus::http {
namespace {

std::string remedy(int error) {
  switch (error) {
    case EADDRINUSE:
      return "another program listens there; stop it or take another port";
    case EACCES:
      return "the system keeps ports below 1024 for root; take one from 1024 on";
    case EADDRNOTAVAIL:
      return "this machine has no such address; 127.0.0.1 is its own, 0.0.0.0 all it has";
    case EAFNOSUPPORT:
      return "this machine has no addresses of that kind; take 127.0.0.1";
    case EMFILE:
      return "too many files are open; raise the limit (ulimit -n)";
    default:
      return "take another address or port";
  }
}

// A socket that listens there; errno says why where there is none.
Descriptor try_listen(const addrinfo& at) {
  Descriptor socket(::socket(at.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  if (socket.get() < 0) return socket;
  // So that a server can be started again while connections of the last one are dying down.
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // So that :: means the same on every machine, and 0.0.0.0 can be listened to beside it.
  if (at.ai_family == AF_INET6) ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (::bind(socket.get(), at.ai_addr, at.ai_addrlen) != 0 || ::listen(socket.get(), SOMAXCONN) != 0) {
    const int error = errno;
    socket.close();
    errno = error;
  }
  return socket;
}

std::uint16_t port_of(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

}  // namespace

Listener listen_on(const std::string& address, std::uint16_t port) {
  const std::string where = fmt::format("listen {}:{}", printable(address), port);
  const bool brackets = address.size() > 2 && address.front() == '[' && address.back() == ']';
  const std::string bare = brackets ? address.substr(1, address.size() - 2) : address;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int failed =
      bare.empty() ? EAI_NONAME : ::getaddrinfo(bare.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (failed != 0) {
    throw input_error(
        where, "expected an address of this machine, got '{}' ({}); 127.0.0.1 is its own, 0.0.0.0 all it has",
        printable(address), ::gai_strerror(failed));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, &::freeaddrinfo);
  int error = EADDRNOTAVAIL;
  // Clients that are told 127.0.0.1 would not find who took localhost for ::1.
  for (const bool six : {false, true}) {
    for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
      if ((at->ai_family == AF_INET6) != six) continue;
      Descriptor socket = try_listen(*at);
      if (socket.get() < 0) {
        error = errno;
        continue;
      }
      sockaddr_storage bound{};
      socklen_t size = sizeof bound;
      ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&bound), &size);
      return {std::move(socket), port_of(bound)};
    }
  }
  throw input_error(where, "expected an address and port that are free, got '{}'; {}", std::strerror(error),
                    remedy(error));
}

void set_up_connection(int socket) {
  const auto set = [&](int level, int option, int value) {
    ::setsockopt(socket, level, option, &value, sizeof value);
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 30);  // seconds
  set(IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
}

std::string peer_name(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool six = address.ss_family == AF_INET6;
  const void* const bytes =
      six ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr)
          : &reinterpret_cast<const sockaddr_in&>(address).sin_addr;
  if (::inet_ntop(address.ss_family, bytes, text.data(), text.size()) == nullptr) return "unknown";
  return fmt::format(fmt::runtime(six ? "[{}]:{}" : "{}:{}"), text.data(), port_of(address));
}

}  // namespace refocus::http
