// How a server ends, and what else its thread does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "server/http/client.h"
#include "server/http/server.h"

namespace refocus::http {
namespace {

using ::testing::AllOf;
using testing::body_of;
using testing::Client;
using ::testing::EndsWith;
using testing::eventually;
using testing::get;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing::status_of;
using testing::TestServer;

constexpr double kLong = 3600;  // seconds: what ends before is not ended by this

TEST(Stop, LetsAnswersInFlightEnd) {
  TestServer server;
  Client idle = server.client();
  idle.send(get("/"));
  idle.response();
  Client streamed = server.client();
  streamed.send(get("/later") + get("/next"));
  const auto stream = server.later(0);
  stream->begin(200, {});
  streamed.until("\r\n\r\n");
  Client waiting = server.client();
  waiting.send(get("/later"));
  const auto answer = server.later(1);
  Client sending = server.client();
  const std::string half = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf";
  const std::uint64_t before = server.server.counters().bytes_in;
  sending.send(half);
  ASSERT_TRUE(eventually([&] { return server.server.counters().bytes_in == before + half.size(); }));
  server.server.stop(kLong);
  EXPECT_EQ(idle.rest(), "");
  EXPECT_THAT(sending.rest(), AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("Retry-After: 1\r\n")));
  EXPECT_THROW(static_cast<void>(server.client()), std::runtime_error);
  EXPECT_FALSE(stream->gone());
  EXPECT_TRUE(stream->write("last"));
  stream->end();
  EXPECT_EQ(streamed.rest(), "4\r\nlast\r\n0\r\n\r\n");
  EXPECT_FALSE(server.ended());
  answer->send({200, {}, "done"});
  EXPECT_THAT(waiting.rest(), AllOf(HasSubstr("Connection: close\r\n"), EndsWith("\r\n\r\ndone")));
  for (Client* client : {&idle, &streamed, &waiting, &sending}) client->close();
  EXPECT_TRUE(eventually([&] { return server.ended(); }));
}

TEST(Stop, BreaksOffAfterItsTime) {
  TestServer server;
  Client client = server.client();
  client.send(get("/later"));
  const auto reply = server.later();
  std::atomic<int> gone{0};
  reply->on_gone([&] { ++gone; });
  server.server.stop(0.05);
  server.server.stop(kLong);  // which comes too late
  EXPECT_TRUE(eventually([&] { return server.ended(); }));
  EXPECT_EQ(gone, 1);
  EXPECT_TRUE(reply->gone());
  EXPECT_EQ(client.rest(), "<reset>");
}

TEST(Stop, CanBeShortened) {
  TestServer server;
  Client client = server.client();
  client.send(get("/later"));
  const auto reply = server.later();
  server.server.stop(kLong);
  server.server.stop(2 * kLong);
  EXPECT_FALSE(server.ended());
  server.server.stop(0);
  EXPECT_TRUE(eventually([&] { return server.ended(); }));
}

TEST(Stop, WorksBeforeAndAfterRun) {
  Server server({}, {}, [](Request&&, const std::shared_ptr<Reply>&) {});
  server.listen("127.0.0.1", 0);
  server.stop(0);
  server.run();
  server.stop(0);
  server.post([] { FAIL() << "called after the end"; });
}

std::atomic<int> stop_fd{-1};

TEST(Stop, CanBeAskedByASignalHandler) {
  Limits limits;
  limits.signal_grace = kLong;
  TestServer server(limits);
  Client idle = server.client();
  Client client = server.client();
  client.send(get("/later"));
  const auto reply = server.later();
  stop_fd = server.server.stop_descriptor();
  const auto former = std::signal(SIGUSR1, [](int) {
    const char byte = 's';
    [[maybe_unused]] const ssize_t written = ::write(stop_fd, &byte, 1);
  });
  std::raise(SIGUSR1);
  EXPECT_EQ(idle.rest(), "");  // stopping
  EXPECT_FALSE(server.ended());
  EXPECT_FALSE(reply->gone());
  std::raise(SIGUSR1);
  EXPECT_TRUE(eventually([&] { return server.ended(); }));
  EXPECT_TRUE(reply->gone());
  std::signal(SIGUSR1, former);
}

TEST(Timer, IsCalledAgainAndAgain) {
  TestServer server;
  std::atomic<int> calls{0};
  std::atomic<int> seldom{0};
  server.server.every(0.005, [&] {
    ++calls;
    throw std::runtime_error("which ends neither timer nor server");
  });
  server.server.every(kLong, [&] { ++seldom; });
  EXPECT_TRUE(eventually([&] { return calls >= 3; }));
  EXPECT_EQ(seldom, 0);
  EXPECT_GE(server.server.counters().failures, 2U);
  server.join(0);
}

TEST(Post, CallsOnTheThreadOfTheServer) {
  Server server({}, {}, [](Request&&, const std::shared_ptr<Reply>&) {});
  std::vector<int> order;
  server.post([&] { order.push_back(1); });
  server.post([&] {
    order.push_back(2);
    server.post([&] {
      order.push_back(3);
      server.stop(0);
    });
  });
  server.run();
  EXPECT_THAT(order, ::testing::ElementsAre(1, 2, 3));
}

TEST(Counters, CountAnswersByTheirStatus) {
  TestServer server;
  Client client = server.client();
  client.send(get("/") + get("/refused") + get("/throws") + "x\r\n");
  const std::string all = client.rest();
  EXPECT_EQ(status_of(all), 200);
  const Counters counters = server.server.counters();
  EXPECT_EQ(counters.responses[2], 1U);
  EXPECT_EQ(counters.responses[4], 2U);
  EXPECT_EQ(counters.responses[5], 1U);
  EXPECT_EQ(counters.bytes_out, all.size());
  EXPECT_EQ(counters.connections_accepted, 1U);
}

}  // namespace
}  // namespace refocus::http
