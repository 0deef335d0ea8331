// Continuous batching: many generations at once, each sequence's next rows computed together in one forward
// pass.
//
// Sequences join as others end. A prompt is prefilled in chunks beside the others' decoding. Where memory for
// the cache runs short, the youngest sequence gives its blocks back and is computed again later; since
// results do not depend on the batch or on chunking, its tokens are the same.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "generate/prefix_cache.h"
#include "generate/sampler.h"
#include "generate/sequence_watch.h"
#include "intervene/intervention_pool.h"
#include "model/transformer.h"
#include "prompt/answer_end.h"

namespace refocus {

// Rows of which all logits are wanted that go into one forward call: [kLogitRows, vocab] floats are held.
inline constexpr std::int64_t kLogitRows = 128;

struct GenerationRequest {
  std::uint64_t id = 0;                 // the caller's
  std::optional<std::uint64_t> stream;  // of random numbers (Sampler); the id where it is not given
  std::vector<std::int32_t> prompt;     // at least one token, all within the vocabulary
  std::int64_t max_new_tokens = 128;
  std::int64_t shared_prefix = 0;  // tokens at the beginning that other requests are expected to have too
  InterventionSpec intervention;
  std::shared_ptr<const InterventionTarget> target;  // of the prompt; null where the intervention needs none
  SamplingOptions sampling;
  std::vector<std::int32_t> stop_tokens;  // usually the end-of-sequence token
  // Called once for each generated token, in order; true ends the generation after it. May be empty.
  std::function<bool(std::int32_t)> ends_after;
  // Scores each generated token, with so many candidates.
  std::optional<std::int64_t> top_logprobs;
  // The same of each token of the prompt but the first.
  std::optional<std::int64_t> prompt_top_logprobs;
  std::shared_ptr<SequenceWatch> watch;  // or null
};

// Gives a request what ends its answer: the model's own end tokens, and the texts and tokens of `ends`.
void add_ends(GenerationRequest& request, const Tokenizer& tokenizer, const AnswerEnds& ends,
              std::span<const std::int32_t> eos);

// A token as it is generated.
struct GeneratedToken {
  std::uint64_t id;  // of the request
  std::int32_t token;
  const TokenScore* score;  // null unless top_logprobs was given; valid during the call
};

struct GenerationResult {
  std::uint64_t id = 0;
  std::vector<std::int32_t> tokens;  // generated ones, a stop token included
  bool stopped = false;              // by a stop token; otherwise by ends_after, max_new_tokens or the
                                     // context's end
  std::int64_t prompt_tokens = 0;
  std::int64_t shared_tokens = 0;                 // of the prompt, taken from the prefix cache
  std::vector<TokenScore> scores, prompt_scores;  // of the tokens; of the prompt's from the second on
};

struct SchedulerOptions {
  std::int64_t max_sequences = 1;  // at once
  std::int64_t context = 0;        // most tokens a sequence may have; the model's context length where 0
  std::int64_t kv_bytes = 0;       // memory for the cache; for max_sequences whole contexts where 0
};

// What these options mean for a model's cache: kv_bytes, or so many whole contexts (kv_bytes_of_many).
std::int64_t cache_bytes(const Transformer& model, const SchedulerOptions& options);

struct SchedulerStats {
  std::int64_t prefill_tokens = 0, decode_tokens = 0;
  double prefill_seconds = 0, decode_seconds = 0;  // a step with any prefill row counts as prefill
  std::int64_t preemptions = 0;
  std::int64_t peak_kv_bytes = 0;  // most memory for keys and values in use at a time
};

class Scheduler {
 public:
  Scheduler(Transformer& model, const SchedulerOptions& options);
  ~Scheduler();

  using Source = std::function<std::optional<GenerationRequest>()>;  // the next request, or none for good
  using OnDone = std::function<void(GenerationResult&&)>;            // in the order they end
  using OnToken = std::function<void(const GeneratedToken&)>;        // as they are generated

  // Takes requests from `source` as there is room, until it has none and all are done. InputError for a
  // request that check() refuses, or where the cache cannot hold even one sequence.
  void run(const Source& source, const OnDone& on_done, const OnToken& on_token = nullptr);

  // One step of run: takes what requests there are room for, and computes once. False where there was nothing
  // to do: then `source`, which may have none now and some later, has none. Errors as run's, after which
  // only abandon() may be called.
  bool advance(const Source& source, const OnDone& on_done, const OnToken& on_token = nullptr);

  // Forgets a request that was taken, wherever it is; nothing is told of it. False where it is not there.
  bool cancel(std::uint64_t id);

  // Forgets all requests that were taken. Their ids.
  std::vector<std::uint64_t> abandon();

  // Most tokens, of prompt and answer together, that the memory of the cache has room for.
  std::int64_t most_tokens() const { return pool_.most_tokens(model_.max_rows()); }

  // Sequences that are being computed, and taken requests that wait for room or for a prefix.
  std::size_t running() const { return active_.size(); }
  std::size_t waiting() const { return waiting_.size(); }

  // InputError where a prompt is empty, has a token outside the vocabulary, leaves no room in the context, or
  // is longer than a call under an intervention that needs it whole.
  void check(std::span<const std::int32_t> prompt, const InterventionSpec& intervention = {}) const;

  const SchedulerStats& stats() const { return stats_; }
  std::int64_t context() const { return context_; }

 private:
  struct Active;

  bool admit(const Source& source);
  std::unique_ptr<Active> make_active(GenerationRequest request);
  bool waits_for_prefix(const Active& active) const;
  bool ensure_room(Active& active, std::int64_t length);
  void preempt_last();
  void plan();
  std::int64_t next_rows(const Active& active, std::int64_t budget) const;
  void step(const OnDone& on_done, const OnToken& on_token);
  void end_done(const OnDone& on_done);
  void forget(std::unique_ptr<Active> active);
  void append_token(Active& active, const float* logits, const OnToken& on_token);
  void share_prefix(Active& active);
  void score_prompt(Active& active, const float* logits, std::int64_t rows);
  void remember_prefix(Active& active);

  Transformer& model_;
  std::int64_t max_sequences_, context_;
  KvPool pool_;
  PrefixCache prefixes_;
  SchedulerStats stats_;
  std::vector<std::unique_ptr<Active>> active_;  // oldest first
  std::deque<std::unique_ptr<Active>> waiting_;  // preempted, or held back until a shared prefix is computed
  InterventionPool interventions_;
  std::vector<SequenceInput> inputs_;  // this step's, with the sequences they belong to
  std::vector<Active*> planned_;
};

}  // namespace refocus
