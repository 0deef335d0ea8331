// A study: a task is asked in every arm, and the attention of each answered text is measured, so that right
// and wrong answers, arms, and models before and after fine-tuning can be compared text by text
// (docs/study.md).
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/work_share.h"
#include "eval/journal/journal.h"
#include "eval/run/runner.h"

namespace refocus {

// What an intervention sets, not what it does: shown, and never compared.
inline constexpr std::string_view kMassNegativeName = "mass_negative";

// Which rows of a text are measured.
enum class TextRows {
  kAll,
  kPrompt,
  kResponse,  // those that a token of the answer was predicted from: the prompt's last one and those after it
};

struct StudySettings {
  // Tasks, kinds of prompts, interventions, profile, rules and limits. Not in log-likelihood mode.
  EvalSettings eval;
  TextRows rows = TextRows::kResponse;
  std::int64_t window = 8;
  double threshold = 0.01;  // what makes M where the intervention does not say it
  FileHashes before;        // of the other model, where there is one
};

// What was measured of one text: means over heads and over the rows. NaN where there is nothing to take a
// mean of.
struct TextValues {
  std::vector<double> values;  // [layers, statistics]
};

// One item in one arm.
struct StudiedText {
  std::string subject;
  int index = 0;
  std::string answer;           // the letter; empty where none was found
  std::optional<bool> correct;  // absent where the right answer is not known
  std::int64_t prompt_tokens = 0, generated_tokens = 0;
  TextValues attention;
  std::optional<TextValues> before;  // the other model's, over the same tokens
};

struct StudiedArm {
  std::string name;  // "cot-none"
  std::string prompt, intervention;
  std::vector<StudiedText> texts;  // in the order of the items, the same ones in every arm
};

struct Study {
  std::int64_t layers = 0;
  // "entropy", ..., "received_ratio.content", ..., "outlier_keys.all"; and last, where an intervention makes
  // weights negative in any text, kMassNegativeName.
  std::vector<std::string> statistics;
  std::vector<StudiedArm> arms;
  bool has_before = false;
  nlohmann::ordered_json identity = {};  // what decided it all: study_settings, as run.json has it

  // NaN where there is none. `statistic`: a place in `statistics`.
  double value(const TextValues& of, std::int64_t layer, std::size_t statistic) const {
    return of.values[static_cast<std::size_t>(layer) * statistics.size() + statistic];
  }
  std::size_t place(std::string_view statistic) const;  // it must exist
  bool has_negative() const { return !statistics.empty() && statistics.back() == kMassNegativeName; }
};

// The name of a text in a line of run.json's identity and on the command line: "response".
std::string_view name_of(TextRows rows);

// Everything that is asked. `before`: a model of the same vocabulary and number of layers, which reads the
// texts that the first one wrote, or null. InputError as run_evaluation, and where `before` does not fit.
Plan plan_study(const EvalModel& model, const StudySettings& settings, const Transformer* before);

// What decides the numbers, and the session, for the study's directory: an evaluation's, and how attention is
// measured.
RunSettings study_settings(const EvalModel& model, const StudySettings& settings, const Plan& plan);

// What a process that does not lead does in a phase of run_study (eval.share).
DoWork study_work(const EvalModel& model, const StudySettings& settings, const Plan& plan,
                  Transformer* before, const std::string& phase);

// Asks what the run has no answer to, measures what it has no numbers of, and keeps each in its journal as
// soon as it is known; then everything that the run has. InputError where the journal cannot be written.
Study run_study(const EvalModel& model, const StudySettings& settings, const Plan& plan, Transformer* before,
                RunDirectory& run);

}  // namespace refocus
