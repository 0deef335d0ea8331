#include "io/gguf/gguf_file.h"

#include <algorithm>
#include <array>
#include <bit>

#include "base/error.h"
#include "io/byte_reader.h"
#include "io/weight_file.h"

namespace refocus {

namespace {

constexpr int kMaxArrayDepth = 8;
constexpr std::uint64_t kMaxNameBytes = 65535;  // the format's limit of a key
constexpr std::uint32_t kMaxDimensions = 4;

struct TensorType {
  std::uint32_t number;
  std::string_view name;
};

// Types that ggml has given a number and that are not read, for messages.
constexpr TensorType kOtherTensorTypes[] = {
    {4, "Q4_2"},      {5, "Q4_3"},        {9, "Q8_1"},        {15, "Q8_K"},       {24, "I8"},
    {25, "I16"},      {26, "I32"},        {27, "I64"},        {31, "Q4_0_4_4"},   {32, "Q4_0_4_8"},
    {33, "Q4_0_8_8"}, {36, "IQ4_NL_4_4"}, {37, "IQ4_NL_4_8"}, {38, "IQ4_NL_8_8"}, {41, "Q1_0"}};

std::string tensor_type_name(std::uint32_t number) {
  for (const TensorType& type : kOtherTensorTypes) {
    if (type.number == number) return std::string(type.name);
  }
  return fmt::format("type {}", number);
}

std::optional<DType> dtype_of(std::uint32_t number) {
  for (const DType type : kDTypes) {
    if (gguf_tensor_type(type) == number) return type;
  }
  return std::nullopt;
}

// Bytes of one element of an array; 0 for those whose size varies.
std::uint64_t element_bytes(GgufType type) {
  switch (type) {
    case GgufType::kU8:
    case GgufType::kI8:
    case GgufType::kBool:
      return 1;
    case GgufType::kU16:
    case GgufType::kI16:
      return 2;
    case GgufType::kU32:
    case GgufType::kI32:
    case GgufType::kF32:
      return 4;
    case GgufType::kU64:
    case GgufType::kI64:
    case GgufType::kF64:
      return 8;
    case GgufType::kString:
    case GgufType::kArray:
      return 0;
  }
  return 0;
}

class Parser {
 public:
  Parser(std::span<const std::byte> bytes, const std::string& where)
      : bytes_(bytes), where_(where), reader_(bytes, where, "the file") {}

  std::string_view name(std::string_view what) {
    const auto length = reader_.read<std::uint64_t>();
    if (length > kMaxNameBytes) {
      throw input_error(where_, "expected {} of at most {} bytes, got {}; download the file again", what,
                        kMaxNameBytes, length);
    }
    return reader_.take_text(length);
  }

  GgufType type(std::string_view key) {
    const auto number = reader_.read<std::uint32_t>();
    if (number > static_cast<std::uint32_t>(GgufType::kF64)) {
      throw input_error(where_, "expected a metadata type from 0 to 12 for '{}', got {}; download it again",
                        printable(key), number);
    }
    return static_cast<GgufType>(number);
  }

  GgufValue value(GgufType type, std::string_view key) {
    switch (type) {
      case GgufType::kU8:
        return std::uint64_t{reader_.read<std::uint8_t>()};
      case GgufType::kI8:
        return std::int64_t{reader_.read<std::int8_t>()};
      case GgufType::kU16:
        return std::uint64_t{reader_.read<std::uint16_t>()};
      case GgufType::kI16:
        return std::int64_t{reader_.read<std::int16_t>()};
      case GgufType::kU32:
        return std::uint64_t{reader_.read<std::uint32_t>()};
      case GgufType::kI32:
        return std::int64_t{reader_.read<std::int32_t>()};
      case GgufType::kF32:
        return double{reader_.read<float>()};
      case GgufType::kBool:
        return reader_.read<std::uint8_t>() != 0;
      case GgufType::kString:
        return reader_.take_text(reader_.read<std::uint64_t>());
      case GgufType::kArray:
        return array(key, 1);
      case GgufType::kU64:
        return reader_.read<std::uint64_t>();
      case GgufType::kI64:
        return reader_.read<std::int64_t>();
      case GgufType::kF64:
        return reader_.read<double>();
    }
    return false;
  }

