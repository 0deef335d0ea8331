// What is too long, too slow or too much gets its status, and takes no memory, thread or processor.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "server/http/client.h"
#include "server/http/server.h"
#include "support.h"

namespace refocus::http {
namespace {

using ::testing::AllOf;
using testing::body_of;
using testing::Client;
using testing::eventually;
using testing::get;
using ::testing::HasSubstr;
using testing::kPatience;
using testing::post;
using ::testing::StartsWith;
using testing::status_of;
using testing::TestServer;

constexpr double kAges = 3600;  // seconds: a limit that does not come into play

// Sends a byte again and again until there is an answer.
void trickle(Client& client, std::string_view begin, std::string_view byte) {
  client.send(begin);
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(kPatience);
  while (!client.readable(0.01) && std::chrono::steady_clock::now() < end) client.send(byte);
}

TEST(SlowSender, OfHeadersIsAnswered408) {
  Limits limits;
  limits.header_read = 0.3;
  limits.idle = limits.body_read = kAges;
  TestServer server(limits);
  Client client = server.client();
  trickle(client, "GET / HTTP/1.1\r\nA: ", "a");
  EXPECT_THAT(client.rest(), AllOf(StartsWith("HTTP/1.1 408 "), HasSubstr("Connection: close\r\n"),
                                   HasSubstr("expected the headers within 0.3 s")));
}

TEST(SlowSender, OfABodyIsAnswered408) {
  Limits limits;
  limits.body_read = 0.3;
  limits.idle = limits.header_read = kAges;
  TestServer server(limits);
  for (const char* length :
       {"Content-Length: 100000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n186a0\r\n"}) {
    Client client = server.client();
    trickle(client, std::string("POST / HTTP/1.1\r\nHost: x\r\n") + length, "a");
    EXPECT_THAT(client.rest(),
                AllOf(StartsWith("HTTP/1.1 408 "), HasSubstr("expected the body within 0.3 s")));
  }
}

TEST(SlowSender, HasATimeOfItsOwnForTheBody) {
  Limits limits;
  limits.body_read = 2;
  limits.header_read = kAges;
  TestServer server(limits);
  Client client = server.client();
  client.send("POST / HTTP/1.1\r\n");
  EXPECT_TRUE(client.silent(limits.body_read + 0.2));
  client.send("Host: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("a");
  EXPECT_EQ(body_of(client.response()), "POST / a");
}

TEST(SlowSender, MayTakeItsTimeBetweenRequests) {
  Limits limits;
  limits.header_read = limits.body_read = 0.05;
  TestServer server(limits);
  Client client = server.client();
  for (const char* before : {"", "\r\n"}) {
    EXPECT_TRUE(client.silent(0.2));
    client.send(before);
    EXPECT_TRUE(client.silent(0.2));
    client.send(get("/"));
    EXPECT_EQ(body_of(client.response()), "GET / ");
  }
}

TEST(Idle, ConnectionsAreClosedWithoutAWord) {
  Limits limits;
  limits.idle = 0.2;
  limits.header_read = limits.body_read = kAges;
  TestServer server(limits);
  Client silent = server.client();
  EXPECT_EQ(silent.rest(), "");
  Client used = server.client();
  used.send(get("/"));
  used.response();
  EXPECT_EQ(used.rest(), "");
  Client waiting = server.client();
  waiting.send(get("/later"));
  const auto reply = server.later();
  EXPECT_TRUE(waiting.silent(0.5));  // which is not idle
  reply->send({200, {}, "x"});
  EXPECT_EQ(body_of(waiting.response()), "x");
}

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t all = 0;
  std::size_t resident = 0;
  file >> all >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

struct Flood {
  const char* name;
  std::string begin;
  std::string repeated;
  int times;
  int status;
};

class FloodTest : public ::testing::TestWithParam<Flood> {};

const std::string kMebibyte(std::size_t{1} << 20, 'a');

INSTANTIATE_TEST_SUITE_P(
    Floods, FloodTest,
    ::testing::Values(
        Flood{"FirstLine", "GET /", kMebibyte, 60, 414}, Flood{"Method", "", kMebibyte, 60, 414},
        Flood{"HeaderLine", "GET / HTTP/1.1\r\nHost: x\r\nA: ", kMebibyte, 60, 431},
        Flood{"HeaderName", "GET / HTTP/1.1\r\n", kMebibyte, 60, 431},
        Flood{"Headers", "GET / HTTP/1.1\r\nHost: x\r\n", "A: b\r\n", 200000, 431},
        Flood{"Length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 62914560\r\n\r\n", kMebibyte, 60, 413},
        Flood{"Chunks", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
              "100000\r\n" + kMebibyte + "\r\n", 60, 413},
        Flood{"SmallChunks", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
              "1;" + std::string(200, 'e') + "\r\na\r\n", 50000, 400},
        Flood{"ChunkLine", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", kMebibyte, 60,
              400},
        Flood{"Trailers", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "A: b\r\n",
              200000, 431},
        Flood{"EmptyLines", "", "\r\n", 1000000, 400},
        Flood{"BodyOfARefusedRequest",
              "POST /refused HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
              "100000\r\n" + kMebibyte + "\r\n", 60, 403}),
    [](const auto& tested) { return tested.param.name; });

// The client sends all before it reads, as many do.
TEST_P(FloodTest, IsAnsweredAndTakesNoMemory) {
  TestServer server;
  Client client = server.client();
  std::string piece;
  int pieces = GetParam().times;
  while (piece.size() < kMebibyte.size() && pieces > 1) {  // in few calls
    piece += GetParam().repeated;
    --pieces;
  }
  if (piece.empty()) piece = GetParam().repeated;
  const std::size_t in_piece = std::max<std::size_t>(piece.size() / GetParam().repeated.size(), 1);
  const std::size_t before = resident_bytes();
  std::size_t most = before;
  EXPECT_TRUE(client.send(GetParam().begin));
  for (std::size_t sent = 0; sent < static_cast<std::size_t>(GetParam().times); sent += in_piece) {
    if (!client.send(piece)) break;
    most = std::max(most, resident_bytes());
  }
  EXPECT_EQ(status_of(client.rest()), GetParam().status);
  most = std::max(most, resident_bytes());
  // A body of 8 MiB that grows takes twice as much and a copy; a flood of 60 MiB would show.
  if (!testing::kSanitized) {
    EXPECT_LT(most - before, std::size_t{32} << 20);
  }
  Client next = server.client();
  next.send(get("/"));
  EXPECT_EQ(body_of(next.response()), "GET / ");
}

TEST(Flood, OfAnswerAfterTheLastOneIsCutOff) {
  Limits limits;
  limits.linger_bytes = 100000;
  limits.linger = kAges;
  TestServer server(limits);
  Client client = server.client();
  client.send("x\r\n");
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(kPatience);
  bool open = true;
  while (open && std::chrono::steady_clock::now() < end) open = client.send(std::string(10000, 'x'));
  EXPECT_FALSE(open);
}

TEST(Linger, EndsAfterItsTime) {
  Limits limits;
  limits.linger = 0.2;
  TestServer server(limits);
  Client client = server.client();
  client.send("x\r\n");
  EXPECT_EQ(status_of(client.rest()), 400);
  // The client keeps its half open, and yet the server is rid of it.
  EXPECT_TRUE(eventually([&] { return server.server.counters().connections_open == 0; }));
}

TEST(Bodies, AreBoundedTogether) {
  Limits limits;
  limits.bodies = 100000;
  TestServer server(limits);
  Client first = server.client();
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 80000\r\n\r\n";
  first.send(head + std::string(70000, 'a'));
  ASSERT_TRUE(eventually([&] { return server.server.counters().bytes_in >= 70000; }));
  Client second = server.client();
  second.send(head + std::string(70000, 'b'));
  EXPECT_THAT(second.rest(), AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("Retry-After: 1\r\n")));
  first.send(std::string(10000, 'a'));
  EXPECT_EQ(body_of(first.response()), "POST / " + std::string(80000, 'a'));
  // And room is there again.
  Client third = server.client();
  third.send(head + std::string(80000, 'c'));
  EXPECT_EQ(status_of(third.response()), 200);
}

TEST(Connections, BeyondTheLimitAreToldSo) {
  Limits limits;
  limits.connections = 4;
  limits.linger = kAges;
  TestServer server(limits);
  std::vector<Client> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(server.client());
  ASSERT_TRUE(eventually([&] { return server.server.counters().connections_accepted == 4; }));
  {
    // Most get their answer, and those beyond what is told at once no place either.
    std::vector<Client> more;
    for (int i = 0; i < 100; ++i) more.push_back(server.client());
    ASSERT_TRUE(eventually([&] { return server.server.counters().connections_refused == 100; }));
    EXPECT_EQ(server.server.counters().connections_open, 4U + 64U);
    EXPECT_THAT(more.front().rest(), AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("Retry-After: 1\r\n"),
                                           HasSubstr("expected at most 4 connections")));
    EXPECT_EQ(more.back().rest(), "");
  }
  for (Client& client : clients) {
    client.send(get("/"));
    EXPECT_EQ(body_of(client.response()), "GET / ");
  }
  clients.pop_back();
  ASSERT_TRUE(eventually([&] { return server.server.counters().connections_open == 3; }));
  Client next = server.client();
  next.send(get("/"));
  EXPECT_EQ(body_of(next.response()), "GET / ");
}

std::size_t threads() {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/task"), {}));
}

TEST(Connections, ThatAreIdleCostNoThreadAndHoldNobodyUp) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_max < 1024) GTEST_SKIP() << "needs 1024 open files";
  files.rlim_cur = std::max<rlim_t>(files.rlim_cur, 1024);
  ::setrlimit(RLIMIT_NOFILE, &files);
  TestServer server;
  std::vector<Client> clients;
  clients.push_back(server.client());
  clients.front().send(get("/"));
  clients.front().response();
  const std::size_t before = threads();
  while (clients.size() < 256) clients.push_back(server.client());
  ASSERT_TRUE(eventually([&] { return server.server.counters().connections_open == 256; }));
  for (const std::size_t i : {0, 100, 255}) {
    clients[i].send(get("/"));
    EXPECT_EQ(body_of(clients[i].response()), "GET / ");
  }
  EXPECT_EQ(threads(), before);
}

