#include "measures.h"

#include <algorithm>

#include "base/error.h"
#include "eval/run/likelihood_scorer.h"
#include "generate/prompt_logits.h"
#include "generate/scheduler.h"
#include "intervene/intervention_pool.h"

namespace refocus::python {
namespace {

PromptLogits asked_of(Model& model, const ReadPrompt& prompt, const std::string& spec) {
  RunningModel& running = model.running();
  PromptLogits out;
  out.intervention = model.intervention(spec);
  out.tokens = prompt.tokens;
  out.context = running.settings.context_for(running.files.config);
  out.rows = rows_of_logits(out.intervention, running.transformer);
  out.prompt_tokens = std::ssize(prompt.tokens);
  return out;
}

// InputError for tokens that the model has not, and for more of them than the context has.
void check_contexts(RunningModel& running, const std::vector<ScoredContext>& contexts, std::int64_t context) {
  // A context of two more: nothing is generated, and the last token of what is scored is never computed.
  const Scheduler scheduler(
      running.transformer,
      {1, context + 2, kv_bytes(running.files.config, 1, running.transformer.kv_type())});
  std::vector<std::int32_t> all;
  for (const ScoredContext& one : contexts) {
    for (const auto& option : one.options) {
      if (one.context.tokens.empty() || option.empty()) {
        throw input_error("loglikelihood",
                          "expected at least one token before and in what is scored, got none");
      }
      all = one.context.tokens;
      all.insert(all.end(), option.begin(), option.end());
      scheduler.check(all);
    }
  }
}

std::int64_t common_beginning(std::span<const std::int32_t> a, std::span<const std::int32_t> b) {
  return std::ranges::mismatch(a, b).in1 - a.begin();
}

// Tokens at the beginning of context i that a neighbour has too: they are computed once.
std::int64_t shared_beginning(const std::vector<ScoredContext>& contexts, std::size_t i) {
  std::int64_t out = 0;
  const std::vector<std::int32_t>& own = contexts[i].context.tokens;
  if (i > 0) out = common_beginning(own, contexts[i - 1].context.tokens);
  if (i + 1 < contexts.size()) out = std::max(out, common_beginning(own, contexts[i + 1].context.tokens));
  return out;
}

// Keeps what a tap sees of the places that are asked for, [places, tokens, hidden_size].
class ResidualKeeper {
 public:
  ResidualKeeper(std::int64_t tokens, std::int64_t hidden, const std::vector<std::int64_t>& places)
      : tokens_(tokens),
        hidden_(hidden),
        places_(places),
        values_(
            std::make_unique<std::vector<float>>(places.size() * static_cast<std::size_t>(tokens * hidden))) {
    tap_ = {this,
            [](void* self, std::int64_t layer, const float* x, std::int64_t stride) {
              static_cast<ResidualKeeper*>(self)->take(layer + 1, x, stride);
            },
            [](void* self, const float* x, std::int64_t stride) {
              static_cast<ResidualKeeper*>(self)->take(0, x, stride);
            }};
  }

  const ResidualTap* begin_call(std::int64_t first, std::int64_t rows) {
    first_ = first;
    rows_ = rows;
    return &tap_;
  }
  std::unique_ptr<std::vector<float>> values() { return std::move(values_); }

 private:
  void take(std::int64_t place, const float* x, std::int64_t stride) {
    for (std::size_t p = 0; p < places_.size(); ++p) {
      if (places_[p] != place) continue;
      float* to = values_->data() + (static_cast<std::int64_t>(p) * tokens_ + first_) * hidden_;
      for (std::int64_t r = 0; r < rows_; ++r) std::copy_n(x + r * stride, hidden_, to + r * hidden_);
    }
  }

