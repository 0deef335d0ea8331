#include "server/http/response_head.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace refocus::http {
namespace {

// Without the date, which differs.
std::string head_of(int status, const Fields& headers, const ResponseForm& form, BodyKind kind,
                    std::size_t length) {
  std::string head = response_head(status, headers, form, kind, length);
  const std::size_t begin = head.find("Date: ");
  EXPECT_NE(begin, std::string::npos);
  return head.erase(begin, head.find("\r\n", begin) + 2 - begin);
}

TEST(ResponseHead, SaysHowTheBodyEnds) {
  EXPECT_EQ(head_of(200, {{"Content-Type", "a/b"}}, {}, BodyKind::kWhole, 12),
            "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 12\r\n\r\n");
  EXPECT_EQ(head_of(404, {}, {.keep_alive = false}, BodyKind::kChunked, 0),
            "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(head_of(299, {}, {.http10 = true}, BodyKind::kWhole, 0),
            "HTTP/1.1 299 Unknown\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(head_of(204, {}, {}, BodyKind::kNone, 0), "HTTP/1.1 204 No Content\r\n\r\n");
}

TEST(ResponseHead, LetsNoTextBeginAHeaderOfItsOwn) {
  EXPECT_EQ(head_of(200, {{"X", "a\r\nSet-Cookie: b\n\0c"}, {"Y\r\nZ", "1"}, {"", "2"}, {"a b", "3"}}, {},
                    BodyKind::kNone, 0),
            "HTTP/1.1 200 OK\r\nX: a  Set-Cookie: b \r\n\r\n");
  EXPECT_EQ(
      head_of(200,
              {{"content-length", "7"}, {"Transfer-Encoding", "gzip"}, {"Connection", "x"}, {"DATE", "y"}},
              {}, BodyKind::kWhole, 1),
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n");
}

TEST(ResponseHead, WritesDates) {
  EXPECT_EQ(http_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");  // RFC 9110's own example
  EXPECT_EQ(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
}

TEST(ResponseHead, KnowsWhichStatusesHaveBodies) {
  EXPECT_FALSE(may_have_body(204));
  EXPECT_FALSE(may_have_body(304));
  EXPECT_TRUE(may_have_body(200));
  EXPECT_EQ(sendable_status(100), 500);
  EXPECT_EQ(sendable_status(600), 500);
  EXPECT_EQ(sendable_status(599), 599);
}

TEST(ResponseHead, WritesChunks) {
  std::string out;
  append_chunk(std::string(26, 'a'), out);
  EXPECT_EQ(out, "1a\r\n" + std::string(26, 'a') + "\r\n");
}

}  // namespace
}  // namespace refocus::http
