// How a run grows: by arms, tasks, subjects and items. What was asked stays as it was asked; nothing goes.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "eval/task/item.h"

namespace refocus {

// By subject, of its first 1, 2, 3, ... items: a short hash of all that decides what is asked of them.
using QuestionHashes = std::map<std::string, std::vector<std::string>>;
QuestionHashes question_hashes(const std::vector<Task>& tasks);

// What an identity says of them: {"anatomy": {"items": 5, "hash": "..."}}, of as many items as there are.
nlohmann::ordered_json questions_json(const QuestionHashes& questions);

// Why a run of the identity `kept` cannot go on as one of `now`, which asks `questions`: one line for an
// error of the run at `where`, with what to do. Nothing where it can: where `now` has all arms, tasks,
// subjects and items of `kept`, and everything else is the same.
std::optional<std::string> hindrance(const nlohmann::ordered_json& kept, const nlohmann::ordered_json& now,
                                     const QuestionHashes& questions);

// What is new in `now`: "2 arms, 1 subject, 45 questions"; empty where nothing is.
std::string growth_text(const nlohmann::ordered_json& kept, const nlohmann::ordered_json& now);

// An identity without what may grow: the same for a run whatever it has grown to.
nlohmann::ordered_json without_growth(nlohmann::ordered_json identity);

// The first field in which two identities differ; the order of keys does not matter.
struct SettingDifference {
  std::string field;        // "generation.max_new_tokens"
  std::string before, now;  // JSON, the beginning of what is long; "nothing" where absent
};
std::optional<SettingDifference> first_difference(const nlohmann::ordered_json& before,
                                                  const nlohmann::ordered_json& now);

}  // namespace refocus
