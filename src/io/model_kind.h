// What a path, a config.json or a checkpoint's tensors really are, where they are no causal language model in
// plain numbers: the true name and a remedy. The readers of models ask here when they refuse, so that one
// place knows how models of other kinds look. (Files by themselves: base/file_kind.h.)
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "architecture/tensor_names.h"
#include "tensor/weight_map.h"

namespace refocus {

struct OtherKind {
  std::string name;    // after "got": "a GPTQ model of 4 bits"
  std::string remedy;  // what to do instead
};

// Refuses a path that is neither a GGUF file nor a directory with config.json.
[[noreturn]] void refuse_model_path(const std::filesystem::path& path);

// Refuses a path that is no directory with adapter_config.json.
[[noreturn]] void refuse_adapter_path(const std::filesystem::path& path);

// Refuses a directory with config.json that has no weights in a format that is read.
[[noreturn]] void refuse_missing_weights(const std::filesystem::path& directory);

// Quantised in another way than GGUF's block types, by config.json or the file that the quantiser left beside
// it.
std::optional<OtherKind> quantised_kind(const nlohmann::json& config, const std::filesystem::path& directory);

// Quantised so, by the name and element type of one tensor.
std::optional<OtherKind> quantised_tensor(std::string_view tensor, std::string_view dtype);

// A model of another task than writing text, or of other inputs beside text, by config.json and tensors.
std::optional<OtherKind> other_task(const nlohmann::json& config, const WeightMap& weights);

// Names without what stands before them in a model with an output matrix ("model." where LlamaModel was saved
// rather than LlamaForCausalLM, "transformer." of a GPT-2) get it. InputError where names have another common
// beginning: "module.", ...
void add_missing_prefix(const TensorNames& names, WeightMap& weights, const std::string& where);

// Part `number` of `count` of a GGUF file that llama-gguf-split wrote, by its name
// "NAME-00002-of-00003.gguf".
struct GgufPart {
  int number = 1, count = 1;
  std::string stem;  // NAME

  std::string file_name(int part) const;
};
std::optional<GgufPart> gguf_part(const std::filesystem::path& path);

// Refuses one part of several, saying which of the others are missing beside it, or that its name is wrong.
[[noreturn]] void refuse_gguf_part(const std::filesystem::path& path, std::int64_t number,
                                   std::int64_t count);

}  // namespace refocus
