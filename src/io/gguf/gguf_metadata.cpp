// Typed access to a GGUF file's metadata.
#include <limits>

#include "base/error.h"
#include "io/byte_reader.h"
#include "io/gguf/gguf_file.h"

namespace refocus {

namespace {

std::optional<std::int64_t> as_integer(const GgufValue& value) {
  if (const auto* n = std::get_if<std::int64_t>(&value)) return *n;
  if (const auto* n = std::get_if<std::uint64_t>(&value)) {
    if (*n <= std::uint64_t{INT64_MAX}) return static_cast<std::int64_t>(*n);
  }
  return std::nullopt;
}

}  // namespace

const GgufValue* GgufFile::find(std::string_view key) const {
  const auto it = metadata_.find(key);
  return it == metadata_.end() ? nullptr : &it->second;
}

void GgufFile::refuse(std::string_view key, std::string_view expected) const {
  throw input_error(where_, "expected {} as metadata '{}', got another type or value; make the file again",
                    expected, printable(key));
}

std::optional<std::int64_t> GgufFile::integer(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const auto n = as_integer(*value);
  if (!n) refuse(key, "an integer");
  return n;
}

std::optional<double> GgufFile::number(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* x = std::get_if<double>(value)) return *x;
  const auto n = as_integer(*value);
  if (!n) refuse(key, "a number");
  return static_cast<double>(*n);
}

std::optional<bool> GgufFile::flag(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const auto* flag = std::get_if<bool>(value);
  if (flag == nullptr) refuse(key, "true or false");
  return *flag;
}

std::optional<std::string_view> GgufFile::text(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const auto* text = std::get_if<std::string_view>(value);
  if (text == nullptr) refuse(key, "a string");
  return *text;
}

const GgufArray* GgufFile::find_array(std::string_view key, std::string_view expected) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return nullptr;
  const auto* array = std::get_if<GgufArray>(value);
  if (array == nullptr) refuse(key, expected);
  return array;
}

std::optional<std::vector<std::string>> GgufFile::texts(std::string_view key) const {
  constexpr std::string_view kExpected = "a list of strings";
  const GgufArray* array = find_array(key, kExpected);
  if (array == nullptr) return std::nullopt;
  if (array->type != GgufType::kString) refuse(key, kExpected);
  ByteReader reader(array->bytes, where_, "the list");
  std::vector<std::string> out;
  for (std::uint64_t i = 0; i < array->count; ++i) {
    out.emplace_back(reader.take_text(reader.read<std::uint64_t>()));
  }
  return out;
}

std::optional<std::vector<std::int64_t>> GgufFile::integers(std::string_view key) const {
  constexpr std::string_view kExpected = "a list of integers";
  const GgufArray* array = find_array(key, kExpected);
  if (array == nullptr) return std::nullopt;
  ByteReader reader(array->bytes, where_, "the list");
  std::vector<std::int64_t> out;
  for (std::uint64_t i = 0; i < array->count; ++i) {
    switch (array->type) {
      case GgufType::kU8:
        out.push_back(reader.read<std::uint8_t>());
        break;
      case GgufType::kI8:
        out.push_back(reader.read<std::int8_t>());
        break;
      case GgufType::kU16:
        out.push_back(reader.read<std::uint16_t>());
        break;
      case GgufType::kI16:
        out.push_back(reader.read<std::int16_t>());
        break;
      case GgufType::kU32:
        out.push_back(reader.read<std::uint32_t>());
        break;
      case GgufType::kI32:
        out.push_back(reader.read<std::int32_t>());
        break;
      case GgufType::kU64:
      case GgufType::kI64:
        out.push_back(reader.read<std::int64_t>());
        break;
      default:
        refuse(key, kExpected);
    }
  }
  return out;
}

std::optional<std::vector<bool>> GgufFile::flags(std::string_view key) const {
  const GgufValue* value = find(key);
  const auto* array = value == nullptr ? nullptr : std::get_if<GgufArray>(value);
  if (array == nullptr) return std::nullopt;
  std::vector<bool> out;
  if (array->type == GgufType::kBool) {
    for (const std::byte byte : array->bytes) out.push_back(byte != std::byte{0});
    return out;
  }
  const std::vector<std::int64_t> numbers = integers(key).value_or(std::vector<std::int64_t>{});
  for (const std::int64_t n : numbers) out.push_back(n != 0);
  return out;
}

std::optional<std::vector<float>> GgufFile::floats(std::string_view key) const {
  constexpr std::string_view kExpected = "a list of float32";
  const GgufArray* array = find_array(key, kExpected);
  if (array == nullptr) return std::nullopt;
  if (array->type != GgufType::kF32) refuse(key, kExpected);
  ByteReader reader(array->bytes, where_, "the list");
  std::vector<float> out;
  for (std::uint64_t i = 0; i < array->count; ++i) out.push_back(reader.read<float>());
  return out;
}

std::optional<std::string> GgufFile::bytes(std::string_view key) const {
  constexpr std::string_view kExpected = "a list of bytes";
  const GgufArray* array = find_array(key, kExpected);
  if (array == nullptr) return std::nullopt;
  if (array->type != GgufType::kU8 && array->type != GgufType::kI8) refuse(key, kExpected);
  return std::string(ByteReader::as_text(array->bytes));
}

}  // namespace refocus
