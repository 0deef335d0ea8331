// Low-rank changes of a model's linear layers (LoRA: Hu et al. 2021, arXiv 2106.09685): W' = W + scale B A,
// independent of the file that they came from.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/used_file.h"
#include "tensor/weight_map.h"

namespace refocus {

struct LowRank {
  std::int64_t rank = 0, inputs = 0, outputs = 0;
  float scale = 1;             // that `b` has been multiplied by already
  std::vector<float> a;        // [rank, inputs]
  std::vector<float> b;        // [outputs, rank], scaled
  std::string a_name, b_name;  // in their file, for messages
};

struct Adapter {
  std::string source;      // the directory that it came from
  std::string base_model;  // the name of the model that it was trained on, as far as it is known
  std::map<std::string, LowRank, std::less<>> matrices;  // by name: "model.layers.0.self_attn.q_proj"
  std::vector<UsedFile> files = {};                      // that it was read from, in the part "adapter"
  // What its files say without effect, each `[where] ...` on one line, for whoever asked for the adapter.
  std::vector<std::string> warnings = {};
};

// A part of a model by the name that it has in PyTorch: "model.layers.0.self_attn.q_proj".
struct ModelModule {
  enum class Kind { kLinear, kEmbedding, kOther };  // kOther: a norm, a whole layer, ...
  std::string name;
  Kind kind = Kind::kLinear;
};

// The model that an adapter is read for.
struct AdapterBase {
  std::string name;  // for messages
  std::vector<ModelModule> modules;
  const WeightMap* weights = nullptr;  // its tensors, NAME.weight for a module
  bool tied = false;                   // the output matrix is the embedding table
};

}  // namespace refocus
