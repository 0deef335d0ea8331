// One request while it is being answered: from its sequences in the engine to the bytes of its answer, whole
// or streamed.
//
// The engine's thread tells tokens and results; the server's thread tells that the client went, and the time.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "server/api/attention_keeping.h"
#include "server/api/preparation.h"
#include "server/http/reply.h"
#include "server/openai/answer.h"
#include "server/openai/stream.h"

namespace refocus::server {

// How an answer is written.
struct AnswerForm {
  openai::ChunkWriter::Kind kind = openai::ChunkWriter::Kind::kCompletion;
  openai::AnswerHead head;
  std::vector<std::string> ignored;
  bool stream = false, include_usage = false;
  bool echo = false;
  bool prompt_logprobs = false;                   // vLLM's field
  std::optional<std::int64_t> prompt_candidates;  // of it
  http::Fields headers;                           // beside Content-Type
};

// When things happened, for the metrics. Seconds from the request on.
struct AnswerTimes {
  double first_token = 0, whole = 0;
  std::int64_t tokens = 0;
};

class Answering : public std::enable_shared_from_this<Answering> {
 public:
  using OnEnd = std::function<void(const AnswerTimes&)>;
  // `keeping`: null where no attention was asked for.
  Answering(Prepared prepared, AnswerForm form, std::unique_ptr<AttentionKeeping> keeping,
            const Tokenizer& tokenizer, Engine& engine, std::shared_ptr<http::Reply> reply);
  void on_end(OnEnd on_end) { on_end_ = std::move(on_end); }  // before begin()

  // Hands the sequences to the engine. Answers 429 where its queue is full.
  void begin();

  // Any thread. A comment where nothing was sent for `ping_seconds`; an error where it takes longer than
  // `limit_seconds`. False where nothing is left to do.
  bool on_time(double ping_seconds, double limit_seconds);

 private:
  using Clock = std::chrono::steady_clock;
  struct ChoiceState {
    std::optional<AnswerStream> stream;
    std::optional<openai::TextOffsets> offsets;
    std::optional<GenerationResult> result;
    std::optional<openai::AttentionReceipt> attention;
    bool begun = false;
  };

  void on_token(std::size_t choice, const GeneratedToken& token);
  void on_done(std::size_t choice, GenerationResult&& result);
  void keep_attention(std::size_t choice);
  void fail(const openai::ApiFault& fault, const std::string& message);
  void cancel();
  void send_whole();
  void stream_end(std::size_t choice);
  void stream_begin(std::size_t choice);
  void send(http::Response response);
  void begin_stream();
  void write(const std::string& bytes);
  void finish();
  FinishedAnswer finished(std::size_t choice) const;
  openai::Choice choice_of(std::size_t choice) const;
  openai::ScoredToken scored(const TokenScore& score, std::optional<std::int64_t> most,
                             openai::TextOffsets& offsets) const;
  std::vector<openai::ScoredToken> prompt_tokens(std::size_t choice, std::optional<std::int64_t> most,
                                                 openai::TextOffsets& offsets) const;
  openai::Usage usage() const;
  openai::RefocusFacts facts() const;
  const PreparedPrompt& prompt_of(std::size_t choice) const {
    return prepared_.prompts[choice / static_cast<std::size_t>(prepared_.n)];
  }

  const Prepared prepared_;
  const AnswerForm form_;
  const std::unique_ptr<AttentionKeeping> keeping_;
  const Tokenizer& tokenizer_;
  Engine& engine_;
  const std::shared_ptr<http::Reply> reply_;
  OnEnd on_end_;
  const openai::ChunkWriter writer_;
  const Clock::time_point begin_ = Clock::now();

  std::mutex mutex_;
  std::vector<ChoiceState> choices_;
  std::vector<std::uint64_t> ids_;
  std::size_t left_ = 0;
  bool over_ = false, streaming_ = false;
  Clock::time_point last_sent_ = begin_;
  AnswerTimes times_;
};

}  // namespace refocus::server
