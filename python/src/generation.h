// Answers under way: prompts are added at any time and computed together, as refocus generate --batch does.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "generate/scheduler.h"
#include "model.h"

namespace refocus::python {

struct GenerationCall {
  std::string spec = "none";
  std::int64_t max_tokens = 128;
  SamplingOptions sampling;
  std::vector<std::string> stop;
  bool ignore_eos = false;
  std::int64_t batch_size = 16;
  std::optional<std::int64_t> top_logprobs;
  std::int64_t longest = 0;  // tokens of the longest prompt, where it is known: for the cache's size
  bool streams = false;      // whether pieces of text are kept as they come
};

// One that ended.
struct DoneAnswer {
  std::uint64_t id = 0;
  std::string text, finish_reason;
  std::vector<std::int32_t> prompt, tokens;
  std::vector<TokenScore> scores;
};

// A piece of an answer's text, as it came.
struct TextPiece {
  std::uint64_t id = 0;
  std::string text;
};

class Generation {
 public:
  Generation(std::shared_ptr<Model> model, GenerationCall call);

  const InterventionSpec& intervention() const { return spec_; }
  // Of the next prompt; its number is also that of its random numbers, as in a batch of the command.
  // InputError where the prompt is none (Scheduler::check).
  std::uint64_t add(const ReadPrompt& prompt, std::optional<std::uint64_t> stream);
  // Computes until something ended or, where it streams, came. False where there is nothing to do.
  bool advance();
  std::vector<DoneAnswer> take_done() { return std::exchange(done_, {}); }
  std::vector<TextPiece> take_pieces() { return std::exchange(pieces_, {}); }
  std::size_t open() const { return queue_.size() + running_.size(); }

 private:
  void finish(GenerationResult&& result);

  std::shared_ptr<Model> model_;
  std::shared_ptr<RunningModel> running_model_;  // which is there as long as this is
  GenerationCall call_;
  InterventionSpec spec_;
  AnswerEnds ends_;
  std::vector<std::int32_t> eos_;
  std::unique_ptr<Scheduler> scheduler_;
  std::vector<GenerationRequest> queue_;  // not taken yet, the first to be taken last
  struct Running {
    std::vector<std::int32_t> prompt;
    std::optional<AnswerStream> stream;
  };
  std::map<std::uint64_t, Running> running_;
  std::uint64_t next_ = 0;
  std::vector<DoneAnswer> done_;
  std::vector<TextPiece> pieces_;
};

}  // namespace refocus::python
