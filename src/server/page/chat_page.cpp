#include "server/page/chat_page.h"

#include "web/page.h"

namespace refocus::server {

std::string policy_of(std::string_view html) {
  constexpr std::string_view kBefore = "<meta http-equiv=\"Content-Security-Policy\" content=\"";
  // Behind the head stands what models wrote.
  const std::string_view head = html.substr(0, html.find("</head>"));
  const std::size_t at = head.find(kBefore);
  if (at == std::string_view::npos) return "default-src 'none'";
  const std::string_view rest = head.substr(at + kBefore.size());
  return std::string(rest.substr(0, rest.find('"')));
}

http::Response page_response(std::string html) {
  std::string policy = policy_of(html) + "; frame-ancestors 'none'";
  return {200,
          {{"Content-Type", "text/html; charset=utf-8"},
           {"Content-Security-Policy", std::move(policy)},
           {"Referrer-Policy", "no-referrer"},
           {"Cache-Control", "no-cache"}},
          std::move(html)};
}

http::Response chat_page() {
  constexpr std::string_view kWithout =
      "<main><h1>refocus serve</h1><p>The server answers, but this program was built without its page, which "
      "takes Node and npm (web/README.md). The API is at /v1, and /openapi.json describes it.</p></main>\n";
  return page_response(make_page("chat", {"Refocus", has_page("chat") ? "" : std::string(kWithout)}));
}

}  // namespace refocus::server
