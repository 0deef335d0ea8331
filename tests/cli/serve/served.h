// A running `refocus serve`, and talking with it.
#pragma once

#include <csignal>
#include <fstream>
#include <optional>
#include <regex>
#include <string>

#include "cli/cli_support.h"
#include "server/http/client.h"

namespace refocus::testing {

inline constexpr const char* kServedTemplate =
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt "
    "%}assistant: {% endif %}";
inline constexpr const char* kServedSpec = "rebalance:alpha=1";  // of the arm "reb"

// A running server of the bundled model under the name "worlds", with the arm "reb".
class Served {
 public:
  explicit Served(const Arguments& more = {}) {
    copy_bundled_model(dir_ / "worlds", kServedTemplate);
    process_.emplace(plus({"serve", "-m", (dir_ / "worlds").string(), "--port", "0", "--arm",
                           std::string("reb=") + kServedSpec, "--threads", "2"},
                          more),
                     ProcessOptions{.output_path = (dir_ / "out").string()});
    std::smatch found;
    const auto listens = [&] {
      const std::string out = file_text(dir_ / "out");
      if (!std::regex_search(out, found, std::regex(R"(:(\d+)/v1)"))) return false;
      port_ = static_cast<std::uint16_t>(std::stoi(found[1]));
      return true;
    };
    std::ofstream(dir_ / "out", std::ios::app).close();
    if (!eventually([&] { return listens() || !process_->running(); }) || port_ == 0) {
      throw std::runtime_error("the server did not start: " + process_->wait().err);
    }
  }

  Client client() const { return Client(port_); }
  std::string model() const { return (dir_ / "worlds").string(); }
  Process& process() { return *process_; }

 private:
  TempDir dir_;
  std::optional<Process> process_;
  std::uint16_t port_ = 0;
};

inline std::string http_request(const std::string& method, const std::string& path, const std::string& body,
                                const std::string& headers = "Content-Type: application/json\r\n") {
  return method + " " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

inline std::string asked(Client&& client, const std::string& path, const Json& body) {
  client.send(http_request("POST", path, body.dump()));
  return client.response();
}
inline Json answer(const Served& served, const std::string& path, const Json& body) {
  const std::string response = asked(served.client(), path, body);
  EXPECT_EQ(status_of(response), 200) << response;
  return Json::parse(body_of(response), nullptr, false);
}

// Two answers to one request differ in these alone.
inline std::string told(Json answer) {
  answer.erase("id");
  answer.erase("created");
  return answer.dump();
}

inline Json completion(const std::string& prompt, int tokens) {
  return {{"model", "worlds"}, {"prompt", prompt}, {"max_tokens", tokens}, {"temperature", 0}};
}

}  // namespace refocus::testing
