// from= of an intervention: a safetensors file of numbers that it works with, known by what is in it.
//
// Its metadata says what made it: "made_by", "model", "model_files" (as JSON, the hashes of base/used_file.h
// of the model that it was computed with) and "computed_on". A file without them is as good.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace refocus {

class TensorFile {
 public:
  // InputError where it cannot be read, or holds what is no finite number.
  explicit TensorFile(const std::filesystem::path& path);

  // "#" and 16 hexadecimal digits: the XXH3 hash (Y. Collet, xxhash.com) of names, shapes and numbers. Equal
  // texts mean equal tensors, wherever they lie.
  const std::string& identity() const { return identity_; }
  const std::string& path() const { return path_; }
  // Empty where the file does not say it.
  std::string metadata(std::string_view key) const;
  bool has(std::string_view name) const { return tensors_.contains(name); }
  // The numbers of a tensor, in F32. InputError where it is not there, or of another shape.
  std::span<const float> tensor(std::string_view name, std::span<const std::int64_t> shape) const;

 private:
  struct Tensor {
    std::vector<std::int64_t> shape;
    std::vector<float> numbers;
  };
  std::string path_, identity_;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, Tensor, std::less<>> tensors_;
};

// Whether a text is of the form of identity().
bool is_tensor_identity(std::string_view text);

}  // namespace refocus
