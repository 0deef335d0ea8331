#include "eval/run/likelihood_scorer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "eval/run/common_prefix.h"
#include "eval/run/likelihood_member.h"
#include "kernels/argmax.h"
#include "kernels/distribution.h"

namespace refocus {

namespace {

std::size_t size_of(std::int64_t count) { return static_cast<std::size_t>(count); }

bool begins_with(const std::vector<PrefixToken>& tokens, const std::vector<PrefixToken>& prefix) {
  return tokens.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), tokens.begin());
}

}  // namespace

LikelihoodScorer::LikelihoodScorer(Transformer& model, const SchedulerOptions& options,
                                   std::int64_t end_layer)
    : model_(model),
      end_layer_(std::min(end_layer, model.config().num_hidden_layers)),
      max_sequences_(std::min(options.max_sequences, model.max_rows())),
      pool_(kv_pool_of(model, cache_bytes(model, options))),
      prefixes_(pool_),
      interventions_(model, 2 * static_cast<std::size_t>(max_sequences_)) {
  REFOCUS_CHECK(options.max_sequences >= 1);
}

LikelihoodScorer::~LikelihoodScorer() = default;

void LikelihoodScorer::no_room(std::int64_t bytes) const {
  constexpr std::int64_t kMiB = 1 << 20;
  const std::int64_t block = pool_.layout().block_bytes();
  if (pool_.layout().has_window()) {
    throw input_error("cache", "expected {} MiB for keys and values, got {}; raise --kv-memory",
                      (bytes + kMiB - 1) / kMiB, pool_.max_bytes() / kMiB);
  }
  throw input_error("cache", "expected memory for {} tokens, got {} MiB, enough for {}; raise --kv-memory",
                    bytes / block * kKeyBlock, pool_.max_bytes() / kMiB,
                    pool_.max_bytes() / block * kKeyBlock);
}

// Frees unused prefixes until so many bytes are left over.
bool LikelihoodScorer::make_room(std::int64_t bytes) {
  while (pool_.free_bytes() - promised_bytes_ < bytes) {
    if (!prefixes_.evict()) return false;
  }
  return true;
}

// The longest continuation beside the context's full blocks.
std::int64_t LikelihoodScorer::fork_bytes(const Member& member) const {
  const std::int64_t begin = member.trunk_size(), end = member.longest();
  if (member.alone || begin == end) return 0;
  return pool_.layout().bytes_between(begin, end, std::min(kLogitRows, model_.max_rows()));
}

// What a member that computes its prefix from position `known` on leaves behind and others still need: it
// goes on, and parts of windowed layers that it gives up stay in use.
std::int64_t LikelihoodScorer::prefix_bytes(const Member& member, std::int64_t known) const {
  const KvLayout& layout = pool_.layout();
  std::int64_t bytes = 0;
  for (std::size_t g = 0; g < layout.groups(); ++g) {
    const std::int64_t kept =
        member.prefix_blocks() - layout.first_block(g, member.prefix_blocks() * kKeyBlock);
    const std::int64_t never_left = layout.parts_between(g, known, member.trunk_size(), model_.max_rows());
    const std::int64_t all = blocks_for(member.trunk_size()) - known / kKeyBlock;
    bytes += std::min(kept, all - never_left) * layout.part_bytes(g);
  }
  return bytes;
}

