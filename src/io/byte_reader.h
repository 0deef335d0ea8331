// Bounds-checked reading of little-endian binary structures. Every read past the end is an InputError.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace refocus {

static_assert(std::endian::native == std::endian::little,
              "the readers load little-endian values as they are");

class ByteReader {
 public:
  // `what` names the structure in messages, e.g. "the pickle"; `where` is the file. Both must outlive this.
  ByteReader(std::span<const std::byte> bytes, std::string_view where, std::string_view what)
      : bytes_(bytes), where_(where), what_(what) {}

  std::size_t position() const { return position_; }
  std::size_t remaining() const { return bytes_.size() - position_; }

  void seek(std::uint64_t position) {
    if (position > bytes_.size()) {
      throw input_error(where_, "expected {} to have at least {} bytes, got {}; download the file again",
                        what_, position, bytes_.size());
    }
    position_ = static_cast<std::size_t>(position);
  }

  std::span<const std::byte> take(std::uint64_t count) {
    if (count > remaining()) {
      throw input_error(where_, "expected {} more bytes at byte {} of {}, got {}; download the file again",
                        count, position_, what_, remaining());
    }
    const auto part = bytes_.subspan(position_, static_cast<std::size_t>(count));
    position_ += part.size();
    return part;
  }

  // An integer or a double, little-endian.
  template <class T>
  T read() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }

  std::string_view take_text(std::uint64_t count) { return as_text(take(count)); }

  // The text up to the next line feed, which is taken but not returned.
  std::string_view take_line() {
    const std::string_view rest = as_text(bytes_.subspan(position_));
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) {
      throw input_error(where_, "expected a line feed after byte {} of {}, got none; download the file again",
                        position_, what_);
    }
    position_ += end + 1;
    return rest.substr(0, end);
  }

  static std::string_view as_text(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

 private:
  std::span<const std::byte> bytes_;
  std::string_view where_;
  std::string_view what_;
  std::size_t position_ = 0;
};

}  // namespace refocus
