// Which heads matter for a task: every head is tried on one half of the items, and the best are tested on the
// other half, against none, against random heads, and against all.
//
// The halves are those of eval/score/held_out.h. Effects on the half that heads were selected on contain
// luck; those on the other half, which had no part in the choice, do not.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "eval/journal/journal.h"
#include "heads/head_scoring.h"
#include "heads/head_statistics.h"
#include "heads/prompt_pairs.h"

namespace refocus {

struct HeadSearchSettings {
  InterventionSpec method;             // without heads=
  const PromptPairs* pairs = nullptr;  // of activation patching, whose method is patch_method_of
  enum class Want { kDrop, kGain };
  Want want = Want::kDrop;  // which heads are best: whose change lowers the answers, or raises them
  enum class Rank { kLikelihood, kAccuracy };
  Rank rank = Rank::kLikelihood;    // by which mean change; ties by the other, then by layer and head
  std::vector<std::int64_t> sizes;  // of the sets to test, ascending
  std::int64_t draws = 20;          // of random sets of each size
  RandomHeads random = RandomHeads::kAny;
  std::uint64_t seed = 0;                    // of the draws
  std::optional<std::int64_t> layers_first;  // whole layers are tried, then the heads of so many of the best
};

// A head, or a whole layer, on the selection half.
struct TriedHeads {
  HeadSet heads;
  PairedEffect accuracy;  // against none; holm over all that were tried like it
  double likelihood = 0;  // mean change of ArmAnswers::likelihood
  // Of patching: RecoveredScale, which is then what is tested, and has holm.
  std::optional<PairedEffect> recovered = {};

  PairedEffect& tested() { return recovered ? *recovered : accuracy; }
};

// The best heads of the selection, taken together. Effects and levels are of accuracy, or of what is
// recovered (heads/head_scale.h).
struct SelectedSet {
  HeadSet heads;
  PairedEffect selection;  // against none, on the half that they were selected on
  double likelihood = 0;   // mean change of ArmAnswers::likelihood on the other half
  double accuracy = 0;     // on the other half
  double level = 0;        // there; with accuracies the same
  PairedEffect held_out;   // against none, there
  RandomEffect random;
  PairedEffect all;  // against all heads

  // What of the selection's effect the other half has not.
  double luck() const { return selection.difference - held_out.difference; }
};

// One half's answers to one prompt of each pair, with no head patched.
struct PromptLevel {
  double accuracy = 0;
  double log_odds = 0;  // mean of ArmAnswers::likelihood
};

// What a search by patching has beside the rest.
struct PatchedSearch {
  PatchSettings settings;
  std::int64_t left_out = 0;           // pairs
  PromptLevel clean[2], corrupted[2];  // [selection, the other half]
};

struct HeadSearch {
  std::int64_t layers = 0, heads = 0;  // of the model
  std::int64_t selection_items = 0, held_out_items = 0;
  double selection_accuracy = 0, held_out_accuracy = 0;  // of none; of patching, of the run that is patched
  double all_accuracy = 0;                               // of all heads, on the other half
  double base_level = 0, all_level = 0;                  // of none and all there, as SelectedSet::level
  std::optional<PatchedSearch> patched;
  std::vector<TriedHeads> layers_tried;       // best first; where layers come first
  std::vector<TriedHeads> heads_tried;        // best first
  std::vector<SelectedSet> sets;              // in the order of the sizes
  std::int64_t computed = 0, one_by_one = 0;  // HeadScorer's, of this call

  // The set with the largest effect on the selection half, the smallest of equals. `want` is of answers:
  // noise is to make them worse.
  const SelectedSet& best(HeadSearchSettings::Want want) const;
};

// The places of the plan's questions that heads are selected on, and of those that they are tested on.
// InputError where an item has no known answer, or a half has none.
std::array<std::vector<std::size_t>, 2> halves_of(const Plan& plan);

// What the search does to heads, of the questions of `plan`, or of search.pairs'.
std::unique_ptr<HeadChange> head_change_of(const EvalModel& model, const EvalSettings& settings,
                                           const Plan& plan, const HeadSearchSettings& search);

// What of it the journal has no answer of is asked, and kept as it comes; of patching, `settings` and `plan`
// are those of the clean prompts. InputError where an item has no known answer, or a half has none, and where
// a half's clean prompts do not make the right options more likely than its corrupted ones.
HeadSearch search_heads(const EvalModel& model, const EvalSettings& settings, const Plan& plan,
                        const HeadSearchSettings& search, Journal& journal);

}  // namespace refocus
