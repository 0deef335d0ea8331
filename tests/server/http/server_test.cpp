// What a server answers to clients that behave: order, keep-alive, streams, stopping.
#include "server/http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/http/client.h"
#include "support.h"

namespace refocus::http {
namespace {

using ::testing::AllOf;
using testing::body_of;
using testing::Client;
using ::testing::EndsWith;
using testing::eventually;
using testing::get;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::post;
using ::testing::StartsWith;
using testing::status_of;
using testing::TestServer;

TEST(Server, AnswersAndKeepsTheConnection) {
  TestServer server;
  Client client = server.client();
  for (int i = 0; i < 3; ++i) {
    client.send(post("/p", "body"));
    const std::string response = client.response();
    EXPECT_THAT(response,
                AllOf(StartsWith("HTTP/1.1 200 OK\r\nDate: "), HasSubstr("\r\nContent-Length: 12\r\n"),
                      EndsWith("\r\n\r\nPOST /p body"), Not(HasSubstr("Connection"))));
  }
  EXPECT_EQ(server.server.counters().connections_accepted, 1U);
  EXPECT_EQ(server.server.counters().responses[2], 3U);
  EXPECT_EQ(server.server.counters().bytes_in, 3 * post("/p", "body").size());
}

TEST(Server, SaysWhereTheRequestIsFrom) {
  TestServer server({}, [](Request&& request, const std::shared_ptr<Reply>& reply) {
    reply->send(
        {200,
         {},
         fmt::format("{}{}{}", request.head.peer, *request.head.find("x-a"), *request.head.parameter("q"))});
  });
  Client client = server.client();
  client.send(get("/?q=1", "X-A: b\r\n"));
  EXPECT_THAT(body_of(client.response()), ::testing::MatchesRegex("127.0.0.1:[0-9]+b1"));
}

TEST(Server, AnswersWhatIsSentAheadInItsOrder) {
  TestServer server;
  Client client = server.client();
  client.send(get("/a") + get("/later") + post("/b", "1") + get("/later") + get("/c"));
  EXPECT_EQ(body_of(client.response()), "GET /a ");
  const auto first = server.later(0);
  EXPECT_TRUE(client.silent(0.05));  // nothing overtakes what is asked before
  first->send({200, {}, "first"});
  EXPECT_EQ(body_of(client.response()), "first");
  EXPECT_EQ(body_of(client.response()), "POST /b 1");
  server.later(1)->send({200, {}, "second"});
  EXPECT_EQ(body_of(client.response()), "second");
  EXPECT_EQ(body_of(client.response()), "GET /c ");
}

TEST(Server, AnswersMoreAheadThanItsBuffersHold) {
  TestServer server;
  Client client = server.client();
  constexpr int kRequests = 5000;
  std::thread sender([&] {
    std::string all;
    for (int i = 0; i < kRequests; ++i) all += get("/" + std::to_string(i));
    EXPECT_TRUE(client.send(all));
  });
  for (int i = 0; i < kRequests; ++i) {
    const std::string body = body_of(client.response());
    EXPECT_EQ(body, "GET /" + std::to_string(i) + " ");
    if (body.empty()) break;
  }
  sender.join();
}

TEST(Server, ClosesWhereItIsAsked) {
  TestServer server;
  Client close = server.client();
  close.send(get("/", "Connection: close\r\n") + get("/never"));
  EXPECT_THAT(close.rest(), AllOf(HasSubstr("\r\nConnection: close\r\n"), EndsWith("\r\n\r\nGET / ")));
  Client old = server.client();
  old.send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_THAT(old.rest(), AllOf(HasSubstr("\r\nConnection: close\r\n"), EndsWith("\r\n\r\nGET / ")));
  Client kept = server.client();
  for (int i = 0; i < 2; ++i) {
    kept.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_THAT(kept.response(), AllOf(HasSubstr("\r\nConnection: keep-alive\r\n"), EndsWith("GET / ")));
  }
}

TEST(Server, ClosesWhereTheHandlerAsks) {
  TestServer server({}, [](Request&&, const std::shared_ptr<Reply>& reply) {
    reply->send({200, {{"connection", "Close"}}, "bye"});
  });
  Client client = server.client();
  client.send(get("/"));
  EXPECT_THAT(client.rest(), AllOf(HasSubstr("\r\nConnection: close\r\n"), EndsWith("bye")));
}

TEST(Server, ClosesWhereTheGateAsks) {
  TestServer server;
  Client client = server.client();
  client.send(get("/bye") + get("/never"));
  EXPECT_THAT(client.rest(), AllOf(HasSubstr("\r\nConnection: close\r\n"), EndsWith("\r\n\r\nbye")));
}

TEST(Server, GivesHeadWithoutABody) {
  TestServer server;
  Client client = server.client();
  client.send("HEAD /h HTTP/1.1\r\nHost: x\r\n\r\n" + get("/next"));
  EXPECT_THAT(client.until("\r\n\r\n"), HasSubstr("Content-Length: 8\r\n"));
  EXPECT_THAT(client.response(), AllOf(StartsWith("HTTP/1.1 200 "), EndsWith("\r\n\r\nGET /next ")));
}

TEST(Server, GivesStatusesWithoutBodiesNone) {
  TestServer server({}, [](Request&&, const std::shared_ptr<Reply>& reply) {
    reply->send({204, {}, "not sent"});
  });
  Client client = server.client();
  client.send(get("/") + get("/"));
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(client.until("\r\n\r\n"),
                AllOf(StartsWith("HTTP/1.1 204 "), Not(HasSubstr("Content-Length"))));
  }
}

TEST(Server, StreamsChunks) {
  TestServer server;
  Client client = server.client();
  client.send(get("/later") + get("/next"));
  const auto reply = server.later();
  reply->write("too early");
  reply->begin(200, {{"Content-Type", "text/event-stream"}});
  EXPECT_THAT(client.until("\r\n\r\n"),
              AllOf(HasSubstr("Content-Type: text/event-stream\r\n"),
                    HasSubstr("Transfer-Encoding: chunked\r\n"), Not(HasSubstr("Length"))));
  EXPECT_TRUE(reply->write("data: a\n\n"));
  EXPECT_EQ(client.until("9\r\ndata: a\n\n\r\n"), "9\r\ndata: a\n\n\r\n");
  EXPECT_TRUE(reply->write(""));  // which as a chunk would be the end
  EXPECT_TRUE(reply->write(std::string(100000, 'x')));
  EXPECT_EQ(client.until("x\r\n"), "186a0\r\n" + std::string(100000, 'x') + "\r\n");
  reply->end();
  EXPECT_FALSE(reply->write("too late"));
  reply->send({200, {}, "too late"});
  EXPECT_EQ(client.until("0\r\n\r\n"), "0\r\n\r\n");
  EXPECT_EQ(body_of(client.response()), "GET /next ");
  EXPECT_TRUE(eventually([&] { return reply->unsent() == 0; }));
  EXPECT_FALSE(reply->gone());
}

TEST(Server, StreamsToTheEndForHttp10) {
  TestServer server;
  Client client = server.client();
  client.send("GET /later HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const auto reply = server.later();
  reply->begin(200, {});
  reply->write("a");
  reply->write("b");
  reply->end();
  EXPECT_THAT(client.rest(),
              AllOf(EndsWith("\r\nConnection: close\r\n\r\nab"), Not(HasSubstr("Transfer-Encoding"))));
}

TEST(Server, SendsHeadAndBodyTogether) {
  TestServer server;
  Client client = server.client();
  // In two pieces, the second would wait 40 ms for the first one's delayed acknowledgement.
  for (int i = 0; i < 20; ++i) {
    client.send(get("/"));
    ASSERT_EQ(status_of(client.response()), 200);
  }
  EXPECT_EQ(client.segments(), 20U);
}

TEST(Server, ContinuesWhereTheGateAgrees) {
  TestServer server;
  Client client = server.client();
  const std::string head = " HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
  client.send("POST /p" + head);
  EXPECT_EQ(client.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("body");
  EXPECT_EQ(body_of(client.response()), "POST /p body");
  client.send("POST /p" + head + "body");  // which came without waiting
  EXPECT_EQ(body_of(client.response()), "POST /p body");
  client.send("POST /refused" + head);
  EXPECT_THAT(client.rest(), AllOf(StartsWith("HTTP/1.1 403 Forbidden\r\n"), HasSubstr("X-Refused: yes\r\n"),
                                   HasSubstr("Connection: close\r\n"), EndsWith("\r\n\r\nno")));
}

TEST(Server, KeepsTheConnectionWhereARefusedRequestHasNoBody) {
  TestServer server;
  Client client = server.client();
  client.send(get("/refused") + "HEAD /refused HTTP/1.1\r\nHost: x\r\n\r\n" + get("/next"));
  EXPECT_EQ(body_of(client.response()), "no");
  EXPECT_THAT(client.until("\r\n\r\n"), StartsWith("HTTP/1.1 403"));
  EXPECT_EQ(body_of(client.response()), "GET /next ");
}

TEST(Server, AnswersFromManyThreads) {
  std::mutex mutex;
  std::vector<std::thread> threads;
  TestServer server({}, [&](Request&& request, std::shared_ptr<Reply> reply) {
    const std::lock_guard lock(mutex);
    threads.emplace_back([path = request.head.path, answer = std::move(reply)] {
      answer->begin(200, {{"Content-Length", "7"}});
      for (int i = 0; i < 50; ++i) answer->write(path);
      answer->end();
    });
  });
  std::vector<Client> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(server.client());
  for (int round = 0; round < 5; ++round) {
    for (Client& client : clients) client.send(get("/abc"));
    for (Client& client : clients) {
      const std::string body = client.until("0\r\n\r\n");
      std::size_t count = 0;
      for (std::size_t at = body.find("/abc"); at != std::string::npos; at = body.find("/abc", at + 1))
        ++count;
      EXPECT_EQ(count, 50U);
    }
  }
  const std::lock_guard lock(mutex);
  for (std::thread& thread : threads) thread.join();
}

TEST(Server, AnswersWhatNobodyAnswered) {
  TestServer server({}, [](Request&& request, const std::shared_ptr<Reply>& reply) {
    if (request.head.path == "/begun") reply->begin(200, {});
  });
  Client client = server.client();
  client.send(get("/") + get("/"));
  EXPECT_EQ(status_of(client.response()), 500);
  EXPECT_EQ(status_of(client.response()), 500);
  client.send(get("/begun"));
  EXPECT_THAT(client.rest(), EndsWith("<reset>"));  // rather than an end that looks whole
}

TEST(Server, AnswersWhereGateOrHandlerThrow) {
  TestServer server;
  Client client = server.client();
  client.send(get("/throws") + get("/gate-throws") + get("/next"));
  EXPECT_EQ(status_of(client.response()), 500);
  EXPECT_EQ(status_of(client.response()), 500);
  EXPECT_EQ(body_of(client.response()), "GET /next ");
  EXPECT_EQ(server.server.counters().failures, 2U);
  EXPECT_EQ(server.server.counters().responses[5], 2U);
}

TEST(Server, WordsItsOwnErrorsAsItIsTold) {
  TestServer server({}, {}, [](int status, std::string_view message) {
    return Response{
        0, {{"Content-Type", "application/json"}}, std::to_string(status) + "|" + std::string(message)};
  });
  Client client = server.client();
  client.send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_THAT(
      client.rest(),
      AllOf(StartsWith("HTTP/1.1 400 Bad Request\r\n"), HasSubstr("Content-Type: application/json\r\n"),
            HasSubstr("Connection: close\r\n"), EndsWith("\r\n\r\n400|expected one Host header, got 0")));
  TestServer throwing({}, {}, [](int, std::string_view) -> Response { throw std::runtime_error("words"); });
  Client other = throwing.client();
  other.send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_THAT(other.rest(),
              AllOf(StartsWith("HTTP/1.1 400 "), EndsWith("expected one Host header, got 0\n")));
}

TEST(Server, ListensOnIpv6AndSeveralAddresses) {
  Server server({}, {}, [](Request&& request, const std::shared_ptr<Reply>& reply) {
    reply->send({200, {}, request.head.peer});
  });
  const std::uint16_t four = server.listen("127.0.0.1", 0);
  EXPECT_GT(four, 0);
  const std::uint16_t name = server.listen("localhost", 0);
  EXPECT_NE(name, four);
  Client by_name(name);  // to 127.0.0.1
  const int probe = ::socket(AF_INET6, SOCK_STREAM, 0);
  sockaddr_in6 at{};
  at.sin6_family = AF_INET6;
  at.sin6_addr = in6addr_loopback;
  const bool has_six = probe >= 0 && ::bind(probe, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0;
  if (probe >= 0) ::close(probe);
  if (!has_six) GTEST_SKIP() << "this machine has no IPv6";
  at.sin6_port = htons(server.listen("[::1]", 0));
  std::thread thread([&] { server.run(); });
  const int fd = ::socket(AF_INET6, SOCK_STREAM, 0);
  ASSERT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
  const std::string request = get("/", "Connection: close\r\n");
  ASSERT_EQ(::send(fd, request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
  std::string response;
  char bytes[4096];
  for (ssize_t got = 0; (got = ::recv(fd, bytes, sizeof bytes, 0)) > 0;)
    response.append(bytes, static_cast<std::size_t>(got));
  ::close(fd);
  EXPECT_THAT(body_of(response), StartsWith("[::1]:"));
  by_name.send(get("/"));
  EXPECT_THAT(body_of(by_name.response()), StartsWith("127.0.0.1:"));
  server.stop(0);
  thread.join();
}

TEST(Server, SaysWhyItCannotListen) {
  const Handler handler = [](Request&&, const std::shared_ptr<Reply>&) {};
  Server server({}, {}, handler);
  const std::uint16_t port = server.listen("127.0.0.1", 0);
  Server second({}, {}, handler);
  EXPECT_EQ(
      testing::error_of([&] { second.listen("127.0.0.1", port); }),
      fmt::format("[listen 127.0.0.1:{}] expected an address and port that are free, got 'Address already in "
                  "use'; another program listens there; stop it or take another port",
                  port));
  EXPECT_THAT(testing::error_of([&] { second.listen("192.0.2.1", 0); }),
              HasSubstr("this machine has no such address"));
  EXPECT_THAT(testing::error_of([&] { second.listen("no.such.name.invalid", 1); }),
              StartsWith("[listen no.such.name.invalid:1] expected an address of this machine, got "));
  EXPECT_THAT(testing::error_of([&] { second.listen("", 1); }), HasSubstr("127.0.0.1 is its own"));
}

}  // namespace
}  // namespace refocus::http
