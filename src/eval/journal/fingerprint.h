// Short names of things that determine answers, so that a run is resumed only with the same ones.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/used_file.h"
#include "eval/task/item.h"

namespace refocus {

// The field of a run's identity that holds the FileHashes of its model.
inline constexpr const char* kModelFiles = "model_files";

// InputError, which names the files that differ, where the model of `now`, an identity, is not that of
// `before`; also where `before` is of a version that looked at parts of the weights only, so that nothing can
// be said. `where` is the run, for messages.
void expect_same_model(const nlohmann::ordered_json& before, const nlohmann::ordered_json& now,
                       const std::string& where);

// Of the questions with their options and labels, in order.
std::string data_fingerprint(const std::vector<Task>& tasks);

}  // namespace refocus
