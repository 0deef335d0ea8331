// A model with an adapter folded into its weights, as a Hugging Face directory: W' = W + scale B A, in
// float32, then rounded to the type that is written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>

#include "base/thread_pool.h"
#include "io/checkpoint.h"
#include "tensor/adapter.h"

namespace refocus {

struct MergeOptions {
  std::filesystem::path output;
  // F32, F16 or BF16, of all tensors. Nothing: that of the base model's matrices, F16 where they are
  // quantised.
  std::optional<DType> type;
  std::filesystem::path tokenizer_directory;                        // whose files are copied
  std::function<void(std::uint64_t, std::uint64_t)> progress = {};  // bytes written, of so many
};

// Writes the directory under another name beside it, flushes it, and renames it. The bytes do not depend on
// the number of threads. InputError, with nothing left behind, where `output` exists, the adapter is another
// model's, a weight does not fit into the type, or a file cannot be written.
void merge_adapter(const Checkpoint& base, const Adapter& adapter, const MergeOptions& options,
                   ThreadPool& pool);

}  // namespace refocus
