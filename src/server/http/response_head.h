// The bytes of responses (RFC 9112, 4, 6 and 7): status line and headers, and chunks.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "server/http/message.h"

namespace refocus::http {

// What the request and the server's state say of its response.
struct ResponseForm {
  bool http10 = false;     // the request was of HTTP/1.0, which has no chunks
  bool head_only = false;  // HEAD: the headers of a GET, without the body
  bool keep_alive = true;  // the connection may take another request
};

enum class BodyKind {
  kWhole,    // with Content-Length
  kChunked,  // Transfer-Encoding: chunked
  kToClose,  // to the end of the connection
  kNone,     // 204 and 304, which have none
};

// `status`, or 500 for one that no final response may have.
int sendable_status(int status);

// Whether responses of that status have a body at all (RFC 9110, 6.4.1).
bool may_have_body(int status);

// Whether `headers` have `Connection: close`.
bool asks_to_close(const Fields& headers);

// From the status line to the empty line. `length` counts where `kind` is kWhole. What message.h says of
// Response::headers is done here, and Date is added (RFC 9110, 6.6.1).
std::string response_head(int status, const Fields& headers, const ResponseForm& form, BodyKind kind,
                          std::size_t length);

// A whole response without a Reply, for what the server itself says.
std::string whole_response(const Response& response, const ResponseForm& form);

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7), of seconds since 1970.
std::string http_date(long long seconds);

// Appends `bytes`, at least one, as a chunk.
void append_chunk(std::string_view bytes, std::string& out);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace refocus::http
