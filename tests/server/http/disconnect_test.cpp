// Clients that go, or do not read, while they are being answered.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/http/client.h"
#include "server/http/server.h"

namespace refocus::http {
namespace {

using testing::body_of;
using testing::Client;
using ::testing::EndsWith;
using testing::eventually;
using testing::get;
using testing::post;
using testing::TestServer;

// How often on_gone was called, and by whom.
struct Gone {
  std::atomic<int> calls{0};
  std::atomic<std::thread::id> thread{};

  void watch(Reply& reply) {
    reply.on_gone([this] {
      thread = std::this_thread::get_id();
      ++calls;
    });
  }
};

std::thread::id thread_of(Server& server) {
  std::atomic<std::thread::id> thread{};
  std::atomic<bool> known{false};
  server.post([&] {
    thread = std::this_thread::get_id();
    known = true;
  });
  EXPECT_TRUE(eventually([&] { return known.load(); }));
  return thread;
}

// The ways to go.
enum class Leave { kClose, kReset, kHalfClose };

class Disconnect : public ::testing::TestWithParam<Leave> {
 protected:
  static void leave(Client& client) {
    if (GetParam() == Leave::kClose) client.close();
    if (GetParam() == Leave::kReset) client.reset();
    if (GetParam() == Leave::kHalfClose) client.half_close();
  }
};

INSTANTIATE_TEST_SUITE_P(Leaving, Disconnect,
                         ::testing::Values(Leave::kClose, Leave::kReset, Leave::kHalfClose),
                         [](const auto& tested) {
                           return tested.param == Leave::kClose   ? "Close"
                                  : tested.param == Leave::kReset ? "Reset"
                                                                  : "HalfClose";
                         });

TEST_P(Disconnect, IsNoticedBeforeTheAnswer) {
  TestServer server;
  Gone gone;
  Client client = server.client();
  client.send(get("/later"));
  const auto reply = server.later();
  gone.watch(*reply);
  EXPECT_FALSE(reply->gone());
  leave(client);
  ASSERT_TRUE(eventually([&] { return gone.calls == 1; }));
  EXPECT_TRUE(reply->gone());
  EXPECT_EQ(gone.thread.load(), thread_of(server.server));
  EXPECT_EQ(server.server.counters().connections_open, 0U);
  // What is said to nobody does no harm.
  reply->send({200, {}, "x"});
  reply->begin(200, {});
  EXPECT_FALSE(reply->write("x"));
  reply->end();
  EXPECT_EQ(reply->unsent(), 0U);
  EXPECT_EQ(gone.calls, 1);
}

TEST_P(Disconnect, IsNoticedInAStream) {
  TestServer server;
  Gone gone;
  Client client = server.client();
  client.send(get("/later"));
  const auto reply = server.later();
  gone.watch(*reply);
  reply->begin(200, {});
  reply->write("a");
  client.until("1\r\na\r\n");
  leave(client);
  EXPECT_TRUE(eventually([&] { return gone.calls == 1; }));
  EXPECT_FALSE(reply->write("b"));
}

TEST_P(Disconnect, IsNoticedBehindRequestsThatWereSentAhead) {
  TestServer server;
  Gone gone;
  Client client = server.client();
  client.send(get("/later") + get("/next") + "GET / HT");
  const auto reply = server.later();
  gone.watch(*reply);
  leave(client);
  EXPECT_TRUE(eventually([&] { return gone.calls == 1; }));
}

TEST_P(Disconnect, IsNoticedWhileTheClientDoesNotRead) {
  TestServer server;
  Gone gone;
  Client client(server.port, 4096);
  client.send(get("/later"));
  const auto reply = server.later();
  gone.watch(*reply);
  reply->begin(200, {});
  reply->write(std::string(std::size_t{16} << 20, 'x'));
  EXPECT_GT(reply->unsent(), 0U);
  leave(client);
  EXPECT_TRUE(eventually([&] { return gone.calls == 1; }));
  EXPECT_EQ(reply->unsent(), 0U);
}

TEST_P(Disconnect, EndsARequestThatIsNotWhole) {
  TestServer server;
  for (const char* part : {"", "GET / HT", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf",
                           "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"}) {
    Client client = server.client();
    client.send(part);
    ASSERT_TRUE(eventually([&] { return server.server.counters().connections_open == 1; }));
    leave(client);
    EXPECT_TRUE(eventually([&] { return server.server.counters().connections_open == 0; })) << part;
  }
}

TEST(HalfClose, GetsWhatIsAnsweredAtOnce) {
  TestServer server({}, [](Request&& request, const std::shared_ptr<Reply>& reply) {
    reply->send({200, {}, request.head.path + std::string(std::size_t{8} << 20, 'x') + "end"});
  });
  Client client(server.port, 4096);
  client.send(get("/a") + get("/b", "Connection: close\r\n"));
  client.half_close();
  std::string all = client.rest();
  EXPECT_THAT(all, EndsWith("xend"));
  EXPECT_NE(all.find("/b"), std::string::npos);
  EXPECT_TRUE(eventually([&] { return server.server.counters().connections_open == 0; }));
}

TEST(HalfClose, IsNoEndlessExcuse) {
  std::atomic<int> gone{0};
  Limits limits;
  limits.write_stall = 3600;
  TestServer server(limits, [&](Request&&, const std::shared_ptr<Reply>& reply) {
    reply->on_gone([&] { ++gone; });
    reply->send({200, {}, std::string(std::size_t{16} << 20, 'x')});
  });
  Client client(server.port, 4096);
  client.send(get("/"));
  client.half_close();
  EXPECT_NE(client.some(), "");
  EXPECT_FALSE(gone);
  client.reset();
  EXPECT_TRUE(eventually([&] { return gone == 1; }));
  EXPECT_EQ(server.server.counters().connections_open, 0U);
}

TEST(OnGone, IsCalledAtOnceWhereTheClientWentBefore) {
  TestServer server;
  Client client = server.client();
  client.send(get("/later"));
  const auto reply = server.later();
  client.close();
  ASSERT_TRUE(eventually([&] { return reply->gone(); }));
  Gone gone;
  gone.watch(*reply);
  EXPECT_EQ(gone.calls, 1);
  EXPECT_EQ(gone.thread.load(), std::this_thread::get_id());
}

TEST(OnGone, IsNeverCalledAfterTheAnswer) {
  TestServer server;
  Gone gone;
  Client client = server.client();
  client.send(get("/later"));
  const auto reply = server.later();
  gone.watch(*reply);
  reply->send({200, {}, "whole"});
  EXPECT_EQ(body_of(client.response()), "whole");
  client.send(get("/next"));  // when this is answered, the first answer is past
  EXPECT_EQ(body_of(client.response()), "GET /next ");
  gone.watch(*reply);
  client.close();
  ASSERT_TRUE(eventually([&] { return server.server.counters().connections_open == 0; }));
  server.join(0);
  EXPECT_EQ(gone.calls, 0);
  EXPECT_FALSE(reply->gone());
}

TEST(OnGone, MayOwnTheReply) {
  std::weak_ptr<Reply> watched;
  {
    TestServer server;
    for (const bool answered : {true, false}) {
      Client client = server.client();
      client.send(get("/later"));
      auto reply = server.later();
      watched = reply;
      reply->on_gone([reply] { EXPECT_TRUE(reply->gone()); });
      if (answered) reply->send({200, {}, ""});
      if (answered) client.response();
      client.close();
      reply.reset();
      server.forget_later();
      EXPECT_TRUE(eventually([&] { return watched.expired(); })) << answered;
    }
  }
}

TEST(OnGone, MayThrow) {
  TestServer server;
  Client client = server.client();
  client.send(get("/later"));
  server.later()->on_gone([] { throw std::runtime_error("callback"); });
  client.close();
  EXPECT_TRUE(eventually([&] { return server.server.counters().failures == 1; }));
  Client next = server.client();
  next.send(get("/"));
  EXPECT_EQ(body_of(next.response()), "GET / ");
}

TEST(SlowReader, IsSeenByWhoWrites) {
  TestServer server;
  Client client(server.port, 65536);
  client.send(get("/later"));
  const auto reply = server.later();
  reply->begin(200, {});
  constexpr std::size_t kBytes = std::size_t{32} << 20;
  reply->write(std::string(kBytes, 'x'));
  EXPECT_TRUE(eventually([&] { return reply->unsent() < kBytes; }));
  EXPECT_GT(reply->unsent(), kBytes / 4);  // which no socket's buffer holds
  reply->end();
  EXPECT_THAT(client.until("\r\n0\r\n\r\n"), EndsWith("xxx\r\n0\r\n\r\n"));
  EXPECT_TRUE(eventually([&] { return reply->unsent() == 0; }));
  EXPECT_FALSE(reply->gone());
}

TEST(SlowReader, IsDroppedWhereItTakesNothing) {
  Limits limits;
  limits.write_stall = 0.3;
  TestServer server(limits);
  Gone gone;
  Client client(server.port, 4096);
  client.send(get("/later"));
  const auto reply = server.later();
  gone.watch(*reply);
  reply->send({200, {}, std::string(std::size_t{16} << 20, 'x')});
  EXPECT_TRUE(eventually([&] { return gone.calls == 1; }));
  EXPECT_TRUE(reply->gone());
  EXPECT_THAT(client.rest(), EndsWith("<reset>"));
}

TEST(SlowReader, IsServedAsLongAsItTakesSomething) {
  Limits limits;
  limits.write_stall = 1;
  TestServer server(limits);
  Client client(server.port, 65536);
  client.send(get("/later"));
  const auto reply = server.later();
  const std::string body(std::size_t{16} << 20, 'x');
  reply->send({200, {}, body});
  // More than twice the limit in all, with a short pause after each piece.
  using Clock = std::chrono::steady_clock;
  const std::chrono::duration<double> limit(limits.write_stall);
  const auto begin = Clock::now();
  std::size_t got = 0;
  while (Clock::now() - begin < 2.5 * limit && !reply->gone()) {
    const auto before = Clock::now();
    got += client.some().size();
    std::this_thread::sleep_for(limit / 8);
    if (Clock::now() - before > limit / 2) GTEST_SKIP() << "the machine is too busy to read that often";
  }
  EXPECT_LT(got, body.size());
  EXPECT_FALSE(reply->gone());
}

TEST(Reply, MayOutliveItsServer) {
  std::shared_ptr<Reply> reply;
  Gone gone;
  {
    TestServer server;
    Client client = server.client();
    client.send(get("/later"));
    reply = server.later();
    gone.watch(*reply);
    reply->begin(200, {});
    server.join(0);
    EXPECT_THAT(client.rest(), EndsWith("<reset>"));
  }
  EXPECT_EQ(gone.calls, 1);
  EXPECT_TRUE(reply->gone());
  EXPECT_FALSE(reply->write("x"));
  reply->end();
  reply->on_gone([&] { ++gone.calls; });
  EXPECT_EQ(gone.calls, 2);
  reply.reset();
}

}  // namespace
}  // namespace refocus::http
