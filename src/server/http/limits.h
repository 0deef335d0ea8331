// What a client may take of the server: bytes, counts and seconds. Each value is a bound on memory or on how
// long one connection may hold a place; the defaults are those that the command's options name.
#pragma once

#include <cstddef>

namespace refocus::http {

struct Limits {
  // Bytes. Lines are counted without their CRLF; `headers` counts the header lines and trailer lines of one
  // request together.
  std::size_t start_line = std::size_t{8} << 10;
  std::size_t header_line = std::size_t{8} << 10;
  std::size_t headers = std::size_t{64} << 10;
  std::size_t header_count = 100;  // trailers included
  std::size_t body = std::size_t{8} << 20;
  // All bodies that are being received at one moment, over all connections; 503 for one that is beyond it.
  std::size_t bodies = std::size_t{256} << 20;
  std::size_t chunk_line = 256;  // the size of a chunk with its extensions

  // Seconds.
  double header_read = 10;   // from the first byte of a request to the end of its headers, then 408
  double body_read = 30;     // from the end of the headers to the end of the body, then 408
  double idle = 75;          // a connection without a request, then closed
  double write_stall = 30;   // a client has to take kLeastTaken bytes in this time, or all, or it is dropped
  double linger = 5;         // how long what a client still sends is read and dropped after a last answer
  double signal_grace = 10;  // what Server::stop is given when a signal handler asks
  // What is dropped of a refused body, so that a client that sends before it reads gets its answer.
  std::size_t linger_bytes = std::size_t{64} << 20;

  std::size_t connections = 256;  // one more is answered 503 and closed
};

inline constexpr std::size_t kLeastTaken = 4096;

}  // namespace refocus::http