// Shares the prefix that is known and reserves the rest, or promises it to who waits for a prefix. False
// where there is too little memory beside the group; an error where there is no group.
bool LikelihoodScorer::find_place(Member& member) {
  const std::vector<PrefixToken>& prefix = member.marked_prefix;
  member.cache.share(prefixes_.find(member.prefix_name, member.known_prefix()));
  const bool missing = member.cache.length() < std::ssize(prefix);
  member.waits = missing && std::any_of(group_.begin(), group_.end(), [&](const auto& other) {
                   return other->leads && other->prefix_name == member.prefix_name &&
                          other->records_for(member) &&
                          pool_.layout().serves(std::ssize(other->prefix()), std::ssize(prefix)) &&
                          begins_with(other->marked_prefix, prefix);
                 });
  member.leads = missing && !member.waits;
  std::int64_t known = member.waits ? std::ssize(prefix) : member.cache.length();
  const std::int64_t end = member.alone ? member.longest() : member.trunk_size();
  std::int64_t needed = pool_.layout().bytes_between(known, end, model_.max_rows());
  const std::int64_t forks = std::max(fork_bytes_, fork_bytes(member));
  std::int64_t left_behind = member.leads ? prefix_bytes(member, known) : 0;
  bool fits = make_room(needed + left_behind + forks);
  if (!fits && group_.empty() && !member.stem.empty()) {
    // Options that go on from the context itself may need a block less.
    member.set_trunk(0);
    member.cache.clear();
    return find_place(member);
  }
  if (!fits && group_.empty() && pool_.layout().has_window()) {
    // It may just fit alone: windowed parts of a prefix that is shared stay in use when it has left them.
    member.cache.clear();
    member.leads = false;
    known = left_behind = 0;
    needed = pool_.layout().bytes_between(known, end, model_.max_rows());
    fits = make_room(needed + forks);
  }
  if (!fits) {
    if (group_.empty()) no_room(needed + forks);
    return false;
  }
  fork_bytes_ = forks;
  promised_bytes_ += left_behind;
  if (member.waits) {
    member.cache.clear();  // it takes the whole prefix when that is there
    promised_bytes_ += needed;
  } else if (!member.alone) {
    REFOCUS_CHECK(member.cache.reserve(end, model_.max_rows()));
  }
  return true;
}

// Takes the next request into the group. False where there is none, or no room for it now.
bool LikelihoodScorer::admit(const Source& source) {
  if (static_cast<std::int64_t>(group_.size()) >= max_sequences_) return false;
  if (!group_.empty() && group_.front()->alone) return false;
  std::optional<LikelihoodRequest> request = pending_ ? std::exchange(pending_, std::nullopt) : source();
  if (!request) return false;
  REFOCUS_CHECK(!request->context.empty() && !request->options.empty());
  REFOCUS_CHECK(request->first_layer == 0 || request->start != nullptr);
  if (!group_.empty() && group_.front()->request.first_layer != request->first_layer) {
    pending_ = std::move(request);
    return false;
  }
  std::string name = request->intervention.canonical(model_.config().num_hidden_layers);
  std::string prefix_name =
      request->first_layer == 0 ? name : fmt::format("{}\n{}", name, request->first_layer);
  auto member = std::make_unique<Member>(Member{std::move(*request),
                                                std::move(name),
                                                std::move(prefix_name),
                                                KvSequence(pool_),
                                                nullptr,
                                                {},
                                                false,
                                                false,
                                                false,
                                                {},
                                                {},
                                                {},
                                                {},
                                                {}});
  member->alone = model_.keys_depend_on_length(member->longest());
  const bool whole = member->request.intervention.needs_whole_prompt();
  check_whole_prompt(member->request.intervention, member->context_size(), model_.max_rows());
  if (member->alone || whole) member->request.shared_prefix = 0;
  // A context that must be one call is one without what follows it.
  member->set_trunk(member->alone || whole ? 0 : option_stem(member->request.options));
  member->marked_prefix = prefix_tokens(member->prefix(), member->request.target.get());
  if ((member->alone && !group_.empty()) || !find_place(*member)) {
    pending_ = std::move(member->request);
    return false;
  }
  const std::vector<std::int64_t>& leads = member->request.leads;
  REFOCUS_CHECK(leads.empty() || leads.size() == member->request.options.size());
  for (const auto& option : member->request.options) {
    const std::size_t o = member->first_tokens.size();
    REFOCUS_CHECK(std::ssize(option) > (leads.empty() ? 0 : leads[o]));
    member->first_tokens.push_back(option[member->stem.size()]);
    member->others.emplace_back(option.size() - member->stem.size() - 1);
  }
  member->firsts.resize(member->first_tokens.size());
  member->intervention =
      interventions_.take(member->intervention_name, member->request.intervention, member->request.target);
  group_.push_back(std::move(member));
  return true;
}

