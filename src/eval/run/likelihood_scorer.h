// Log-likelihoods of options after a context, many items at once.
//
// The keys and values of a context, and of the tokens that all its options begin with, are computed once, and
// each option goes on from them: full blocks are shared, the last one is copied. The last of these rows
// already has the logits of every option's next token, so options of one token cost nothing more. Beginnings
// that items have in common (worked examples) are computed once too. Results are bitwise the same whatever is
// computed beside an item.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eval/run/residual_rows.h"
#include "eval/task/option_likelihood.h"
#include "generate/prefix_cache.h"
#include "generate/scheduler.h"
#include "intervene/intervention_pool.h"
#include "model/transformer.h"

namespace refocus {

struct LikelihoodRequest {
  std::uint64_t id = 0;                            // the caller's
  std::vector<std::int32_t> context;               // at least one token; all tokens within the vocabulary
  std::vector<std::vector<std::int32_t>> options;  // at least one, each of at least one token
  // Of each option, tokens at its beginning that are not scored, fewer than it has. Empty: none of any.
  std::vector<std::int64_t> leads;
  std::int64_t shared_prefix = 0;  // tokens at the beginning that other requests are expected to have too
  InterventionSpec intervention;
  std::shared_ptr<const InterventionTarget> target;  // of the context; null where the intervention needs none
  // Computing begins with this layer; where it is not 0, with the residual stream before it.
  std::int64_t first_layer = 0;
  std::shared_ptr<ResidualRows> start = nullptr;
  // What is recorded while it is computed. Its rows are all there when it is done.
  std::vector<RecordedRows> records = {};

  // Blocks at the beginning of the context that are computed once for requests that share them.
  std::int64_t prefix_blocks() const {
    return std::min(shared_prefix, static_cast<std::int64_t>(context.size()) - 1) / kKeyBlock;
  }
};

struct LikelihoodResult {
  std::uint64_t id = 0;
  std::vector<OptionLikelihood> options;
};

class LikelihoodScorer {
 public:
  // `options`: at most so many items at once, in so much memory. Layers before `end_layer` alone are
  // computed: where that leaves the last one out, results have no likelihoods, and are there for what is
  // recorded.
  LikelihoodScorer(Transformer& model, const SchedulerOptions& options,
                   std::int64_t end_layer = LayerRange::kAll);
  ~LikelihoodScorer();

  using Source = std::function<std::optional<LikelihoodRequest>()>;  // the next request, or none for good
  using OnDone = std::function<void(LikelihoodResult&&)>;            // in the order of the requests

  // InputError where the cache cannot hold even one request, or a logit is not finite.
  void run(const Source& source, const OnDone& on_done);

  std::int64_t computed_rows() const { return computed_rows_; }  // tokens that went through the model
  // The same times the layers that they went through.
  std::int64_t computed_layers() const { return computed_layers_; }

 private:
  struct Member;
  struct Continuation;
  struct TokenScore;
  struct Job;

  bool admit(const Source& source);
  bool make_room(std::int64_t bytes);
  bool find_place(Member& member);
  std::int64_t prefix_bytes(const Member& member, std::int64_t known) const;
  std::int64_t fork_bytes(const Member& member) const;
  [[noreturn]] void no_room(std::int64_t bytes) const;
  void compute_prefixes();
  void score_contexts();
  void score_continuations();
  void run_continuations(std::vector<Continuation>& wave);
  void score_alone(Member& member);
  void run_jobs(std::span<Job> jobs, std::int64_t most_rows);

  Transformer& model_;
  std::int64_t end_layer_;
  std::int64_t max_sequences_;
  KvPool pool_;
  PrefixCache prefixes_;
  std::vector<std::unique_ptr<Member>> group_;  // what is computed together, from the same layer on
  std::optional<LikelihoodRequest> pending_;    // for which there was no room
  std::int64_t promised_bytes_ = 0;  // of the pool, to members that wait for a prefix or compute one
  std::int64_t fork_bytes_ = 0;      // the most that one continuation of the group needs
  InterventionPool interventions_;
  std::int64_t computed_rows_ = 0, computed_layers_ = 0;
};

}  // namespace refocus
