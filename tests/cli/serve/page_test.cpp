// The page and the runs of refocus serve through a socket: who may see them, and what no request can reach.
#include <filesystem>

#include "cli/serve/served.h"

namespace refocus {
namespace {

using ::testing::HasSubstr;
using testing::http_request;
using testing::Served;
using testing::TempDir;

std::string got(const Served& served, const std::string& path, const std::string& headers = "") {
  auto client = served.client();
  client.send(http_request("GET", path, "", headers));
  return client.response();
}

TEST(ServePage, NeedsNoKeyAndWhatItAsksForDoes) {
  TempDir dir;
  std::ofstream(dir / "keys") << "secret\n";
  std::filesystem::create_directories(dir / "runs" / "one");
  std::ofstream(dir / "runs" / "one" / "run.json")
      << R"({"format":"refocus-run","version":1,"identity":{"tasks":["mmlu"],"items":7},"sessions":[]})";
  const Served served({"--api-key-file", (dir / "keys").string(), "--runs", (dir / "runs").string()});
  const std::string page = got(served, "/");
  EXPECT_EQ(testing::status_of(page), 200) << page.substr(0, 300);
  EXPECT_THAT(page, HasSubstr("frame-ancestors 'none'"));
  EXPECT_THAT(page, HasSubstr("X-Content-Type-Options: nosniff"));
  const std::string key = "Authorization: Bearer secret\r\n";
  for (const char* path : {"/v1/runs", "/v1/runs/0123456789abcdef/report"}) {
    EXPECT_EQ(testing::status_of(got(served, path)), 401) << path;
  }
  const std::string listed = got(served, "/v1/runs", key);
  EXPECT_EQ(testing::status_of(listed), 200);
  const auto run = testing::Json::parse(testing::body_of(listed))["data"][0];
  EXPECT_EQ(run["name"], "one");
  // The run has no answers, which is the server's word and not its end.
  const std::string unfinished = got(served, run["report"].get<std::string>(), key);
  EXPECT_EQ(testing::status_of(unfinished), 400) << unfinished;
  for (const char* path : {"/v1/runs/one/report", "/v1/runs/..%2fone/report", "/v1/runs//report",
                           "/v1/runs/report", "/v1/runs/", "/v1/runs/one"}) {
    EXPECT_EQ(testing::status_of(got(served, path, key)), 404) << path;
  }
  auto client = served.client();
  client.send(http_request("POST", "/", "{}", key + "Content-Type: application/json\r\n"));
  EXPECT_EQ(testing::status_of(client.response()), 405);
}

TEST(ServePage, WithoutRunsTheListIsEmpty) {
  const Served served;
  EXPECT_THAT(got(served, "/v1/runs"), HasSubstr(R"({"object":"list","data":[]})"));
  EXPECT_EQ(testing::status_of(got(served, "/v1/runs/0123456789abcdef/report")), 404);
  const auto models = testing::Json::parse(testing::body_of(got(served, "/v1/models")));
  const auto& facts = models["data"][0]["refocus"];
  EXPECT_EQ(facts["layers"], 4);
  EXPECT_EQ(facts["heads"], 5);
  EXPECT_EQ(facts["chat"], true);
}

}  // namespace
}  // namespace refocus
