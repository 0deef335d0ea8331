// Conversations of several turns, in the manner of MT-Bench (Zheng et al., arXiv 2306.05685): the prompt of a
// turn holds the turns before it with the model's own answers. Nothing is right or wrong.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "eval/task/scoring.h"
#include "eval/task/task_kind.h"
#include "prompt/prompt.h"

namespace refocus {

inline constexpr const char* kTurnField = "turn";          // Item::fields: the user's text
inline constexpr const char* kQuestionId = "question_id";  // the same for all turns of a question

// The prompt of the last of `turns`, after `answers` to those before it. Turns are data of message 0, 2, ...
// (user), and answers of message 1, 3, ... (assistant).
Prompt transcript_prompt(const TaskKind& kind, const std::string& instruction,
                         std::span<const Item* const> turns, std::span<const std::string> answers);

// The file that FastChat keeps of a model's answers: a line
// {"question_id", "answer_id", "model_id", "choices": [{"index": 0, "turns": [..]}], "tstamp": 0} for each
// question whose turns are all answered. answer_id is made of the rest, and the time is always 0: the same
// answers make the same bytes.
std::string model_answers(const TaskAnswers& answers, const std::string& model_id);

}  // namespace refocus
