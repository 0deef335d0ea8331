// Opening a model: a directory in Hugging Face's layout (config.json and the weights beside it), or a GGUF
// file.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/stored_vocabulary.h"
#include "base/used_file.h"
#include "tensor/weight_map.h"

namespace refocus {

struct Checkpoint {
  std::filesystem::path path;  // the directory or the file
  std::string config_json;  // the text of config.json, not yet parsed; of a GGUF file, made from its metadata
  std::string config_source;  // the file that it is from, for messages
  WeightMap weights;
  std::vector<UsedFile> files;  // all that was read, in the parts "config" and "weights", or "gguf"
  std::optional<StoredVocabulary> vocabulary;  // of a GGUF file that has one
};

// Opens a GGUF file (any regular file, or one of the parts of a split one; see gguf_model.h), or of a
// directory the first of these that is there: model.safetensors.index.json (and every shard it names),
// model.safetensors, the only *.safetensors (adapters, adapter_*.safetensors, do not count),
// pytorch_model.bin.index.json (and its shards), pytorch_model.bin. InputError where there is no config.json,
// none of the weights, or where an index and its shards disagree.
Checkpoint open_checkpoint(const std::filesystem::path& path);

}  // namespace refocus
