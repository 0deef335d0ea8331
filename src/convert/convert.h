// Any checkpoint as a GGUF file that this program and llama.cpp read: tensors converted one slab of rows
// after the other, configuration and tokenizer as metadata.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "architecture/model_config.h"
#include "base/thread_pool.h"
#include "io/checkpoint.h"

namespace refocus {

enum class ConvertType { kF32, kF16, kBF16, kQ8_0, kQ4_0, kQ4_K };

// "f32", "f16", "bf16", "q8_0", "q4_0" or "q4_k"; nothing for any other name.
std::optional<ConvertType> parse_convert_type(std::string_view name);

struct ConvertOptions {
  std::filesystem::path output;
  ConvertType type = ConvertType::kF16;
  std::string name;                                                 // general.name
  std::function<void(std::string_view)> notice = {};                // one line on what was done differently
  std::function<void(std::uint64_t, std::uint64_t)> progress = {};  // bytes written, of so many
};

// The type in which a tensor of this GGUF name and shape is stored. Norms, biases and RoPE factors stay F32.
// Q4_K files keep the embeddings and the output matrix in Q6_K. Rows that are no whole number of blocks take
// the next type that fits: Q8_0 (from the K types), then F16.
DType stored_dtype(ConvertType type, std::string_view gguf_name, const std::vector<std::int64_t>& shape);

// The vocabulary of a checkpoint: the GGUF file's own, else that of the tokenizer files in its directory,
// padded to the model's vocabulary; nothing where there are none.
std::optional<StoredVocabulary> vocabulary_of(const Checkpoint& checkpoint, const ModelConfig& config);

// Writes the file, whole or not at all. The bytes do not depend on the number of threads. A tensor that has
// the wanted type already is copied as it is. InputError where the checkpoint is incomplete, GGUF cannot hold
// it (dynamic RoPE scaling, a tokenizer of no known kind), a weight does not fit into the type, or the file
// cannot be written.
void convert_to_gguf(const Checkpoint& checkpoint, const ConvertOptions& options, ThreadPool& pool);

}  // namespace refocus
