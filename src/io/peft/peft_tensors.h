// The tensors of an adapter's file, told apart by their names as PEFT 0.21.2 does when it loads them.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "io/peft/peft_targets.h"
#include "tensor/adapter.h"
#include "tensor/weight_map.h"

namespace refocus {

// A and B of one matrix, with their names.
struct PeftFactors {
  const TensorView *a = nullptr, *b = nullptr;
  std::string a_name, b_name;
};

// The factors of every matrix of `changes`. Both the names that PEFT saves (MATRIX.lora_A.weight) and those
// of a model's own state (MATRIX.lora_A.default.weight) are known. Factors of matrices that the configuration
// leaves out are left out too, with a warning. Copies of the base model's tensors, as PEFT saves them of
// embeddings and output matrices, must equal them.
//
// InputError where a factor is missing or no matrix, is of a matrix that the model lacks, and for every
// other tensor, with its cause.
std::map<std::string, PeftFactors> sort_peft_tensors(const WeightMap& tensors, const std::string& where,
                                                     const AdapterBase& base,
                                                     const std::map<std::string, PeftChange>& changes,
                                                     std::vector<std::string>& warnings);

// "model.layers.0.self_attn.q_proj" and 'A':
// "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight".
std::string peft_tensor_name(std::string_view matrix, char factor);

}  // namespace refocus
