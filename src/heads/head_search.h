// Which heads matter for a task: every head is tried on one half of the items, and the best are tested on the
// other half, against none, against random heads, and against all.
//
// The halves are those of eval/score/held_out.h. Effects on the half that heads were selected on contain
// luck; those on the other half, which had no part in the choice, do not.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "eval/journal/journal.h"
#include "heads/head_scoring.h"
#include "heads/head_statistics.h"

namespace refocus {

struct HeadSearchSettings {
  InterventionSpec method;  // without heads=
  enum class Want { kDrop, kGain };
  Want want = Want::kDrop;  // which heads are best: whose change lowers the answers, or raises them
  enum class Rank { kLikelihood, kAccuracy };
  Rank rank = Rank::kLikelihood;    // by which mean change; ties by the other, then by layer and head
  std::vector<std::int64_t> sizes;  // of the sets to test, ascending
  std::int64_t draws = 20;          // of random sets of each size
  std::uint64_t seed = 0;           // of the draws
  std::optional<std::int64_t> layers_first;  // whole layers are tried, then the heads of so many of the best
};

// A head, or a whole layer, on the selection half.
struct TriedHeads {
  HeadSet heads;
  PairedEffect accuracy;  // against none; holm over all that were tried like it
  double likelihood = 0;  // mean change of ArmAnswers::likelihood
};

// The best heads of the selection, taken together.
struct SelectedSet {
  HeadSet heads;
  PairedEffect selection;  // against none, on the half that they were selected on
  double likelihood = 0;   // mean change of ArmAnswers::likelihood on the other half
  double accuracy = 0;     // on the other half
  PairedEffect held_out;   // against none, there
  RandomEffect random;
  PairedEffect all;  // against all heads

  // What of the selection's effect the other half has not.
  double luck() const { return selection.difference - held_out.difference; }
};

struct HeadSearch {
  std::int64_t layers = 0, heads = 0;  // of the model
  std::int64_t selection_items = 0, held_out_items = 0;
  double selection_accuracy = 0, held_out_accuracy = 0;  // of none
  double all_accuracy = 0;                               // of all heads, on the other half
  std::vector<TriedHeads> layers_tried;                  // best first; where layers come first
  std::vector<TriedHeads> heads_tried;                   // best first
  std::vector<SelectedSet> sets;                         // in the order of the sizes
  std::int64_t computed = 0, one_by_one = 0;             // HeadScorer's, of this call

  // The set with the largest effect on the selection half, the smallest of equals.
  const SelectedSet& best(HeadSearchSettings::Want want) const;
};

// What of it the journal has no answer of is asked, and kept as it comes. InputError where an item has no
// known answer, or a half has none.
HeadSearch search_heads(const EvalModel& model, const EvalSettings& settings, const Plan& plan,
                        const HeadSearchSettings& search, Journal& journal);

}  // namespace refocus
