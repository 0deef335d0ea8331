#include "heads/head_scoring.h"

#include <algorithm>

#include "base/error.h"

namespace refocus {

namespace {

// Of residual streams and what a change keeps, at most, in use at a time; a question alone may need more.
constexpr std::int64_t kSavedBytes = std::int64_t{1} << 30;

}  // namespace

HeadArm head_arm(const InterventionSpec& method, HeadSet heads, std::int64_t layers) {
  std::string name = on_heads(method, heads).canonical(layers);
  return {std::move(name), std::move(heads)};
}

HeadScorer::HeadScorer(const EvalModel& model, const EvalSettings& settings, const Plan& plan,
                       HeadChange& change)
    : model_(model),
      settings_(settings),
      plan_(plan),
      change_(change),
      layers_(model.transformer.config().num_hidden_layers),
      hidden_(model.transformer.config().hidden_size) {}

// Whether a context has the same rows whatever option follows it.
bool HeadScorer::restarts(const Question& question) const {
  return !model_.transformer.keys_depend_on_length(question.length());
}

std::vector<std::vector<std::size_t>> HeadScorer::tiles(std::span<const std::size_t> questions) const {
  std::vector<std::vector<std::size_t>> out;
  std::int64_t bytes = 0;
  for (const std::size_t q : questions) {
    // Before a layer and after it.
    const std::int64_t its =
        2 * plan_.questions[q].tokens_with_options() * hidden_ * std::int64_t{sizeof(float)} +
        change_.bytes(q);
    if (out.empty() || bytes + its > kSavedBytes) {
      out.emplace_back();
      bytes = 0;
    }
    out.back().push_back(q);
    bytes += its;
  }
  return out;
}

LikelihoodRequest HeadScorer::request_of(std::size_t q) const {
  const Question& question = plan_.questions[q];
  LikelihoodRequest out;
  out.context = question.tokens;
  out.options = question.options;
  out.leads = question.leads;
  out.shared_prefix = question.shared_prefix;
  return out;
}

void HeadScorer::score(std::span<const Asked> asked, std::int64_t layer, const Rows& rows,
                       const OnScored& on_scored) {
  if (asked.empty()) return;
  LikelihoodScorer scorer(model_.transformer, {settings_.batch, plan_.context, settings_.kv_bytes});
  std::size_t next = 0;
  const auto source = [&]() -> std::optional<LikelihoodRequest> {
    if (next == asked.size()) return std::nullopt;
    const Asked& one = asked[next];
    LikelihoodRequest request = request_of(one.question);
    request.id = next++;
    request.intervention = on_heads(change_.method(), one.arm->heads);
    if (!request.intervention.is_none()) {
      request.target = change_.target(one.question);
      request.shared_prefix = change_.shared_prefix(one.question, request.shared_prefix);
    }
    request.first_layer = layer;
    request.start = rows[one.question];
    return request;
  };
  scorer.run(source, [&](LikelihoodResult&& result) {
    const Asked& one = asked[result.id];
    const Question& question = plan_.questions[one.question];
    one_by_one_ += (std::ssize(question.tokens) + question.option_rows()) * layers_;
    on_scored(*one.arm, question, result.options);
  });
  computed_ += scorer.computed_layers();
}

// The residual streams after `layer` of those before it.
HeadScorer::Rows HeadScorer::advance(std::span<const std::size_t> questions, std::int64_t layer,
                                     const Rows& rows) {
  Rows out(plan_.questions.size());
  ResidualPrefixes prefixes;
  LikelihoodScorer scorer(model_.transformer, {settings_.batch, plan_.context, settings_.kv_bytes},
                          layer + 1);
  std::size_t next = 0;
  const auto source = [&]() -> std::optional<LikelihoodRequest> {
    if (next == questions.size()) return std::nullopt;
    const std::size_t q = questions[next++];
    LikelihoodRequest request = request_of(q);
    request.first_layer = layer;
    request.start = rows[q];
    const std::int64_t shared = request.prefix_blocks() * kKeyBlock;
    std::vector<std::int64_t> options;
    for (const auto& option : request.options) options.push_back(std::ssize(option) - 1);
    out[q] = std::make_shared<ResidualRows>(
        hidden_, prefixes.blocks(std::span(request.context).first(static_cast<std::size_t>(shared)), hidden_),
        std::ssize(request.context), options);
    request.records = {{layer + 1, out[q]}};
    return request;
  };
  scorer.run(source, [](LikelihoodResult&&) {});
  computed_ += scorer.computed_layers();
  return out;
}

// What the change needs of the questions that are asked with heads changed.
void HeadScorer::prepare(std::span<const std::vector<Asked>> by_layer) {
  std::vector<std::size_t> changed;
  for (const std::vector<Asked>& asked : by_layer) {
    for (const Asked& one : asked) {
      if (!one.arm->heads.empty()) changed.push_back(one.question);
    }
  }
  std::ranges::sort(changed);
  changed.erase(std::unique(changed.begin(), changed.end()), changed.end());
  if (!changed.empty()) computed_ += change_.prepare(changed);
}

void HeadScorer::run_tile(std::span<const HeadArm> arms, std::span<const std::size_t> questions,
                          const IsOpen& is_open, const OnScored& on_scored) {
  std::vector<std::vector<Asked>> by_layer(static_cast<std::size_t>(layers_));
  std::vector<std::size_t> saved;
  std::ranges::copy_if(questions, std::back_inserter(saved),
                       [&](std::size_t q) { return restarts(plan_.questions[q]); });
  for (const HeadArm& arm : arms) {
    const std::int64_t first = first_layer_of(on_heads(change_.method(), arm.heads), layers_);
    for (const std::size_t q : questions) {
      if (!is_open(arm, plan_.questions[q])) continue;
      by_layer[restarts(plan_.questions[q]) ? static_cast<std::size_t>(first) : 0].push_back({&arm, q});
    }
  }
  while (!by_layer.empty() && by_layer.back().empty()) by_layer.pop_back();
  prepare(by_layer);
  Rows rows(plan_.questions.size());
  for (std::size_t l = 0; l < by_layer.size(); ++l) {
    const auto layer = static_cast<std::int64_t>(l);
    score(by_layer[l], layer, rows, on_scored);
    if (l + 1 < by_layer.size()) rows = advance(saved, layer, rows);
  }
  change_.finish();
}

void HeadScorer::run(std::span<const HeadArm> arms, std::span<const std::size_t> questions,
                     const IsOpen& is_open, const OnScored& on_scored) {
  for (const std::vector<std::size_t>& tile : tiles(questions)) run_tile(arms, tile, is_open, on_scored);
}

}  // namespace refocus
