// What an evaluation will ask, all of it known and checked before anything is asked. Internal to src/eval.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eval/run/runner.h"

namespace refocus {

// A prompt of one item, ready to be sent in every arm of its kind.
struct Question {
  const Item* item;
  const TaskKind* task;
  PromptKind kind;
  Prompt pieces;  // empty, as are its tokens, for a transcript's later turns: answers go before it
  std::vector<std::int32_t> tokens;
  std::int64_t shared_prefix;                      // tokens that are the instruction's
  std::vector<std::vector<std::int32_t>> options;  // log-likelihood mode: each option's tokens
  std::vector<std::int64_t> leads;                 // as LikelihoodRequest has them
  std::string instruction;                         // a transcript's
  // In a conversation: where the question ends in the prompt, in bytes; otherwise negative.
  std::int64_t question_end = -1;

  std::string prompt() const { return text_of(pieces); }

  // Tokens of the longest sequence that asking it needs, beside those generated.
  std::int64_t length() const;
  // Tokens of the prompt and of all options.
  std::int64_t tokens_with_options() const;
  // Rows of a model that the options take beside the prompt's.
  std::int64_t option_rows() const;
};

struct PlannedArm {
  Arm arm;
  std::string name;
  InterventionSpec intervention;
};

struct Plan {
  std::vector<PlannedArm> arms;
  std::vector<Question> questions;
  std::int64_t context = 0;
  std::int64_t longest = 0;  // length() of the longest question
  // Log-likelihood mode: options, and those of them with a token that holds the end of the question too.
  std::int64_t options = 0, over_seam = 0;
};

// A conversation that ends with the user's message `question`, ready for the assistant's answer: pieces,
// tokens and question_end of `out`. Earlier turns and answers of a transcript stand before it.
void ask_as_chat(const Tokenizer& tokenizer, const ChatAsking& chat, std::vector<ChatMessage> messages,
                 Question& out);

// Of an item that is asked for a text, and not a later turn: its pieces, tokens, and in a conversation
// question_end. `parts`: the words of its task.
void ask_for_text(const Tokenizer& tokenizer, const std::optional<ChatAsking>& chat, const PromptParts& parts,
                  Question& out);

// The user's message and the assistant's, turn after turn, of a transcript.
std::vector<ChatMessage> transcript_messages(std::span<const Item* const> turns,
                                             std::span<const std::string> answers,
                                             const std::string& instruction);

// UsageError for two arms that are the same, InputError for no items, and for questions that do not fit into
// the context.
Plan make_plan(const EvalModel& model, const EvalSettings& settings);

}  // namespace refocus
