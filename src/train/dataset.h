// Training data: a JSONL file as sequences of tokens, each with the positions whose prediction counts; and
// the order in which batches take them.
//
// A line is {"text": ".."} (everything counts), {"prompt": "..", "response": ".."} (the response counts), or
// a conversation (conversation.h), by the model's chat template. Text is encoded as for `generate`, with what
// the tokenizer puts before a prompt, and ends with the EOS token. Prompt and response are encoded as one
// text; what counts begins at the first token that differs from those of the prompt alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "prompt/chat.h"
#include "tokenizer/tokenizer.h"
#include "train/graph.h"

namespace refocus {

class TrainingSet {
 public:
  // Texts beyond `context` inputs are cut into several sequences, pairs and conversations are cut at the end;
  // those of which nothing counts within it are left out. `chat_template` may be null; then conversations are
  // refused, but those of the form "instruction" and "output", which Alpaca's words put together.
  // InputError, with the line number, for a line that is none of the above, and where nothing is left.
  static TrainingSet load(const std::filesystem::path& path, const Tokenizer& tokenizer, std::int64_t context,
                          ThreadPool& pool, const ChatTemplate* chat_template = nullptr);

  std::size_t size() const { return begins_.size() - 1; }
  std::span<const std::int32_t> tokens(std::size_t i) const;
  // counts(i)[p]: whether predicting tokens(i)[p + 1] counts.
  std::span<const std::uint8_t> counts(std::size_t i) const;
  std::int64_t inputs(std::size_t i) const { return static_cast<std::int64_t>(tokens(i).size()) - 1; }

  std::int64_t total_tokens() const { return static_cast<std::int64_t>(tokens_.size()); }
  std::int64_t cut() const { return cut_; }            // pairs that lost their end
  std::int64_t left_out() const { return left_out_; }  // pairs whose response lies beyond the context
  // A number that changes with any token.
  std::uint64_t fingerprint() const;

 private:
  struct Example {
    std::vector<std::int32_t> tokens;
    std::vector<std::uint8_t> counts;  // [tokens]
    bool is_text = false;
  };
  static Example encode(const std::string& where, std::string_view line, const Tokenizer& tokenizer,
                        const ChatTemplate* chat_template);
  static Example encode_pair(const std::string& prompt, const std::string& response,
                             const Tokenizer& tokenizer);
  void add(const Example& example, std::size_t context);
  void add_sequence(std::span<const std::int32_t> tokens, std::span<const std::uint8_t> counts);

  std::vector<std::int32_t> tokens_;
  std::vector<std::uint8_t> counts_;  // of token p in tokens_: whether predicting it counts
  std::vector<std::size_t> begins_ = {0};
  std::int64_t cut_ = 0, left_out_ = 0;
};

// Where a run is in its data.
struct DataPosition {
  std::uint64_t epoch = 0;
  std::uint64_t next = 0;  // in the epoch's order
  bool operator==(const DataPosition&) const = default;
};

// Fills batches with whole sequences, one after the other: nothing is padded. A function of the seed and the
// position alone.
class BatchPacker {
 public:
  // At most `batch_tokens` rows a batch, no less than the longest sequence. `shuffle`: each epoch in an order
  // of its own; otherwise as in the file.
  BatchPacker(const TrainingSet& set, std::int64_t batch_tokens, std::uint64_t seed, bool shuffle);

  TrainingBatch next();
  // The same, but a batch ends where the epoch does.
  TrainingBatch next_of_epoch();
  DataPosition position() const { return position_; }
  std::size_t sequences() const { return set_.size(); }  // of an epoch
  void seek(const DataPosition& position);

 private:
  void begin_epoch(std::uint64_t epoch);

  const TrainingSet& set_;
  std::int64_t batch_tokens_;
  std::uint64_t seed_;
  bool shuffle_;
  DataPosition position_;
  std::vector<std::uint32_t> order_;
};

}  // namespace refocus
