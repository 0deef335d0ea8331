#include "heads/head_change.h"

#include "eval/run/asking.h"

namespace refocus {

AimedChange::AimedChange(const EvalModel& model, const EvalSettings& settings, const Plan& plan,
                         InterventionSpec spec)
    : HeadChange(std::move(spec)) {
  // What a part acts on in a prompt does not depend on its heads.
  for (const Question& question : plan.questions) {
    check_whole_prompt(method(), std::ssize(question.tokens), model.transformer.max_rows());
    targets_.push_back(target_of(model, settings, question, method()));
  }
}

}  // namespace refocus
