// What a GGUF file of a model means: names, configuration, tokenizer, and the order of rows in query and key
// projections. Its metadata becomes a config.json in gguf_config.h.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "io/checkpoint.h"
#include "io/gguf/gguf_file.h"

namespace refocus {

enum class RopeRows { kToHuggingFace, kToGguf };

// The rows of a [heads * head_dim, inputs] projection (or a bias of [heads * head_dim] elements) reordered,
// in memory of its own (see paired_row in tensor/tensor_view.h). Any element type, since a row is whole
// blocks.
std::shared_ptr<const void> permute_rope_rows(TensorView& view, std::int64_t head_dim, RopeRows direction,
                                              std::int64_t rotary = 0);

// Opens a GGUF file, or all parts of a model of which it is one (gguf_parts.h), as a checkpoint with Hugging
// Face names and a config.json made from its metadata. The tensors are views into the mapped file, except
// query and key projections, whose rows are reordered. InputError where the file is damaged, of an
// architecture that is not read, or asks for what the engine does not compute.
Checkpoint read_gguf(const std::filesystem::path& path);

}  // namespace refocus
