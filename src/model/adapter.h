// An adapter beside a model's bound weights: y = W x + B (A x), whatever type W is stored in.
#pragma once

#include <string>
#include <vector>

#include "model/config.h"
#include "model/weights.h"
#include "tensor/adapter.h"

namespace refocus {

// The matrices of a layer that an adapter may change, by the last part of their names.
inline constexpr const char* kAdapterTargets[] = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                                  "gate_proj", "up_proj", "down_proj"};

// Points the changed matrices of `weights` to their parts of `adapter`, which must outlive them. InputError
// where the two do not belong together: the adapter has a matrix that the model lacks or that has other sizes
// there, lacks one that its targets name, or has a target that no matrix of the model is called.
void attach_adapter(const Adapter& adapter, const std::string& model, LlamaWeights& weights);

}  // namespace refocus
