// Activation patching of heads (Vig et al. 2020, arXiv 2004.12265; Wang et al. 2022, arXiv 2211.00593; Zhang
// and Nanda 2023, arXiv 2309.16042): a head puts out, at the prompt's tokens, what it put out at the same
// tokens of the pair's other prompt, before the output projection. Everything else is computed as ever, later
// layers from what the patched ones made; tokens of options are not patched.
#pragma once

#include <memory>
#include <vector>

#include "heads/head_change.h"
#include "heads/prompt_pairs.h"
#include "intervene/head_outputs.h"

namespace refocus {

// The outputs of all heads are taken from one run of each source prompt. Of a question they are
// layers * heads * head_dim * rows floats.
class Patching : public HeadChange {
 public:
  // Both must outlive it. Its questions are those of pairs.base().
  Patching(const EvalModel& model, const PromptPairs& pairs);

  std::shared_ptr<const InterventionTarget> target(std::size_t question) const override;
  std::int64_t shared_prefix(std::size_t question, std::int64_t shared) const override;
  std::int64_t prepare(std::span<const std::size_t> questions) override;
  void finish() override;
  std::int64_t bytes(std::size_t question) const override;

 private:
  std::shared_ptr<InterventionTarget> target_at(const Plan& plan, std::size_t question) const;

  const EvalModel& model_;
  const PromptPairs& pairs_;
  std::vector<std::shared_ptr<HeadOutputs>> outputs_;  // [questions]; null where not prepared
};

}  // namespace refocus
