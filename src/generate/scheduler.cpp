#include "generate/scheduler.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"

namespace refocus {
// A sequence on its way. `tokens` is the prompt and what was generated; the cache holds the first of them.
struct Scheduler::Active {
  GenerationRequest request;
  std::string intervention_name;
  std::unique_ptr<Intervention> intervention;
  KvSequence cache;
  Sampler sampler;
  std::vector<std::int32_t> tokens;
  std::vector<PrefixToken> prefix;  // the tokens that may be shared, as the prefix cache has them
  std::int64_t shared_tokens = 0;
  bool prefix_known = false;  // its shared prefix is in the prefix cache, or it has none
  bool done = false, stopped = false;
  bool whole = false;                                 // the prompt must go in one call
  std::vector<TokenScore> scores{}, prompt_scores{};  // so far; of the prompt's tokens from the second on

  std::int64_t prompt_size() const { return static_cast<std::int64_t>(request.prompt.size()); }
  std::int64_t size() const { return static_cast<std::int64_t>(tokens.size()); }
  std::int64_t missing() const { return size() - cache.length(); }
  // Whether rows up to the one before `end` predict tokens of the prompt that are to be scored yet.
  bool scores_prompt(std::int64_t end) const {
    const auto known = std::ssize(prompt_scores);
    return request.prompt_top_logprobs && known < prompt_size() - 1 && end > known;
  }
  // Of the next call, over rows from `first` on.
  const AttentionHooks* hooks_of(std::int64_t first, std::int64_t rows) const {
    const AttentionHooks* own = intervention->hooks();
    const auto& watch = request.watch;
    return watch && first + rows > watch->first_row() ? watch->begin_call(own, first, rows) : own;
  }
  std::int64_t prefix_blocks() const {
    return std::min(request.shared_prefix, prompt_size() - 1) / kKeyBlock;
  }
};

void add_ends(GenerationRequest& request, const Tokenizer& tokenizer, const AnswerEnds& ends,
              std::span<const std::int32_t> eos) {
  request.stop_tokens.assign(eos.begin(), eos.end());
  request.stop_tokens.insert(request.stop_tokens.end(), ends.tokens().begin(), ends.tokens().end());
  request.ends_after = ends_after(tokenizer, ends);
}

std::int64_t cache_bytes(const Transformer& model, const SchedulerOptions& options) {
  if (options.kv_bytes > 0) return options.kv_bytes;
  const std::int64_t context = options.context > 0 ? options.context : model.config().context_length();
  return kv_bytes_of_many(model.config(), options.max_sequences, context, model.kv_type(), model.max_rows());
}

Scheduler::Scheduler(Transformer& model, const SchedulerOptions& options)
    : model_(model),
      max_sequences_(std::min(options.max_sequences, model.max_rows())),
      context_(options.context > 0 ? options.context : model.config().context_length()),
      pool_(kv_pool_of(model, cache_bytes(model, options))),
      prefixes_(pool_),
      interventions_(model, static_cast<std::size_t>(max_sequences_)) {
  REFOCUS_CHECK(options.max_sequences >= 1);
}

Scheduler::~Scheduler() = default;

void Scheduler::check(std::span<const std::int32_t> prompt, const InterventionSpec& intervention) const {
  const auto count = static_cast<std::int64_t>(prompt.size());
  if (count == 0)
    throw input_error("prompt", "expected at least one token, got none; give a text, or ids with --tokens");
  if (count >= context_) {
    throw input_error(
        "prompt",
        "expected at most {} tokens, got {}; shorten it, or go beyond the context that the model was trained "
        "for with --context {}",
        context_ - 1, count, count + 512);
  }
  for (const std::int32_t token : prompt) {
    if (token < 0 || token >= model_.config().vocab_size) {
      throw input_error("prompt",
                        "expected token ids from 0 to {} (the vocabulary), got {}; correct the id, or use "
                        "the model that it is meant for",
                        model_.config().vocab_size - 1, token);
    }
  }
  check_whole_prompt(intervention, count, model_.max_rows());
}

std::unique_ptr<Scheduler::Active> Scheduler::make_active(GenerationRequest request) {
  check(request.prompt, request.intervention);
  std::string name = request.intervention.canonical(model_.config().num_hidden_layers);
  Sampler sampler(request.sampling, request.stream.value_or(request.id));
  std::vector<std::int32_t> tokens = request.prompt;
  auto active = std::make_unique<Active>(Active{std::move(request),
                                                std::move(name),
                                                nullptr,
                                                KvSequence(pool_),
                                                std::move(sampler),
                                                std::move(tokens),
                                                {}});
  active->whole = active->request.intervention.needs_whole_prompt();
  if (active->whole || model_.keys_depend_on_length(active->prompt_size())) active->request.shared_prefix = 0;
  const auto shareable = static_cast<std::size_t>(active->prefix_blocks() * kKeyBlock);
  active->prefix = prefix_tokens(std::span(active->tokens).first(shareable), active->request.target.get());
  active->tokens.reserve(static_cast<std::size_t>(
      std::min(context_, active->prompt_size() + std::max<std::int64_t>(0, active->request.max_new_tokens)) +
      1));
  return active;
}

// Whether a running sequence is just computing a prefix that this one could share.
bool Scheduler::waits_for_prefix(const Active& active) const {
  const std::int64_t tokens = active.prefix_blocks() * kKeyBlock;
  if (tokens == 0) return false;
  return std::any_of(active_.begin(), active_.end(), [&](const auto& other) {
    return !other->prefix_known && other->intervention_name == active.intervention_name &&
           pool_.layout().serves(other->prefix_blocks() * kKeyBlock, tokens) &&
           std::equal(active.prefix.begin(), active.prefix.end(), other->prefix.begin());
  });
}

// Makes the next sequence active, a waiting one first. False where there is none to take now.
bool Scheduler::admit(const Source& source) {
  if (static_cast<std::int64_t>(active_.size()) >= max_sequences_) return false;
  std::unique_ptr<Active> next;
  if (!waiting_.empty()) {
    next = std::move(waiting_.front());
    waiting_.pop_front();
  } else if (std::optional<GenerationRequest> request = source()) {
    next = make_active(std::move(*request));
  } else {
    return false;
  }
  if (waits_for_prefix(*next)) {
    waiting_.push_front(std::move(next));
    return false;
  }
  share_prefix(*next);
  // Room for the whole prompt, so that sequences that are let in rarely have to leave again.
  const auto reserve = [&] { return next->cache.reserve(next->size(), model_.max_rows()); };
  if (!active_.empty() && !reserve()) {
    while (prefixes_.evict() && !reserve()) {
    }
    if (!reserve()) {
      next->cache.clear();
      waiting_.push_front(std::move(next));
      return false;
    }
  }
  if (!next->intervention)
    next->intervention =
        interventions_.take(next->intervention_name, next->request.intervention, next->request.target);
  active_.push_back(std::move(next));
  return true;
}

// Takes what the prefix cache has of the prompt's beginning. Where the prompt is scored, that is as much as
// has scores, less a block: its last row is what predicts the token after it.
void Scheduler::share_prefix(Active& active) {
  std::span<const PrefixToken> wanted = active.prefix;
  std::vector<std::shared_ptr<const BlockScores>> scored;
  if (active.request.prompt_top_logprobs) {
    scored = prefixes_.scores(active.intervention_name, wanted, *active.request.prompt_top_logprobs);
    wanted = wanted.first(scored.empty() ? 0 : (scored.size() - 1) * kKeyBlock);
  }
  if (const auto& watch = active.request.watch) {  // its rows are computed here
    const auto unseen = static_cast<std::size_t>(watch->first_row() / kKeyBlock * kKeyBlock);
    wanted = wanted.first(std::min(wanted.size(), unseen));
  }
  const auto blocks = prefixes_.find(active.intervention_name, wanted);
  active.cache.share(blocks);
  active.shared_tokens = active.cache.length();
  active.prefix_known = static_cast<std::int64_t>(blocks.size()) == active.prefix_blocks();
  if (scored.empty()) return;
  for (std::int64_t i = std::ssize(active.prompt_scores) + 1; i <= active.shared_tokens; ++i) {
    const auto& its = scored[static_cast<std::size_t>(i / kKeyBlock)]->tokens;
    TokenScore score = its[static_cast<std::size_t>(i % kKeyBlock)];
    score.top.resize(
        std::min(score.top.size(), static_cast<std::size_t>(*active.request.prompt_top_logprobs)));
    active.prompt_scores.push_back(std::move(score));
  }
}

void Scheduler::preempt_last() {
  std::unique_ptr<Active> last = std::move(active_.back());
  active_.pop_back();
  last->cache.clear();
  waiting_.push_front(std::move(last));
  ++stats_.preemptions;
}

// Reserves cache for `length` tokens, taking blocks from unused prefixes and then from younger sequences.
// False where `active` itself, being the youngest, had to give way.
bool Scheduler::ensure_room(Active& active, std::int64_t length) {
  while (!active.cache.reserve(length)) {
    if (prefixes_.evict()) continue;
    if (active_.size() == 1) {
      throw input_error("cache",
                        "expected memory for {} tokens, got {} MiB, enough for {}; raise --kv-memory", length,
                        pool_.max_bytes() >> 20, pool_.most_tokens(length - active.cache.length()));
    }
    const bool itself = active_.back().get() == &active;
    preempt_last();
    if (itself) return false;
  }
  return true;
}

// How many of the sequence's missing tokens go into the next forward pass.
std::int64_t Scheduler::next_rows(const Active& active, std::int64_t budget) const {
  const std::int64_t past = active.cache.length();
  std::int64_t rows = std::min(active.missing(), budget);
  const bool whole_prompt = active.whole && past < active.prompt_size();
  if (const auto& watch = active.request.watch; watch && !whole_prompt) {
    rows = std::min(rows, past < watch->first_row() ? watch->first_row() - past : watch->max_rows());
  }
  // Tokens that were generated before a preemption were each a call of their own.
  if (past < active.prompt_size()) {
    if (active.whole || model_.keys_depend_on_length(active.size())) {
      rows = std::min(rows, active.prompt_size() - past);
    }
  } else if (model_.keys_depend_on_length(past + rows)) {
    rows = 1;
  }
  return rows;
}

// Chooses this step's rows: a row for each sequence that decodes, and what is left of max_rows for prompts.
void Scheduler::plan() {
  inputs_.clear();
  planned_.clear();
  std::int64_t budget = model_.max_rows(), scored = 0;
  const auto add = [&](Active& active, std::int64_t rows) {
    const std::int64_t past = active.cache.length(), end = past + rows;
    const bool last = end == active.size(), all = active.scores_prompt(end);
    inputs_.push_back(
        {&active.cache,
         std::span(active.tokens).subspan(static_cast<std::size_t>(past), static_cast<std::size_t>(rows)),
         std::max(end, active.prompt_size()), active.hooks_of(past, rows),
         all    ? LogitRows::kAll
         : last ? LogitRows::kLast
                : LogitRows::kNone});
    planned_.push_back(&active);
    budget -= rows;
    if (all) scored += rows;
  };
  for (std::size_t i = 0; i < active_.size(); ++i) {  // preemption shortens active_ from the end
    Active& active = *active_[i];
    if (active.missing() == 1 && ensure_room(active, active.size())) add(active, 1);
  }
  for (std::size_t i = 0; i < active_.size() && budget > 0; ++i) {
    Active& active = *active_[i];
    if (active.missing() <= 1) continue;
    std::int64_t rows = next_rows(active, budget);
    if (active.scores_prompt(active.cache.length() + rows) && !active.whole) {
      rows = std::min(rows, kLogitRows - scored);
      if (rows == 0) continue;
    }
    // It waits for room, and those behind it wait with it, so that its turn comes.
    if (active.whole && active.cache.length() + rows < active.prompt_size()) break;
    const std::int64_t end = active.cache.length() + rows;
    if (active.cache.reserve(end) || (planned_.empty() && ensure_room(active, end))) add(active, rows);
  }
}

void Scheduler::remember_prefix(Active& active) {
  const std::int64_t blocks = active.prefix_blocks();
  if (active.prefix_known || active.cache.length() < blocks * kKeyBlock) return;
  active.prefix_known = true;
  prefixes_.insert(active.intervention_name, active.prefix,
                   active.cache.blocks().first(static_cast<std::size_t>(blocks)));
  if (!active.request.prompt_top_logprobs) return;
  std::vector<TokenScore> scores(1);  // the first has none
  scores.insert(scores.end(), active.prompt_scores.begin(), active.prompt_scores.end());
  prefixes_.keep_scores(active.intervention_name, active.prefix, scores, *active.request.prompt_top_logprobs);
}

// Of the last `rows` rows that were computed, whose logits begin at `logits`.
void Scheduler::score_prompt(Active& active, const float* logits, std::int64_t rows) {
  const auto vocab = static_cast<std::size_t>(model_.config().vocab_size);
  const std::int64_t first = active.cache.length() - rows;
  for (std::int64_t p = std::ssize(active.prompt_scores);
       p < std::min(active.cache.length(), active.prompt_size() - 1); ++p) {
    active.prompt_scores.push_back(
        score_token({logits + (p - first) * static_cast<std::int64_t>(vocab), vocab},
                    active.tokens[static_cast<std::size_t>(p + 1)], *active.request.prompt_top_logprobs));
  }
}

void Scheduler::append_token(Active& active, const float* logits, const OnToken& on_token) {
  const auto vocab = static_cast<std::size_t>(model_.config().vocab_size);
  const std::int64_t generated = active.size() - active.prompt_size();
  const std::int32_t token = active.sampler.choose({logits, vocab}, static_cast<std::uint64_t>(generated));
  active.tokens.push_back(token);
  const auto& stops = active.request.stop_tokens;
  active.stopped = std::find(stops.begin(), stops.end(), token) != stops.end();
  active.done = active.stopped || generated + 1 >= active.request.max_new_tokens || active.size() >= context_;
  if (!active.stopped && active.request.ends_after && active.request.ends_after(token)) active.done = true;
  const auto& scored = active.request.top_logprobs;
  if (scored) active.scores.push_back(score_token({logits, vocab}, token, *scored));
  if (on_token) on_token({active.request.id, token, scored ? &active.scores.back() : nullptr});
}

void Scheduler::step(const OnDone& on_done, const OnToken& on_token) {
  plan();
  REFOCUS_CHECK(!inputs_.empty());
  const auto begin = std::chrono::steady_clock::now();
  std::int64_t prefill = 0, decode = 0;
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    const bool decodes = planned_[i]->cache.length() >= planned_[i]->prompt_size();
    (decodes ? decode : prefill) += static_cast<std::int64_t>(inputs_[i].tokens.size());
  }
  const float* logits = model_.forward(inputs_).data();
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    Active& active = *planned_[i];
    const std::int64_t vocab = model_.config().vocab_size;
    if (inputs_[i].logits == LogitRows::kAll) {
      const std::int64_t rows = std::ssize(inputs_[i].tokens);
      score_prompt(active, logits, rows);
      logits += (rows - 1) * vocab;
    }
    remember_prefix(active);
    if (inputs_[i].logits == LogitRows::kNone) continue;
    if (active.missing() == 0) append_token(active, logits, on_token);
    logits += vocab;
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  stats_.peak_kv_bytes = pool_.peak_bytes();
  stats_.prefill_tokens += prefill;
  stats_.decode_tokens += decode;
  (prefill > 0 ? stats_.prefill_seconds : stats_.decode_seconds) += seconds.count();
  end_done(on_done);
}

