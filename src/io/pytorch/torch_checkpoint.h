// Reading the weights that torch.save of PyTorch 1.6 or later wrote (pytorch_model*.bin): a zip archive of
// stored entries, `<prefix>/data.pkl` with a pickled state dict and `<prefix>/data/<key>` with each storage.
// Format: torch/serialization.py (_save, persistent_id) and torch/_utils.py (_rebuild_tensor_v2).
#pragma once

#include <filesystem>

#include "tensor/weight_map.h"

namespace refocus {

// Adds the F32, F16 and BF16 tensors of a state dict (a mapping of names to tensors or parameters) to
// `weights`. The views point into the mapped file, whose pages are read only when used; tensors that share a
// storage (tied weights) share their bytes. Nothing of the pickle is executed. InputError, with `weights` as
// before, for a damaged file; for anything that is not a tensor; for a tensor that is not contiguous; and for
// another element type (left out instead where is_known_buffer() of its name).
void read_torch_checkpoint(const std::filesystem::path& path, WeightMap& weights);

}  // namespace refocus
