#include "io/gguf/gguf_writer.h"

#include "base/error.h"

namespace refocus {

namespace {

template <class T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_text(std::string& out, std::string_view text) {
  append(out, static_cast<std::uint64_t>(text.size()));
  out += text;
}

std::uint64_t padding_after(std::uint64_t bytes) {
  return (kGgufAlignment - bytes % kGgufAlignment) % kGgufAlignment;
}

}  // namespace

void GgufMetadata::begin(std::string_view key, GgufType type) {
  append_text(bytes_, key);
  append(bytes_, static_cast<std::uint32_t>(type));
  ++count_;
}

void GgufMetadata::begin_array(std::string_view key, GgufType type, std::uint64_t count) {
  begin(key, GgufType::kArray);
  append(bytes_, static_cast<std::uint32_t>(type));
  append(bytes_, count);
}

void GgufMetadata::add_u32(std::string_view key, std::uint32_t value) {
  begin(key, GgufType::kU32);
  append(bytes_, value);
}

void GgufMetadata::add_f32(std::string_view key, float value) {
  begin(key, GgufType::kF32);
  append(bytes_, value);
}

void GgufMetadata::add_flag(std::string_view key, bool value) {
  begin(key, GgufType::kBool);
  append(bytes_, static_cast<std::uint8_t>(value ? 1 : 0));
}

void GgufMetadata::add_text(std::string_view key, std::string_view value) {
  begin(key, GgufType::kString);
  append_text(bytes_, value);
}

void GgufMetadata::add_texts(std::string_view key, std::span<const std::string> values) {
  begin_array(key, GgufType::kString, values.size());
  for (const std::string& value : values) append_text(bytes_, value);
}

void GgufMetadata::add_floats(std::string_view key, std::span<const float> values) {
  begin_array(key, GgufType::kF32, values.size());
  for (const float value : values) append(bytes_, value);
}

void GgufMetadata::add_integers(std::string_view key, std::span<const std::int32_t> values) {
  begin_array(key, GgufType::kI32, values.size());
  for (const std::int32_t value : values) append(bytes_, value);
}

void GgufMetadata::add_flags(std::string_view key, const std::vector<bool>& values) {
  begin_array(key, GgufType::kBool, values.size());
  for (const bool value : values) append(bytes_, static_cast<std::uint8_t>(value));
}

void GgufMetadata::add_bytes(std::string_view key, std::string_view bytes) {
  begin_array(key, GgufType::kU8, bytes.size());
  bytes_ += bytes;
}

GgufHead gguf_head(const GgufMetadata& metadata, std::span<const GgufTensorInfo> tensors) {
  GgufHead out;
  std::string& head = out.bytes = "GGUF";
  append(head, kGgufVersion);
  append(head, static_cast<std::uint64_t>(tensors.size()));
  append(head, metadata.count());
  head += metadata.bytes();
  for (const GgufTensorInfo& tensor : tensors) {
    append_text(head, tensor.name);
    append(head, static_cast<std::uint32_t>(tensor.shape.size()));
    for (auto size = tensor.shape.rbegin(); size != tensor.shape.rend(); ++size) append(head, *size);
    append(head, gguf_tensor_type(tensor.dtype));
    append(head, out.tensor_bytes);
    out.tensor_bytes += tensor.bytes() + padding_after(tensor.bytes());
  }
  head.append(padding_after(head.size()), '\0');
  return out;
}

GgufWriter::GgufWriter(const std::filesystem::path& path, const GgufMetadata& metadata,
                       std::span<const GgufTensorInfo> tensors)
    : file_(path) {
  for (const GgufTensorInfo& tensor : tensors) sizes_.push_back(tensor.bytes());
  file_.write(gguf_head(metadata, tensors).bytes);
  skip_finished();
}

// Pads the tensors that are complete (those without elements at once).
void GgufWriter::skip_finished() {
  while (tensor_ < sizes_.size() && written_ == sizes_[tensor_]) {
    file_.write(std::string(padding_after(written_), '\0'));
    written_ = 0;
    ++tensor_;
  }
}

void GgufWriter::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    REFOCUS_CHECK(tensor_ < sizes_.size());
    const std::uint64_t left = sizes_[tensor_] - written_;
    const auto part = bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>(left, bytes.size())));
    file_.write(part);
    written_ += part.size();
    bytes = bytes.subspan(part.size());
    skip_finished();
  }
}

void GgufWriter::commit() {
  REFOCUS_CHECK(tensor_ == sizes_.size());
  file_.commit();
}

}  // namespace refocus
