// A word when so many answers say nothing that the numbers do not mean what they seem to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "eval/task/scoring.h"

namespace refocus {

// How the answers were asked for, as far as it may be the cause.
struct AskedHow {
  bool refused_chat = false;  // without the chat template that the model has, since --no-chat says so
  std::int64_t max_new_tokens = 0;
};

// One line, without an end, where more than a fifth of the answers are empty, cut off or without an answer
// that was found: how many, and the likely cause. Nothing otherwise, nor for log-likelihoods.
std::optional<std::string> answer_warning(std::string_view arm, const Tally& tally, const AskedHow& how);

}  // namespace refocus