void LikelihoodScorer::run_jobs(std::span<Job> jobs, std::int64_t most_rows) {
  const auto vocab = size_of(model_.config().vocab_size);
  struct Row {
    const float* logits;
    std::span<const std::int32_t> targets;
    TokenScore* scores;
  };
  if (jobs.empty()) return;
  const bool scored = end_layer_ == model_.config().num_hidden_layers;
  const LayerRange layers{jobs.front().member->request.first_layer, end_layer_};
  std::vector<Row> rows;
  for (std::size_t first = 0; first < jobs.size();) {
    ResidualCall call(model_.config().hidden_size, layers.first);
    rows.clear();
    auto budget = size_of(most_rows);
    for (std::size_t j = first; j < jobs.size() && budget > 0; ++j) {
      Job& job = jobs[j];
      const std::size_t wanted_from = std::max(job.done, scored ? job.unwanted() : job.tokens.size());
      const std::size_t most = wanted_from + size_of(kLogitRows) - rows.size();
      const std::size_t end = std::min({job.done + budget, job.tokens.size(), most});
      if (end == job.done || (job.whole && end < job.tokens.size())) break;
      const std::size_t wanted = end > wanted_from ? end - wanted_from : 0;
      const LikelihoodRequest& request = job.member->request;
      SequenceInput input{job.cache, job.tokens.subspan(job.done, end - job.done), job.rope_length, job.hooks,
                          wanted > 0 ? LogitRows::kLast : LogitRows::kNone};
      input.last_rows = static_cast<std::int64_t>(wanted);
      call.add(input, job.option, request.start.get(), request.records);
      for (std::size_t r = 0; r < wanted; ++r) {
        const std::size_t i = wanted_from + r - job.unwanted();
        if (i < job.each.size()) rows.push_back({nullptr, job.each.subspan(i, 1), job.each_scores + i});
        if (i == job.each.size()) rows.push_back({nullptr, job.ends, job.end_scores});
      }
      budget -= end - std::exchange(job.done, end);
    }
    computed_rows_ += most_rows - static_cast<std::int64_t>(budget);
    computed_layers_ += (most_rows - static_cast<std::int64_t>(budget)) * (layers.end - layers.first);
    const float* logits = model_.forward(call.inputs(), layers).data();
    for (std::size_t r = 0; r < rows.size(); ++r) rows[r].logits = logits + r * vocab;
    model_.pool().parallel_for(static_cast<std::int64_t>(rows.size()), [&](std::int64_t r, int) {
      const Row& row = rows[size_of(r)];
      const std::span<const float> x(row.logits, vocab);
      const double log_sum = log_sum_exp(x);
      const std::int64_t top = argmax(x.data(), static_cast<std::int64_t>(vocab));
      for (std::size_t t = 0; t < row.targets.size(); ++t) {
        row.scores[t] = {-negative_log_likelihood(x, log_sum, row.targets[t]), row.targets[t] == top};
      }
    });
    while (first < jobs.size() && jobs[first].done == jobs[first].tokens.size()) ++first;
  }
}

// Those that lead compute the beginnings that are not known yet; then those that wait take them.
void LikelihoodScorer::compute_prefixes() {
  std::vector<Job> jobs;
  for (const auto& member : group_) {
    if (!member->leads) continue;
    jobs.push_back({member.get(), 0, &member->cache,
                    member->prefix().subspan(size_of(member->cache.length())), member->trunk_size(),
                    member->intervention->hooks()});
  }
  run_jobs(jobs, model_.max_rows());
  for (const auto& member : group_) {
    if (!member->leads) continue;
    prefixes_.insert(member->prefix_name, member->marked_prefix,
                     member->cache.blocks().first(size_of(member->prefix_blocks())));
  }
  for (const auto& member : group_) {
    if (!member->waits) continue;
    member->cache.share(prefixes_.find(member->prefix_name, member->marked_prefix));
    REFOCUS_CHECK(member->cache.reserve(member->trunk_size(), model_.max_rows()));
  }
}

