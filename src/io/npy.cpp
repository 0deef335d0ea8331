#include "io/npy.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/mapped_file.h"
#include "io/byte_reader.h"
#include "io/weight_file.h"
#include "tensor/tensor_view.h"

namespace refocus {

namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);

// NumPy leaves room for the largest first dimension, so that it can be changed in place: so does kAsWritten.
constexpr std::size_t kFirstDimensionDigits = 21;

std::string shape_tuple(const std::vector<std::int64_t>& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) text += fmt::format("{}{}", i == 0 ? "" : ", ", shape[i]);
  return text + (shape.size() == 1 ? ",)" : ")");
}

// The Python literal in a header: a dictionary of exactly descr, fortran_order and shape.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, std::string_view where) : text_(text), rest_(text), where_(where) {}

  void parse() {
    expect('{');
    while (!accept('}')) {
      const std::string_view key = take_string();
      expect(':');
      if (key == "descr" && descr.empty()) {
        descr = take_string();
      } else if (key == "fortran_order" && !fortran_order) {
        fortran_order = take_truth();
      } else if (key == "shape" && !shape) {
        shape = take_shape();
      } else {
        malformed();
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (!rest_.empty() || descr.empty() || !fortran_order || !shape) malformed();
  }

  std::string_view descr;
  std::optional<bool> fortran_order;
  std::optional<std::vector<std::int64_t>> shape;

 private:
  [[noreturn]] void malformed() const {
    throw input_error(where_,
                      "expected a header of descr, fortran_order and shape, got '{}'; write the file again",
                      printable(text_, 120));
  }

  void skip_space() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \n"), rest_.size())); }

  bool accept(char c) {
    skip_space();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void expect(char c) {
    if (!accept(c)) malformed();
  }

  std::string_view take_string() {
    const char quote = accept('\'') ? '\'' : '"';
    if (quote == '"') expect('"');
    const std::size_t end = rest_.find(quote);
    if (end == std::string_view::npos) malformed();
    const std::string_view value = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return value;
  }

  bool take_truth() {
    skip_space();
    for (const auto& [word, value] : {std::pair<std::string_view, bool>{"False", false}, {"True", true}}) {
      if (!rest_.starts_with(word)) continue;
      rest_.remove_prefix(word.size());
      return value;
    }
    malformed();
  }

  std::vector<std::int64_t> take_shape() {
    std::vector<std::int64_t> sizes;
    expect('(');
    while (!accept(')')) {
      skip_space();
      std::int64_t size = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), size);
      if (error != std::errc() || size < 0) malformed();
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      sizes.push_back(size);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return sizes;
  }

  std::string_view text_;
  std::string_view rest_;
  std::string_view where_;
};

// The elements of a mapped file's `bytes` as values of type To; the file's own pages are given back.
template <class From, class To>
std::vector<To> take(std::span<const std::byte> bytes) {
  std::vector<To> values(bytes.size() / sizeof(From));
  for (std::size_t i = 0; i < values.size(); ++i) {
    From value;
    std::memcpy(&value, bytes.data() + i * sizeof(From), sizeof(From));
    values[i] = value;
  }
  release_mapped_pages(bytes);
  return values;
}

}  // namespace

// Magic, version 1.0, header length, header; 64-byte aligned, byte for byte what NumPy writes.
std::string npy_header(std::string_view descr, const std::vector<std::int64_t>& shape) {
  std::string dictionary =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}", descr, shape_tuple(shape));
  if (!shape.empty()) dictionary.append(kFirstDimensionDigits - std::to_string(shape[0]).size(), ' ');
  const std::size_t unpadded = kMagic.size() + 4 + dictionary.size() + 1;
  dictionary.append(64 - unpadded % 64, ' ');  // NumPy pads by 64 where it is aligned already
  dictionary += '\n';
  const auto bytes = static_cast<unsigned>(dictionary.size());
  REFOCUS_CHECK(bytes <= 0xFFFF);
  std::string header(kMagic);
  header += {'\x01', '\x00', static_cast<char>(bytes & 0xFF), static_cast<char>(bytes >> 8)};
  return header + dictionary;
}

NpyWriter::NpyWriter(std::filesystem::path path, std::vector<std::int64_t> shape)
    : file_(std::move(path)), shape_(std::move(shape)) {
  for (std::size_t i = 1; i < shape_.size(); ++i) {
    REFOCUS_CHECK(shape_[i] >= 0);
    row_elements_ *= shape_[i];
  }
  REFOCUS_CHECK(shape_.empty() || shape_[0] >= 0 || (shape_[0] == kAsWritten && row_elements_ > 0));
  file_.write(npy_header("<f4", shape_));
}

