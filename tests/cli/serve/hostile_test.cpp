// Requests that mean harm or make no sense, at the level of the API: each gets its status and an error of one
// line, and the server answers afterwards as before. (Those of HTTP itself are in tests/server/http, and
// what readers of bodies refuse alone in tests/server/openai.)
#include <fmt/format.h>

#include "cli/serve/served.h"

namespace refocus {
namespace {

using testing::Client;
using ::testing::HasSubstr;
using testing::http_request;
using testing::Json;
using testing::Served;

constexpr const char* kJson = "Content-Type: application/json\r\n";
constexpr const char* kCompletions = "/v1/completions";
constexpr const char* kChats = "/v1/chat/completions";

struct Hostility {
  std::string body;
  int status = 400;
  std::string part = {};  // of the error
  std::string path = kCompletions;
  std::string headers = kJson;
  std::string method = "POST";
};

std::string repeated(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

// {"prompt":"a",...} and {"messages":[..],...} with more.
std::string text_with(const std::string& more) { return R"({"prompt":"a",)" + more + "}"; }
std::string chat_with(const std::string& more) {
  return R"({"messages":[{"role":"user","content":"a"}],"max_tokens":2,)" + more + "}";
}
std::string said(const std::string& content) {
  return R"({"max_tokens":2,"messages":[{"role":"user","content":)" + content + "}]}";
}
std::string spec_of(const std::string& spec) {
  return text_with(R"("max_tokens":2,"refocus":{"intervene":")" + spec + "\"}");
}

class ServeHostile : public ::testing::Test {
 protected:
  ServeHostile() : good_(good()) {}
  void TearDown() override {
    EXPECT_TRUE(served_.process().running());
    EXPECT_EQ(good(), good_);
    EXPECT_EQ(metric("refocus_defects_total"), 0);
    EXPECT_TRUE(testing::eventually(
        [&] { return metric("refocus_sequences_running") + metric("refocus_sequences_queued") == 0; }));
  }

  std::string good() const {
    Json body = testing::completion("Analysis: the blue crate lies in the", 8);
    body["logprobs"] = 3;
    body["echo"] = true;
    body["model"] = "worlds@reb";
    return testing::told(testing::answer(served_, kCompletions, body));
  }
  double metric(const std::string& name) const {
    Client client = served_.client();
    client.send(http_request("GET", "/metrics", "", ""));
    const std::string text = client.response();
    const std::size_t at = text.find("\n" + name + " ");
    return at == std::string::npos ? -1.0 : std::stod(text.substr(at + name.size() + 2));
  }
  void expect(const Hostility& one) const {
    Client client = served_.client();
    client.send(http_request(one.method, one.path, one.body, one.headers));
    const std::string response = client.response(), body = testing::body_of(response);
    SCOPED_TRACE(one.method + " " + one.path.substr(0, 80) + " " + one.headers.substr(0, 200) +
                 one.body.substr(0, 200));
    EXPECT_EQ(testing::status_of(response), one.status) << response.substr(0, 2000);
    if (one.status == 200) return;
    const Json error = Json::parse(body, nullptr, false);
    ASSERT_TRUE(error.is_object() && error.size() == 1 && error.contains("error")) << body;
    for (const char* name : {"message", "type", "param", "code"}) {
      EXPECT_TRUE(error["error"].contains(name)) << body;
    }
    EXPECT_EQ(body.find('\n'), std::string::npos) << body;
    EXPECT_EQ(error["error"]["message"].get<std::string>().find('\n'), std::string::npos) << body;
    EXPECT_LT(body.size(), 4096u);
    EXPECT_THAT(body, HasSubstr(one.part));
  }
  void expect_all(const std::vector<Hostility>& all) const {
    for (const Hostility& one : all) expect(one);
  }

