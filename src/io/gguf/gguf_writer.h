// Writing a GGUF file, version 3, little-endian: metadata and tensor list first, then the tensors' bytes as
// they come, so that a model of any size is written with little memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/atomic_file.h"
#include "io/gguf/gguf_file.h"
#include "tensor/tensor_view.h"

namespace refocus {

// The metadata of a file to be: keys in the order in which they are added.
class GgufMetadata {
 public:
  void add_u32(std::string_view key, std::uint32_t value);
  void add_f32(std::string_view key, float value);
  void add_flag(std::string_view key, bool value);
  void add_text(std::string_view key, std::string_view value);
  void add_texts(std::string_view key, std::span<const std::string> values);
  void add_floats(std::string_view key, std::span<const float> values);
  void add_integers(std::string_view key, std::span<const std::int32_t> values);
  void add_flags(std::string_view key, const std::vector<bool>& values);
  void add_bytes(std::string_view key, std::string_view bytes);

  std::uint64_t count() const { return count_; }
  const std::string& bytes() const { return bytes_; }

 private:
  void begin(std::string_view key, GgufType type);
  void begin_array(std::string_view key, GgufType type, std::uint64_t count);

  std::string bytes_;
  std::uint64_t count_ = 0;
};

struct GgufTensorInfo {
  std::string name;                 // GGUF's name
  std::vector<std::int64_t> shape;  // outermost first
  DType dtype = DType::kF32;

  std::uint64_t bytes() const { return TensorView{nullptr, dtype, shape}.bytes(); }
};

// What stands before the tensors, and how many bytes they take with what is between them.
struct GgufHead {
  std::string bytes;
  std::uint64_t tensor_bytes = 0;
};
GgufHead gguf_head(const GgufMetadata& metadata, std::span<const GgufTensorInfo> tensors);

// Writes the head at once; then write() takes the bytes of all tensors one after the other, in the order of
// the list, in pieces of any size; then commit(). Until then nothing stands under the file's name, and
// nothing is left where it is never called. InputError where the file cannot be written.
class GgufWriter {
 public:
  GgufWriter(const std::filesystem::path& path, const GgufMetadata& metadata,
             std::span<const GgufTensorInfo> tensors);

  void write(std::span<const std::byte> bytes);
  void commit();

 private:
  void skip_finished();

  AtomicFile file_;
  std::vector<std::uint64_t> sizes_;  // of the tensors, in bytes
  std::size_t tensor_ = 0;
  std::uint64_t written_ = 0;  // of the current tensor
};

}  // namespace refocus