double processor_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

TEST(Connections, WaitWhereNoFileCanBeOpened) {
  TestServer server;
  Client client;
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  const int lowest = ::dup(0);
  ::close(lowest);
  const rlimit none = {static_cast<rlim_t>(lowest), files.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const double before = processor_seconds();
  client.connect(server.port);
  client.send(get("/"));
  EXPECT_TRUE(client.silent(1));
  const double used = processor_seconds() - before;
  ::setrlimit(RLIMIT_NOFILE, &files);
  EXPECT_LT(used, 0.5);  // of one second
  EXPECT_EQ(body_of(client.response()), "GET / ");
}

TEST(Server, SleepsWhereNothingHappens) {
  TestServer server;
  Client idle = server.client();
  Client waiting = server.client();
  waiting.send(get("/later"));
  const auto reply = server.later();
  reply->begin(200, {});
  waiting.until("\r\n\r\n");
  Client stalled(server.port, 4096);
  stalled.send(get("/later"));
  const auto unread = server.later(1);
  constexpr std::size_t kBytes = std::size_t{16} << 20;
  unread->send({200, {}, std::string(kBytes, 'x')});
  Client lingering = server.client();
  lingering.send("x\r\n");
  lingering.rest();
  Client ahead = server.client();
  ahead.send(get("/later") + get("/next"));
  server.later(2);
  EXPECT_TRUE(eventually([&] { return unread->unsent() < kBytes; }));
  const double before = processor_seconds();
  EXPECT_TRUE(idle.silent(1));
  EXPECT_LT(processor_seconds() - before, 0.5);  // of one second
}

}  // namespace
}  // namespace refocus::http
