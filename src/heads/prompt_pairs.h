// The two prompts of each item that activation patching compares: the clean one, which is the task's context,
// and the corrupted one, which its file writes beside it (docs/own-tasks.md).
#pragma once

#include <cstdint>
#include <string_view>

#include "eval/run/plan.h"
#include "eval/run/runner.h"

namespace refocus {

struct PatchSettings {
  // Outputs of the clean run are put into the corrupted one, or the other way round (Heimersheim and Nanda
  // 2024, arXiv 2404.15255, section 3).
  enum class Direction { kDenoise, kNoise };
  // The tokens of the prompt at which heads are patched: all, which takes prompts of as many tokens, or the
  // last one.
  enum class Positions { kAll, kLast };
  Direction direction = Direction::kDenoise;
  Positions positions = Positions::kAll;
  bool skip_unaligned = false;  // pairs that cannot be aligned are left out

  bool noise() const { return direction == Direction::kNoise; }
};

// "patch:direction=denoise": heads put out what they put out in the run of the other prompt.
InterventionSpec patch_method_of(const PatchSettings& settings);

class PromptPairs {
 public:
  // `settings` are of the clean prompts; `model` must outlive the pairs. UsageError for a task that has no
  // corrupted prompts. InputError for a pair that cannot be aligned, where no pair's prompts differ, and for
  // prompts beyond the length up to which the model's rotary angles are those of their positions alone.
  PromptPairs(const EvalModel& model, const EvalSettings& settings, const PatchSettings& patch);
  // Of plans that are there already, whose questions are in the same order; none is left out.
  PromptPairs(const EvalModel& model, const EvalSettings& settings, Plan clean, Plan corrupted,
              const PatchSettings& patch);
  PromptPairs(const PromptPairs&) = delete;
  PromptPairs& operator=(const PromptPairs&) = delete;

  const PatchSettings& patch() const { return patch_; }
  const EvalSettings& clean_settings() const { return clean_; }
  const Plan& clean() const { return clean_plan_; }
  const Plan& corrupted() const { return corrupted_plan_; }
  std::int64_t left_out() const { return left_out_; }  // pairs

  // The run that heads are patched in, and the one that their outputs are from. Questions of both plans are
  // in the same order.
  const EvalSettings& base_settings() const { return patch_.noise() ? clean_ : corrupted_; }
  const EvalSettings& source_settings() const { return patch_.noise() ? corrupted_ : clean_; }
  const Plan& base() const { return patch_.noise() ? clean_plan_ : corrupted_plan_; }
  const Plan& source() const { return patch_.noise() ? corrupted_plan_ : clean_plan_; }
  std::string_view base_name() const { return patch_.noise() ? "clean" : "corrupted"; }
  std::string_view source_name() const { return patch_.noise() ? "corrupted" : "clean"; }

  // The last so many tokens of a pair's prompts are patched: of all, those from the first in which the
  // prompts differ on, since a model computes the same of equal beginnings.
  std::int64_t rows(std::size_t question) const;

 private:
  void make_plans(const EvalModel& model);
  void check_lengths(const EvalModel& model) const;
  bool aligned(std::size_t question) const;
  void leave_out_unaligned();

  PatchSettings patch_;
  EvalSettings clean_, corrupted_;
  Plan clean_plan_, corrupted_plan_;
  std::int64_t left_out_ = 0;
};

}  // namespace refocus
