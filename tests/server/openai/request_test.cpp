#include "server/openai/request.h"

#include "base/json_reader.h"
#include "request_support.h"
#include "server/openai/fields.h"
#include "support.h"

namespace refocus::openai {
namespace {

using ::testing::AllOf;
using testing::chat_refusal;
using testing::completion_refusal;
using ::testing::HasSubstr;
using testing::refusal;
using ::testing::StartsWith;

// A body with that beside a prompt or a message.
std::string completion(const std::string& more) { return R"({"prompt":"x",)" + more + "}"; }
std::string chat(const std::string& more) {
  return R"({"messages":[{"role":"user","content":"x"}],)" + more + "}";
}

nlohmann::ordered_json of_completion(const std::string& more) {
  return testing::described("/v1/completions", completion(more));
}

TEST(OpenAiRequest, WhatIsAbsentHasOpenAisDefault) {
  const CompletionRequest completion = read_completion_request(R"({"prompt":"x"})");
  EXPECT_EQ(completion.model, "");
  EXPECT_EQ(completion.sampling.temperature, 1);
  EXPECT_EQ(completion.sampling.top_p, 1);
  EXPECT_EQ(completion.sampling.top_k, 0);
  EXPECT_EQ(completion.sampling.min_p, 0);
  EXPECT_EQ(completion.priority, 0);
  EXPECT_EQ(completion.sampling.seed, std::nullopt);
  EXPECT_EQ(completion.n, 1);
  EXPECT_EQ(completion.max_tokens, 16);
  EXPECT_FALSE(completion.echo || completion.stream || completion.include_usage);
  EXPECT_TRUE(completion.add_special_tokens);
  EXPECT_EQ(completion.logprobs, std::nullopt);
  const ChatRequest chat = read_chat_request(R"({"messages":[{"role":"user","content":"x"}]})");
  EXPECT_EQ(chat.max_tokens, std::nullopt);
  EXPECT_FALSE(chat.logprobs);
  EXPECT_TRUE(chat.add_generation_prompt);
  EXPECT_TRUE(chat.template_arguments.is_null());
}

// Every field of both lists as null, beside what must be there.
TEST(OpenAiRequest, NullIsAbsent) {
  for (const FieldsOf object : {FieldsOf::kCompletion, FieldsOf::kChat}) {
    const bool is_chat = object == FieldsOf::kChat;
    std::string nulls;
    for (const FieldRule& rule : fields_of(object)) {
      if (rule.name == "prompt" || rule.name == "messages") continue;
      nulls += fmt::format("{}\"{}\":null", nulls.empty() ? "" : ",", rule.name);
    }
    const std::string endpoint = is_chat ? "/v1/chat/completions" : "/v1/completions";
    const std::string plain = is_chat ? chat("\"n\":1") : completion("\"n\":1");
    EXPECT_EQ(json_text(testing::described(endpoint, is_chat ? chat(nulls) : completion(nulls))),
              json_text(testing::described(endpoint, plain)));
  }
}

// Every field that is only read for its neutral values: those pass, one that is none is refused by name.
TEST(OpenAiRequest, WhatWouldChangeTheAnswerIsRefused) {
  int refused = 0;
  for (const FieldsOf object : {FieldsOf::kCompletion, FieldsOf::kChat}) {
    const bool is_chat = object == FieldsOf::kChat;
    const std::string endpoint = is_chat ? "/v1/chat/completions" : "/v1/completions";
    const auto with = [&](std::string_view name, const std::string& value) {
      const std::string more = fmt::format("\"{}\":{}", name, value);
      return refusal(endpoint, is_chat ? chat(more) : completion(more));
    };
    for (const FieldRule& rule : fields_of(object)) {
      if (rule.neutral.empty()) continue;
      for (const auto& value : parse_ordered_json(rule.neutral, {"rule"})) {
        EXPECT_EQ(with(rule.name, json_text(value)), "no error") << rule.name;
      }
      EXPECT_THAT(
          with(rule.name, "\"changed\""),
          AllOf(StartsWith(fmt::format("400 unsupported_parameter {} [request] expected ", rule.name)),
                HasSubstr("which is not implemented, got \"changed\"; leave it out")));
      ++refused;
    }
  }
  EXPECT_GT(refused, 60);
  EXPECT_EQ(
      completion_refusal(completion(R"("presence_penalty":0.5)")),
      "400 unsupported_parameter presence_penalty [request] expected 0 as 'presence_penalty', which is not "
      "implemented, got 0.5; leave it out");
  EXPECT_EQ(
      completion_refusal(completion(R"("presence_penalty":0.0,"repetition_penalty":1.0,"suffix":null)")),
      "no error");
  EXPECT_THAT(completion_refusal(completion(R"("suffix":"")")), HasSubstr("expected null as 'suffix'"));
  EXPECT_THAT(chat_refusal(chat(R"("tools":[{"type":"function"}])")),
              StartsWith("400 unsupported_parameter tools "));
  EXPECT_THAT(chat_refusal(chat(R"("response_format":{"type":"json_object"})")),
              StartsWith("400 unsupported_parameter response_format "));
  EXPECT_THAT(chat_refusal(chat(R"("stream_options":{"continuous_usage_stats":true})")),
              StartsWith("400 unsupported_parameter stream_options.continuous_usage_stats "));
}

TEST(OpenAiRequest, UnknownFieldsAreNamedUpToALimit) {
  EXPECT_EQ(json_text(of_completion(R"("user":"u","stream_options":{"x":1},"temprature":0)")["ignored"]),
            R"(["user","temprature","stream_options.x"])");
  std::string many;
  for (int i = 0; i < 100; ++i)
    many += fmt::format("{}\"{}{}\":1", i == 0 ? "" : ",", std::string(100, 'a'), i);
  const auto ignored = of_completion(many)["ignored"];
  ASSERT_EQ(ignored.size(), 32u);
  EXPECT_EQ(ignored[0], std::string(64, 'a') + "...");
  for (int i = 100; i < 256; ++i) many += fmt::format(",\"{}\":1", i);
  EXPECT_THAT(completion_refusal(completion(many)), HasSubstr("expected at most 256 fields, got 257"));
}

TEST(OpenAiRequest, NumbersAreWithinTheirRanges) {
  const auto error = [](const std::string& more) { return completion_refusal(completion(more)); };
  EXPECT_EQ(error(R"("temperature":2.5)"),
            "400 - temperature [request] expected a number from 0 to 2 as 'temperature', got 2.5; correct "
            "the request");
  for (const char* more : {R"("temperature":-0.1)", R"("temperature":"0")", R"("temperature":true)"}) {
    EXPECT_THAT(error(more), StartsWith("400 - temperature ")) << more;
  }
  EXPECT_THAT(error(R"("temperature":1e999)"),
              HasSubstr("expected JSON with numbers that a double can hold"));
  EXPECT_THAT(error(R"("temperature":NaN)"), HasSubstr("expected JSON with a value"));
  EXPECT_THAT(error(R"("top_p":1.01)"), StartsWith("400 - top_p "));
  EXPECT_THAT(error(R"("min_p":-1)"), StartsWith("400 - min_p "));
  EXPECT_THAT(error(R"("priority":1.5)"), StartsWith("400 - priority "));
  EXPECT_THAT(error(R"("top_k":-2)"), StartsWith("400 - top_k "));
  EXPECT_THAT(error(R"("n":0)"), HasSubstr("a whole number from 1 to 16 as 'n', got 0"));
  EXPECT_THAT(error(R"("n":1000000)"), StartsWith("400 - n "));
  EXPECT_THAT(error(R"("n":1.5)"), StartsWith("400 - n "));
  EXPECT_THAT(error(R"("logprobs":21)"), StartsWith("400 - logprobs "));
  EXPECT_THAT(error(R"("logprobs":true)"), StartsWith("400 - logprobs "));
  EXPECT_THAT(error(R"("prompt_logprobs":-1)"), StartsWith("400 - prompt_logprobs "));
  EXPECT_THAT(error(R"("max_tokens":-1)"), StartsWith("400 - max_tokens "));
  EXPECT_THAT(error(R"("max_tokens":2147483648)"), StartsWith("400 - max_tokens "));
  EXPECT_THAT(error(R"("max_tokens":1e30)"), StartsWith("400 - max_tokens "));
  EXPECT_THAT(error(R"("max_tokens":123456789012345678901234567890)"), StartsWith("400 - max_tokens "));
  EXPECT_THAT(error(R"("seed":9223372036854775808)"), StartsWith("400 - seed "));
  EXPECT_THAT(error(R"("seed":1.5)"), StartsWith("400 - seed "));
  EXPECT_EQ(of_completion(R"("max_tokens":0,"n":16,"logprobs":0)")["max_tokens"], 0);
  EXPECT_EQ(of_completion(R"("max_tokens":32.0)")["max_tokens"], 32) << "as some clients write whole numbers";
  EXPECT_EQ(of_completion(R"("seed":-9223372036854775808)")["seed"], INT64_MIN);
  EXPECT_EQ(of_completion(R"("seed":9223372036854775807)")["seed"], INT64_MAX);
}

TEST(OpenAiRequest, StopIsATextOrAFewTexts) {
  const auto error = [](const std::string& stop) {
    return completion_refusal(completion("\"stop\":" + stop));
  };
  EXPECT_EQ(of_completion(R"("stop":"a")")["stop"], nlohmann::ordered_json({"a"}));
  EXPECT_EQ(
      error("\"\""),
      "400 - stop [request] expected a text of 1 to 256 bytes as 'stop', got 0 bytes; correct the request");
  EXPECT_THAT(error(R"(["a",""])"), StartsWith("400 - stop[1] "));
  EXPECT_THAT(error(R"([null])"), StartsWith("400 - stop[0] "));
  EXPECT_THAT(error("3"), StartsWith("400 - stop "));
  EXPECT_EQ(error("\"" + std::string(256, 'a') + "\""), "no error");
  EXPECT_THAT(error("\"" + std::string(257, 'a') + "\""), HasSubstr("got 257 bytes"));
  std::string sixteen = "\"a\"";
  for (int i = 1; i < 16; ++i) sixteen += ",\"a\"";
  EXPECT_EQ(error("[" + sixteen + "]"), "no error");
  EXPECT_THAT(error("[" + sixteen + ",\"a\"]"), HasSubstr("at most 16 texts as 'stop', got 17"));
}

TEST(OpenAiRequest, PromptsAreOfOneKindEach) {
  const auto error = [](const std::string& prompt) {
    return completion_refusal("{\"prompt\":" + prompt + "}");
  };
  EXPECT_THAT(completion_refusal("{}"), AllOf(StartsWith("400 - prompt "), HasSubstr("got null")));
  for (const char* prompt : {"null", "[]", "3", "{}", "true"}) {
    EXPECT_THAT(error(prompt),
                StartsWith("400 - prompt [request] expected a text, a list of token numbers, "));
  }
  EXPECT_THAT(error(R"([1,"a"])"), StartsWith("400 - prompt[1] "));
  EXPECT_THAT(error(R"(["a",1])"), StartsWith("400 - prompt[1] "));
  EXPECT_THAT(error("[[1],[]]"), HasSubstr("expected at least one token as 'prompt[1]', got a list"));
  EXPECT_THAT(error("[[1,-1]]"), StartsWith("400 - prompt[0][1] "));
  EXPECT_THAT(error("[2147483648]"), StartsWith("400 - prompt[0] "));
  EXPECT_THAT(error("[1.5]"), StartsWith("400 - prompt[0] "));
  EXPECT_EQ(error("[2147483647]"), "no error");
  EXPECT_EQ(error("\"\""), "no error");
  EXPECT_EQ(error(R"(["a",[1,2],[{"role":"user","content":"b"}]])"), "no error");
  std::string many = "\"a\"";
  for (int i = 1; i < 256; ++i) many += ",\"a\"";
  EXPECT_EQ(error("[" + many + "]"), "no error");
  EXPECT_THAT(error("[" + many + ",\"a\"]"), HasSubstr("at most 256 prompts a request, got 257"));
}

TEST(OpenAiRequest, MessagesHaveTextAlone) {
  const auto error = [](const std::string& messages) {
    return chat_refusal("{\"messages\":" + messages + "}");
  };
  EXPECT_THAT(chat_refusal("{}"), StartsWith("400 - messages "));
  EXPECT_THAT(error("[]"), StartsWith("400 - messages "));
  EXPECT_THAT(error(R"([{"role":"user","content":"a"},{"content":"a"}])"), StartsWith("400 - messages[1] "));
  EXPECT_THAT(error(R"([{"role":3,"content":"a"}])"), StartsWith("400 - messages[0] "));
  EXPECT_THAT(error(R"([{"role":"user"}])"), StartsWith("400 - messages[0].content "));
  EXPECT_THAT(error(R"([{"role":"user","content":7}])"), StartsWith("400 - messages[0].content "));
  EXPECT_THAT(error(R"([{"role":"user","content":[{"type":"text"}]}])"),
              StartsWith("400 - messages[0].content[0] "));
  EXPECT_THAT(error(R"([{"role":"user","content":["a"]}])"), StartsWith("400 - messages[0].content[0] "));
  EXPECT_THAT(
      error(R"([{"role":"user","content":[{"type":"text","text":"a"},)"
            R"({"type":"image_url","image_url":{"url":"http://169.254.169.254/"}}]}])"),
      AllOf(StartsWith("400 unsupported_parameter messages[0].content[1] "), HasSubstr("got 'image_url'")));
  std::string many = R"({"role":"user","content":"a"})";
  const std::string one = "," + many;
  for (int i = 1; i < 4096; ++i) many += one;
  EXPECT_EQ(error("[" + many + "]"), "no error");
  EXPECT_THAT(error("[" + many + one + "]"), HasSubstr("at most 4096 messages a request"));
  // The limit is the request's, not a conversation's.
  EXPECT_THAT(completion_refusal(fmt::format("{{\"prompt\":[[{}],[{}]]}}", many, many)),
              StartsWith("400 - prompt[1] "));
}

// openai-python writes what an assistant's message does not have as null, and templates ask what is there.
TEST(OpenAiRequest, MembersOfMessagesThatAreNullAreLeftOut) {
  const auto message = [](const std::string& members) {
    const auto request = R"({"messages":[{"role":"assistant",)" + members + "}]}";
    return json_text(testing::described("/v1/chat/completions", request)["messages"][0]);
  };
  EXPECT_EQ(message(R"("content":"a","tool_calls":null,"name":null,"refusal":null)"),
            R"({"role":"assistant","content":"a"})");
  EXPECT_EQ(message(R"("tool_calls":[1],"content":null)"),
            R"({"role":"assistant","tool_calls":[1],"content":null})");
  EXPECT_EQ(message(R"("tool_calls":[1])"), R"({"role":"assistant","tool_calls":[1],"content":null})");
  EXPECT_THAT(chat_refusal(R"({"messages":[{"role":"assistant","content":null,"tool_calls":null}]})"),
              StartsWith("400 - messages[0].content "));
}

TEST(OpenAiRequest, AMessageHasFewMembers) {
  std::string members = R"("role":"user","content":"a")";
  for (int i = 2; i < 64; ++i) members += fmt::format(",\"m{}\":1", i);
  EXPECT_EQ(chat_refusal("{\"messages\":[{" + members + "}]}"), "no error");
  for (int i = 64; i < 200'000; ++i) members += fmt::format(",\"m{}\":1", i);
  EXPECT_THAT(
      chat_refusal("{\"messages\":[{" + members + "}]}"),
      AllOf(StartsWith("400 - messages[0] "), HasSubstr("at most 64 members as 'messages[0]', got 200000")));
}

TEST(OpenAiRequest, ChatsHaveOneLimitUnderTwoNames) {
  EXPECT_EQ(read_chat_request(chat(R"("max_tokens":5)")).max_tokens, 5);
  EXPECT_EQ(read_chat_request(chat(R"("max_tokens":5,"max_completion_tokens":5)")).max_tokens, 5);
  EXPECT_EQ(chat_refusal(chat(R"("max_tokens":5,"max_completion_tokens":6)")),
            "400 - max_completion_tokens [request] expected one number as 'max_tokens' and "
            "'max_completion_tokens', "
            "got 5 and 6; leave one of them out");
  EXPECT_THAT(chat_refusal(chat(R"("max_tokens":0)")), StartsWith("400 - max_tokens "));
}

TEST(OpenAiRequest, FieldsThatNeedOrExcludeEachOther) {
  EXPECT_THAT(chat_refusal(chat(R"("top_logprobs":3)")), StartsWith("400 - top_logprobs "));
  EXPECT_EQ(chat_refusal(chat(R"("top_logprobs":0)")), "no error");
  EXPECT_EQ(chat_refusal(chat(R"("top_logprobs":20,"logprobs":true)")), "no error");
  EXPECT_THAT(chat_refusal(chat(R"("prompt_logprobs":3,"stream":true)")),
              StartsWith("400 - prompt_logprobs "));
  EXPECT_EQ(chat_refusal(chat(R"("stream_options":{"include_usage":true})")), "no error");
  EXPECT_THAT(chat_refusal(chat(R"("stream_options":true)")), StartsWith("400 - stream_options "));
}

TEST(OpenAiRequest, TemplateArgumentsAreBounded) {
  const auto error = [](const std::string& value) {
    return chat_refusal(chat("\"chat_template_kwargs\":" + value));
  };
  EXPECT_EQ(error(R"({"a":{"b":[1]}})"), "no error");
  EXPECT_THAT(error("[]"), StartsWith("400 - chat_template_kwargs "));
  EXPECT_THAT(error(R"({"messages":[]})"), StartsWith("400 - chat_template_kwargs.messages "));
  EXPECT_THAT(error(R"({"tools":[]})"), StartsWith("400 - chat_template_kwargs.tools "));
  EXPECT_THAT(error(R"({"a":")" + std::string(65'536, 'a') + "\"}"),
              HasSubstr("at most 64 names and 65536 bytes"));
  std::string names = "\"n\":1";
  for (int i = 1; i < 64; ++i) names += fmt::format(",\"n{}\":1", i);
  EXPECT_EQ(error("{" + names + "}"), "no error");
  EXPECT_THAT(error("{" + names + ",\"x\":1}"), HasSubstr("at most 64 names"));
}

TEST(OpenAiRequest, RefocusIsReadStrictly) {
  const auto error = [](const std::string& value) {
    return completion_refusal(completion("\"refocus\":" + value));
  };
  EXPECT_EQ(error(R"({"intervne":"none"})"),
            "400 - refocus.intervne [request] expected one of intervene, attention in 'refocus', got "
            "'intervne'; did "
            "you mean intervene?");
  EXPECT_EQ(
      error(R"({"attention":{"topk":3}})"),
      "400 - refocus.attention.topk [request] expected one of layers, heads, queries, top_k, reduce, before, "
      "inline in 'refocus.attention', got 'topk'; did you mean top_k?");
  EXPECT_THAT(error(R"({"zzz":1})"), HasSubstr("got 'zzz'; correct the request"));
  EXPECT_THAT(error(R"({"intervene":""})"), StartsWith("400 - refocus.intervene "));
  EXPECT_THAT(error(R"({"intervene":["none"]})"), StartsWith("400 - refocus.intervene "));
  EXPECT_THAT(error(R"({"intervene":")" + std::string(8193, 'a') + "\"}"), HasSubstr("at most 8192 bytes"));
  EXPECT_THAT(error("3"), StartsWith("400 - refocus [request] expected an object"));
  EXPECT_EQ(error("{}"), "no error");
  const auto attention = [&](const std::string& fields) { return error("{\"attention\":{" + fields + "}}"); };
  EXPECT_EQ(attention(""), "no error");
  EXPECT_THAT(attention(R"("layers":[])"), StartsWith("400 - refocus.attention.layers "));
  EXPECT_THAT(attention(R"("layers":"some")"), StartsWith("400 - refocus.attention.layers "));
  EXPECT_THAT(attention(R"("heads":[-1])"), StartsWith("400 - refocus.attention.heads[0] "));
  EXPECT_THAT(attention(R"("queries":"some")"), StartsWith("400 - refocus.attention.queries "));
  EXPECT_THAT(attention(R"("queries":[])"), StartsWith("400 - refocus.attention.queries "));
  EXPECT_THAT(attention(R"("top_k":0)"), StartsWith("400 - refocus.attention.top_k "));
  EXPECT_THAT(attention(R"("top_k":4097)"), StartsWith("400 - refocus.attention.top_k "));
  EXPECT_THAT(attention(R"("reduce":"mean")"), StartsWith("400 - refocus.attention.reduce "));
  EXPECT_THAT(attention(R"("before":1)"), StartsWith("400 - refocus.attention.before "));
}

TEST(OpenAiRequest, ABodyIsAJsonObject) {
  for (const char* endpoint : {"/v1/completions", "/v1/chat/completions", "/tokenize", "/detokenize"}) {
    EXPECT_EQ(refusal(endpoint, "[]"),
              "400 - - [request] expected a JSON object, got a list; correct the request");
    EXPECT_THAT(refusal(endpoint, ""), StartsWith("400 - - [request] expected JSON with a value"));
    EXPECT_THAT(refusal(endpoint, "{\"a\":\"\xff\"}"), HasSubstr("expected UTF-8"));
    EXPECT_THAT(refusal(endpoint, R"({"model":"a","model":"b"})"), HasSubstr("got 'model' twice"));
    std::string deep;
    for (int i = 0; i < 100'000; ++i) deep += "{\"a\":";
    EXPECT_THAT(refusal(endpoint, deep), HasSubstr("at most 64 levels"));
    EXPECT_THAT(refusal(endpoint, R"({"model":3})"), StartsWith("400 - model ")) << endpoint;
  }
}

TEST(OpenAiRequest, TokenizingTakesOneInput) {
  const auto error = [](const std::string& body) { return refusal("/tokenize", body); };
  EXPECT_THAT(error("{}"), HasSubstr("expected one of 'prompt', 'messages' and 'content', got none"));
  EXPECT_THAT(error(R"({"prompt":"a","content":"b"})"), HasSubstr("got 'prompt' and 'content'"));
  EXPECT_THAT(error(R"({"prompt":["a"]})"), StartsWith("400 - prompt "));
  EXPECT_THAT(error(R"({"messages":"a"})"), StartsWith("400 - messages "));
  EXPECT_THAT(error(R"({"messages":[{"role":"user","content":"a"}],"continue_final_message":true})"),
              StartsWith("400 unsupported_parameter continue_final_message "));
  EXPECT_TRUE(read_tokenize_request(R"({"prompt":"a"})").add_special_tokens);
  EXPECT_FALSE(read_tokenize_request(R"({"content":"a"})").add_special_tokens);
  EXPECT_FALSE(read_tokenize_request(R"({"messages":[{"role":"user","content":"a"}]})").add_special_tokens);
  EXPECT_TRUE(read_tokenize_request(R"({"prompt":"a","return_token_strs":true})").pieces);
  EXPECT_THAT(refusal("/detokenize", "{}"), StartsWith("400 - tokens "));
  EXPECT_THAT(refusal("/detokenize", R"({"tokens":"a"})"), StartsWith("400 - tokens "));
  EXPECT_THAT(refusal("/detokenize", R"({"tokens":[1,-2]})"), StartsWith("400 - tokens[1] "));
  EXPECT_EQ(refusal("/detokenize", R"({"tokens":[]})"), "no error");
}

}  // namespace
}  // namespace refocus::openai