  Served served_;
  const std::string good_;
};

TEST_F(ServeHostile, BodiesThatAreNone) {
  const std::string deep = repeated("[", 100'000);
  expect_all({{"", 400, "expected JSON"},
              {" \n", 400, "expected JSON"},
              {"null", 400, "a JSON object"},
              {"\"a\"", 400, "a JSON object"},
              {R"({"prompt":"a"}{"prompt":"b"})", 400, "expected JSON"},
              {R"({"prompt":"a"} x)", 400, "expected JSON"},
              {std::string("\xEF\xBB\xBF") + R"({"prompt":"a"})", 400, "expected JSON"},
              {std::string("{\0\"\0}\0", 6), 400, "expected JSON"},
              {std::string("{\"prompt\":\"a\"\0}", 15), 400, "expected JSON"},
              {"\x1f\x8b\x08", 400, "expected UTF-8", kCompletions,
               std::string(kJson) + "Content-Encoding: gzip\r\n"},
              {text_with("\"x\":" + deep), 400, "64 levels"},
              {text_with("\"refocus\":{\"attention\":" + deep), 400, "64 levels"},
              {text_with("\"x\":" + repeated("[", 60) + repeated("]", 60)), 200},
              {text_with("\"x\":" + repeated("9", 100'000)), 400, "a double can hold"},
              {text_with("\"temperature\":Infinity"), 400, "expected JSON"},
              {text_with("\"prompt\":\"b\""), 400, "twice"},
              {text_with(R"("refocus":{"intervene":"none","intervene":"boost"})"), 400, "twice"},
              {R"({"prompt":"\ud800"})", 400, "expected JSON"},
              {"{\"prompt\":\"\xC0\xAF\"}", 400, "expected UTF-8"},
              {"{\"prompt\":\"a\nb\"}", 400, "expected JSON"}});
}

TEST_F(ServeHostile, PromptsThatDoNotFit) {
  const std::string long_text = "{\"prompt\":\"" + std::string(1'000'000, 'a') + "\"}";
  const std::string tokens = repeated("1,", 600) + "1";
  expect_all({{R"({"prompt":[1536]})", 400, "from 0 to 1535"},
              {R"({"prompt":[2147483647],"echo":true,"logprobs":1})", 400, "vocabulary"},
              {R"({"prompt":[[1],[1536]],"prompt_logprobs":1})", 400, "vocabulary"},
              {R"({"prompt":[9223372036854775808]})", 400, "prompt[0]"},
              {R"({"prompt":[1,2.5]})", 400, "prompt[1]"},
              {R"({"prompt":[[1],"a",[{"role":"user"}]]})", 400, "prompt[2][0].content"},
              {"{\"prompt\":[" + tokens + "]}", 400, "context_length_exceeded"},
              {"{\"prompt\":[[1],[" + tokens + "]]}", 400, "context_length_exceeded"},
              {long_text, 400, "context_length_exceeded"},
              {said("\"" + std::string(1'000'000, ' ') + "\""), 400, "context_length_exceeded", kChats},
              {R"({"prompt":"","add_special_tokens":false})", 400, "token"},
              {R"({"prompt":"","max_tokens":2})", 200},
              {R"({"prompt":"a\u0000b\uffff\ud83d\ude00","max_tokens":2,"echo":true,"logprobs":1})", 200},
              {R"({"prompt":[0,1,2,1535],"max_tokens":2,"echo":true,"logprobs":20,"n":16})", 200},
              {R"({"prompt":["a"],"max_tokens":0,"echo":true,"logprobs":0,"stream":true})", 200},
              {"{\"prompt\":[" + repeated("\"a\",", 255) + "\"a\"],\"n\":16}", 400, "sequences"}});
}

TEST_F(ServeHostile, NumbersBeyondAllMeasure) {
  expect_all(
      {{text_with("\"n\":1000000000000000000"), 400, "'n'"},
       {text_with("\"n\":-1"), 400, "'n'"},
       {text_with("\"n\":1e308"), 400, "'n'"},
       {text_with("\"n\":\"2\""), 400, "'n'"},
       {text_with("\"max_tokens\":1e308"), 400, "max_tokens"},
       {text_with("\"max_tokens\":2147483647"), 400, "context_length_exceeded"},
       {text_with("\"max_tokens\":-0.5"), 400, "max_tokens"},
       {text_with("\"max_tokens\":null,\"n\":null,\"stop\":null,\"refocus\":null"), 200},
       {text_with("\"temperature\":-0.0,\"max_tokens\":2"), 200},
       {text_with("\"temperature\":5e-324,\"max_tokens\":2"), 200},
       {text_with("\"temperature\":2,\"top_p\":0,\"max_tokens\":2"), 200},
       {text_with("\"temperature\":2,\"top_p\":5e-324,\"min_p\":1,\"top_k\":2147483647,\"max_tokens\":2"),
        200},
       {text_with("\"temperature\":2.0000001"), 400, "temperature"},
       {text_with("\"seed\":9223372036854775808"), 400, "seed"},
       {text_with("\"seed\":-9223372036854775808,\"max_tokens\":2"), 200},
       {text_with("\"logprobs\":1e18"), 400, "logprobs"},
       {chat_with("\"top_logprobs\":21,\"logprobs\":true"), 400, "top_logprobs", kChats},
       {chat_with("\"max_completion_tokens\":0"), 400, "max_completion_tokens", kChats}});
}

TEST_F(ServeHostile, FieldsOfOtherKinds) {
  expect_all(
      {{text_with("\"stop\":[" + repeated("\"a\",", 9'999) + "\"a\"]"), 400, "at most 16"},
       {text_with(R"("stop":{"a":1})"), 400, "stop"},
       {text_with(R"("stop":["\u0000","\uffff"],"max_tokens":2)"), 200},
       {text_with(R"("stream":"yes")"), 400, "stream"},
       {text_with(R"("stream":true,"n":17)"), 400, "'n'"},
       {text_with(R"("stream":true,"stream_options":[])"), 400, "stream_options"},
       {text_with(R"("model":{"name":"worlds"})"), 400, "model"},
       {text_with(R"("echo":1)"), 400, "echo"},
       {text_with(R"("logit_bias":{"5":100})"), 400, "unsupported_parameter"},
       {text_with(R"("suffix":"b")"), 400, "unsupported_parameter"},
       {text_with(R"("best_of":1e9)"), 400, "unsupported_parameter"},
       {chat_with(R"("tools":[{"type":"function","function":{"name":"f"}}])"), 400, "unsupported_parameter",
        kChats},
       {chat_with(R"("response_format":{"type":"json_object"})"), 400, "unsupported_parameter", kChats},
       {said(R"([{"type":"image_url","image_url":{"url":"file:///etc/passwd"}}])"), 400, "image_url", kChats},
       {said(R"([{"type":"input_audio","input_audio":{"data":""}}])"), 400, "input_audio", kChats},
       {said(R"([{"type":"text","text":["a"]}])"), 400, "content[0]", kChats},
       {R"({"messages":{"role":"user","content":"a"}})", 400, "messages", kChats},
       {R"({"messages":[[]]})", 400, "messages[0]", kChats},
       {R"({"messages":[{"role":"</s><s>","content":"\u0000"}],"max_tokens":2})", 200, "", kChats},
       {chat_with(R"("chat_template_kwargs":{"loop":1,"range":null,"namespace":"a","self":[]})"), 200, "",
        kChats},
       {chat_with("\"chat_template_kwargs\":{\"a\":" + repeated("[", 60) + repeated("]", 60) + "}"), 200, "",
        kChats},
       {chat_with(R"("chat_template_kwargs":{"messages":[]})"), 400, "chat_template_kwargs", kChats},
       {chat_with(R"("chat_template":"{{ 1 }}")"), 400, "unsupported_parameter", kChats}});
}

TEST_F(ServeHostile, ModelsAndInterventionsThatAreNone) {
  const auto header = [](const std::string& spec) {
    return std::string(kJson) + "X-Refocus-Intervene: " + spec + "\r\n";
  };
  std::vector<Hostility> all;
  for (const char* name :
       {"gpt-4o", "worlds@", "WORLDS", "worlds ", "../worlds", "worlds/../worlds", "w\\u0000"}) {
    all.push_back({text_with(R"("model":")" + std::string(name) + "\""), 404, "model_not_found"});
    all.push_back(
        {text_with(R"("model":")" + std::string(name) + "\""), 404, "model_not_found", "/tokenize"});
  }
  all.push_back({text_with("\"model\":\"worlds@" + repeated("a", 100'000) + "\""), 400, "8192"});
  all.push_back({R"({"model":"other","tokens":[1]})", 404, "model_not_found", "/detokenize"});
  for (const char* spec :
       {"mean:from=/etc/passwd", "mean : from = /etc/passwd", "none+mean:layers=1,from=/etc/passwd"}) {
    all.push_back({spec_of(spec), 400, "[intervene] expected no"});
    all.push_back(
        {text_with("\"model\":\"worlds@" + std::string(spec) + "\""), 400, "[intervene] expected no"});
    all.push_back(
        {text_with("\"max_tokens\":2"), 400, "[intervene] expected no", kCompletions, header(spec)});
  }
  for (const char* spec :
       {"@/etc/passwd", "@", "rebalance:alpha=nan", "rebalance:alpha=1e999", "rebalance:layers=3-1",
        "rebalance:layers=0-99999999999999999999", "rebalance:alpha", "rebalance::", "+", "none+",
        "rebalance:alpha=1,alpha=2", "boost:factor=-1,keys=role:system", "zero:heads=9.9", "a\\nb"}) {
    all.push_back({spec_of(spec), 400, "intervene"});
  }
  all.push_back({spec_of(repeated("a", 100'000)), 400, "8192"});
  all.push_back({spec_of(repeated("rebalance+", 800) + "rebalance"), 400, "intervene"});
  all.push_back({text_with("\"max_tokens\":2"), 400, "X-Refocus-Intervene", kCompletions, header("b\xff")});
  all.push_back({text_with("\"max_tokens\":2"), 400, "one intervention", kCompletions,
                 header("none") + "X-Refocus-Intervene: rebalance\r\n"});
  all.push_back(
      {text_with(R"("model":"worlds@reb","refocus":{"intervene":"none"})"), 400, "one intervention"});
  all.push_back({spec_of("none"), 400, "one intervention", kCompletions, header("rebalance")});
  all.push_back({text_with(R"("model":"worlds@reb")"), 400, "one intervention", kCompletions,
                 header("rebalance:alpha=0.5")});
  all.push_back({text_with(R"("refocus":{"intervene":3})"), 400, "refocus.intervene"});
  all.push_back({text_with(R"("refocus":[])"), 400, "refocus"});
  expect_all(all);
}

TEST_F(ServeHostile, PathsMethodsAndTypes) {
  const std::string body = R"({"prompt":"a","max_tokens":2})";
  std::vector<Hostility> all = {
      {body, 415, "Content-Type", kCompletions, "Content-Type: text/plain\r\n"},
      {body, 415, "Content-Type", kCompletions, "Content-Type: application/jsonp\r\n"},
      {body, 415, "Content-Type", kCompletions, "Content-Type: multipart/form-data; boundary=a\r\n"},
      {body, 200, "", kCompletions, "Content-Type: APPLICATION/JSON; charset=utf-8\r\n"},
      {body, 200, "", "/v1/completions?stream=true"},
      {"", 405, "GET", "/health", ""},  // and not that a type is missing
      {"", 405, "GET", "/metrics", ""},
      {"", 404, "not_found", "/v1/engines", ""},
      {R"({"tokens":[1536]})", 400, "tokens[0]", "/detokenize"},
      {R"({"tokens":[1,9223372036854775808]})", 400, "tokens[1]", "/detokenize"},
      {R"({"prompt":"a","content":"b"})", 400, "content", "/tokenize"}};
  for (const char* method : {"PUT", "DELETE", "PATCH", "TRACE", "COPY"}) {
    all.push_back({"", 405, "method_not_allowed", kCompletions, "", method});
  }
  for (const char* path :
       {"//", "/v1", "/v1/", "/v1/completions/", "/v1//completions", "/V1/completions", "/v1/chat",
        "/v1/%63ompletions/x", "/../etc/passwd", "/v1/models/%2e%2e%2fetc%2fpasswd",
        "/v1/attention/../models", "/v1/attention/0", "/v1/runs/../one/report"}) {
    all.push_back({"", 404, "", path, "", "GET"});
  }
  all.push_back({"", 404, "model_not_found", "/v1/models/" + std::string(4000, 'a'), "", "GET"});
  expect_all(all);
}

// Wherever a request is when its client goes: nothing of it stays.
TEST_F(ServeHostile, ClientsThatGoAtEveryStage) {
  const std::string prompt = repeated("the red box lies in the old house. ", 30);
  const auto slow = [&](bool stream, int seed) {
    return Json({{"prompt", prompt},
                 {"max_tokens", 200},
                 {"temperature", 2},
                 {"n", 16},
                 {"seed", seed},
                 {"stream", stream}})
        .dump();
  };
  for (int i = 0; i < 6; ++i) {
    std::vector<Client> clients;
    for (int j = 0; j < 6; ++j) {  // more than run at once, so that some are queued
      clients.push_back(served_.client());
      clients.back().send(http_request("POST", kCompletions, slow(j % 2 == 0, j)));
    }
    clients.push_back(served_.client());  // before its body is whole
    const std::string whole = http_request("POST", kCompletions, slow(false, 9));
    clients.back().send(whole.substr(0, whole.size() - 5));
    if (i % 3 == 1) clients[0].until("\r\n\r\n");  // its stream has begun
    if (i % 3 == 2) clients[2].until("data: ");    // and has an event
    for (Client& client : clients) i % 2 == 0 ? client.close() : client.reset();
  }
  EXPECT_TRUE(testing::eventually(
      [&] { return metric("refocus_sequences_running") + metric("refocus_sequences_queued") == 0; }));
  EXPECT_TRUE(testing::eventually([&] { return metric("refocus_connections_open") == 1; }));
  EXPECT_LT(metric("refocus_answers_total"), 36);
}

}  // namespace
}  // namespace refocus
