// Streamed answers: chunks of JSON as server-sent events (WHATWG HTML, 9.2.6: "data: ...", then an empty
// line).
//
// Events have no names, since openai-python takes every event for a chunk. All chunks of an answer have one
// id and time. A text must be whole characters (AnswerStream of prompt/answer_end.h gives out no others, and
// holds back what may be the beginning of a stop text).
#pragma once

#include <string>
#include <string_view>

#include "server/openai/answer.h"
#include "server/openai/api_error.h"

namespace refocus::openai {

std::string sse_event(std::string_view json);  // `json` is one line
inline constexpr std::string_view kSseDone = "data: [DONE]\n\n";
inline constexpr std::string_view kSsePing = ": ping\n\n";  // a comment, which clients skip
// An error after the first byte of a stream, where no status can tell it any more.
std::string sse_error(const ApiError& error);

// What each function returns is sent as it is; it may be empty.
class ChunkWriter {
 public:
  enum class Kind { kCompletion, kChat };
  // `include_usage`: of the request's stream_options.
  ChunkWriter(Kind kind, AnswerHead head, bool include_usage)
      : kind_(kind), head_(std::move(head)), include_usage_(include_usage) {}

  // The start of a choice: who speaks, in a chat.
  std::string begin(std::int64_t index) const;
  // More text of a choice; `tokens` where log-probabilities were asked for, otherwise null.
  std::string more(std::int64_t index, std::string_view text, const std::vector<ScoredToken>* tokens) const;
  // The end of a choice. `facts`: in the last choice to end, otherwise null.
  std::string end(std::int64_t index, std::string_view finish_reason, const RefocusFacts* facts) const;
  // Behind all choices: the chunk with the usage, where it was asked for.
  std::string usage(const Usage& usage) const;

 private:
  nlohmann::ordered_json chunk(nlohmann::ordered_json choices) const;
  std::string event(nlohmann::ordered_json choice, const RefocusFacts* facts) const;

  Kind kind_;
  AnswerHead head_;
  bool include_usage_;
};

}  // namespace refocus::openai
