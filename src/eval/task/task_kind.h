// What a task is: how its items are asked, what counts as an answer, and how answers are measured. The
// built-in tasks are a table of such kinds; a task of a user's file (eval/tasks/task_file.h) brings its own.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/task/item.h"

namespace refocus {

enum class AnswerType {
  kChoice,      // an option's letter
  kShort,       // a text or number, compared with those that are right
  kTranscript,  // whatever the model says: nothing is read from it, and nothing is right or wrong
};

enum class ShortMetric { kExactMatch, kNumeric, kF1 };

// How a short answer is read and compared; see eval/extract/short_answer.h.
struct ShortAnswerRules {
  ShortMetric metric = ShortMetric::kExactMatch;
  double tolerance = 0;      // kNumeric: the largest difference that still counts as right
  std::string pattern = {};  // PCRE2; empty: what follows the last "Response:"
};

// The texts of one kind of prompt: instruction + body + suffix, of which only the body is a template.
struct PromptParts {
  std::string instruction, body, suffix;
};

// The texts that log-likelihoods are taken of. Templates, with {options} for the lettered list.
struct LikelihoodWording {
  std::string description;         // before all items of a subject; {subject} with blanks for underscores
  std::string context;             // an item
  std::string option;              // {option}: its text, {letter}: its letter
  bool length_normalised = false;  // options differ in length, so that acc_norm is reported beside acc
  bool strips_fields = false;      // white space around fields is taken away
  // Of items with one option: right is not that it is the most likely option, but that each of its tokens is
  // the most likely one.
  bool greedy_is_right = false;
  std::string corrupted = {};  // the item's other prompt, of activation patching (heads/prompt_pairs.h)
};

// What a measure of a task's own reads in a response, and whether that is right.
struct MeasuredText {
  std::optional<std::string> found;
  std::string rule;  // by which it was found
  bool right = false;
};

// How the turns of a transcript are put together: instruction, then for each turn its text by `turn`, and,
// before a later turn, the answer by `answer`. Templates of {turn} and {answer}.
struct TranscriptWording {
  std::string turn, answer;
};

struct TaskKind {
  std::string name;
  int choices = 0;            // options of a question; 0 where it varies, or there are none
  bool has_subjects = false;  // which --subjects chooses from
  // The fields that a prompt's body may name. "answer" is left out on purpose: it would give the label away.
  std::vector<std::string> placeholders = {};
  AnswerType type = AnswerType::kChoice;
  std::optional<LikelihoodWording> likelihood = {};
  std::string report_name = {};        // lm-evaluation-harness' name, if it is another
  bool published_predictions = false;  // one prediction file for the task instead of a CSV a subject
  std::map<PromptKind, PromptParts> prompts = {};  // of a task of a user's file; else they are a profile's
  std::vector<std::string> until = {};             // texts that end an answer
  ShortAnswerRules short_answer = {};              // kShort
  TranscriptWording transcript = {};               // kTranscript
  // kShort: measures a response (UTF-8) in the place of short_answer.
  std::function<MeasuredText(const Item&, const std::string&)> measure = {};
  std::int64_t max_new_tokens =
      0;                        // most tokens of an answer, where that is fewer than the run's; 0: the run's
  bool keeps_blanks = false;    // white space around a response belongs to it
  std::string definition = {};  // JSON: all that a user's file says; empty for a built-in task

  bool is_own() const { return !definition.empty(); }
  // "acc", "exact_match", "numeric": of the verdict right or wrong. Empty for a transcript.
  std::string_view metric() const;
  // The heading of the same: "accuracy", "exact match", "right"; empty for a transcript.
  std::string_view metric_title() const;
  bool has_f1() const { return type == AnswerType::kShort && short_answer.metric == ShortMetric::kF1; }
};

// The built-in ones, in alphabetical order.
std::span<const TaskKind> task_kinds();

// Null where there is no such built-in task.
const TaskKind* find_task_kind(std::string_view name);

// UsageError, listing the built-in tasks, where there is no such one.
const TaskKind& task_kind(std::string_view name);

// The task's own kind, or the built-in one of its name. A task of neither (a run of another program version)
// is one of options, with subjects where it has several.
const TaskKind& kind_of(const Task& task);

// "multiple_choice", "short_answer", "transcript"; and back, nothing for another name.
std::string_view type_name(AnswerType type);
std::optional<AnswerType> parse_type(std::string_view name);

// "mmlu, piqa, siqa, worlds"; with `only_with_subjects` those alone.
std::string task_names(bool only_with_subjects = false);

}  // namespace refocus
