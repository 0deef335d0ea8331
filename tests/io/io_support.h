// What the tests of the readers share: files made on the spot and the values that the golden files hold.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/text_file.h"
#include "support.h"
#include "tensor/weight_map.h"

namespace refocus::testing {

inline std::filesystem::path io_golden(const std::string& name) { return golden("io/" + name); }

template <class T>
std::string little_endian(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

// The bytes of a .safetensors file with this header.
inline std::string safetensors_bytes(const std::string& header, const std::string& data) {
  return little_endian<std::uint64_t>(header.size()) + header + data;
}

// 0.25 * (i - 5), as in make_goldens.py.
inline std::vector<float> ramp(int count) {
  std::vector<float> values;
  for (int i = 0; i < count; ++i) values.push_back(0.25f * static_cast<float>(i - 5));
  return values;
}

inline std::string bytes_of(const TensorView& view) {
  return {reinterpret_cast<const char*>(view.data), view.bytes()};
}

// One entry of a zip archive; the fields that a hostile one lies about can be set apart.
struct ZipPart {
  std::string name;
  std::string content;
  std::uint16_t flags = 0;
  std::uint16_t method = 0;
  std::string local_name = name;
};

// A zip archive of stored entries without Zip64 records, as bytes; checksums are left 0.
inline std::string zip_bytes(const std::vector<ZipPart>& parts) {
  std::string body, directory;
  for (const ZipPart& part : parts) {
    const auto size = little_endian(static_cast<std::uint32_t>(part.content.size()));
    const std::string shared = little_endian<std::uint16_t>(20) + little_endian(part.flags) +
                               little_endian(part.method) + std::string(8, '\0') + size + size;
    const auto offset = little_endian(static_cast<std::uint32_t>(body.size()));
    body += "PK\x03\x04" + shared + little_endian(static_cast<std::uint16_t>(part.local_name.size())) +
            little_endian<std::uint16_t>(0) + part.local_name + part.content;
    directory += "PK\x01\x02" + little_endian<std::uint16_t>(20) + shared +
                 little_endian(static_cast<std::uint16_t>(part.name.size())) + std::string(12, '\0') +
                 offset + part.name;
  }
  const auto count = little_endian(static_cast<std::uint16_t>(parts.size()));
  return body + directory + "PK\x05\x06" + std::string(4, '\0') + count + count +
         little_endian(static_cast<std::uint32_t>(directory.size())) +
         little_endian(static_cast<std::uint32_t>(body.size())) + std::string(2, '\0');
}

inline std::string pickled_text(const std::string& text) {
  return "X" + little_endian(static_cast<std::uint32_t>(text.size())) + text;
}

inline std::string pickled_integer(std::int64_t value) {
  if (value >= 0 && value < 256) return std::string("K") + static_cast<char>(value);
  return "\x8a\x08" + little_endian(value);
}

// A pickled state dict with the float32 tensors "w0", "w1", ... of so many elements in storages "0", "1", ...
inline std::string state_pickle(const std::vector<std::int64_t>& elements) {
  std::string pickle = "\x80\x02}";
  for (std::size_t i = 0; i < elements.size(); ++i) {
    const std::string count = pickled_integer(elements[i]);
    pickle += pickled_text("w" + std::to_string(i)) + "ctorch._utils\n_rebuild_tensor_v2\n((" +
              pickled_text("storage") + "ctorch\nFloatStorage\n" + pickled_text(std::to_string(i)) +
              pickled_text("cpu") + count + "tQ" + pickled_integer(0) + count + "\x85K\x01\x85\x89" +
              "ccollections\nOrderedDict\n)RtRs";
  }
  return pickle + ".";
}

}  // namespace refocus::testing
