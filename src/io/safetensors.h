// Reading and writing .safetensors files (format: "Format" in the README of huggingface/safetensors):
// 8 bytes little-endian header length, a JSON header, then the tensors' bytes without gaps.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>

#include "io/atomic_file.h"
#include "tensor/weight_map.h"

namespace refocus {

// Adds the file's F32, F16 and BF16 tensors to `weights`. The views point into the mapped file, whose pages
// are read only when used; `weights` keeps it mapped. The whole header is checked first: an InputError, with
// `weights` as before, where the file breaks the format, is cut short, or holds another element type (left
// out instead where is_known_buffer() of its name).
void read_safetensors(const std::filesystem::path& path, WeightMap& weights);
// The same; returns the file's metadata, none where it has none.
std::map<std::string, std::string> read_safetensors_and_metadata(const std::filesystem::path& path,
                                                                 WeightMap& weights);

struct NamedTensor {
  std::string name;
  TensorView view;
};

// Writes a .safetensors file, whole or not at all. Tensors of wider elements come first, then by name, so
// that each is aligned to its element. InputError where a name is no UTF-8, comes twice, or the file cannot
// be written.
void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const std::map<std::string, std::string>& metadata = {});
// The same with bytes that are made while they are written: `write` is called for one tensor after the other,
// whose view has no data, and writes its view.bytes() bytes.
void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const std::map<std::string, std::string>& metadata,
                       const std::function<void(const NamedTensor&, AtomicFile&)>& write);
void write_safetensors(const std::filesystem::path& path, const WeightMap& weights,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace refocus
