// Asks a model everything of a plan that has no answer yet, and journals each answer as it comes. Internal to
// src/eval.
#pragma once

#include "eval/journal.h"
#include "eval/plan.h"
#include "eval/runner.h"

namespace refocus {

// Whether the options' log-likelihoods are asked for instead of texts.
bool is_scored(const EvalSettings& settings);

// InputError where the cache could not hold the longest sequence to the end: better now than after hours.
void check_memory(const EvalModel& model, const EvalSettings& settings, const Plan& plan);

void ask(const EvalModel& model, const EvalSettings& settings, const Plan& plan, Journal& journal);

}  // namespace refocus
