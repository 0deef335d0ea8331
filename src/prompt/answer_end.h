// Where an answer ends: at a token of the model's own, or at a text or special token that the user names.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/streaming_decoder.h"
#include "tokenizer/tokenizer.h"

namespace refocus {

// How an answer ended.
inline constexpr const char* kFinishEos = "eos";        // the model's own end token
inline constexpr const char* kFinishStop = "stop";      // a text or special token that was named
inline constexpr const char* kFinishLength = "length";  // cut off at a limit

// The texts that end an answer beside the model's own end tokens ("stop" of OpenAI's, "until" of
// lm-evaluation-harness). The answer is what stands before the first of them. One that spells a special token
// ("<|im_end|>") names the token too, which has no text in an answer.
class AnswerEnds {
 public:
  AnswerEnds() = default;
  // `texts`: none of them empty.
  AnswerEnds(const Tokenizer& tokenizer, std::vector<std::string> texts);

  bool empty() const { return texts_.empty(); }
  // The special tokens among them.
  const std::vector<std::int32_t>& tokens() const { return tokens_; }
  bool has_token(std::int32_t id) const;
  // Where the first of the texts begins; npos where none does.
  std::size_t find(std::string_view text) const;
  // The bytes at the end of `text` that one of the texts may begin with.
  std::size_t begun(std::string_view text) const;

 private:
  std::vector<std::string> texts_;
  std::vector<std::int32_t> tokens_;
  std::size_t longest_ = 0;
};

struct FinishedAnswer {
  std::string text;
  std::string_view finish_reason = kFinishLength;  // one of the three: compared as text
};

// The answer of generated tokens, the last of which may be one that ended it. `eos`: the model's own.
FinishedAnswer finished_answer(const Tokenizer& tokenizer, const AnswerEnds& ends,
                               std::span<const std::int32_t> tokens, std::span<const std::int32_t> eos);

// The same while the tokens come. What push() and finish() return, put together, is the text of
// finished_answer().
class AnswerStream {
 public:
  // `tokenizer` must outlive the stream.
  AnswerStream(const Tokenizer& tokenizer, AnswerEnds ends, std::vector<std::int32_t> eos);

  // The text that is certain to be the answer's with this token.
  std::string push(std::int32_t id);
  // What is left where no more tokens come.
  std::string finish();
  // Whether the answer has ended; further tokens add nothing.
  bool ended() const { return ended_; }

 private:
  std::string give(std::string_view more, bool all);

  AnswerEnds ends_;
  std::vector<std::int32_t> eos_;
  StreamingDecoder decoder_;
  std::string held_;  // not given yet
  bool ended_ = false;
};

// For GenerationRequest::ends_after: whether the tokens so far hold a text that ends the answer. Null where
// there are no such texts; special tokens are the request's stop tokens.
std::function<bool(std::int32_t)> ends_after(const Tokenizer& tokenizer, const AnswerEnds& ends);

}  // namespace refocus
