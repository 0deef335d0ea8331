// Which tensors a GGUF file of a model has, and where their rows come from.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "architecture/model_config.h"
#include "io/gguf/gguf_writer.h"
#include "model/weights.h"

namespace refocus {

struct TensorPlan {
  GgufTensorInfo info;
  std::string source_name;                              // in Hugging Face's files, for messages
  std::vector<const Linear*> matrices;                  // whose rows it has, one matrix after the other
  std::vector<float> values;                            // or these numbers, where there are none
  std::int64_t paired_head_dim = 0, paired_rotary = 0;  // order of the rows; see TensorView
};

using DTypeChoice = std::function<DType(std::string_view gguf_name, const std::vector<std::int64_t>& shape)>;

// In the order of the file: what is outside the layers, then layer by layer. The weights must outlive it.
std::vector<TensorPlan> plan_tensors(const ModelConfig& config, const ModelWeights& weights,
                                     const DTypeChoice& dtype);

}  // namespace refocus