void Scheduler::end_done(const OnDone& on_done) {
  for (std::unique_ptr<Active>& active : active_) {
    if (!active->done) continue;
    GenerationResult result{active->request.id,
                            {active->tokens.begin() + active->prompt_size(), active->tokens.end()},
                            active->stopped,
                            active->prompt_size(),
                            active->shared_tokens,
                            std::move(active->scores),
                            std::move(active->prompt_scores)};
    forget(std::move(active));
    on_done(std::move(result));
  }
  std::erase(active_, nullptr);
}

void Scheduler::forget(std::unique_ptr<Active> active) {
  if (active->intervention)
    interventions_.give_back(active->intervention_name, std::move(active->intervention));
  active->cache.clear();
}

bool Scheduler::cancel(std::uint64_t id) {
  const auto from = [&](auto& list) {
    const auto it = std::ranges::find_if(list, [&](const auto& active) { return active->request.id == id; });
    if (it == list.end()) return false;
    forget(std::move(*it));
    list.erase(it);
    return true;
  };
  return from(active_) || from(waiting_);
}

std::vector<std::uint64_t> Scheduler::abandon() {
  std::vector<std::uint64_t> ids;
  for (auto& active : active_) ids.push_back(active->request.id), forget(std::move(active));
  for (auto& active : waiting_) ids.push_back(active->request.id), forget(std::move(active));
  active_.clear();
  waiting_.clear();
  return ids;
}

bool Scheduler::advance(const Source& source, const OnDone& on_done, const OnToken& on_token) {
  while (admit(source)) {
  }
  if (active_.empty()) {
    REFOCUS_CHECK(waiting_.empty());
    return false;
  }
  step(on_done, on_token);
  return true;
}

void Scheduler::run(const Source& source, const OnDone& on_done, const OnToken& on_token) {
  while (advance(source, on_done, on_token)) {
  }
}

}  // namespace refocus
