// Answers and tokens that several tests write.
#pragma once

#include "server/openai/answer.h"

namespace refocus::openai::testing {

// A token with the id, spelling, log-probability and rank.
inline ScoredToken scored(TokenScore token, std::vector<TokenScore> top = {}, std::int64_t offset = 0) {
  return {.token = std::move(token), .scored = true, .top = std::move(top), .offset = offset};
}

inline ScoredToken unscored(std::int32_t id, std::string bytes) {
  return {.token = {id, std::move(bytes), 0, 0}, .scored = false, .top = {}, .offset = 0};
}

inline AnswerHead head() { return {"cmpl-1", 1700000000, "small@reb", "fp_1"}; }

}  // namespace refocus::openai::testing
