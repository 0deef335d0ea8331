// How fast a model computes: prefill, decoding of one sequence, decoding of 16 at once, each with and without
// re-balancing in turn, case by case, so that a machine that slows down slows both.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "intervene/grammar/spec.h"
#include "model/transformer.h"

namespace refocus {

struct BenchmarkOptions {
  std::int64_t prefill = 512, decode = 32;  // tokens; decoding goes on after the prompt
  std::int64_t batch = 16, batch_prompt = 32, batch_decode = 8;
  int repeats = 5;
};

// Tokens a second of each repeat, after one that is not counted.
struct BenchmarkRates {
  std::vector<double> prefill, decode, decode_batch;
};

double median(std::vector<double> values);  // at least one

// One result for each intervention, measured in turn. `between` is called after each counted round, for what
// is to be measured beside. Prompts are computed in calls of as many
// rows as the model allows, which must be all of one where an intervention needs the whole prompt.
std::vector<BenchmarkRates> run_benchmark(Transformer& model,
                                          const std::vector<InterventionSpec>& interventions,
                                          const BenchmarkOptions& options,
                                          const std::function<void()>& between);

}  // namespace refocus
