#include "heads/patching.h"

#include <algorithm>

#include "base/error.h"
#include "eval/run/likelihood_scorer.h"

namespace refocus {

namespace {

InterventionSpec taking() {
  InterventionPart part;
  part.method = &take_method();
  part.rows.kind = RowSelector::Kind::kPrompt;
  InterventionSpec out;
  out.parts.push_back(std::move(part));
  return out;
}

}  // namespace

Patching::Patching(const EvalModel& model, const PromptPairs& pairs)
    : HeadChange(patch_method_of(pairs.patch())),
      model_(model),
      pairs_(pairs),
      outputs_(pairs.base().questions.size()) {}

// Rows that are patched or taken are no other question's: marks say so to what shares beginnings.
std::shared_ptr<InterventionTarget> Patching::target_at(const Plan& plan, std::size_t q) const {
  auto out = std::make_shared<InterventionTarget>();
  const std::size_t prompt = plan.questions[q].tokens.size(), rows = static_cast<std::size_t>(pairs_.rows(q));
  out->prompt = static_cast<std::int64_t>(prompt);
  out->keys.resize(1);
  out->marks.assign(prompt, 0);
  std::fill(out->marks.end() - static_cast<std::ptrdiff_t>(rows), out->marks.end(),
            static_cast<std::uint32_t>(q + 1));
  return out;
}

std::shared_ptr<const InterventionTarget> Patching::target(std::size_t q) const {
  REFOCUS_CHECK(outputs_[q] != nullptr);
  const std::shared_ptr<InterventionTarget> out = target_at(pairs_.base(), q);
  out->given = outputs_[q];
  return out;
}

std::int64_t Patching::shared_prefix(std::size_t q, std::int64_t shared) const {
  return std::min(shared, std::ssize(pairs_.base().questions[q].tokens) - pairs_.rows(q));
}

std::int64_t Patching::bytes(std::size_t q) const {
  const ModelConfig& config = model_.transformer.config();
  return config.num_hidden_layers * config.num_attention_heads * config.head_dim * pairs_.rows(q) *
         std::int64_t{sizeof(float)};
}

std::int64_t Patching::prepare(std::span<const std::size_t> questions) {
  const ModelConfig& config = model_.transformer.config();
  const EvalSettings& settings = pairs_.source_settings();
  LikelihoodScorer scorer(model_.transformer, {settings.batch, pairs_.source().context, settings.kv_bytes});
  std::size_t next = 0;
  const auto source = [&]() -> std::optional<LikelihoodRequest> {
    if (next == questions.size()) return std::nullopt;
    const std::size_t q = questions[next++];
    const Question& question = pairs_.source().questions[q];
    outputs_[q] = std::make_shared<HeadOutputs>(config.num_hidden_layers, config.num_attention_heads,
                                                config.head_dim, pairs_.rows(q));
    const std::shared_ptr<InterventionTarget> target = target_at(pairs_.source(), q);
    target->taken = outputs_[q];
    LikelihoodRequest request;
    request.context = question.tokens;
    request.options = {{question.options.front().front()}};  // one token: the context alone is computed
    request.shared_prefix = std::min(question.shared_prefix, std::ssize(question.tokens) - pairs_.rows(q));
    request.intervention = taking();
    request.target = target;
    return request;
  };
  scorer.run(source, [](LikelihoodResult&&) {});
  return scorer.computed_rows() * config.num_hidden_layers;
}

void Patching::finish() { std::ranges::fill(outputs_, nullptr); }

}  // namespace refocus
