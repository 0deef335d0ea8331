// What an evaluation would ask and take, before it is run: the first prompt of each arm, counts, memory and
// time. Nothing is kept. For the time a few of its questions are answered, for some seconds, and their
// answers forgotten.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eval/run/plan.h"
#include "eval/run/runner.h"

namespace refocus {

struct DryRun {
  struct Arm {
    std::string name, intervention;  // as run.json has it
    std::int64_t questions = 0, prompt_tokens = 0, longest = 0;
    std::int64_t computed_tokens = 0;  // of prompts, those that are not shared with a prompt before
    double computed_share = 1;         // of the layers, where arms share some
  };
  // What the model gets first in these arms, special tokens and all; options of a log-likelihood each as it
  // goes on.
  struct Prompt {
    std::vector<std::string> arms;
    std::string subject, text;
    int index = 0;
    std::int64_t tokens = 0;
    std::vector<std::string> options;
  };
  // How one kind of prompt was measured, and what the arms of that kind take by that.
  struct Measured {
    std::string arm;             // one of the kind
    std::int64_t arms = 1;       // that were measured together, since they share layers with that one
    std::int64_t questions = 0;  // that were answered in it
    bool scored = false;
    // Tokens a second, of all layers; the latter 0 where nothing is generated.
    double prompt_rate = 0, new_rate = 0;
    // Tokens of an answer: where some were cut off, as if they ended there, and as if they went on to the
    // limit.
    double least_tokens = 0, most_tokens = 0;
    std::int64_t cut_off = 0;
    double least_seconds = 0, most_seconds = 0;  // of all arms of the kind
    std::vector<Response> answers;               // with their tokens; they are no answers of a run
  };
  // What a command does beside asking, with the line that says how that was measured.
  struct Further {
    std::string how;
    double least_seconds = 0, most_seconds = 0;
  };

  // A task whose arms are to be compared, and its items that have a right answer.
  struct Compared {
    std::string task;
    std::int64_t items = 0;
  };

  std::vector<Arm> arms;
  std::vector<Prompt> prompts;
  std::vector<Measured> measured;
  std::vector<Further> further;
  std::vector<std::string> tasks;
  std::vector<Compared> compared;  // of a whole evaluation, not of a shard nor of what asks for other reasons
  std::int64_t items = 0;
  std::int64_t kv_bytes = 0;     // the most that keys and values take at a time
  std::int64_t saved_bytes = 0;  // the same of residual streams that arms share
};

// About how long a measurement is to take.
inline constexpr double kMeasuredSeconds = 8;

// InputError as run_evaluation, whatever of it comes before anything is written. Of the settings' shard.
DryRun dry_run(const EvalModel& model, const EvalSettings& settings);
// The same of a plan of these settings, of which check_memory has been told.
DryRun dry_run(const EvalModel& model, const EvalSettings& settings, const Plan& plan);

DryRun::Prompt first_prompt(const EvalModel& model, const Question& question);

// Bytes of the keys and values of as many sequences as are computed at once.
std::int64_t cache_bytes_of(const EvalModel& model, const EvalSettings& settings, const Plan& plan);

struct DryRunMemory {
  std::int64_t weights = 0;  // bytes of the model's tensors as they are stored
  std::int64_t peak =
      0;  // the most that the program held so far, with the weights and the measurement's cache
};

std::string dry_run_text(const DryRun& run, const DryRunMemory& memory);

// Its parts, with line ends.
std::string prompt_text(const DryRun::Prompt& prompt);
std::string memory_line(const DryRunMemory& memory, std::int64_t kv_bytes, std::int64_t saved_bytes = 0);

}  // namespace refocus
