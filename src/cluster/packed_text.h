// Texts and numbers one after the other in one text, for messages between processes of one program.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "base/error.h"

namespace refocus {

// A number is its decimals and a colon, a text its length as a number, then itself.
class Packer {
 public:
  Packer& add(std::int64_t number) {
    out_ += std::to_string(number);
    out_ += ':';
    return *this;
  }
  Packer& add(std::string_view text) {
    add(static_cast<std::int64_t>(text.size()));
    out_ += text;
    return *this;
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

// InputError where what is there is not what was asked for: a message of another program.
class Unpacker {
 public:
  explicit Unpacker(std::string_view packed) : rest_(packed) {}

  bool at_end() const { return rest_.empty(); }

  std::int64_t number() {
    std::int64_t out = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), out);
    if (error != std::errc() || end == rest_.data() + rest_.size() || *end != ':') refuse();
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()) + 1);
    return out;
  }
  std::string text() {
    const std::int64_t size = number();
    if (size < 0 || size > std::ssize(rest_)) refuse();
    const std::string out(rest_.substr(0, static_cast<std::size_t>(size)));
    rest_.remove_prefix(out.size());
    return out;
  }

 private:
  [[noreturn]] static void refuse() {
    throw input_error("cluster",
                      "expected a message of this program, got another; start one program on all machines");
  }

  std::string_view rest_;
};

}  // namespace refocus
