#include "intervene/grammar/tensor_file.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "io/safetensors.h"

namespace refocus {

namespace {

// Takes in texts and numbers one after the other, each with its length, so that none runs into the next.
class Digest {
 public:
  Digest() : state_(XXH3_createState()) { XXH3_128bits_reset(state_); }
  ~Digest() { XXH3_freeState(state_); }
  Digest(const Digest&) = delete;
  Digest& operator=(const Digest&) = delete;

  void add(const void* bytes, std::size_t count) {
    const std::uint64_t size = count;
    XXH3_128bits_update(state_, &size, sizeof(size));
    if (count > 0) XXH3_128bits_update(state_, bytes, count);
  }
  void add(std::string_view text) { add(text.data(), text.size()); }
  void add(const std::vector<std::int64_t>& shape) { add(shape.data(), shape.size() * sizeof(shape[0])); }

  std::string text() const {
    const XXH128_hash_t hash = XXH3_128bits_digest(state_);
    return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
  }

 private:
  XXH3_state_t* state_;
};

constexpr std::size_t kIdentityDigits = 16;

}  // namespace

TensorFile::TensorFile(const std::filesystem::path& path) : path_(path.string()) {
  WeightMap map;
  metadata_ = read_safetensors_and_metadata(path, map);
  Digest digest;
  for (const auto& [name, entry] : map.entries()) {
    Tensor& tensor = tensors_[name];
    tensor.shape = entry.view.shape;
    tensor.numbers.resize(static_cast<std::size_t>(entry.view.elements()));
    copy_as_f32(entry.view, tensor.numbers.data());
    if (!std::ranges::all_of(tensor.numbers, [](float x) { return std::isfinite(x); })) {
      throw input_error(path_, "expected finite numbers in '{}', got NaN or infinity; make the file again",
                        printable(name));
    }
    digest.add(name);
    digest.add(tensor.shape);
    digest.add(tensor.numbers.data(), tensor.numbers.size() * sizeof(float));
  }
  identity_ = "#" + digest.text().substr(0, kIdentityDigits);
}

std::string TensorFile::metadata(std::string_view key) const {
  const auto found = metadata_.find(std::string(key));
  return found == metadata_.end() ? "" : found->second;
}

std::span<const float> TensorFile::tensor(std::string_view name, std::span<const std::int64_t> shape) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    throw input_error(path_, "expected a tensor '{}', got none; make the file with refocus calibrate", name);
  }
  if (!std::ranges::equal(found->second.shape, shape)) {
    throw input_error(path_,
                      "expected '{}' of shape {}, that of the model, got {}; make the file with this model",
                      name, shape_text({shape.begin(), shape.end()}), shape_text(found->second.shape));
  }
  return found->second.numbers;
}

bool is_tensor_identity(std::string_view text) {
  return text.size() == 1 + kIdentityDigits && text.front() == '#' &&
         text.find_first_not_of("0123456789abcdef", 1) == std::string_view::npos;
}

}  // namespace refocus
