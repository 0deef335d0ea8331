// What a study would ask, look at and take, before it is run (eval/run/dry_run.h). Nothing is kept.
#pragma once

#include "eval/run/dry_run.h"
#include "study/study.h"

namespace refocus {

// `plan` is plan_study's, `before` as there.
DryRun dry_run_study(const EvalModel& model, const StudySettings& settings, const Plan& plan,
                     Transformer* before);

}  // namespace refocus