  ByteReader& reader() { return reader_; }

 private:
  // Steps over the elements, so that later reading of them stays within the file.
  GgufArray array(std::string_view key, int depth) {
    if (depth > kMaxArrayDepth) {
      throw input_error(where_, "expected arrays nested at most {} deep, got more in '{}'; download it again",
                        kMaxArrayDepth, printable(key));
    }
    GgufArray out;
    out.type = type(key);
    out.count = reader_.read<std::uint64_t>();
    const std::size_t begin = reader_.position();
    if (const std::uint64_t size = element_bytes(out.type); size > 0) {
      if (out.count > reader_.remaining() / size) {
        throw input_error(where_, "expected {} elements of '{}', got the end of the file; download it again",
                          out.count, printable(key));
      }
      reader_.take(out.count * size);
    } else {
      for (std::uint64_t i = 0; i < out.count; ++i) {
        if (out.type == GgufType::kString) {
          reader_.take(reader_.read<std::uint64_t>());
        } else {
          array(key, depth + 1);
        }
      }
    }
    out.bytes = bytes_.subspan(begin, reader_.position() - begin);
    return out;
  }

  std::span<const std::byte> bytes_;
  const std::string& where_;
  ByteReader reader_;
};

struct TensorInfo {
  std::string name;
  TensorView view;
  std::uint64_t offset = 0, bytes = 0;
};

TensorInfo read_tensor_info(Parser& parser, const std::string& where) {
  TensorInfo info;
  info.name = parser.name("a tensor's name");
  const std::string shown = printable(info.name);
  const auto dimensions = parser.reader().read<std::uint32_t>();
  if (dimensions < 1 || dimensions > kMaxDimensions) {
    throw input_error(where, "expected 1 to {} dimensions of tensor '{}', got {}; download it again",
                      kMaxDimensions, shown, dimensions);
  }
  for (std::uint32_t d = 0; d < dimensions; ++d) {  // the file has the innermost first
    const auto size = parser.reader().read<std::uint64_t>();
    if (size > INT64_MAX) {
      throw input_error(where, "tensor '{}' is too large to exist; download the file again", shown);
    }
    info.view.shape.insert(info.view.shape.begin(), static_cast<std::int64_t>(size));
  }
  const auto number = parser.reader().read<std::uint32_t>();
  const auto dtype = dtype_of(number);
  if (!dtype) {
    throw input_error(
        where,
        "expected tensor '{}' to be F32, F16, BF16, F64, Q4_0 to Q8_0, Q2_K to Q6_K, IQ1 to IQ4, "
        "MXFP4, NVFP4, TQ1_0 or TQ2_0, got {}; use a file of one of these types",
        shown, tensor_type_name(number));
  }
  info.view.dtype = *dtype;
  info.offset = parser.reader().read<std::uint64_t>();
  const std::int64_t block = block_elements(*dtype), row = info.view.shape.back();
  if (row % block != 0) {
    throw input_error(where,
                      "expected rows of a multiple of {} elements in tensor '{}' of type {}, got {}; "
                      "download the file again",
                      block, shown, name_of(*dtype), row);
  }
  std::vector<std::int64_t> blocks = info.view.shape;
  blocks.back() = row / block;
  const auto bytes = stored_bytes(blocks, block_bytes(*dtype));
  if (!bytes || !stored_bytes(info.view.shape, 1)) {
    throw input_error(where, "tensor '{}' of shape {} is too large to exist; download the file again", shown,
                      shape_text(info.view.shape));
  }
  info.bytes = static_cast<std::uint64_t>(*bytes);
  return info;
}

// Every tensor must lie aligned within the data, and no two may overlap.
void check_places(std::vector<TensorInfo>& tensors, std::uint64_t alignment, std::uint64_t data_bytes,
                  const std::string& where) {
  std::sort(tensors.begin(), tensors.end(),
            [](const TensorInfo& a, const TensorInfo& b) { return a.offset < b.offset; });
  std::uint64_t end = 0;
  for (const TensorInfo& info : tensors) {
    const std::string shown = printable(info.name);
    if (info.offset % alignment != 0) {
      throw input_error(where, "expected tensor '{}' at a multiple of {} bytes, got {}; make the file again",
                        shown, alignment, info.offset);
    }
    if (info.offset < end) {
      throw input_error(where, "tensor '{}' overlaps the one before it; make the file again", shown);
    }
    if (info.offset > data_bytes || info.bytes > data_bytes - info.offset) {
      throw input_error(where,
                        "expected {} bytes of tensor '{}' at byte {} of the data, got {} bytes of data: the "
                        "file is cut short; download it again",
                        info.bytes, shown, info.offset, data_bytes);
    }
    end = info.offset + info.bytes;
  }
}

void read_head(ByteReader& reader, const std::string& where) {
  if (reader.remaining() < 8 || reader.take_text(4) != "GGUF") {
    throw input_error(where, "expected a whole GGUF file, got {} bytes; download it again",
                      reader.remaining());
  }
  reader.read<std::uint32_t>();  // the version, which refuse_other_format has looked at
}

}  // namespace

std::uint32_t gguf_tensor_type(DType type) { return traits_of(type).gguf_number; }

void GgufFile::add_tensors(const GgufFile& part) {
  for (const auto& [name, view] : part.tensors_) {
    if (tensors_.emplace(name, view).second) continue;
    throw input_error(part.where_,
                      "has the tensor '{}', which another part of the model has too; download both again",
                      printable(name));
  }
}

GgufFile GgufFile::open(const std::filesystem::path& path) { return parse(MappedFile::open(path)); }

GgufFile GgufFile::parse(std::shared_ptr<const MappedFile> file) {
  GgufFile out;
  out.where_ = where_of(file->path());
  out.file_ = std::move(file);
  const auto bytes = out.file_->bytes();
  refuse_other_format(out.file_->path(), bytes, FileFormat::kGguf);
  Parser parser(bytes, out.where_);
  ByteReader& reader = parser.reader();
  read_head(reader, out.where_);
  const auto tensors = reader.read<std::uint64_t>(), keys = reader.read<std::uint64_t>();
  for (std::uint64_t i = 0; i < keys; ++i) {
    const std::string_view key = parser.name("a metadata key");
    const GgufType type = parser.type(key);
    GgufValue value = parser.value(type, key);
    if (!out.metadata_.emplace(key, std::move(value)).second) {
      throw input_error(out.where_, "has the metadata key '{}' twice; make the file again", printable(key));
    }
  }
  const std::int64_t alignment =
      out.integer("general.alignment").value_or(static_cast<std::int64_t>(kGgufAlignment));
  if (alignment < 1 || alignment > (1 << 30) || !std::has_single_bit(static_cast<std::uint64_t>(alignment))) {
    throw input_error(out.where_, "expected a power of two as general.alignment, got {}; make the file again",
                      alignment);
  }
  std::vector<TensorInfo> infos;
  for (std::uint64_t i = 0; i < tensors; ++i) infos.push_back(read_tensor_info(parser, out.where_));
  const auto align = static_cast<std::uint64_t>(alignment);
  const std::uint64_t start = (reader.position() + align - 1) / align * align;
  const std::uint64_t data_bytes = start < bytes.size() ? bytes.size() - start : 0;
  check_places(infos, align, data_bytes, out.where_);
  for (TensorInfo& info : infos) {
    if (info.bytes > 0) info.view.data = bytes.data() + start + info.offset;
    if (!out.tensors_.emplace(info.name, std::move(info.view)).second) {
      throw input_error(out.where_, "has the tensor '{}' twice; make the file again", printable(info.name));
    }
  }
  return out;
}

}  // namespace refocus
