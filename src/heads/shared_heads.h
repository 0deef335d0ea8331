// The scoring of a search of heads, done by several processes that have the same plan.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cluster/work_share.h"
#include "heads/head_scoring.h"
#include "heads/head_search.h"

namespace refocus {

// What a search asks by, of the same model, settings and plan in every process.
class HeadScorers {
 public:
  enum class Kind : std::int64_t { kBase, kSource };  // kSource: of patching, the other prompt of each pair

  // As search_heads takes them; all must outlive it.
  HeadScorers(const EvalModel& model, const EvalSettings& settings, const Plan& plan,
              const HeadSearchSettings& search);

  const EvalSettings& settings() const { return settings_; }
  const Plan& plan() const { return plan_; }  // of Kind::kBase
  HeadScorer& scorer(Kind kind) { return kind == Kind::kBase ? base_ : *source_; }
  const Plan& plan_of(Kind kind) const;

  // Tokens times layers, as HeadScorer's, of this process.
  std::int64_t computed() const { return base_.computed() + (source_ ? source_->computed() : 0); }
  std::int64_t one_by_one() const { return base_.one_by_one() + (source_ ? source_->one_by_one() : 0); }

 private:
  const HeadSearchSettings& search_;
  const EvalSettings& settings_;
  const Plan& plan_;
  std::unique_ptr<HeadChange> change_;
  HeadScorer base_;
  AimedChange unchanged_;
  std::optional<HeadScorer> source_;
};

// Called with the places of an arm and of a question, and the answer as the journal has it.
using OnHeadAnswer = std::function<void(std::size_t arm, std::size_t question, std::string text)>;

// Asks the questions, by their places in the plan, in every arm where they are open; in this process, or,
// where `share` is given, with the others, which this one leads. In no particular order.
void score_heads(HeadScorers& scorers, HeadScorers::Kind kind, const std::vector<HeadArm>& arms,
                 std::span<const std::size_t> questions,
                 const std::function<bool(std::size_t arm, std::size_t question)>& is_open, WorkShare* share,
                 const OnHeadAnswer& on_answer);

// What the others do in a phase of score_heads.
DoWork head_work(HeadScorers& scorers, const std::string& phase);

}  // namespace refocus
