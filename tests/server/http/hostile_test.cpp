// Clients that mean harm: whatever they send, they get a status or are closed, and others are served.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "server/http/client.h"
#include "server/http/refused.h"
#include "server/http/server.h"
#include "support.h"

namespace refocus::http {
namespace {

using testing::body_of;
using testing::Client;
using testing::eventually;
using testing::get;
using ::testing::HasSubstr;
using testing::post;
using testing::Refused;
using testing::refused;
using testing::status_of;
using testing::TestServer;

// That the server lives and serves.
void expect_served(TestServer& server) {
  Client client = server.client();
  client.send(get("/alive"));
  EXPECT_EQ(body_of(client.response()), "GET /alive ");
}

void expect_empty(TestServer& server) {
  EXPECT_TRUE(eventually([&] { return server.server.counters().connections_open == 0; }));
}

// One with its whole body, and nothing behind it.
bool is_one_response(const std::string& all) {
  const std::size_t length = all.find("Content-Length: ");
  return length != std::string::npos && body_of(all).size() == std::stoul(all.substr(length + 16));
}

class Hostile : public ::testing::TestWithParam<Refused> {};

INSTANTIATE_TEST_SUITE_P(Heads, Hostile, ::testing::ValuesIn(refused()),
                         [](const auto& tested) { return tested.param.name; });

TEST_P(Hostile, GetsItsStatusAndNothingBehindItIsRead) {
  TestServer server;
  Client client = server.client();
  client.send(GetParam().bytes + get("/smuggled") + "Content-Length: 5\r\n\r\n" + get("/smuggled"));
  const std::string all = client.rest();
  EXPECT_EQ(status_of(all), std::stoi(GetParam().expected)) << all;
  EXPECT_THAT(all, HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_TRUE(is_one_response(all)) << all;
  client.close();
  expect_served(server);
  expect_empty(server);
}

TEST(HostileBodies, GetTheirStatus) {
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  TestServer server;
  for (const auto& [bytes, status] :
       std::vector<std::pair<std::string, int>>{{"-2\r\nab\r\n0\r\n\r\n", 400},
                                                {"5\r\nabcde0\r\n\r\n", 400},
                                                {"5\r\nabc\r\n0\r\n\r\n", 400},
                                                {"1;" + std::string(1000, 'e') + "\r\na\r\n0\r\n\r\n", 400},
                                                {"fffffffffffffffff\r\n", 413},
                                                {"7fffffffffffffff\r\n", 413},
                                                {"800001\r\n", 413},
                                                {"0\r\nA : b\r\n\r\n", 400},
                                                {"0\r\nA: " + std::string(9000, 'a') + "\r\n\r\n", 431},
                                                {"0\n\n", 400}}) {
    Client client = server.client();
    client.send(head + bytes + get("/smuggled"));
    const std::string all = client.rest();
    EXPECT_EQ(status_of(all), status) << printable(bytes);
    EXPECT_TRUE(is_one_response(all)) << all;
  }
  expect_served(server);
  expect_empty(server);
}

// Each sends some of a request or all, byte by byte or whole, and leaves in some way at some moment.
TEST(HostileClient, LeavesAtAnyMoment) {
  TestServer server;
  std::vector<std::string> requests = {
      get("/"),
      get("/later"),
      get("/throws"),
      get("/refused"),
      post("/", std::string(3000, 'b')),
      get("/a") + get("/b"),
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"};
  for (const Refused& one : refused()) requests.push_back(one.bytes);
  requests = testing::a_part_if_sanitized(std::move(requests));
  std::mt19937 random(7);
  for (const std::string& request : requests) {
    for (int way = 0; way < 12; ++way) {
      Client client = server.client();
      const std::size_t length = way < 3 ? request.size() : random() % (request.size() + 1);
      if (way % 2 == 0) {
        client.send(request.substr(0, length), 0.5);
      } else {
        for (std::size_t i = 0; i < length && client.send(request.substr(i, 1), 0.5); ++i) {
        }
      }
      if (way % 3 == 0) client.half_close();
      if (way % 4 == 1) client.reset();
      if (way % 5 == 2) client.readable(0.01);
    }
  }
  expect_served(server);
  server.forget_later();
  expect_empty(server);
}

TEST(HostileClient, SendsAnything) {
  TestServer server;
  std::mt19937 random(11);
  const std::vector<std::string> parts = {"GET ",
                                          "/",
                                          " HTTP/1.1\r\n",
                                          "Host: x\r\n",
                                          "\r\n",
                                          "\r",
                                          "\n",
                                          "Content-Length: ",
                                          "5",
                                          "hello",
                                          "Transfer-Encoding: chunked\r\n",
                                          "0\r\n\r\n",
                                          ":",
                                          " ",
                                          "%",
                                          "\xff",
                                          "POST / HTTP/1.1\r\nHost: x\r\n",
                                          "Expect: 100-continue\r\n",
                                          std::string(1, '\0')};
  for (int i = 0; i < (testing::kSanitized ? 100 : 1000); ++i) {
    Client client = server.client();
    std::string bytes;
    for (std::size_t n = random() % 12; n > 0; --n) bytes += parts[random() % parts.size()];
    client.send(bytes, 1);
    if (i % 3 == 0) client.half_close();
    if (i % 3 == 0) client.rest();
  }
  expect_served(server);
  expect_empty(server);
  EXPECT_EQ(server.server.counters().failures, 0U);
}

}  // namespace
}  // namespace refocus::http
