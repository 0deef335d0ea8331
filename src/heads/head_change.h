// What a search does to heads: a method of --intervene, or activation patching (heads/patching.h).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "eval/run/plan.h"
#include "eval/run/runner.h"
#include "intervene/target.h"

namespace refocus {

// Questions are named by their places in a plan.
class HeadChange {
 public:
  explicit HeadChange(InterventionSpec method) : method_(std::move(method)) {}
  virtual ~HeadChange() = default;

  // Without heads=.
  const InterventionSpec& method() const { return method_; }
  // What the method acts on in a question's prompt, of those that were prepared; null where it is the same in
  // every one.
  virtual std::shared_ptr<const InterventionTarget> target(std::size_t question) const = 0;
  // Tokens at the beginning of a question's prompt, of the `shared` that it has in common with others, whose
  // computation is the same in all of these.
  virtual std::int64_t shared_prefix(std::size_t question, std::int64_t shared) const {
    static_cast<void>(question);
    return shared;
  }
  // Computes what is needed for the questions, and keeps it until finish(): bytes() of each. Gives the tokens
  // times layers that it took.
  virtual std::int64_t prepare(std::span<const std::size_t> questions) {
    static_cast<void>(questions);
    return 0;
  }
  virtual void finish() {}
  virtual std::int64_t bytes(std::size_t question) const {
    static_cast<void>(question);
    return 0;
  }

 private:
  InterventionSpec method_;
};

// A method of --intervene, or none.
class AimedChange : public HeadChange {
 public:
  // InputError for prompts that the method needs in one call and that are too long for one.
  AimedChange(const EvalModel& model, const EvalSettings& settings, const Plan& plan,
              InterventionSpec method);
  std::shared_ptr<const InterventionTarget> target(std::size_t question) const override {
    return targets_[question];
  }

 private:
  std::vector<std::shared_ptr<const InterventionTarget>> targets_;  // [questions]; null where none is needed
};

}  // namespace refocus
