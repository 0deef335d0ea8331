// Sockets that listen, and the addresses of peers.
#pragma once

#include <cstdint>
#include <string>

#include <sys/socket.h>

#include "server/http/mailbox.h"

namespace refocus::http {

struct Listener {
  Descriptor socket;
  std::uint16_t port = 0;  // the one that was given where 0 was asked for
};

// Listens on an address of this machine: an IPv4 or IPv6 address, in brackets or not, or a name, of which the
// first address that can be had is taken, IPv4 before IPv6. InputError, with what to do, where it cannot.
Listener listen_on(const std::string& address, std::uint16_t port);

// What an accepted socket needs: no waiting for more to send (TCP_NODELAY), and a question to a silent peer
// after 30 s, so that a machine that lost power or network is known to be gone within a minute.
void set_up_connection(int socket);

// "127.0.0.1:50000" or "[::1]:50000".
std::string peer_name(const sockaddr_storage& address);

}  // namespace refocus::http
