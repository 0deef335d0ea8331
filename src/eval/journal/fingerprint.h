// Short names of things that determine answers, so that a run is resumed only with the same ones.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "eval/task/item.h"
#include "tensor/adapter.h"
#include "tensor/weight_map.h"

namespace refocus {

// Of a model directory: config.json, the tokenizer's files, and every tensor's name, type, shape and first
// and last 4 KiB. Reading all of a large checkpoint would take longer than starting it.
// Of an adapter everything counts.
std::string model_fingerprint(const std::filesystem::path& directory, const std::string& config_json,
                              const WeightMap& weights, const Adapter* adapter = nullptr);

// Of the questions with their options and labels, in order.
std::string data_fingerprint(const std::vector<Task>& tasks);

}  // namespace refocus
