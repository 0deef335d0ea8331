// Log-likelihoods of many items' options with many sets of heads changed.
//
// What lies below a head's layer does not change with it. So the items' residual streams are saved before a
// layer, every set whose first head is of that layer goes on from there, and then the saved rows go through
// that layer once, unchanged, for the next one. Many sets and items go through the model together; beginnings
// that items share are computed once for a set. Results are the bits of a whole run of each.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "eval/run/likelihood_scorer.h"
#include "eval/run/plan.h"
#include "heads/head_change.h"
#include "heads/head_set.h"

namespace refocus {

// Heads that are changed together; none of them: the model as it is.
struct HeadArm {
  std::string name;  // the intervention's canonical text, or "none"; what the journal knows the answers by
  HeadSet heads;
};
HeadArm head_arm(const InterventionSpec& method, HeadSet heads, std::int64_t layers);

class HeadScorer {
 public:
  // `plan` is of log-likelihoods, with one arm; the change's questions are its. All must outlive the scorer.
  HeadScorer(const EvalModel& model, const EvalSettings& settings, const Plan& plan, HeadChange& change);

  using IsOpen = std::function<bool(const HeadArm& arm, const Question& question)>;
  using OnScored =
      std::function<void(const HeadArm& arm, const Question& question, std::span<const OptionLikelihood>)>;

  // Asks the questions, by their places in the plan, in every arm where they are open. In no particular
  // order.
  void run(std::span<const HeadArm> arms, std::span<const std::size_t> questions, const IsOpen& is_open,
           const OnScored& on_scored);

  // Tokens times layers: those that were computed, and those of the same answers with every item and set
  // alone, each context once.
  std::int64_t computed() const { return computed_; }
  std::int64_t one_by_one() const { return one_by_one_; }

 private:
  struct Asked {
    const HeadArm* arm;
    std::size_t question;
  };
  using Rows = std::vector<std::shared_ptr<ResidualRows>>;  // [questions of the plan]

  bool restarts(const Question& question) const;
  std::vector<std::vector<std::size_t>> tiles(std::span<const std::size_t> questions) const;
  void run_tile(std::span<const HeadArm> arms, std::span<const std::size_t> questions, const IsOpen& is_open,
                const OnScored& on_scored);
  LikelihoodRequest request_of(std::size_t question) const;
  void prepare(std::span<const std::vector<Asked>> by_layer);
  void score(std::span<const Asked> asked, std::int64_t layer, const Rows& rows, const OnScored& on_scored);
  Rows advance(std::span<const std::size_t> questions, std::int64_t layer, const Rows& rows);

  const EvalModel& model_;
  const EvalSettings& settings_;
  const Plan& plan_;
  HeadChange& change_;
  std::int64_t layers_, hidden_;
  std::int64_t computed_ = 0, one_by_one_ = 0;
};

}  // namespace refocus
