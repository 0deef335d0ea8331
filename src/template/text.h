// Text of a template or of its data that knows where each of its bytes is from.
//
// A text is valid UTF-8, never changes, and is cheap to copy. It is a row of runs: bytes of one source.
// Positions and lengths that a template sees count characters (code points), as Python's do.
//
// The rule of origins, on which reading special tokens in templates and never in data rests: a byte has the
// template's origin only if it was written in the template or computed from nothing else. What an operation
// makes of data (another case, escapes, quotes, digits, padding) is data of the same origin; where it is made
// of several, it has the first of them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace refocus::jinja {

using OriginId = std::uint32_t;
inline constexpr OriginId kTemplateOrigin = 0;

// Where bytes are from.
struct Source {
  OriginId origin = kTemplateOrigin;
  bool generation = false;  // printed between {% generation %} and {% endgeneration %}
  bool operator==(const Source&) const = default;
};

// The bytes from the end of the run before, up to `end`.
struct TextRun {
  std::size_t end = 0;
  Source source;
  bool operator==(const TextRun&) const = default;
};

// What the values of a template are made of; `depth` counts levels of values within values.
struct Object {
  explicit Object(int levels = 1) : depth(levels) {}
  Object(const Object&) = default;
  virtual ~Object() = default;
  int depth;
};

struct TextData : Object {
  std::string bytes;
  std::vector<TextRun> runs;  // without empty ones; neighbours differ
  std::size_t length = 0;     // characters
  bool markup = false;        // safe, e, escape: what is added to it is escaped (markupsafe's Markup)
};

class Text {
 public:
  Text();
  explicit Text(std::string_view bytes, OriginId origin = kTemplateOrigin) : Text(bytes, Source{origin}) {}
  Text(std::string_view bytes, Source source);
  explicit Text(std::shared_ptr<const TextData> data) : data_(std::move(data)) {}

  std::string_view bytes() const { return data_->bytes; }
  const std::vector<TextRun>& runs() const { return data_->runs; }
  std::size_t length() const { return data_->length; }
  std::size_t size() const { return data_->bytes.size(); }
  bool empty() const { return data_->bytes.empty(); }
  bool markup() const { return data_->markup; }

  // Where its first byte that is data is from; otherwise the template. What an operation makes of it is
  // there.
  Source source() const;
  // Where the byte is from; of an empty text, and past its end, source().
  Source source_at(std::size_t byte) const;

  // The byte at which that character begins; size() for length().
  std::size_t byte_of(std::size_t character) const;
  // The character that begins at that byte.
  std::size_t character_of(std::size_t byte) const;

  Text bytes_between(std::size_t begin, std::size_t end) const;
  Text characters_between(std::size_t begin, std::size_t end) const {
    return bytes_between(byte_of(begin), byte_of(end));
  }
  Text with_markup(bool markup) const;
  Text with_generation() const;

  const std::shared_ptr<const TextData>& data() const { return data_; }

 private:
  std::shared_ptr<const TextData> data_;
};

// Puts texts together. Throws InputError where the text would be longer than `limit` bytes.
class TextBuilder {
 public:
  explicit TextBuilder(std::size_t limit) : limit_(limit) {}

  void add(const Text& text);
  void add(const Text& text, std::size_t begin, std::size_t end);  // bytes [begin, end)
  void add(std::string_view bytes, Source source);
  void add(std::string_view bytes, std::size_t times, Source source);
  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  // The text; nothing is left behind.
  Text take(bool markup = false);

 private:
  void grow(std::size_t bytes);

  std::size_t limit_;
  std::string bytes_;
  std::vector<TextRun> runs_;
};

}  // namespace refocus::jinja
