// The target of a request (RFC 9112, 3.2): what it asks for, decoded.
//
// Taken are the origin-form (/path?query), `*` with OPTIONS, and the absolute-form with http://, which RFC
// 9112 (3.2.2) obliges a server to take; its authority then counts in place of the Host header. CONNECT (the
// authority-form) is a proxy's: 501. A # is refused, as are bytes that are not visible ASCII; other
// characters that RFC 3986 wants encoded, such as | or [, are taken as they are, since many clients send them
// so.
#pragma once

#include <optional>
#include <string>

#include "server/http/message.h"

namespace refocus::http {

// Sets head.path and head.query from head.method and head.target, and `authority` to the absolute-form's.
// 400 for a form that is not taken, for %XX that is incomplete, and for a path or query that decodes to
// control characters (in a query: to NUL) or to what is no UTF-8.
std::optional<Failure> read_target(Head& head, std::string& authority);

// Whether `text` can be the value of a Host header: a name or address and maybe a port, no user, not empty
// (RFC 9110, 7.2 and 4.2.1).
bool is_host(std::string_view text);

}  // namespace refocus::http
