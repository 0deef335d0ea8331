// refocus serve from outside: what clients get is what the other commands print, bit for bit, whatever else
// is asked at the moment; and what is wrong is refused in one line.
#include <algorithm>
#include <filesystem>
#include <thread>

#include "cli/serve/served.h"

namespace refocus {
namespace {

namespace fs = std::filesystem;
using testing::answer;
using testing::asked;
using testing::Client;
using testing::completion;
using ::testing::HasSubstr;
using testing::Json;
using testing::Served;
using testing::TempDir;
using testing::told;

constexpr const char* kSpec = testing::kServedSpec;
const std::string kQuestion = "Analysis: the blue crate lies in the";

TEST(Serve, CompletesAsGenerateDoes) {
  const Served served;
  for (const std::string spec : {"none", kSpec}) {
    const auto generated = testing::refocus(
        {"generate", "-m", served.model(), "-p", kQuestion, "-n", "12", "--intervene", spec, "--json"});
    const Json expected = testing::one_json_line(generated);
    Json body = completion(kQuestion, 12);
    body["refocus"] = {{"intervene", spec}};
    const Json got = answer(served, "/v1/completions", body);
    EXPECT_EQ(got["choices"][0]["text"], expected["text"]);
    EXPECT_EQ(got["refocus"]["intervention"], expected["intervention"]);
    EXPECT_EQ(got["usage"]["prompt_tokens"], expected["prompt_tokens"].size());
    EXPECT_EQ(got["usage"]["completion_tokens"], expected["tokens"].size());
    body["prompt"] = expected["prompt_tokens"];  // and the same by its tokens
    EXPECT_EQ(answer(served, "/v1/completions", body)["choices"][0]["text"], expected["text"]);
  }
}

TEST(Serve, NamesOfModelsBodiesAndHeadersMeanTheSameIntervention) {
  const Served served;
  Json body = completion(kQuestion, 8);
  const Json plain = answer(served, "/v1/completions", body);
  body["refocus"] = {{"intervene", kSpec}};
  const Json by_body = answer(served, "/v1/completions", body);
  EXPECT_NE(by_body["refocus"], plain["refocus"]);
  EXPECT_NE(by_body["system_fingerprint"], plain["system_fingerprint"]);
  body.erase("refocus");
  Client client = served.client();
  client.send(testing::http_request(
      "POST", "/v1/completions", body.dump(),
      std::string("Content-Type: application/json\r\nX-Refocus-Intervene: ") + kSpec + "\r\n"));
  EXPECT_EQ(told(Json::parse(testing::body_of(client.response()))), told(by_body));
  for (const std::string& name : {std::string("worlds@reb"), std::string("worlds@") + kSpec}) {
    body["model"] = name;
    Json by_name = answer(served, "/v1/completions", body);
    EXPECT_EQ(by_name["model"], name);
    by_name["model"] = "worlds";
    EXPECT_EQ(told(by_name), told(by_body));
  }
  body["refocus"] = {{"intervene", "none"}};
  const std::string both = asked(served.client(), "/v1/completions", body);
  EXPECT_EQ(testing::status_of(both), 400);
  EXPECT_THAT(both, HasSubstr("none"));
}

// lm-evaluation-harness's way: [context + continuation], echo, one token, the sum of what is behind the
// context.
TEST(Serve, EchoedLogProbabilitiesAreThoseOfTheEvaluation) {
  const Served served;
  TempDir dir;
  testing::write_file(
      dir / "d.jsonl",
      R"({"q": "the blue crate lies in the", "a": "red box", "b": "green box", "c": "old red crate", "n": 1})"
      "\n");
  testing::write_file(dir / "t.yaml",
                      "dataset: d.jsonl\noptions: [a, b, c]\nanswer: n\nanswer_format: index0\n"
                      "loglikelihood:\n  context: 'Analysis: {q}'\n");
  for (const auto& [model, spec] :
       {std::pair<std::string, std::string>("worlds", "none"), {"worlds@reb", kSpec}}) {
    const fs::path run = dir / model;
    const auto evaluated =
        testing::refocus({"eval", (dir / "t.yaml").string(), "-m", served.model(), "--no-chat",
                          "--loglikelihood", "--intervene", spec, "-o", run.string()});
    ASSERT_EQ(evaluated.status, 0) << evaluated.err;
    std::vector<double> expected;
    for (const auto& entry : fs::recursive_directory_iterator(run)) {
      if (!entry.path().filename().string().starts_with("samples_")) continue;
      const std::vector<Json> lines = testing::json_lines(entry.path());
      for (const Json& r : lines.at(0)["resps"]) expected.push_back(r[0][0]);
    }
    ASSERT_EQ(expected.size(), 3u);
    const auto tokens_of = [&](const std::string& text) {
      return answer(served, "/tokenize", {{"prompt", text}})["tokens"];
    };
    const std::size_t context = tokens_of("Analysis: the blue crate lies in the").size();
    const char* options[] = {"red box", "green box", "old red crate"};
    for (std::size_t i = 0; i < 3; ++i) {
      const Json tokens = tokens_of(std::string("Analysis: the blue crate lies in the ") + options[i]);
      const Json got = answer(served, "/v1/completions",
                              {{"model", model},
                               {"prompt", Json::array({tokens})},
                               {"temperature", 0},
                               {"max_tokens", 1},
                               {"logprobs", 1},
                               {"seed", 1234},
                               {"echo", true}});
      const Json& logprobs = got["choices"][0]["logprobs"]["token_logprobs"];
      ASSERT_EQ(logprobs.size(), tokens.size() + 1);
      double sum = 0;
      for (std::size_t t = context; t + 1 < logprobs.size(); ++t) sum += logprobs[t].get<double>();
      EXPECT_EQ(sum, expected[i]) << model << " " << options[i];
    }
  }
}

// Whole answer's text, finish reason and number of scores, from the events of a stream.
struct Streamed {
  std::string text, finish;
  std::vector<double> logprobs;
  bool done = false;
};
Streamed streamed(const Served& served, const std::string& path, Json body) {
  body["stream"] = true;
  Client client = served.client();
  client.send(testing::http_request("POST", path, body.dump(),
                                    "Content-Type: application/json\r\nConnection: close\r\n"));
  const std::string all = client.rest();
  Streamed out;
  EXPECT_THAT(all, HasSubstr("text/event-stream"));
  for (std::size_t at = all.find("data: "); at != std::string::npos; at = all.find("data: ", at + 1)) {
    const std::string line = all.substr(at + 6, all.find('\n', at) - at - 6);
    if (line == "[DONE]") {
      out.done = true;
      continue;
    }
    const Json event = Json::parse(line);
    if (event["choices"].empty()) continue;
    const Json& choice = event["choices"][0];
    if (choice.contains("text")) out.text += choice["text"].get<std::string>();
    if (choice.contains("delta")) out.text += choice["delta"].value("content", "");
    if (choice["finish_reason"].is_string()) out.finish = choice["finish_reason"];
    if (choice["logprobs"].is_object() && choice["logprobs"].contains("content")) {
      for (const Json& token : choice["logprobs"]["content"]) out.logprobs.push_back(token["logprob"]);
    }
  }
  return out;
}

TEST(Serve, AnswersAreTheSameAloneAmongManyStreamedAndFromTheCache) {
  const Served served;
  const auto body = [](int i) {
    Json out = {{"messages",
                 {{{"role", "user"}, {"content", "where is the blue crate " + std::to_string(i % 7) + "?"}}}},
                {"model", i % 2 == 0 ? "worlds" : "worlds@reb"},
                {"max_tokens", 6 + i % 5},
                {"temperature", i % 3 == 0 ? 0.0 : 1.0},
                {"seed", i % 4},
                {"n", 1 + i % 2},
                {"logprobs", true},
                {"top_logprobs", 2}};
    return out;
  };
  constexpr int kCount = 24;
  std::vector<std::string> alone, together(kCount), again;
  for (int i = 0; i < kCount; ++i) alone.push_back(told(answer(served, "/v1/chat/completions", body(i))));
  std::vector<std::thread> clients;
  for (int i = 0; i < kCount; ++i) {
    clients.emplace_back([&, i] {
      together[static_cast<std::size_t>(i)] = told(answer(served, "/v1/chat/completions", body(i)));
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(together, alone);
  for (int i = 0; i < kCount; i += 2) {
    const Json whole = answer(served, "/v1/chat/completions", body(i));
    const Streamed stream = streamed(served, "/v1/chat/completions", body(i));
    const Json& choice = whole["choices"][0];
    EXPECT_EQ(stream.text, choice["message"]["content"]);
    EXPECT_EQ(stream.finish, choice["finish_reason"]);
    std::vector<double> logprobs;
    for (const Json& token : choice["logprobs"]["content"]) logprobs.push_back(token["logprob"]);
    EXPECT_EQ(stream.logprobs, logprobs);
    EXPECT_TRUE(stream.done);
  }
}

TEST(Serve, StopsAtTextsWholeAndStreamed) {
  const Served served;
  Json body = completion(kQuestion, 12);
  const std::string text = answer(served, "/v1/completions", body)["choices"][0]["text"];
  ASSERT_GT(text.size(), 8u);
  body["stop"] = text.substr(4, 3);
  const Json cut = answer(served, "/v1/completions", body);
  EXPECT_EQ(cut["choices"][0]["text"], text.substr(0, text.find(text.substr(4, 3))));
  EXPECT_EQ(cut["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(streamed(served, "/v1/completions", body).text, cut["choices"][0]["text"]);
  body["stop"] = text.substr(text.size() - 2) + "zzz";  // begun at the end, and held back until then
  EXPECT_EQ(answer(served, "/v1/completions", body)["choices"][0]["text"], text);
  EXPECT_EQ(streamed(served, "/v1/completions", body).text, text);
  body["stop"] = text.substr(4, 3);
  body["echo"] = true;
  EXPECT_EQ(streamed(served, "/v1/completions", body).text,
            kQuestion + " " + cut["choices"][0]["text"].get<std::string>());
}

// A tokenizer that writes no space before a text leaves none out between a prompt and its answer, so that
// text_offset says where each token is.
TEST(Serve, EchoesPromptAndAnswerAsOneText) {
  const Served served;
  Json body = completion(kQuestion, 6);
  body["echo"] = true;
  body["logprobs"] = 0;
  const Json choice = answer(served, "/v1/completions", body)["choices"][0];
  const std::string text = choice["text"];
  const Json& logprobs = choice["logprobs"];
  EXPECT_EQ(text, kQuestion + " in the in the in the");
  for (std::size_t i = 3; i < logprobs["tokens"].size(); ++i) {  // behind <s> and the space before a text
    const std::string token = logprobs["tokens"][i];
    EXPECT_EQ(text.substr(logprobs["text_offset"][i], token.size()), token) << i;
  }
  body["prompt"] = "";  // nothing to be behind
  EXPECT_NE(answer(served, "/v1/completions", body)["choices"][0]["text"].get<std::string>().substr(0, 1),
            " ");
}

TEST(Serve, RefusesInOneLineAndGoesOn) {
  const Served served;
  struct Case {
    std::string method, path, headers, body;
    int status;
    std::string part;
  };
  const std::string json = "Content-Type: application/json\r\n";
  const std::vector<Case> cases = {
      {"POST", "/v1/completions", json, "{", 400, "expected"},
      {"POST", "/v1/completions", json, R"({"model":"other","prompt":"a"})", 404, "model_not_found"},
      {"POST", "/v1/completions", "", R"({"prompt":"a"})", 415, "Content-Type: application/json"},
      {"POST", "/v1/completions", json, R"({"prompt":[1,99999999]})", 400, "vocabulary"},
      {"POST", "/v1/completions", json, R"({"prompt":"a","max_tokens":100000})", 400,
       "context_length_exceeded"},
      {"POST", "/v1/completions", json, R"({"prompt":"a","refocus":{"intervene":"bosst:factor=2"}})", 400,
       "bosst"},
      {"POST", "/v1/completions", json, R"({"prompt":"a","refocus":{"intervene":"mean:from=/etc/passwd"}})",
       400, "in an arm"},
      {"POST", "/v1/completions", json, R"({"prompt":"a","refocus":{"intervene":"rebalance:layers=99"}})",
       400, "99"},
      {"POST", "/v1/completions", json, R"({"prompt":"a","presence_penalty":1})", 400,
       "unsupported_parameter"},
      {"POST", "/v1/chat/completions", json, R"({"messages":[{"content":"x"}]})", 400, "role"},
      {"GET", "/v1/completions", "", "", 405, "POST"},
      {"GET", "/v2", "", "", 404, "/v1/models"},
      {"GET", "/v1/models/none", "", "", 404, "model_not_found"},
      {"GET", "/v1/models", "Origin: https://evil.example\r\n", "", 403, "origin_not_allowed"},
  };
  for (const Case& c : cases) {
    Client client = served.client();
    client.send(testing::http_request(c.method, c.path, c.body, c.headers));
    const std::string response = client.response();
    EXPECT_EQ(testing::status_of(response), c.status) << c.path << c.body << response;
    const Json error = Json::parse(testing::body_of(response), nullptr, false);
    ASSERT_TRUE(error.contains("error")) << response;
    EXPECT_THAT(error.dump(), HasSubstr(c.part));
    EXPECT_EQ(error["error"]["message"].get<std::string>().find('\n'), std::string::npos);
  }
  Client evil = served.client();
  evil.send("GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n");
  EXPECT_EQ(testing::status_of(evil.response()), 403);
  EXPECT_EQ(answer(served, "/v1/completions", completion(kQuestion, 2))["object"], "text_completion");
}

TEST(Serve, ForgetsClientsThatGoAndStopsPolitely) {
  Served served({"--sequences", "2", "--context", "4096"});
  const auto metric = [&](const std::string& name) {
    Client client = served.client();
    client.send(testing::http_request("GET", "/metrics", "", ""));
    const std::string text = client.response();
    const std::size_t at = text.find("\n" + name + " ");
    return at == std::string::npos ? -1.0 : std::stod(text.substr(at + name.size() + 2));
  };
  Json slow = completion("a", 3000);
  slow["stream"] = true;
  {
    std::vector<Client> clients;  // two run, two wait
    for (int i = 0; i < 4; ++i) {
      clients.push_back(served.client());
      slow["seed"] = i;
      slow["temperature"] = 1;
      clients.back().send(testing::http_request("POST", "/v1/completions", slow.dump()));
    }
    ASSERT_TRUE(testing::eventually(
        [&] { return metric("refocus_sequences_running") + metric("refocus_sequences_queued") == 4; }));
  }
  EXPECT_TRUE(testing::eventually(
      [&] { return metric("refocus_sequences_running") + metric("refocus_sequences_queued") == 0; }));
  EXPECT_EQ(metric("refocus_answers_total"), 0);
  served.process().send(SIGTERM);
  const auto result = served.process().wait();
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("stopped"));
}

// What takes long enough for any machine: all that the context has room for, sixteen times.
Json endless(int seed) {
  Json out = completion("a", 4000);
  out["temperature"] = 1;
  out["seed"] = seed;
  out["n"] = 16;
  return out;
}

TEST(Serve, AnAnswerThatTakesTooLongIsAnErrorThatNobodyTriesAgain) {
  const Served served({"--context", "4096", "--request-seconds", "1"});
  const std::string whole = asked(served.client(), "/v1/completions", endless(0));
  EXPECT_EQ(testing::status_of(whole), 400) << whole.substr(0, 300);
  EXPECT_THAT(whole, HasSubstr("request_timeout"));
  Json body = endless(1);
  body["stream"] = true;
  Client client = served.client();
  client.send(testing::http_request("POST", "/v1/completions", body.dump(),
                                    "Content-Type: application/json\r\nConnection: close\r\n"));
  const std::string events = client.rest();
  EXPECT_THAT(events, HasSubstr("HTTP/1.1 200"));
  EXPECT_THAT(events, HasSubstr("data: {\"error\":{"));
  EXPECT_THAT(events, HasSubstr("request_timeout"));
  EXPECT_EQ(events.find("[DONE]"), std::string::npos);
  EXPECT_EQ(answer(served, "/v1/completions", completion(kQuestion, 2))["object"], "text_completion");
}

TEST(Serve, AStreamThatWaitsSaysThatTheServerIsThere) {
  const Served served({"--context", "4096", "--sequences", "1", "--ping-seconds", "1"});
  Client first = served.client();
  first.send(testing::http_request("POST", "/v1/completions", endless(0).dump()));
  Json body = completion(kQuestion, 2);
  body["stream"] = true;
  Client second = served.client();
  second.send(testing::http_request("POST", "/v1/completions", body.dump()));
  EXPECT_THAT(second.until(": ping\n\n"), HasSubstr("text/event-stream"));
}

TEST(Serve, KeysAreAskedForWhereOthersCanReachIt) {
  TempDir dir;
  testing::expect_failure(testing::refocus({"serve", "--host", "0.0.0.0", "--port", "0"}), 2,
                          {"[--host] expected an API key", "--api-key-file"});
  testing::expect_failure(testing::refocus({"serve", "--port", "0", "--arm", "x"}), 2,
                          {"[--arm] expected NAME=SPEC"});
  testing::expect_failure(testing::refocus({"serve", "--port", "0", "--arm", "x=bosst"}), 2, {"bosst"});
  testing::write_file(dir / "keys", "secret-one\nsecret-two\n");
  const Served served({"--api-key-file", (dir / "keys").string()});
  const auto status = [&](const std::string& header) {
    Client client = served.client();
    client.send(testing::http_request("GET", "/v1/models", "", header));
    return testing::status_of(client.response());
  };
  EXPECT_EQ(status(""), 401);
  EXPECT_EQ(status("Authorization: Bearer secret-three\r\n"), 401);
  EXPECT_EQ(status("Authorization: Bearer secret-on\r\n"), 401);
  EXPECT_EQ(status("Authorization: Bearer secret-two\r\n"), 200);
  EXPECT_EQ(status("X-Api-Key: secret-one\r\n"), 200);
  Client health = served.client();
  health.send(testing::http_request("GET", "/health", "", ""));
  EXPECT_EQ(testing::status_of(health.response()), 200);
}

}  // namespace
}  // namespace refocus
