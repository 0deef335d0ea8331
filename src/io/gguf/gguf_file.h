// The structure of a GGUF file, versions 2 and 3, little-endian (format:
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): metadata by key, and tensors as views into the
// mapped file. What the keys and tensors mean is not this file's affair (gguf_model.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/mapped_file.h"
#include "tensor/tensor_view.h"

namespace refocus {

enum class GgufType : std::uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};

inline constexpr std::uint32_t kGgufVersion = 3;
inline constexpr std::uint64_t kGgufAlignment = 32;  // where general.alignment does not say otherwise

// The number of an element type in GGUF files (enum ggml_type).
std::uint32_t gguf_tensor_type(DType type);

// An array's elements where they lie, already found to be within the file.
struct GgufArray {
  GgufType type = GgufType::kU8;
  std::uint64_t count = 0;
  std::span<const std::byte> bytes;
};

using GgufValue = std::variant<std::uint64_t, std::int64_t, double, bool, std::string_view, GgufArray>;

class GgufFile {
 public:
  // Maps and checks the whole structure; the tensors' contents are not read. InputError where the file is no
  // GGUF, breaks the format, is cut short, or has a tensor of a type that the program does not read.
  static GgufFile open(const std::filesystem::path& path);
  // The same of bytes that are in memory already.
  static GgufFile parse(std::shared_ptr<const MappedFile> file);

  const std::string& where() const { return where_; }  // the file, for messages
  const std::shared_ptr<const MappedFile>& mapping() const { return file_; }
  const std::map<std::string, TensorView, std::less<>>& tensors() const { return tensors_; }

  // Adds those of another part of the model. InputError where one is here already.
  void add_tensors(const GgufFile& part);

  bool has(std::string_view key) const { return metadata_.find(key) != metadata_.end(); }
  // The value of a key; nothing where it is absent, InputError where it has another type. Any integer type
  // serves as an integer, any number as a number.
  std::optional<std::int64_t> integer(std::string_view key) const;
  std::optional<double> number(std::string_view key) const;
  std::optional<bool> flag(std::string_view key) const;
  std::optional<std::string_view> text(std::string_view key) const;
  std::optional<std::vector<std::string>> texts(std::string_view key) const;
  std::optional<std::vector<std::int64_t>> integers(std::string_view key) const;
  // Nothing where the value is no list, too.
  std::optional<std::vector<bool>> flags(std::string_view key) const;
  std::optional<std::vector<float>> floats(std::string_view key) const;
  // The bytes of an array of 8-bit integers.
  std::optional<std::string> bytes(std::string_view key) const;

 private:
  const GgufValue* find(std::string_view key) const;
  const GgufArray* find_array(std::string_view key, std::string_view expected) const;
  [[noreturn]] void refuse(std::string_view key, std::string_view expected) const;

  std::string where_;
  std::shared_ptr<const MappedFile> file_;
  std::map<std::string, GgufValue, std::less<>> metadata_;
  std::map<std::string, TensorView, std::less<>> tensors_;
};

}  // namespace refocus
