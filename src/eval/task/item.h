// What an evaluation asks and what a model answered: the vocabulary of src/eval.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace refocus {

struct ReadyPrompts;  // eval/task/ready_prompts.h
struct TaskKind;      // eval/task/task_kind.h

// One question of a task; of a transcript, one turn.
struct Item {
  // MMLU, worlds: the subject's name; PIQA, SIQA: the published data set name ("physicaliqa"); of a user's
  // own task, its subject field, or else the task's name.
  std::string subject;
  int index = 0;  // zero-based place in the subject's file, or among the subject's items
  // The file's fields by name, in order: the placeholders of a profile's body, and the `doc` of a sample.
  std::vector<std::pair<std::string, std::string>> fields;
  std::vector<std::string> choices;       // option texts; choice k has the letter 'A' + k
  std::optional<char> label;              // the right letter, where the data says it
  std::vector<std::string> answers = {};  // the right short answers, each of them enough
  int turn = 0;                           // of a transcript; the turns before it are the items before it
  std::shared_ptr<const ReadyPrompts> ready = nullptr;  // where its prompts are made already
  std::optional<char> corrupted_label = {};             // the letter that is right after the corrupted prompt

  bool has_target() const { return label.has_value() || !answers.empty(); }
};

// The option texts among fields that are named as the tasks' files name them (A, B, ...; sol1, sol2; answerA,
// ...); empty where there are none.
std::vector<std::string> choices_of_fields(const std::vector<std::pair<std::string, std::string>>& fields);

// All questions of one task, in the files' order.
struct Task {
  std::string name;                   // "mmlu", "piqa", ...: see eval/task/task_kind.h
  std::vector<std::string> subjects;  // in the order of the items
  std::vector<Item> items;
  // By subject: "stem", "humanities", "social" or "other". A subject of no category is absent.
  std::map<std::string, std::string, std::less<>> categories = {};
  std::shared_ptr<const TaskKind> own = nullptr;  // of a user's task; see kind_of
};

// With chain of thought, asking for the answer at once, or comparing the log-likelihoods of the options.
enum class PromptKind { kCot, kDirect, kLoglikelihood };

// "cot", "direct", "loglikelihood": the beginning of an arm's name.
std::string_view prompt_kind_name(PromptKind kind);

// One way of asking: the same items are asked once in every arm.
struct Arm {
  PromptKind prompt = PromptKind::kDirect;
  std::string intervention;  // canonical text, "none" or "rebalance:alpha=0.2,threshold=0.01,..."
  std::string label = {};    // where it was given a name: "strong"; of a swept one "strong:factor=3"

  // A folder name, unique among arms: "cot-none", "direct-rebalance_alpha=0.2_threshold=0.01_...",
  // "cot-strong", "cot-strong_factor=3"
  std::string name() const;
};

// What of a folder's name stands for the intervention: "rebalance_alpha=0.2_threshold=0.01_..."
std::string intervention_file_name(const std::string& intervention);

// "strong" of the arm "cot-strong"; empty where the arm is named after its prompt and intervention.
std::string own_name(const std::string& arm, const std::string& prompt, const std::string& intervention);
// Whether `name` is the arm's, with its prompt or without: `cot-none` is `none` too.
bool is_called(const std::string& arm, const std::string& prompt, const std::string& name);

// What the model said to one item in one arm, before any judgement of it.
struct Response {
  std::string arm;      // Arm::name()
  std::string subject;  // Item::subject
  int index = 0;        // Item::index
  std::string prompt;
  // Decoded and stripped of surrounding white space; of log-likelihoods, see
  // eval/journal/likelihood_answer.h.
  std::string text;
  std::string finish_reason;  // "eos", "stop" (a text of TaskKind::until), "length" where it was cut off, or
                              // "loglikelihood"
  std::int64_t prompt_tokens = 0;
  std::int64_t generated_tokens = 0;
  // Of a conversation: where the question ends in the prompt, in bytes; what a chat template puts behind it
  // is none of the question. Negative: the prompt ends with the question.
  std::int64_t question_end = -1;
  // What the model thought before its answer, which is then not in `text`: prepare_response.
  std::string reasoning = {};
  // The selectors of the intervention's keys= that chose nothing of its prompt, as canonical texts.
  std::vector<std::string> unmatched_keys = {};
  // What was generated, a stop token included; only where it is kept (eval/run/asking.h).
  std::vector<std::int32_t> tokens = {};

  bool operator==(const Response&) const = default;

  std::string_view question() const {
    const std::string_view all = prompt;
    return question_end < 0 ? all : all.substr(0, static_cast<std::size_t>(question_end));
  }
};

// The answer found in a response, by which rule, and where.
struct Extraction {
  std::optional<char> letter;
  std::string rule;                           // empty where nothing was found
  std::int64_t span_begin = 0, span_end = 0;  // bytes of the response that the rule read the answer from
  std::optional<std::string> text = {};       // a short answer, which has no letter

  bool found() const { return letter.has_value() || text.has_value(); }
};

}  // namespace refocus
