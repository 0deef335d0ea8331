// Who may ask: checks of a request's head before anything of its body is read.
//
// A page of another origin must not use a server on this machine: the Host has to be one that the server was
// started for (a name that was made to lead here has another: DNS rebinding), an Origin has to be allowed,
// and a body has to be JSON, which no form can send. Keys are compared in time that does not depend on them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/http/message.h"

namespace refocus::server {

struct AccessRules {
  std::vector<std::string> keys;     // none: no key is asked for
  std::vector<std::string> hosts;    // names beside loopback's, without port; "*": any
  std::vector<std::string> origins;  // "https://example.org"; "*": any
};

// Whether an address is this machine's alone: 127.x.x.x, ::1, localhost.
bool is_loopback(std::string_view host);

// A refusal, or nothing. `is_public`: no key is asked for (/health, the page).
std::optional<http::Response> refusal_of(const http::Head& head, const AccessRules& rules, bool is_public);
// The same for a body that is not said to be JSON; for endpoints that read one.
std::optional<http::Response> refusal_of_type(const http::Head& head);

// What a browser wants to know before it asks (Fetch, "CORS-preflight"): the answer to OPTIONS.
http::Response preflight(const http::Head& head, const AccessRules& rules);

// The headers that let an allowed origin read the answer; none for others.
http::Fields cors_headers(const http::Head& head, const AccessRules& rules);

// Without a difference in time between keys of one length.
bool equal_keys(std::string_view a, std::string_view b);

}  // namespace refocus::server
