// An evaluation from plan to report: every arm answers the same items, answers are journalled as they come,
// and a run that was interrupted goes on where it stopped.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/used_file.h"
#include "eval/journal/sessions.h"
#include "eval/run/reports.h"
#include "eval/task/item.h"
#include "eval/task/likelihood_prompt.h"
#include "eval/task/profile.h"
#include "eval/task/shard.h"
#include "generate/scheduler.h"
#include "intervene/grammar/named.h"
#include "model/transformer.h"
#include "prompt/chat.h"
#include "tokenizer/tokenizer.h"

namespace refocus {

class WorkShare;  // cluster/work_share.h

// The model that is asked.
struct EvalModel {
  Transformer& transformer;
  const Tokenizer& tokenizer;
  std::vector<std::int32_t> eos_ids;
  std::string path;             // for the record
  std::string name;             // short: a default run directory is named after it
  std::vector<UsedFile> files;  // that it was read from
  FileHashes hashes;            // of them

  bool in_bf16() const { return transformer.activations() == Activations::kBf16; }
};

// How questions become conversations: the model's template, with what stands before the question.
struct ChatAsking {
  std::shared_ptr<const ChatTemplate> chat_template;
  std::string system;          // the system message; none where empty
  bool shots_as_turns = true;  // worked examples are a user's and an assistant's message each, or text
  ChatSettings settings;       // with a date that does not change from day to day, so that a run can go on
};

struct EvalSettings {
  std::vector<Task> tasks;
  // Each prompt kind times each intervention is an arm. Log-likelihood is alone: text and likelihoods do not
  // go into one run.
  std::vector<PromptKind> prompts;
  std::vector<NamedIntervention> interventions;
  std::optional<ExpandedSweep> sweep;  // where the interventions are its own
  Profile profile;
  ExtractionRules rules = ExtractionRules::kAnchored;
  std::int64_t max_new_tokens = 2048;
  int shots = 0;  // worked examples before each question, log-likelihood only; `shots` each in `examples`
  std::map<std::string, std::vector<Item>, std::less<>> examples;  // by subject
  Seam seam = Seam::kDifference;                                   // log-likelihood only
  std::optional<ChatAsking> chat;  // prompts are the user's message of a conversation
  bool refused_chat = false;       // --no-chat: for a warning's words
  // Tasks among `tasks` that are from a file of lm-evaluation-harness; may be null.
  std::shared_ptr<const harness::LoadedSet> harness;
  LeftOut left_out;                     // by leave_out_long
  std::int64_t batch = 16;              // sequences at once; does not change answers
  std::int64_t context = 0;             // the model's own where 0
  std::int64_t kv_bytes = 0;            // memory for the cache, see SchedulerOptions
  std::filesystem::path run_directory;  // may be empty, see default_run_directory
  WorkShare* share = nullptr;           // the processes that answer together, which this one leads; or null
  Shard shard;                          // what of the items is asked; the others are other processes'
  SessionFacts session;                 // for the record
};

// Takes the items out of the tasks of which a prompt, in any arm, does not fit into the context, and says so
// in `left_out`. All turns of a transcript go together. InputError where a task has no other items.
void leave_out_long(const EvalModel& model, EvalSettings& settings);

struct Plan;         // eval/run/plan.h
struct RunSettings;  // eval/journal/run_directory.h

// Everything that decides the answers, as run.json has it (docs/run-directory.md), and the questions' hashes;
// without details.
RunSettings run_settings(const EvalModel& model, const EvalSettings& settings, const Plan& plan);

// A run's directory where none was chosen: runs/TASK-MODEL-HASH, with a hash of what cannot grow, so that the
// same experiment goes on in its own directory and another one never meets it. Where the run that is there
// has what this one has not, such as another subject, it is the first of ...-HASH-2, -3, ... that is free or
// goes on with these settings. A shard has its place behind the hash, ...-HASH-2of4. What is unfit for a
// file's name becomes a hyphen.
std::filesystem::path default_run_directory(const std::vector<std::string>& tasks, const std::string& model,
                                            const RunSettings& settings, const Shard& shard = {});

// Asks what is not yet answered, of the settings' shard, and writes what reports.h writes.
// InputError, before anything is written, where a prompt does not fit into the context, two arms are the
// same, or the run directory holds another run.
EvalOutcome run_evaluation(const EvalModel& model, const EvalSettings& settings);
// The same with its plan, which make_plan made of them.
EvalOutcome run_evaluation(const EvalModel& model, const EvalSettings& settings, const Plan& plan);

// InputError for weights that do not compute. run_evaluation calls it before anything is written, but for a
// model of several processes, which must all do so.
void check_weights(const EvalModel& model, const Plan& plan);

}  // namespace refocus
