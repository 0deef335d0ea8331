// What a search for heads would ask and take, before it is run (eval/run/dry_run.h): some heads are tried on
// some items, for some seconds. Nothing is kept.
#pragma once

#include <string>

#include "eval/run/dry_run.h"
#include "heads/head_search.h"

namespace refocus {

// A kind of sets of heads that are changed, and on how many items each is asked.
struct HeadTrials {
  std::string what;  // "heads, to select"
  std::int64_t sets = 0, items = 0;
};

struct HeadDryRun {
  std::vector<std::string> tasks;
  std::vector<DryRun::Prompt> prompts;  // the first; of patching, those of the first pair
  std::vector<HeadTrials> trials;       // of random sets, all, though some may be drawn twice
  std::int64_t items = 0, left_out = 0;
  std::int64_t kv_bytes = 0;
  std::int64_t measured_sets = 0, measured_items = 0;  // what was tried for the time
  double answers_a_second = 0;

  std::int64_t answers() const;
};

// `settings`, `plan` and `search` as search_heads has them. InputError as there, but for pairs that the model
// does not tell apart.
HeadDryRun dry_run_heads(const EvalModel& model, const EvalSettings& settings, const Plan& plan,
                         const HeadSearchSettings& search);

std::string head_dry_run_text(const HeadDryRun& run, const DryRunMemory& memory);

}  // namespace refocus