void NpyWriter::write(std::span<const float> elements) {
  file_.write(std::as_bytes(elements));
  written_ += static_cast<std::int64_t>(elements.size());
}

void NpyWriter::finish() {
  if (!shape_.empty() && shape_[0] == kAsWritten) {
    REFOCUS_CHECK(written_ % row_elements_ == 0);
    shape_[0] = written_ / row_elements_;
    file_.overwrite_start(npy_header("<f4", shape_));
  }
  REFOCUS_CHECK(written_ == (shape_.empty() ? 1 : shape_[0] * row_elements_));
  file_.commit();
}

const std::vector<float>& NpyArray::f32() const {
  if (const auto* values = std::get_if<std::vector<float>>(&data)) return *values;
  throw input_error("npy", "expected an array of float32, got integers; convert it with astype('<f4')");
}

const std::vector<std::int64_t>& NpyArray::i64() const {
  if (const auto* values = std::get_if<std::vector<std::int64_t>>(&data)) return *values;
  throw input_error("npy", "expected an array of integers, got float32; convert it with astype('<i8')");
}

NpyFile::NpyFile(const std::filesystem::path& path) : file_(MappedFile::open(path)), where_(where_of(path)) {
  ByteReader reader(file_->bytes(), where_, "the file");
  if (reader.take_text(kMagic.size()) != kMagic) {
    throw input_error(where_, "expected a .npy file, got another format; write it with numpy.save");
  }
  const int major = reader.read<std::uint8_t>();
  reader.read<std::uint8_t>();
  if (major < 1 || major > 3) {
    throw input_error(where_, "expected .npy version 1 to 3, got {}; write it with numpy.save", major);
  }
  const std::uint64_t header_bytes = major == 1 ? reader.read<std::uint16_t>() : reader.read<std::uint32_t>();
  HeaderParser header(reader.take_text(header_bytes), where_);
  header.parse();
  if (*header.fortran_order) {
    throw input_error(where_,
                      "expected an array in C order, got Fortran order; save numpy.ascontiguousarray of it");
  }
  if (header.descr != "<f4" && header.descr != "<i4" && header.descr != "<i8") {
    throw input_error(where_, "expected element type <f4, <i4 or <i8, got '{}'; convert it with astype",
                      printable(header.descr));
  }
  const auto bytes = stored_bytes(*header.shape, header.descr == "<i8" ? 8 : 4);
  if (!bytes || static_cast<std::uint64_t>(*bytes) != reader.remaining()) {
    throw input_error(where_, "expected {} of shape {} after the header, got {} bytes; write the file again",
                      header.descr, printable(shape_text(*header.shape)), reader.remaining());
  }
  elements_ = reader.take(reader.remaining());
  descr_ = header.descr;
  shape_ = std::move(*header.shape);
}

std::int64_t NpyFile::size() const {
  return static_cast<std::int64_t>(elements_.size()) / (descr_ == "<i8" ? 8 : 4);
}

std::span<const std::byte> NpyFile::part(std::int64_t first, std::int64_t count) const {
  REFOCUS_CHECK(first >= 0 && count >= 0 && first + count <= size());
  const std::int64_t width = descr_ == "<i8" ? 8 : 4;
  return elements_.subspan(static_cast<std::size_t>(first * width), static_cast<std::size_t>(count * width));
}

std::vector<float> NpyFile::f32(std::int64_t first, std::int64_t count) const {
  if (!is_f32()) {
    throw input_error(where_, "expected an array of float32, got integers; convert it with astype('<f4')");
  }
  return take<float, float>(part(first, count));
}

std::vector<std::int64_t> NpyFile::i64(std::int64_t first, std::int64_t count) const {
  if (is_f32()) {
    throw input_error(where_, "expected an array of integers, got float32; convert it with astype('<i8')");
  }
  if (descr_ == "<i8") return take<std::int64_t, std::int64_t>(part(first, count));
  return take<std::int32_t, std::int64_t>(part(first, count));
}

NpyArray read_npy(const std::filesystem::path& path) {
  const NpyFile file(path);
  NpyArray array;
  array.shape = file.shape();
  if (file.is_f32()) {
    array.data = file.f32(0, file.size());
  } else {
    array.data = file.i64(0, file.size());
  }
  return array;
}

}  // namespace refocus
