#include "io/weight_file.h"

#include <array>
#include <limits>

#include "base/error.h"
#include "io/byte_reader.h"
#include "io/model_kind.h"

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
  if (const auto kind = quantised_tensor(tensor, dtype)) {
    throw input_error(where, "expected weights in F32, F16 or BF16, got {}; {}", kind->name, kind->remedy);
  }
  throw input_error(
      where,
      "expected tensor '{}' to be F32, F16, BF16 or F64, got {}; load the model in PyTorch and save it "
      "again in one of these",
      printable(tensor), printable(dtype));
}

void refuse_other_format(const std::filesystem::path& path, std::span<const std::byte> file,
                         FileFormat expected) {
  const FileKind kind = kind_of_file(path, ByteReader::as_text(file).substr(0, kFileHeadBytes), file.size());
  if (kind.format == expected || kind.format == FileFormat::kUnknown) return;
  const bool torch = expected == FileFormat::kTorchZip;
  // Torch files may have their parts in any order, so that a zip archive may be one.
  if (torch && ByteReader::as_text(file).starts_with("PK\x03\x04")) return;
  std::string_view remedy = kind.remedy;
  if (kind.format == FileFormat::kSafetensors) remedy = "rename it to model.safetensors";
  if (kind.format == FileFormat::kTorchZip) remedy = "rename it to pytorch_model.bin";
  throw input_error(where_of(path), "expected {}, got {}; {}",
                    torch                           ? "a PyTorch file (torch.save)"
                    : expected == FileFormat::kGguf ? "a GGUF file"
                                                    : "a safetensors file",
                    kind.name, remedy);
}

}  // namespace refocus
