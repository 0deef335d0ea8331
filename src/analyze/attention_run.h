// Texts through the model with their attention captured: the passes behind `refocus attention`.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analyze/attention_statistics.h"
#include "analyze/logit_lens.h"
#include "analyze/map_files.h"
#include "analyze/origin_shares.h"
#include "intervene/intervention_pool.h"
#include "intervene/target.h"
#include "model/transformer.h"

namespace refocus {

// What is looked at, in every arm.
struct AttentionSettings {
  std::vector<std::int64_t> layers, heads;  // chosen ones, ascending
  std::int64_t window = 8;
  MapSettings maps;  // of one text only
};

// What makes M in an arm: re-balancing's own threshold, or `otherwise`.
inline double threshold_of(const InterventionSpec& spec, double otherwise) {
  const std::optional<RebalanceSpec> rebalance = spec.rebalance();
  return rebalance ? rebalance->threshold : otherwise;
}

// The most that it multiplies a weight by, at least 1.
inline double largest_factor_of(const InterventionSpec& spec, std::int64_t layers) {
  const std::optional<RebalanceSpec> rebalance = spec.rebalance();
  return rebalance ? rebalance->largest_factor(layers) : 1;
}

struct AttentionArm {
  std::string name;  // fit for a folder
  InterventionSpec intervention;
  double threshold = 0.01;  // what makes M
};

// Aims an intervention at a text's prompt (intervene/target.h); may be empty for interventions that need it
// not.
using AimAt = std::function<std::shared_ptr<const InterventionTarget>(const InterventionSpec&)>;

// One text of one arm.
struct AttentionText {
  std::vector<std::int32_t> tokens;
  std::int64_t prompt_tokens = 0;     // the others were generated, one by one
  std::vector<TokenClass> classes;    // of all tokens
  std::vector<std::int64_t> queries;  // kept positions, ascending
  std::vector<std::int64_t> lens;     // positions of the logit lens, ascending
  AimAt aim_at = {};
  TokenOrigins origins = {};  // of all tokens, or none: then there are no shares by origin
};

// One of many prompts.
struct AttentionPrompt {
  std::vector<std::int32_t> tokens;
  AimAt aim_at = {};
  std::vector<OriginRun> origins = {};  // of all tokens; all prompts have them, or none
};

// Statistics of one arm, and of one text the rest.
struct AttentionResult {
  std::vector<StatisticGrid> grids;
  ClassCounts queries = {}, keys = {};
  std::vector<std::int64_t> negative_rows, zero_rows;  // [layers, heads]
  std::optional<OriginShareTable> origins;             // where the tokens' origins are known
  std::vector<LayerHeadOutlier> outliers;
  std::vector<LensPosition> lens;
  std::vector<std::string> files;  // names in the arm's folder without their ending
  std::int64_t tokens = 0;
  double seconds = 0;  // in the forward pass with its capture
};

// Whether any layer and head has such rows.
inline bool any_rows(std::span<const std::int64_t> rows) {
  return std::ranges::any_of(rows, [](std::int64_t count) { return count > 0; });
}

// Greedy continuation of a prompt, as `refocus generate` makes it, stop token included.
struct Continuation {
  std::int64_t max_new_tokens = 0, context = 0;
  std::vector<std::int32_t> stop_tokens;
};
std::vector<std::int32_t> continue_prompt(Transformer& model, std::span<const std::int32_t> prompt,
                                          const InterventionSpec& intervention, const AimAt& aim_at,
                                          const Continuation& how);

// Captures one text and writes its maps into `folder`, which must exist. InputError where files cannot be
// written, or where a weight of the model is not finite.
AttentionResult capture_text(Transformer& model, const AttentionSettings& settings, const AttentionArm& arm,
                             const AttentionText& text, const std::filesystem::path& folder);

// Statistics of one text alone, without maps and lens. InputError as above.
AttentionResult measure_text(Transformer& model, const AttentionSettings& settings, const AttentionArm& arm,
                             const AttentionText& text);

// Statistics over many prompts, in their order; `on_text` is called after each. All tokens are queries.
// `tokenizer` may be null.
using OnText = std::function<void(std::int64_t tokens)>;
AttentionResult measure_prompts(Transformer& model, const AttentionSettings& settings,
                                const AttentionArm& arm, const Tokenizer* tokenizer,
                                std::span<const AttentionPrompt> prompts, const OnText& on_text);

}  // namespace refocus