  std::int64_t tokens_, hidden_, first_ = 0, rows_ = 0;
  const std::vector<std::int64_t>& places_;
  std::unique_ptr<std::vector<float>> values_;
  ResidualTap tap_;
};

}  // namespace

FloatArray logits(Model& model, const ReadPrompt& prompt, const std::string& spec,
                  std::optional<std::int64_t> prompt_tokens) {
  const auto lock = model.computing();
  PromptLogits what = asked_of(model, prompt, spec);
  const std::int64_t count = what.prompt_tokens;
  if (prompt_tokens) {
    if (*prompt_tokens < 1 || *prompt_tokens > count)
      throw usage_error("prompt_tokens", "expected 1 to {}, the tokens of the text, got {}", count,
                        *prompt_tokens);
    what.prompt_tokens = *prompt_tokens;
  }
  what.target = prompt.aim(what.intervention, what.prompt_tokens);
  const std::int64_t vocab = model.running().files.config.vocab_size;
  check_prompt_logits(model.running().transformer, what);  // before the memory is taken
  FloatArray out{std::make_unique<std::vector<float>>(),
                 {static_cast<std::size_t>(count), static_cast<std::size_t>(vocab)}};
  out.values->reserve(static_cast<std::size_t>(count * vocab));
  prompt_logits(model.running().transformer, what, [&](std::span<const float> rows) {
    out.values->insert(out.values->end(), rows.begin(), rows.end());
  });
  return out;
}

FloatArray hidden(Model& model, const ReadPrompt& prompt, const std::string& spec,
                  const std::vector<std::int64_t>& places) {
  const auto lock = model.computing();
  Transformer& transformer = model.running().transformer;
  PromptLogits what = asked_of(model, prompt, spec);
  what.rows = transformer.max_rows();
  what.logits = LogitRows::kNone;
  what.target = prompt.aim(what.intervention);
  const std::int64_t count = what.prompt_tokens, size = transformer.config().hidden_size;
  check_prompt_logits(transformer, what);
  ResidualKeeper keeper(count, size, places);
  what.tap = [&](std::int64_t first, std::int64_t rows) { return keeper.begin_call(first, rows); };
  prompt_logits(transformer, what, [](std::span<const float>) {});
  return {keeper.values(), {places.size(), static_cast<std::size_t>(count), static_cast<std::size_t>(size)}};
}

ScoredContext read_options(const Model& model, const std::string& context,
                           const std::vector<std::string>& options, const std::string& seam,
                           const InterventionSpec& spec) {
  ScoredContext out;
  out.context = model.read_text(context, /*special=*/true, spec);
  std::vector<Prompt> continuations;
  for (const std::string& option : options) continuations.push_back({data_piece(option)});
  EncodedOptions encoded = encode_options(model.tokenizer(), out.context.pieces, continuations,
                                          PromptEnds::kModel, parse_seam(seam), "loglikelihood");
  out.context.tokens = std::move(encoded.context);
  out.options = std::move(encoded.options);
  out.leads = std::move(encoded.leads);
  return out;
}

std::vector<std::vector<OptionLikelihood>> loglikelihoods(Model& model,
                                                          const std::vector<ScoredContext>& contexts,
                                                          const std::string& spec, std::int64_t batch) {
  const auto lock = model.computing();
  RunningModel& running = model.running();
  const InterventionSpec intervention = model.intervention(spec);
  const std::int64_t context = running.settings.context_for(running.files.config);
  LikelihoodScorer scorer(running.transformer,
                          {batch, context, kv_budget(running.settings, running.transformer, batch, context)});
  check_contexts(running, contexts, context);
  std::vector<std::vector<OptionLikelihood>> out(contexts.size());
  std::size_t next = 0;
  const auto source = [&]() -> std::optional<LikelihoodRequest> {
    if (next == contexts.size()) return std::nullopt;
    const ScoredContext& asked = contexts[next];
    LikelihoodRequest request;
    request.shared_prefix = shared_beginning(contexts, next);
    request.id = next++;
    request.context = asked.context.tokens;
    request.options = asked.options;
    request.leads = asked.leads;
    request.intervention = intervention;
    request.target = asked.context.aim(intervention);
    return request;
  };
  scorer.run(source, [&](LikelihoodResult&& result) { out[result.id] = std::move(result.options); });
  return out;
}

}  // namespace refocus::python
