// Arms beside each other: for every subject, category and all items of a task, how one arm differs from
// another that answered the same items. docs/statistics.md defines each number.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "eval/score/finished_run.h"
#include "stats/interval.h"

namespace refocus {

// Where an arm comes from, of one run or of two.
struct ComparedArm {
  int run = 0;  // 0 or 1
  FinishedArm arm;
};

// Places in the list of arms.
struct ArmPair {
  std::size_t baseline = 0, arm = 0;
};

// A set of items that numbers are given for.
struct ItemSet {
  enum class Kind { kSubject, kCategory, kNovelty, kAll };
  std::string name;  // the subject; the category ("stem", ..., "non_stem"); "seen" or "unseen"; or "all"
  Kind kind = Kind::kAll;
  std::string category;  // of a subject; may be empty
};

// One pair over one set of items, those whose right letter is known.
struct PairedNumbers {
  std::int64_t items = 0;
  std::int64_t fixed = 0;   // wrong in the baseline, right in the arm
  std::int64_t broken = 0;  // right in the baseline, wrong in the arm
  // Absent where there are no such items:
  std::optional<double> difference;       // (fixed - broken) / items
  std::optional<Interval> interval;       // Tango's, of paired proportions
  std::optional<double> p;                // McNemar, exact
  std::optional<double> p_holm;           // subjects only, over the subjects of the task
  std::optional<std::int64_t> differing;  // transcripts only: turns whose texts are not the same
  // Short answers with F1 only: the difference of its means, and its paired bootstrap interval, which is
  // absent where the difference is the same in all items.
  std::optional<double> f1_difference;
  std::optional<Interval> f1_interval;
};

// An item whose correctness differs.
struct Flip {
  const Answer* before = nullptr;  // the baseline's answer
  const Answer* after = nullptr;   // the arm's
  bool fixed() const { return *after->correct; }
};

struct PairComparison {
  ArmPair pair;
  std::vector<PairedNumbers> numbers;  // [sets]
  std::vector<Flip> flips;             // in the order of the items
};

struct TaskComparison {
  std::string task;
  std::vector<ItemSet> sets;                // subjects in the data's order, groups as in TaskScores, "all"
  std::vector<std::vector<Tally>> tallies;  // [arms][sets]
  std::vector<PairComparison> pairs;
};

struct Comparison {
  std::vector<ComparedArm> arms;  // owns the answers that flips point to
  std::vector<TaskComparison> tasks;
  std::int64_t resamples = 0;  // of the bootstrap of F1
  std::uint64_t seed = 0;
};

struct ComparisonOptions {
  std::string baseline;  // an arm of the first run that all others are compared with; see plan_pairs
  std::int64_t resamples = 10'000;  // of the bootstrap of F1
  std::uint64_t seed = 0;
  bool pairs_needed = true;  // whether arms that cannot be paired (a single one) are an error
};

// Which arms are compared. In one run: every arm with the first one of its kind of prompt, and chain of
// thought with direct answers (the baseline) under each intervention that has both. Of two runs: every arm of
// the second with its namesake in the first, or else with the first arm there of its kind of prompt, or else
// with the first. With a `baseline`: every other arm (of the second run, where there are two) with that one.
// UsageError where no arm has that name, InputError where there is no pair.
std::vector<ArmPair> plan_pairs(const std::vector<ComparedArm>& arms, const std::string& baseline);

// `second` may be empty. InputError where arms differ in their items or in how letters were read. Uses all
// processors; the result does not depend on their number.
Comparison compare_runs(std::vector<FinishedArm> first, std::vector<FinishedArm> second,
                        const ComparisonOptions& options);

// What became of one item: 1 fixed, -1 broken, 0 the same. Both answers are judged.
std::int8_t change(const Answer& before, const Answer& after);

// The numbers of items with these changes, without those of F1.
PairedNumbers paired_numbers(const std::vector<std::int8_t>& changes);

// The Wilson interval of an accuracy, absent where there is none.
std::optional<Interval> accuracy_interval(const Tally& tally);

}  // namespace refocus
