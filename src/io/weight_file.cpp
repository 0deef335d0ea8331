#include "io/weight_file.h"

#include <array>
#include <limits>

#include "base/error.h"
#include "io/byte_reader.h"

namespace refocus {

std::string where_of(const std::filesystem::path& path) { return printable(path.string(), 400); }

std::optional<std::int64_t> stored_bytes(const std::vector<std::int64_t>& shape, std::size_t element_size) {
  auto bytes = static_cast<std::int64_t>(element_size);
  bool empty = false;
  for (const std::int64_t dimension : shape) {
    if (dimension < 0) return std::nullopt;
    empty = empty || dimension == 0;
    if (dimension != 0 && __builtin_mul_overflow(bytes, dimension, &bytes)) return std::nullopt;
  }
  return empty ? 0 : bytes;
}

bool is_known_buffer(std::string_view name) {
  static constexpr std::array<std::string_view, 6> kSuffixes = {
      "rotary_emb.inv_freq", "rotary_emb.cos_cached", "rotary_emb.sin_cached",
      "position_ids",        "masked_bias",           "attn.bias"};
  for (const std::string_view suffix : kSuffixes) {
    if (!name.ends_with(suffix)) continue;
    if (name.size() == suffix.size() || name[name.size() - suffix.size() - 1] == '.') return true;
  }
  return false;
}

void refuse_dtype(std::string_view where, std::string_view tensor, std::string_view dtype) {
  throw input_error(
      where, "expected tensor '{}' to be F32, F16 or BF16, got {}; convert the checkpoint to one of these",
      printable(tensor), printable(dtype));
}

void refuse_placeholder(std::span<const std::byte> file, std::string_view where) {
  if (file.empty()) throw input_error(where, "expected weights, got an empty file; download it again");
  if (ByteReader::as_text(file).starts_with("version https://git-lfs")) {
    throw input_error(
        where, "expected weights, got a Git LFS pointer of {} bytes; fetch the file with 'git lfs pull'",
        file.size());
  }
}

}  // namespace refocus
