#include "io/safetensors.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/mapped_file.h"
#include "base/utf8.h"
#include "io/atomic_file.h"
#include "io/byte_reader.h"
#include "io/weight_file.h"

namespace refocus {

namespace {

using nlohmann::json;

constexpr std::string_view kMetadataKey = "__metadata__";
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own limit

struct StoredType {
  std::string_view name;
  std::size_t bytes;
  std::optional<DType> dtype;  // nothing: a type of the format that the program does not read
};

constexpr std::array<StoredType, 15> kStoredTypes = {{{"F32", 4, DType::kF32},
                                                      {"F16", 2, DType::kF16},
                                                      {"BF16", 2, DType::kBF16},
                                                      {"F64", 8, DType::kF64},
                                                      {"I64", 8, {}},
                                                      {"I32", 4, {}},
                                                      {"I16", 2, {}},
                                                      {"I8", 1, {}},
                                                      {"U64", 8, {}},
                                                      {"U32", 4, {}},
                                                      {"U16", 2, {}},
                                                      {"U8", 1, {}},
                                                      {"BOOL", 1, {}},
                                                      {"F8_E4M3", 1, {}},
                                                      {"F8_E5M2", 1, {}}}};

struct HeaderEntry {
  std::string name;
  std::optional<DType> dtype;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;  // within the bytes after the header
  std::uint64_t end = 0;
};

// A list of integers that are not negative and fit into 63 bits; nothing where it is anything else.
std::optional<std::vector<std::int64_t>> sizes_of(const json& value) {
  if (!value.is_array()) return std::nullopt;
  std::vector<std::int64_t> sizes;
  sizes.reserve(value.size());
  for (const json& item : value) {
    if (!item.is_number_unsigned() || item.get<std::uint64_t>() > std::uint64_t{INT64_MAX})
      return std::nullopt;
    sizes.push_back(item.get<std::int64_t>());
  }
  return sizes;
}

const json& member(const json& tensor, const char* key, std::string_view name, std::string_view where) {
  const auto it = tensor.find(key);
  if (it == tensor.end()) {
    throw input_error(where, "expected tensor '{}' to have '{}', got none; make the file again",
                      printable(name), key);
  }
  return *it;
}

HeaderEntry parse_entry(const std::string& name, const json& tensor, std::string_view where) {
  const std::string shown = printable(name);
  if (!tensor.is_object()) {
    throw input_error(where, "expected tensor '{}' to be an object, got {}; make the file again", shown,
                      tensor.type_name());
  }
  const json& dtype = member(tensor, "dtype", name, where);
  const auto shape = sizes_of(member(tensor, "shape", name, where));
  const auto offsets = sizes_of(member(tensor, "data_offsets", name, where));
  if (!dtype.is_string()) {
    throw input_error(where, "expected the dtype of tensor '{}' to be a string, got {}; make the file again",
                      shown, dtype.type_name());
  }
  if (!shape) {
    throw input_error(where,
                      "expected the shape of tensor '{}' to be a list of sizes, got {}; make the file again",
                      shown, printable(json_text(tensor["shape"])));
  }
  if (!offsets || offsets->size() != 2 || (*offsets)[0] > (*offsets)[1]) {
    throw input_error(where, "expected data_offsets [begin, end] of tensor '{}', got {}; make the file again",
                      shown, printable(json_text(tensor["data_offsets"])));
  }
  const auto& text = dtype.get_ref<const std::string&>();
  const auto type =
      std::find_if(kStoredTypes.begin(), kStoredTypes.end(), [&](auto& t) { return t.name == text; });
  if (type == kStoredTypes.end()) refuse_dtype(where, name, text);
  const auto bytes = stored_bytes(*shape, type->bytes);
  if (!bytes) {
    throw input_error(where, "tensor '{}' of shape {} is too large to exist; make the file again", shown,
                      printable(shape_text(*shape)));
  }
  if (*bytes != (*offsets)[1] - (*offsets)[0]) {
    throw input_error(
        where, "expected {} bytes for tensor '{}', {} {}, got data_offsets of {} bytes; make the file again",
        *bytes, shown, text, printable(shape_text(*shape)), (*offsets)[1] - (*offsets)[0]);
  }
  return {name, type->dtype, *shape, static_cast<std::uint64_t>((*offsets)[0]),
          static_cast<std::uint64_t>((*offsets)[1])};
}

void check_metadata(const json& metadata, std::string_view where) {
  if (!metadata.is_object()) {
    throw input_error(where, "expected __metadata__ to map strings to strings, got {}; make the file again",
                      metadata.type_name());
  }
  for (const auto& [key, value] : metadata.items()) {
    if (!value.is_string()) {
      throw input_error(where, "expected '{}' of __metadata__ to be a string, got {}; make the file again",
                        printable(key), value.type_name());
    }
  }
}

// The format wants the tensors to cover the bytes after the header exactly: no overlap, no hole.
void check_cover(std::vector<HeaderEntry>& entries, std::uint64_t header_end, std::uint64_t file_bytes,
                 std::string_view where) {
  std::sort(entries.begin(), entries.end(), [](const HeaderEntry& a, const HeaderEntry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  std::uint64_t covered = 0;
  for (const HeaderEntry& entry : entries) {
    if (entry.begin != covered) {
      throw input_error(
          where,
          "expected tensor '{}' to begin at byte {} of the data, got {}, which {}; make the file again",
          printable(entry.name), covered, entry.begin,
          entry.begin < covered ? "overlaps another tensor" : "leaves a hole");
    }
    covered = entry.end;
  }
  const std::uint64_t expected = header_end + covered;
  if (file_bytes < expected) {
    throw input_error(where, "expected {} bytes, got {}: the file is cut short; download it again", expected,
                      file_bytes);
  }
  if (file_bytes > expected) {
    throw input_error(where, "expected {} bytes, got {}: no tensor owns the last ones; download it again",
                      expected, file_bytes);
  }
}

}  // namespace

void read_safetensors(const std::filesystem::path& path, WeightMap& weights) {
  read_safetensors_and_metadata(path, weights);
}

std::map<std::string, std::string> read_safetensors_and_metadata(const std::filesystem::path& path,
                                                                 WeightMap& weights) {
  const auto file = MappedFile::open(path);
  const std::string where = where_of(path);
  refuse_other_format(path, file->bytes(), FileFormat::kSafetensors);
  ByteReader reader(file->bytes(), where, "the file");
  const auto header_bytes = reader.read<std::uint64_t>();
  if (header_bytes > kMaxHeaderBytes) {
    throw input_error(where,
                      "expected a safetensors header of at most {} bytes, got a length of {}; it is damaged "
                      "or of another format, download it again",
                      kMaxHeaderBytes, header_bytes);
  }
  if (header_bytes > reader.remaining()) {
    throw input_error(where, "expected at least {} bytes, got {}: the file is cut short; download it again",
                      header_bytes + 8, file->bytes().size());
  }
  const std::string_view text = reader.take_text(header_bytes);
  if (!text.starts_with('{')) {
    throw input_error(where,
                      "expected the header to begin with '{{', got '{}'; it is damaged or of another format, "
                      "download it again",
                      printable(text.substr(0, 8)));
  }
  const json header = parse_json_object(text, {where + ", header", "make the file again"});
  std::vector<HeaderEntry> entries;
  std::map<std::string, std::string> metadata;
  for (const auto& [name, value] : header.items()) {
    if (name == kMetadataKey) {
      check_metadata(value, where);
      metadata = value.get<std::map<std::string, std::string>>();
    } else {
      entries.push_back(parse_entry(name, value, where));
    }
  }
  check_cover(entries, reader.position(), file->bytes().size(), where);
  for (const HeaderEntry& entry : entries) {
    if (!entry.dtype && !is_known_buffer(entry.name)) {
      refuse_dtype(where, entry.name, header[entry.name]["dtype"].get_ref<const std::string&>());
    }
    if (const auto* other = weights.find(entry.name); other && entry.dtype) {
      throw input_error(where, "tensor {} is also in {}; keep one of the two files", printable(entry.name),
                        other->source);
    }
  }
  const std::byte* data = file->bytes().data() + reader.position();
  for (HeaderEntry& entry : entries) {
    if (!entry.dtype) continue;
    TensorView view{data + entry.begin, *entry.dtype, std::move(entry.shape)};
    weights.insert(std::move(entry.name), std::move(view), where, file);
  }
  return metadata;
}

void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const std::map<std::string, std::string>& metadata) {
  write_safetensors(path, tensors, metadata, [](const NamedTensor& tensor, AtomicFile& out) {
    out.write({tensor.view.data, tensor.view.bytes()});
  });
}

void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const std::map<std::string, std::string>& metadata,
                       const std::function<void(const NamedTensor&, AtomicFile&)>& write) {
  const std::string where = where_of(path);
  std::vector<const NamedTensor*> order;
  for (const NamedTensor& tensor : tensors) {
    if (is_block_type(tensor.view.dtype)) {
      throw input_error(where, "cannot hold tensor '{}' of type {}; safetensors files have F32, F16 and BF16",
                        printable(tensor.name), name_of(tensor.view.dtype));
    }
    order.push_back(&tensor);
  }
  std::sort(order.begin(), order.end(), [](const NamedTensor* a, const NamedTensor* b) {
    return std::make_tuple(-static_cast<int>(size_of(a->view.dtype)), std::string_view(a->name)) <
           std::make_tuple(-static_cast<int>(size_of(b->view.dtype)), std::string_view(b->name));
  });
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[std::string(kMetadataKey)] = metadata;
  std::map<std::string_view, bool> seen;
  std::uint64_t offset = 0;
  for (const NamedTensor* tensor : order) {
    if (tensor->name == kMetadataKey || !seen.emplace(tensor->name, true).second) {
      throw input_error(where, "cannot hold tensor '{}' {}; rename it", printable(tensor->name),
                        tensor->name == kMetadataKey ? "of that reserved name" : "twice");
    }
    if (!is_valid_utf8(tensor->name)) {
      throw input_error(where, "cannot hold tensor '{}', whose name is not UTF-8; rename it",
                        printable(tensor->name));
    }
    const std::uint64_t end = offset + tensor->view.bytes();
    nlohmann::ordered_json& entry = header[tensor->name];
    entry["dtype"] = name_of(tensor->view.dtype);
    entry["shape"] = tensor->view.shape;
    entry["data_offsets"] = {offset, end};
    offset = end;
  }
  std::string text = json_text(header);
  text.append((8 - text.size() % 8) % 8, ' ');  // the data begins 8-byte aligned
  AtomicFile out(path);
  const std::uint64_t header_bytes = text.size();
  out.write(std::as_bytes(std::span(&header_bytes, 1)));
  out.write(text);
  for (const NamedTensor* tensor : order) write(*tensor, out);
  out.commit();
}

void write_safetensors(const std::filesystem::path& path, const WeightMap& weights,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<NamedTensor> tensors;
  for (const auto& [name, entry] : weights.entries()) tensors.push_back({name, entry.view});
  write_safetensors(path, tensors, metadata);
}

}  // namespace refocus