void LikelihoodScorer::score_contexts() {
  std::vector<Job> jobs;
  for (const auto& member : group_) {
    const std::span<const std::int32_t> trunk = member->trunk;
    jobs.push_back({member.get(), ResidualRows::kEveryOption, &member->cache,
                    trunk.subspan(size_of(member->cache.length())), member->trunk_size(),
                    member->intervention->hooks(), trunk.subspan(member->request.context.size()),
                    member->stem.data(), member->first_tokens, member->firsts.data(),
                    member->request.intervention.needs_whole_prompt()});
  }
  run_jobs(jobs, model_.max_rows());
}

void LikelihoodScorer::run_continuations(std::vector<Continuation>& wave) {
  std::vector<Job> jobs;
  for (Continuation& c : wave) {
    const std::span<const std::int32_t> branch = c.member->branch(c.option);
    jobs.push_back({c.member, c.option, &c.cache, branch.first(branch.size() - 1),
                    c.member->length_with(c.option), c.intervention->hooks(), branch.subspan(1),
                    c.member->others[c.option].data()});
  }
  run_jobs(jobs, std::min(kLogitRows, model_.max_rows()));
  for (Continuation& c : wave)
    interventions_.give_back(c.member->intervention_name, std::move(c.intervention));
  wave.clear();
}

void LikelihoodScorer::score_continuations() {
  std::vector<Continuation> wave;
  for (const auto& member : group_) {
    for (std::size_t o = 0; o < member->request.options.size(); ++o) {
      if (member->branch(o).size() == 1) continue;
      if (static_cast<std::int64_t>(wave.size()) == max_sequences_) run_continuations(wave);
      KvSequence cache(pool_);
      const std::int64_t rows = std::min(kLogitRows, model_.max_rows());
      if (!cache.fork(member->cache, member->length_with(o), rows)) {
        run_continuations(wave);
        // Room for one was left when the group was put together.
        REFOCUS_CHECK(cache.fork(member->cache, member->length_with(o), rows));
      }
      wave.push_back({member.get(), o, std::move(cache),
                      interventions_.take(member->intervention_name, member->request.intervention,
                                          member->request.target)});
      wave.back().intervention->go_on_from(*member->intervention);
    }
  }
  run_continuations(wave);
}

// Each option with its whole context, as one call of its own length.
void LikelihoodScorer::score_alone(Member& member) {
  const std::span<const std::int32_t> context = member.request.context;
  for (std::size_t o = 0; o < member.request.options.size(); ++o) {
    const std::vector<std::int32_t>& option = member.request.options[o];
    KvSequence cache(pool_);
    REFOCUS_CHECK(cache.reserve(member.length_with(o), model_.max_rows()));
    Job head{&member,
             o,
             &cache,
             context,
             member.length_with(o),
             member.intervention->hooks(),
             {},
             nullptr,
             std::span(option).first(1),
             &member.firsts[o],
             member.request.intervention.needs_whole_prompt()};
    run_jobs({&head, 1}, model_.max_rows());
    if (option.size() == 1) continue;
    const std::span<const std::int32_t> tail = std::span(option).first(option.size() - 1);
    Job rest{&member,
             o,
             &cache,
             tail,
             member.length_with(o),
             member.intervention->hooks(),
             std::span(option).subspan(1),
             member.others[o].data()};
    run_jobs({&rest, 1}, std::min(kLogitRows, model_.max_rows()));
  }
}

void LikelihoodScorer::run(const Source& source, const OnDone& on_done) {
  for (;;) {
    while (admit(source)) {
    }
    if (group_.empty()) return;
    if (group_.front()->alone) {
      score_alone(*group_.front());
    } else {
      compute_prefixes();
      score_contexts();
      score_continuations();
    }
    for (const auto& member : group_) {
      LikelihoodResult result{member->request.id, {}};
      for (std::size_t o = 0; o < member->firsts.size(); ++o) {
        result.options.push_back(member->likelihood_of(o));
      }
      interventions_.give_back(member->intervention_name, std::move(member->intervention));
      on_done(std::move(result));
    }
    group_.clear();
    promised_bytes_ = fork_bytes_ = 0;
  }
}

}  // namespace refocus
