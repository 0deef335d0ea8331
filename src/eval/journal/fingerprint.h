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

// The files that differ between the models of two identities that have them: "model.safetensors differs";
// empty where none does. `where` is the run, for messages.
std::string model_difference(const nlohmann::ordered_json& before, const nlohmann::ordered_json& now,
                             const std::string& where);

// InputError, which names the files that differ, where the model of `now`, an identity, is not that of
// `before`; also where `before` is of a version that looked at parts of the weights only, so that nothing can
// be said. `where` is the run, for messages.
void expect_same_model(const nlohmann::ordered_json& before, const nlohmann::ordered_json& now,
                       const std::string& where);

// Whether it is; false too where that cannot be said.
bool is_same_model(const nlohmann::ordered_json& before, const nlohmann::ordered_json& now);

// One line of JSON with all of an item that decides what is asked and what is right.
std::string item_text(const Item& item);

// Of items in their order.
std::string items_fingerprint(const std::vector<Item>& items);

}  // namespace refocus
