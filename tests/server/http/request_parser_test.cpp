#include "server/http/request_parser.h"

#include <gtest/gtest.h>

#include "server/http/refused.h"
#include "server/http/transcript.h"
#include "support.h"

namespace refocus::http {
namespace {

using testing::Refused;
using testing::refused;
using testing::transcript;

// The transcript of the bytes in one piece, after looking that every other cut gives the same.
std::string parsed(std::string_view bytes, const Limits& limits = {}) {
  const std::string whole = transcript(limits, bytes, bytes.size());
  for (const std::size_t cut : {1, 2, 3, 7, 64})
    EXPECT_EQ(transcript(limits, bytes, cut), whole) << "cut " << cut;
  return whole;
}

std::string get(std::string_view target) {
  return parsed("GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n\r\n");
}

std::string with_headers(std::string_view lines, std::string_view body = "") {
  return parsed("POST / HTTP/1.1\r\nHost: x\r\n" + std::string(lines) + "\r\n" + std::string(body));
}

std::string chunks(std::string_view body) { return with_headers("Transfer-Encoding: chunked\r\n", body); }

// What with_headers gives for a body.
std::string posted(std::string_view headers, std::string_view body) {
  return "POST / HTTP/1.1 [host=x," + std::string(headers) + "] " + std::to_string(body.size()) + ":" +
         std::string(body) + "; ";
}

TEST(RequestParser, ReadsRequestsOneAfterTheOther) {
  EXPECT_EQ(parsed("GET /v1/models HTTP/1.1\r\nHost: localhost:8080\r\nAccept:  */* \t\r\nX-Empty:\r\n\r\n"
                   "POST /b HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello\r\n"
                   "HEAD / HTTP/1.1\r\nHOST: [::1]:80\r\n\r\n"),
            "GET /v1/models HTTP/1.1 [host=localhost:8080,accept=*/*,x-empty=,] 0:; "
            "POST /b HTTP/1.0 [content-length=5,] 5:hello; HEAD / HTTP/1.1 [host=[::1]:80,] 0:; ");
  EXPECT_EQ(parsed("GET / HTTP/1.1\r\nHost: x\r\n"), "more");
  EXPECT_EQ(parsed(""), "");
  EXPECT_EQ(parsed("\r\n"), "");  // the empty line that some clients send after a body
}

TEST(RequestParser, DecodesTargets) {
  EXPECT_EQ(get("/v1/models/a%2Fb%40reb:alpha=0.2"),
            "GET /v1/models/a/b@reb:alpha=0.2 HTTP/1.1 [host=x,] 0:; ");
  EXPECT_EQ(get("/%C3%A4+b?rows=1:2&q=a%20b+c&&flag&e=&%3D=%26"),
            "GET /\xC3\xA4+b?rows=1:2?q=a b c?flag=?e=?==& HTTP/1.1 [host=x,] 0:; ");
  EXPECT_EQ(get("/?"), "GET / HTTP/1.1 [host=x,] 0:; ");
  EXPECT_EQ(get("/a|b[c]"), "GET /a|b[c] HTTP/1.1 [host=x,] 0:; ");
  EXPECT_EQ(parsed("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"), "OPTIONS * HTTP/1.1 [host=x,] 0:; ");
}

TEST(RequestParser, LetsTheAuthorityOfAnAbsoluteTargetStandForHost) {
  EXPECT_EQ(get("http://real:80/p?q=1"), "GET /p?q=1 HTTP/1.1 [host=real:80,] 0:; ");
  EXPECT_EQ(get("HTTP://real"), "GET / HTTP/1.1 [host=real,] 0:; ");
  EXPECT_EQ(parsed("GET http://real/ HTTP/1.0\r\n\r\n"), "GET / HTTP/1.0 [host=real,] 0:; ");
}

class RefusedHead : public ::testing::TestWithParam<Refused> {};

TEST_P(RefusedHead, IsRefused) { EXPECT_EQ(parsed(GetParam().bytes), GetParam().expected); }

INSTANTIATE_TEST_SUITE_P(RequestParser, RefusedHead, ::testing::ValuesIn(refused()),
                         [](const auto& tested) { return tested.param.name; });

TEST(RequestParser, ReadsChunks) {
  const auto body = [](std::string_view text) { return posted("transfer-encoding=chunked,", text); };
  EXPECT_EQ(chunks("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), body("hello world"));
  EXPECT_EQ(chunks("00A;name=\"v\"\r\n0123456789\r\n000\r\nTrailer: dropped\r\n\r\n"), body("0123456789"));
  EXPECT_EQ(chunks("0\r\n\r\n"), body(""));
  EXPECT_EQ(chunks("2\r\n\r\n\r\n0\r\n\r\n"), body("\r\n"));
  EXPECT_EQ(chunks("3\r\nabc\r\n"), "more");
  EXPECT_EQ(with_headers("Transfer-Encoding: CHUNKED\r\n", "0\r\n\r\n"),
            posted("transfer-encoding=CHUNKED,", ""));
}

TEST(RequestParser, RefusesWrongChunks) {
  for (const char* wrong : {"-2\r\nab\r\n0\r\n\r\n",
                            "+2\r\nab\r\n0\r\n\r\n",
                            " 2\r\nab\r\n0\r\n\r\n",
                            "2 \r\nab\r\n0\r\n\r\n",
                            "0x2\r\nab\r\n0\r\n\r\n",
                            "\r\nab\r\n",
                            "g\r\n",
                            "2 ;a\r\nab\r\n0\r\n\r\n",
                            ";a\r\n",
                            "2\nab\r\n0\r\n\r\n",
                            "2\r\nabc\r\n0\r\n\r\n",
                            "2\r\nab0\r\n\r\n",
                            "2\r\nab\n0\r\n\r\n",
                            "2\r\nab\r0\r\n\r\n",
                            "2;a\x01\r\nab\r\n0\r\n\r\n",
                            "0\r\n a\r\n\r\n",
                            "0\r\nA : b\r\n\r\n",
                            "0\r\nno colon\r\n\r\n",
                            "0\r\nA: b\n\r\n",
                            "0\r\n\n",
                            "2;a\rb\r\nab\r\n"}) {
    EXPECT_EQ(chunks(wrong), "400") << printable(wrong);
  }
  for (const char* large :
       {"800001\r\n", "FFFFFFFFFFFFFFFF\r\n", "FFFFFFFFFFFFFFFFF\r\n", "10000000000000002\r\nab\r\n"}) {
    EXPECT_EQ(chunks(large), "413") << large;
  }
}

TEST(RequestParser, CountsChunksTogetherAgainstTheLimitOfTheBody) {
  Limits limits;
  limits.body = 10;
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(parsed(head + "6\r\n123456\r\n4\r\n7890\r\n0\r\n\r\n", limits),
            posted("transfer-encoding=chunked,", "1234567890"));
  EXPECT_EQ(parsed(head + "6\r\n123456\r\n5\r\n78901\r\n0\r\n\r\n", limits), "413");
}

TEST(RequestParser, BoundsLinesAndTheirNumber) {
  Limits limits;
  limits.start_line = 40;
  limits.header_line = 20;
  limits.headers = 60;
  limits.header_count = 5;
  const auto request = [](std::size_t target, const std::string& lines) {
    return "GET /" + std::string(target, 'a') + " HTTP/1.1\r\nHost: x\r\n" + lines + "\r\n";
  };
  const auto field = [](std::size_t bytes) { return "A: " + std::string(bytes - 3, 'b') + "\r\n"; };
  EXPECT_THAT(parsed(request(26, field(20)), limits), ::testing::EndsWith("0:; "));  // both lines just fit
  EXPECT_EQ(parsed(request(27, ""), limits), "414");
  EXPECT_EQ(parsed(request(0, field(21)), limits), "431");
  EXPECT_THAT(parsed(request(0, field(20) + field(20) + field(13)), limits), ::testing::EndsWith("0:; "));
  EXPECT_EQ(parsed(request(0, field(20) + field(20) + field(14)), limits), "431");
  EXPECT_THAT(parsed(request(0, field(4) + field(4) + field(4) + field(4)), limits),
              ::testing::EndsWith("0:; "));
  EXPECT_EQ(parsed(request(0, field(4) + field(4) + field(4) + field(4) + field(4)), limits), "431");
  // Refused before the line ends.
  EXPECT_EQ(parsed(std::string(41, 'G'), limits), "414");
  EXPECT_EQ(parsed("GET / HTTP/1.1\r\n" + std::string(21, 'h'), limits), "431");
}

TEST(RequestParser, CountsTrailersWithTheHeaders) {
  Limits limits;
  limits.header_count = 4;
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
  EXPECT_EQ(parsed(head + "A: 1\r\nB: 2\r\n\r\n", limits), posted("transfer-encoding=chunked,", ""));
  EXPECT_EQ(parsed(head + "A: 1\r\nB: 2\r\nC: 3\r\n\r\n", limits), "431");
  limits.header_line = 30;
  EXPECT_EQ(parsed(head + "A: " + std::string(28, 'a') + "\r\n\r\n", limits), "431");
}

TEST(RequestParser, BoundsChunkExtensions) {
  Limits limits;
  limits.headers = 100;
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(parsed(head + "1;" + std::string(99, 'e') + "\r\na\r\n0\r\n\r\n", limits),
            posted("transfer-encoding=chunked,", "a"));
  EXPECT_EQ(
      parsed(head + "1;" + std::string(50, 'e') + "\r\na\r\n1;" + std::string(49, 'e') + "\r\nb\r\n", limits),
      "400");
  EXPECT_EQ(parsed(head + "1;" + std::string(300, 'e')), "400");
  EXPECT_EQ(parsed(head + std::string(300, '0')), "400");
}

TEST(RequestParser, StopsBetweenHeadAndBody) {
  const Limits limits;
  RequestParser parser(limits);
  const std::string_view head =
      "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\n";
  EXPECT_EQ(parser.feed(std::string(head) + "abcGET"), head.size());
  EXPECT_EQ(parser.state(), RequestParser::State::kHeadDone);
  EXPECT_EQ(parser.head().path, "/p");
  EXPECT_TRUE(parser.framing().has_body());
  EXPECT_TRUE(parser.framing().expects_continue);
  EXPECT_EQ(parser.feed("abcGET"), 0U);
  parser.read_body();
  EXPECT_EQ(parser.feed("abcGET"), 3U);
  EXPECT_EQ(parser.state(), RequestParser::State::kDone);
  EXPECT_EQ(parser.take().body, "abc");
  EXPECT_EQ(parser.state(), RequestParser::State::kHead);
  EXPECT_FALSE(parser.started());
}

TEST(RequestParser, KnowsWhetherTheConnectionStays) {
  const Limits limits;
  const auto stays = [&](const std::string& bytes) {
    RequestParser parser(limits);
    parser.feed(bytes);
    EXPECT_EQ(parser.state(), RequestParser::State::kHeadDone);
    return parser.framing().keep_alive;
  };
  EXPECT_TRUE(stays("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_FALSE(stays("GET / HTTP/1.1\r\nHost: x\r\nConnection: x, Close\r\n\r\n"));
  EXPECT_FALSE(stays("GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n"));
  EXPECT_FALSE(stays("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n"));
  EXPECT_FALSE(stays("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(stays("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
}

TEST(RequestParser, ExpectsNothingOfHttp10OrWithoutABody) {
  const Limits limits;
  for (const char* bytes : {"POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n",
                            "GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n"}) {
    RequestParser parser(limits);
    parser.feed(bytes);
    ASSERT_EQ(parser.state(), RequestParser::State::kHeadDone);
    EXPECT_FALSE(parser.framing().expects_continue);
  }
}

TEST(RequestParser, TakesMemoryForWhatCameAndNotForWhatWasAnnounced) {
  const Limits limits;
  Framing framing;
  framing.length = limits.body;
  BodyReader body(framing, {}, limits);
  const std::string some(1000, 'a');
  std::size_t left = 0;
  for (std::size_t came = 1000; !body.done(); came += 1000) {
    std::string_view bytes = some;
    EXPECT_FALSE(body.feed(bytes));
    ASSERT_LE(body.body().capacity(), 2 * came);
    left = bytes.size();
  }
  EXPECT_EQ(body.body().size(), limits.body);
  EXPECT_EQ(left, 1000 - limits.body % 1000);
}

TEST(RequestParser, SaysWhatIsWrongInOneLine) {
  const Limits limits;
  for (const char* folded : {" c", "\tc"}) {
    RequestParser parser(limits);
    parser.feed("GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n" + std::string(folded) + "\r\n");
    EXPECT_EQ(parser.failure().message,
              "expected each header on a line of its own, got one that is continued");
  }
  for (const Refused& refusal : refused()) {
    RequestParser parser(limits);
    parser.feed(refusal.bytes);
    if (parser.state() != RequestParser::State::kFailed) continue;
    const std::string& message = parser.failure().message;
    EXPECT_TRUE(message.starts_with("expected ")) << message;
    EXPECT_EQ(message, printable(message, 1000)) << refusal.name;
    EXPECT_LT(message.size(), 300U) << refusal.name;
  }
}

}  // namespace
}  // namespace refocus::http
