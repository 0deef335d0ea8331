// What the readers of weight files share: messages, checked sizes, and the buffers that a model can do
// without.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_kind.h"

namespace refocus {

// The file as it is named in messages.
std::string where_of(const std::filesystem::path& path);

// Bytes of a tensor of this shape; nothing where a dimension is negative or the product of the non-zero
// dimensions, times the element size, does not fit into 63 bits.
std::optional<std::int64_t> stored_bytes(const std::vector<std::int64_t>& shape, std::size_t element_size);

// True for the names of buffers that training code writes beside the weights and that the model computes by
// itself (rotary frequencies, position ids, causal masks). Only these may be left out where their element
// type is none that the program reads.
bool is_known_buffer(std::string_view name);

// Refuses, with what to do about it, a tensor of an element type that the program does not read.
[[noreturn]] void refuse_dtype(std::string_view where, std::string_view tensor, std::string_view dtype);

// InputError where the file is of another format that the program can name (base/file_kind.h): empty, a Git
// LFS pointer, a web page, ... A file of no known format passes, for the reader to say what is wrong in it.
void refuse_other_format(const std::filesystem::path& path, std::span<const std::byte> file,
                         FileFormat expected);

}  // namespace refocus
