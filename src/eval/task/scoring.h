// From answers to numbers: which answers are right, and accuracies for subjects, categories and all.
//
// Every average is over questions (micro), so a group weighs its subjects by their size. The standard error
// is the sample standard deviation (n - 1) of the 0/1 scores over sqrt(n), as lm-evaluation-harness computes
// it for a task; here groups are treated the same way, over all their questions. An answer with no letter
// found counts as wrong. Where no label is known there is no accuracy.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "eval/task/item.h"
#include "eval/task/option_likelihood.h"

namespace refocus {

using Extractor = std::function<Extraction(const Item& item, const std::string& response)>;

// The options of an answer in log-likelihood mode.
struct Likelihoods {
  std::vector<OptionLikelihood> options;
  std::vector<std::string> continuations;  // their texts; empty where they are not known any more
  // Whether the largest log-likelihood over length is the right option's; only where the task asks for it and
  // the item has a label.
  std::optional<bool> correct_by_length;
};

// One response, judged.
struct Answer {
  const Item* item = nullptr;
  Response response;  // prompt and text made valid UTF-8; spans count bytes of this text
  Extraction extraction;
  std::optional<bool> correct;             // absent where the item has no label or right answer
  std::optional<double> f1;                // of a short answer, where the task asks for it
  bool open_ended = false;                 // a transcript's turn: no answer is read from it
  bool unfinished = false;                 // read from an answer that is not whole: is_unfinished
  std::optional<Likelihoods> likelihoods;  // in log-likelihood mode; text and extraction are made from them
};

// One arm's answers to one task, in the order of its items. Items without an answer are absent.
struct TaskAnswers {
  const Task* task = nullptr;
  std::vector<Answer> answers;
};

// Whether the rules (not a person) read something in an answer that is not whole.
bool is_read_unfinished(const Answer& answer);

// The right answer as it is shown: a letter, or short answers with " / " between them. Nothing where unknown.
std::optional<std::string> shown_target(const Item& item);

// The letter or short answer that was found, if one was.
std::optional<std::string> shown_answer(const Answer& answer);

// Makes an answer of a response to an item of a task.
using Judge = std::function<Answer(const Task& task, const Item& item, Response response)>;

// Makes prompt and text valid UTF-8, and puts the part in which the model thinks, where there is one
// (eval/task/reasoning.h), from the text into `reasoning`.
void prepare_response(Response& response);

// Sorts one arm's responses to their items and judges them. The tasks must outlive the result. InputError
// where a response belongs to no item, or an item has two.
std::vector<TaskAnswers> judge(const std::vector<Task>& tasks, std::vector<Response> responses,
                               const Judge& judge_one);
// With letters found in texts.
std::vector<TaskAnswers> judge(const std::vector<Task>& tasks, std::vector<Response> responses,
                               const Extractor& extract);

// Counts over a set of questions.
struct Tally {
  std::int64_t items = 0;     // questions that were to be asked
  std::int64_t answered = 0;  // n: questions with a response
  std::int64_t labelled = 0;  // of these, with a known right letter
  std::int64_t correct = 0;
  std::int64_t unparsed = 0;   // no answer found, empty responses included; never of transcripts
  std::int64_t truncated = 0;  // finish_reason "length"
  std::int64_t stopped = 0;    // finish_reason "stop": ended by a text of `until`
  // Answers that the rules read although they are unfinished, and those of them that are right.
  std::int64_t read_unfinished = 0, read_unfinished_correct = 0;
  std::int64_t empty = 0;                 // no text at all, beside reasoning
  std::int64_t reasoned = 0;              // with reasoning before the answer, and its length:
  std::int64_t reasoning_characters = 0;  // in code points
  std::int64_t manual = 0;                // judged by a person's verdict
  std::int64_t unmatched = 0;             // to prompts of which some keys= chose nothing
  std::int64_t generated_tokens = 0;
  std::int64_t characters = 0;  // of the responses, in code points
  std::int64_t scored = 0;      // answers in log-likelihood mode, which have no text of their own
  std::int64_t normalised = 0;  // of these, with a verdict by length
  std::int64_t correct_by_length = 0;
  std::int64_t with_f1 = 0;  // answers with an F1, and its sums
  double f1 = 0, f1_squares = 0;

  void add(const Answer& answer);
  void add(const Tally& other);

  std::optional<double> rate(std::int64_t count) const;  // count / answered
  std::optional<double> accuracy() const;                // correct / labelled
  std::optional<double> standard_error() const;          // absent for fewer than two labelled questions
  std::optional<double> accuracy_by_length() const;      // correct_by_length / normalised
  std::optional<double> standard_error_by_length() const;
  std::optional<double> mean_f1() const;  // over labelled questions
  std::optional<double> standard_error_of_f1() const;
  std::optional<double> mean_generated_tokens() const;      // over answered questions
  std::optional<double> mean_characters() const;            // over answered questions
  std::optional<double> mean_reasoning_characters() const;  // over those with reasoning
};

struct SubjectScore {
  std::string subject;
  std::string category;  // normalised, empty where there is none
  Tally tally;
};

// Subjects that are summed up together. Task and subjects make up three groupings: categories, which each
// subject is in one of; those but STEM; and by whether their names end in "_unseen", for benchmarks that ask
// the same with what a model was not trained on.
enum class GroupKind { kCategory, kNonStem, kNovelty };

struct GroupScore {
  std::string name;  // "stem", "humanities", "social_sciences", "other"; "non_stem"; "seen", "unseen"
  GroupKind kind = GroupKind::kCategory;
  std::vector<std::string> subjects;  // in the task's order
  Tally tally;
};

struct TaskScores {
  const Task* task = nullptr;
  std::vector<SubjectScore> subjects;  // in the task's order
  // Those that have subjects, in the order above: the categories, "non_stem" (all subjects of a category but
  // "stem"), and where there is a subject "..._unseen", "seen" and "unseen".
  std::vector<GroupScore> groups;
  Tally all;
};

// Categories are those of the task (case and blanks do not matter, "social" is short for "social_sciences").
TaskScores score(const TaskAnswers& answers);

// Whether reports give that name to a group of a task, so that no subject may have it.
bool is_group_name(std::string_view name);

}  // namespace refocus
