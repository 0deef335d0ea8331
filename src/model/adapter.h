// An adapter beside a model's bound weights: y = W x + B (A x), whatever type W is stored in.
#pragma once

#include <string>
#include <vector>

#include "architecture/model_config.h"
#include "model/weights.h"
#include "tensor/adapter.h"

namespace refocus {

// The matrices of a layer that an adapter may change, by the last part of their names.
inline constexpr const char* kAdapterTargets[] = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                                  "gate_proj", "up_proj", "down_proj"};

// What an adapter is read for: the modules of the model by the names that they have in transformers, whether
// an adapter can change them or not. `weights` must outlive the result.
AdapterBase adapter_base(const ModelConfig& config, const WeightMap& weights, std::string name);

// Points the changed matrices of `weights` to their parts of `adapter`, which must outlive them. InputError
// where the two do not belong together: the adapter has a matrix that the model lacks or that has other sizes
// there.
void attach_adapter(const Adapter& adapter, const std::string& model, ModelWeights& weights);

}  // namespace refocus
