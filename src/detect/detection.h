// Scores of every head of a model as it is, without an intervention: on random repeated tokens, on a task's
// items, on needles in a haystack. Which heads they name need not be those that matter: see heads/ for that.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "detect/attention_detectors.h"
#include "detect/logit_attribution.h"
#include "detect/needles.h"
#include "detect/retrieval.h"
#include "detect/stimulus.h"
#include "eval/run/plan.h"

namespace refocus {

enum class MeasuredOn { kStimulus, kTask, kNeedles };
std::string_view name_of(MeasuredOn what);  // "stimulus", "task", "needles"

struct Detector {
  std::string name;   // a column: "induction"
  std::string title;  // of tables and pictures: "induction"
  MeasuredOn on = MeasuredOn::kStimulus;
  std::vector<double> scores;  // [layers, heads]; NaN where there is none
  bool with_sign = false;      // whether scores below 0 mean something
};

struct NeedleSettings {
  std::string haystack;
  std::vector<Needle> needles;
  std::string question{kNeedleQuestion};
  std::vector<std::int64_t> lengths;  // tokens of a prompt, at most
  std::vector<double> depths;         // per cent
  std::int64_t max_new_tokens = 50;
};

struct NeedleOutcome {
  std::size_t needle = 0;
  std::int64_t length = 0;  // asked for
  double depth = 0;
  std::int64_t tokens = 0;  // that the prompt has
  RetrievalReply reply;
};

// Means over a task's items.
struct AttributionMeans {
  std::int64_t items = 0, left_out = 0;  // left out: no option begins otherwise than the right one
  Attribution mean;
  double largest_error = 0;  // of an item's parts, summed, against the difference of the logits of its run
};

struct Detection {
  std::int64_t layers = 0, heads = 0;
  StimulusSettings stimulus;
  std::int64_t prefix_tokens = 0;  // before the stimulus' own
  std::int64_t sink_keys = 1;
  std::vector<Detector> detectors;
  std::optional<AttributionMeans> attribution;
  std::int64_t items = 0;               // of the task
  std::vector<NeedleOutcome> needles;   // in the order of lengths, depths, needles
  std::optional<NeedleSettings> asked;  // where needles were

  const Detector* find(std::string_view name) const;
};

struct DetectionSettings {
  StimulusSettings stimulus;
  std::int64_t sink_keys = 1;
  std::optional<NeedleSettings> needles;  // nothing: no retrieval scores
  const Plan* plan = nullptr;             // of log-likelihoods; null: no task
};

// Everything that will be measured, known and checked before anything is.
struct DetectionPlan {
  struct NeedlePlace {
    NeedleOutcome outcome;  // without a reply
    NeedlePrompt prompt;
  };
  DetectionSettings settings;
  std::vector<std::vector<std::int32_t>> stimulus;
  std::vector<NeedlePlace> needles;
};

// `asking`: what the plan of a task was made with; its chat asks needles too. InputError for an item without
// a known answer, and for what does not fit into the context.
DetectionPlan plan_detection(const EvalModel& model, const EvalSettings& asking,
                             const DetectionSettings& settings);

Detection detect_heads(const EvalModel& model, const DetectionPlan& plan);

}  // namespace refocus
