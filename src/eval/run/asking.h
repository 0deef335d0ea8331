// Asks a model everything of a plan that has no answer yet, and journals each answer as it comes. For
// src/eval, and src/study.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

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

// Whether the journal lacks an answer to a question in an arm of the plan, by its place.
using IsOpen = std::function<bool(const Question&, std::size_t arm)>;
IsOpen open_in(const Plan& plan, const Journal& journal);

// How many answers the journal lacks: of the items of the settings' shard, and of all.
struct OpenAnswers {
  std::int64_t in_shard = 0, all = 0;
};
OpenAnswers count_open(const EvalSettings& settings, const Plan& plan, const Journal& journal);

struct AskingOptions {
  const char* label = "eval";  // of the line of progress
  bool keep_tokens = false;    // Response::tokens of texts
};

// Asks what the journal has no answer of, in the settings' shard, and keeps the answers in it.
void ask(const EvalModel& model, const EvalSettings& settings, const Plan& plan, Journal& journal,
         const AskingOptions& options = {});

// What is asked of a plan's questions to see how long that takes: without a journal, first turns of
// transcripts alone.
struct AskedSample {
  std::vector<Response> responses;
  double seconds = 0;
  // Of log-likelihoods, all that is computed counts as prompts; where arms share layers, each token by those
  // that it goes through.
  SchedulerStats stats;
};
AskedSample ask_sample(const EvalModel& model, const EvalSettings& settings, const Plan& plan);

}  // namespace refocus
