// The lines of a request's head (RFC 9112, 3 to 7), one function a line, and what they say together of the
// body and the connection. Each gives what is wrong, if anything is; the head is then not to be used.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "server/http/limits.h"
#include "server/http/message.h"

namespace refocus::http {

// How the body ends and what becomes of the connection.
struct Framing {
  bool chunked = false;
  std::size_t length = 0;         // where not chunked
  bool keep_alive = true;         // 1.1 without `close`, 1.0 with `keep-alive`
  bool expects_continue = false;  // 1.1's `Expect: 100-continue` before a body

  bool has_body() const { return chunked || length > 0; }
};

// METHOD SP target SP HTTP/1.1: 400 where it is not that, 505 for another version, and what read_target says.
std::optional<Failure> read_start_line(std::string_view line, Head& head, std::string& authority);

// name: value. 400 for a continued line (obs-fold), space before the colon, and bytes that names and values
// may not have.
std::optional<Failure> read_header_line(std::string_view line, Fields& headers);

// To be called when all headers are there. 400 for no or several Host headers, and for lengths of the body
// that are none, are said twice, or contradict each other; 411 for a POST, PUT or PATCH of HTTP/1.0 without a
// length, whose end could not be known; 413 beyond limits.body; 417; 501 for a transfer coding before
// chunked. Puts `authority`, unless empty, in the place of the Host header.
std::optional<Failure> read_framing(const std::string& authority, const Limits& limits, Head& head,
                                    Framing& framing);

}  // namespace refocus::http
