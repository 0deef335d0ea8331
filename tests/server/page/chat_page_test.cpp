// The headers that bind a browser which is shown a page.
#include "server/page/chat_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "web/page.h"

namespace refocus::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string header(const http::Response& response, std::string_view name) {
  return std::string(http::find_field(response.headers, name).value_or("none"));
}

TEST(ChatPage, HasThePolicyOfItsHeadAsAHeaderToo) {
  const http::Response page = chat_page();
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(header(page, "Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(header(page, "Referrer-Policy"), "no-referrer");
  const std::string policy = header(page, "Content-Security-Policy");
  EXPECT_EQ(policy, policy_of(page.body) + "; frame-ancestors 'none'");
  EXPECT_THAT(policy, HasSubstr("default-src 'none'; "));
  EXPECT_THAT(policy, Not(HasSubstr("http")));
  if (has_page("chat")) {
    EXPECT_THAT(policy, HasSubstr("script-src 'sha256-"));
    EXPECT_THAT(policy, HasSubstr("connect-src 'self'; "));
  } else {
    EXPECT_THAT(page.body, HasSubstr("built without its page"));
  }
}

TEST(ChatPage, APolicyStandsInTheHeadAlone) {
  const std::string meta =
      R"(<meta http-equiv="Content-Security-Policy" content="script-src 'sha256-abc='">)";
  EXPECT_EQ(policy_of("<html><head>" + meta + "</head><body></body>"), "script-src 'sha256-abc='");
  EXPECT_EQ(policy_of("<html><head></head><body>" + meta + "</body>"), "default-src 'none'");
  EXPECT_EQ(policy_of(""), "default-src 'none'");
}

}  // namespace
}  // namespace refocus::server
