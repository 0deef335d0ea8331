// The files that the published evaluation writes, as text: a CSV a subject for MMLU, predictions for PIQA and
// SIQA.
#pragma once

#include <string>
#include <vector>

#include "eval/task/scoring.h"
#include "eval/task/task_kind.h"

namespace refocus {

// `question,A,B,C,D,answer,model_output,model_response,correctness` with a row for each answer of a subject.
// A task of a user's file has as many columns of options as its longest question has options, and none in a
// short-answer task or a transcript.
// model_output is the letter found, empty where none was; correctness is True or False, as pandas writes a
// bool (False where no letter was found; empty where the right letter is unknown).
std::string subject_csv(const std::vector<const Answer*>& answers, const TaskKind& kind);

// `dataset,prediction` with a row for each item of the task, answered or not, in the data's order: rows have
// no key but their place. The prediction is the number of the option, from 1; it is empty where no letter was
// found or nothing was answered, since any number could be taken for an answer.
std::string prediction_csv(const TaskAnswers& answers);

}  // namespace refocus
