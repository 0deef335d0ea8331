// Worlds as text: the prompt that an evaluation gives a model, and the two forms of its answer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "dataset/world.h"

namespace refocus {

// Facts and question on one line: the field "question" of the benchmark's CSV.
std::string told_question(const World& world, const WorldQuestion& question);

// "\nA. mill\nB. lake\nC. inn\nD. port"
std::string listed_choices(const WorldQuestion& question);

// What follows "\nAnalysis:" up to the end: " 1: .. so mill. A. mill: yes. ..\nResponse: A"
std::string analysis(const WorldQuestion& question);

// What follows "\nResponse:": " A"
std::string response_letter(const WorldQuestion& question);

// The split that a question belongs to, by a hash of its told text.
enum class WorldSplit { kTrain, kValidation, kTest };
WorldSplit split_of(std::string_view told);

// Words, numbers, punctuation marks and line ends: about as many as the bundled tokenizer makes tokens.
std::int64_t count_words(std::string_view text);

}  // namespace refocus
