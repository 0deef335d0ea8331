// Asks a model everything of a plan that has no answer yet, and journals each answer as it comes. For
// src/eval, and src/study.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "eval/journal/journal.h"
#include "eval/run/plan.h"
#include "eval/run/runner.h"

namespace refocus {

// Whether the options' log-likelihoods are asked for instead of texts.
bool is_scored(const EvalSettings& settings);

// InputError where the cache could not hold the longest sequence to the end: better now than after hours.
void check_memory(const EvalModel& model, const EvalSettings& settings, const Plan& plan);

// What an intervention acts on in a question's prompt; null where it is the same in every one.
std::shared_ptr<const InterventionTarget> target_of(const EvalModel& model, const EvalSettings& settings,
                                                    const Question& question, const InterventionSpec& spec);

// Asks what the journal has no answer of, and keeps the answers in it.
void ask(const EvalModel& model, const EvalSettings& settings, const Plan& plan, Journal& journal);

// Asks everything of a plan without a journal; not for log-likelihoods or transcripts. `tokens`: those that
// were generated, a stop token included. In no particular order.
using OnAnsweredText =
    std::function<void(const Question&, const PlannedArm&, Response, std::span<const std::int32_t> tokens)>;
void ask_for_texts(const EvalModel& model, const EvalSettings& settings, const Plan& plan,
                   const OnAnsweredText& on_text);

// What is asked of a plan's questions to see how long that takes: without a journal, first turns of
// transcripts alone.
struct AskedSample {
  std::vector<Response> responses;
  double seconds = 0;
  SchedulerStats stats;  // of log-likelihoods, all that is computed counts as prompts
};
AskedSample ask_sample(const EvalModel& model, const EvalSettings& settings, const Plan& plan);

}  // namespace refocus
