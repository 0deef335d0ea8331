// Low-rank changes of a model's linear layers (LoRA: Hu et al. 2021, arXiv 2106.09685): W' = W + scale B A,
// independent of the file that they came from.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/used_file.h"

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
  // Every matrix of the model that has one of these names, or ends in "." and one of them, must be among
  // `matrices`. Empty: any may be missing.
  std::vector<std::string> targets;
  std::vector<UsedFile> files = {};  // that it was read from, in the part "adapter"
};

}  // namespace refocus
