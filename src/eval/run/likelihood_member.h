// What LikelihoodScorer keeps of a request on its way. Internal to it.
#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "eval/run/likelihood_scorer.h"

namespace refocus {

struct LikelihoodScorer::TokenScore {
  double log_probability = 0;
  bool top = false;  // the most likely token
};

// A request on its way.
struct LikelihoodScorer::Member {
  LikelihoodRequest request;
  std::string intervention_name;
  std::string prefix_name;  // by which its beginnings are known: keys below its first layer are not there
  KvSequence cache;         // of the context
  std::unique_ptr<Intervention> intervention;
  std::vector<PrefixToken> marked_prefix;  // prefix(), as the prefix cache has it
  bool alone = false;                      // keys depend on the whole length, so that nothing can be shared
  bool leads = false;                      // computes a prefix that others may wait for
  bool waits = false;                      // for a prefix that another one computes
  std::vector<std::int32_t> trunk;         // the context, and what all options begin with
  std::vector<TokenScore> stem;            // of the trunk's tokens after the context
  std::vector<std::int32_t> first_tokens;  // [options]: that after the trunk
  std::vector<TokenScore> firsts;          // [options]
  std::vector<std::vector<TokenScore>> others;  // [options][tokens after the first]

  std::int64_t context_size() const { return static_cast<std::int64_t>(request.context.size()); }
  std::int64_t trunk_size() const { return static_cast<std::int64_t>(trunk.size()); }
  // Of an option, what comes after the trunk.
  std::span<const std::int32_t> branch(std::size_t option) const {
    return std::span(request.options[option]).subspan(stem.size());
  }
  // Of what all options begin with, so many tokens are computed with the context.
  void set_trunk(std::int64_t tokens) {
    const std::vector<std::int32_t>& option = request.options.front();
    trunk = request.context;
    trunk.insert(trunk.end(), option.begin(), option.begin() + tokens);
    stem.resize(static_cast<std::size_t>(tokens));
  }
  std::int64_t prefix_blocks() const { return request.prefix_blocks(); }
  std::span<const std::int32_t> prefix() const {
    return std::span(request.context).first(static_cast<std::size_t>(prefix_blocks() * kKeyBlock));
  }
  // Tokens of a sequence that continues with an option; the option's last token is not computed.
  std::int64_t length_with(std::size_t option) const {
    return context_size() + static_cast<std::int64_t>(request.options[option].size()) - 1;
  }
  // Of its prefix, how much may be known already: what is recorded must have been, too.
  std::span<const PrefixToken> known_prefix() const {
    std::int64_t blocks = prefix_blocks();
    for (const RecordedRows& record : request.records) {
      blocks = std::min(blocks, record.rows->filled_prefix_blocks());
    }
    return std::span(marked_prefix).first(static_cast<std::size_t>(blocks * kKeyBlock));
  }
  // Whether what it computes of a beginning leaves nothing to record for one that waits for it.
  bool records_for(const Member& other) const {
    return std::ranges::all_of(other.request.records, [&](const RecordedRows& wanted) {
      return std::ranges::find(request.records, wanted.layer, &RecordedRows::layer) != request.records.end();
    });
  }
  std::int64_t longest() const {
    std::int64_t out = trunk_size();
    for (std::size_t o = 0; o < request.options.size(); ++o) out = std::max(out, length_with(o));
    return out;
  }
  OptionLikelihood likelihood_of(std::size_t option) const {
    OptionLikelihood out{0, true};
    const std::int64_t lead = request.leads.empty() ? 0 : request.leads[option];
    for (auto t = static_cast<std::size_t>(lead); t < request.options[option].size(); ++t) {
      const TokenScore& score = t < stem.size()    ? stem[t]
                                : t == stem.size() ? firsts[option]
                                                   : others[option][t - stem.size() - 1];
      out.loglikelihood += score.log_probability;
      out.is_greedy = out.is_greedy && score.top;
    }
    return out;
  }
};

// An option beyond its first token.
struct LikelihoodScorer::Continuation {
  Member* member;
  std::size_t option;
  KvSequence cache;
  std::unique_ptr<Intervention> intervention;
};

// Tokens that a sequence goes on with, and what is looked up in their last rows' logits: one token in each,
// and then, where there are any of `ends`, all of these in one more.
struct LikelihoodScorer::Job {
  const Member* member;
  std::size_t option;  // that the tokens beyond the context are of, or ResidualRows::kEveryOption
  KvSequence* cache;
  std::span<const std::int32_t> tokens;
  std::int64_t rope_length;
  const AttentionHooks* hooks;
  std::span<const std::int32_t> each = {};
  TokenScore* each_scores = nullptr;  // [each]
  std::span<const std::int32_t> ends = {};
  TokenScore* end_scores = nullptr;  // [ends]
  bool whole = false;                // must go in one call
  std::size_t done = 0;

  // Tokens before those whose logits are wanted.
  std::size_t unwanted() const { return tokens.size() - each.size() - (ends.empty() ? 0 : 1); }
};

}  // namespace refocus
