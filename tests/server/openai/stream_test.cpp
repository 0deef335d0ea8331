#include "server/openai/stream.h"

#include "../../tokenizer/tokenizer_support.h"
#include "answer_support.h"
#include "base/json_reader.h"
#include "prompt/answer_end.h"
#include "support.h"

namespace refocus::openai {
namespace {

// The data of events, as a client takes them apart (WHATWG HTML, 9.2.6).
std::vector<std::string> events_of(std::string_view stream) {
  std::vector<std::string> out;
  while (!stream.empty()) {
    const std::size_t end = stream.find("\n\n");
    EXPECT_NE(end, std::string_view::npos) << "an event ends with an empty line";
    if (end == std::string_view::npos) break;
    const std::string_view event = stream.substr(0, end);
    stream.remove_prefix(end + 2);
    EXPECT_EQ(event.find('\n'), std::string_view::npos) << "one line an event";
    if (event.starts_with(":")) continue;
    EXPECT_TRUE(event.starts_with("data: ")) << event;
    out.emplace_back(event.substr(6));
  }
  return out;
}

TEST(OpenAiStream, AChatFromRoleToDone) {
  const ChunkWriter writer(ChunkWriter::Kind::kChat, testing::head(), true);
  const RefocusFacts facts{"none", {"user"}, {}};
  std::string stream = writer.begin(0);
  stream += kSsePing;
  stream += writer.more(0, "line\n\nbreak", nullptr);
  stream += writer.end(0, kFinishEos, &facts);
  stream += writer.usage({4, 2, 0});
  stream += kSseDone;
  const auto events = events_of(stream);
  const std::string head =
      R"({"id":"cmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"small@reb",)"
      R"("system_fingerprint":"fp_1","choices":[)";
  ASSERT_EQ(events.size(), 5u);
  EXPECT_EQ(events[0], head + R"({"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,)"
                              R"("finish_reason":null}],"usage":null})");
  EXPECT_EQ(events[1], head + R"({"index":0,"delta":{"content":"line\n\nbreak"},"logprobs":null,)"
                              R"("finish_reason":null}],"usage":null})");
  EXPECT_EQ(events[2], head +
                           R"({"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null,)"
                           R"("refocus":{"intervention":"none","ignored":["user"]}})");
  EXPECT_EQ(events[3], head + R"(],"usage":{"prompt_tokens":4,"completion_tokens":2,"total_tokens":6,)"
                              R"("prompt_tokens_details":{"cached_tokens":0}}})");
  EXPECT_EQ(events[4], "[DONE]");
}

TEST(OpenAiStream, ACompletionWithLogprobsAndWithoutUsage) {
  const ChunkWriter writer(ChunkWriter::Kind::kCompletion, testing::head(), false);
  EXPECT_EQ(writer.begin(1), "");
  EXPECT_EQ(writer.usage({1, 1, 0}), "");
  const std::vector<ScoredToken> tokens = {testing::scored({4, "a", -1, 1}, {}, 7)};
  const auto events = events_of(writer.more(1, "a", &tokens) + writer.end(1, kFinishLength, nullptr));
  ASSERT_EQ(events.size(), 2u);
  const std::string head =
      R"({"id":"cmpl-1","object":"text_completion","created":1700000000,"model":"small@reb",)"
      R"("system_fingerprint":"fp_1","choices":[)";
  EXPECT_EQ(events[0], head + R"({"index":1,"text":"a","logprobs":{"tokens":["a"],"token_logprobs":[-1.0],)"
                              R"("top_logprobs":[{"a":-1.0}],"text_offset":[7]},"finish_reason":null}]})");
  EXPECT_EQ(events[1], head + R"({"index":1,"text":"","logprobs":null,"finish_reason":"length"}]})");
}

TEST(OpenAiStream, AChatWithLogprobs) {
  const ChunkWriter writer(ChunkWriter::Kind::kChat, testing::head(), false);
  const std::vector<ScoredToken> tokens = {testing::scored({4, "a", -1, 1})};
  const auto events = events_of(writer.more(0, "a", &tokens));
  ASSERT_EQ(events.size(), 1u);
  const auto json = parse_ordered_json(events[0], {"chunk"});
  EXPECT_EQ(json["choices"][0]["logprobs"]["content"][0]["bytes"], nlohmann::ordered_json({97}));
}

// Tokens of half characters and the beginning of a stop text on their way through the stream of answers.
TEST(OpenAiStream, WhatIsStreamedIsTheWholeAnswer) {
  const auto tokenizer = refocus::testing::load_json(refocus::testing::synthetic_tokenizer("llama-2"));
  const AnswerEnds ends(*tokenizer, {"END"});
  const std::vector<std::int32_t> eos = {2};
  for (const char* text : {"Hello \xE2\x82\xAC\xF0\x9F\x98\x80 EN E", "a END b", "\xE6\xBC\xA2 EN\xC3\xA9"}) {
    const auto ids = tokenizer->encode(text);
    for (const auto kind : {ChunkWriter::Kind::kChat, ChunkWriter::Kind::kCompletion}) {
      const ChunkWriter writer(kind, testing::head(), false);
      AnswerStream answer(*tokenizer, ends, eos);
      std::string stream = writer.begin(0);
      for (const std::int32_t id : ids) {
        if (const std::string more = answer.push(id); !more.empty()) stream += writer.more(0, more, nullptr);
      }
      stream += writer.more(0, answer.finish(), nullptr);
      std::string joined;
      for (const std::string& event : events_of(stream)) {
        const auto choice = parse_ordered_json(event, {"chunk"})["choices"][0];
        joined += kind == ChunkWriter::Kind::kChat ? choice["delta"]["content"].get<std::string>()
                                                   : choice["text"].get<std::string>();
      }
      EXPECT_EQ(joined, finished_answer(*tokenizer, ends, ids, eos).text);
      EXPECT_EQ(joined.find("\xEF\xBF\xBD"), std::string::npos);
    }
  }
}

TEST(OpenAiStream, AnErrorIsDataToo) {
  const auto events =
      events_of(sse_error(ApiError({.status = 500, .type = "server_error"}, "expected room;\n none")));
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(
      events[0],
      R"({"error":{"message":"[request] expected room;\\x0a none","type":"server_error","param":null,"code":null}})");
}

}  // namespace
}  // namespace refocus::openai
