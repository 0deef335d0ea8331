// Opening a model directory in Hugging Face's layout: config.json and the weights beside it.
#pragma once

#include <filesystem>
#include <string>

#include "tensor/weight_map.h"

namespace refocus {

struct Checkpoint {
  std::filesystem::path directory;
  std::string config_json;  // the text of config.json, not yet parsed
  WeightMap weights;
};

// Opens the first of these that is there: model.safetensors.index.json (and every shard it names),
// model.safetensors, the only *.safetensors (adapters, adapter_*.safetensors, do not count),
// pytorch_model.bin.index.json (and its shards), pytorch_model.bin. InputError where there is no config.json,
// none of the weights, or where an index and its shards disagree.
Checkpoint open_checkpoint(const std::filesystem::path& directory);

}  // namespace refocus
