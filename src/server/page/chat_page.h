// GET /: the page that a browser talks to the model with (web/src/chat), compiled into the program.
#pragma once

#include <string>
#include <string_view>

#include "server/http/message.h"

namespace refocus::server {

// The page, or one that says why there is none in this build.
http::Response chat_page();

// `html`, a page of src/web, with the headers that bind a browser to what the page's own policy allows
// (Content Security Policy Level 3): that policy also as a header, and no frame of another site around it.
http::Response page_response(std::string html);

// The policy that the page's <meta> element states; one that allows nothing where it states none.
std::string policy_of(std::string_view html);

}  // namespace refocus::server
