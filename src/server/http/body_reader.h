// The body of a request (RFC 9112, 6 and 7), from bytes in any cuts: of a known length, or in chunks.
//
// Strict where others were fooled: sizes are hexadecimal digits alone, nothing overflows, a chunk ends in
// CRLF. Extensions are bounded and ignored, trailers counted with the headers, checked as these, and dropped.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "server/http/head_fields.h"
#include "server/http/limits.h"
#include "server/http/line_reader.h"

namespace refocus::http {

// What the header lines of a request have taken of limits.headers and limits.header_count.
struct HeaderUse {
  std::size_t bytes = 0;
  std::size_t count = 0;

  // Counts one line; 431 where that is too much.
  std::optional<Failure> add(std::size_t line_bytes, const Limits& limits);
};

class BodyReader {
 public:
  BodyReader(const Framing& framing, const HeaderUse& use, const Limits& limits);

  // Takes bytes off the front of `bytes`, none past the end of the body. 400, 413 or 431 where it is wrong.
  std::optional<Failure> feed(std::string_view& bytes);

  bool done() const { return part_ == Part::kDone; }
  // Never longer than announced or than limits.body, in at most about twice the memory of what has come.
  const std::string& body() const { return body_; }
  std::string take() { return std::move(body_); }

 private:
  enum class Part { kSized, kChunkLine, kChunk, kChunkEnd, kTrailer, kDone };

  void take_data(std::string_view& bytes);
  std::optional<Failure> feed_line(std::string_view& bytes);
  std::optional<Failure> read_chunk_line(std::string_view line);
  std::optional<Failure> read_trailer(std::string_view line);

  const Limits* limits_;
  Part part_;
  std::size_t left_ = 0;        // bytes of the body or the chunk that are still to come
  std::size_t most_ = 0;        // that the body may have
  std::size_t extensions_ = 0;  // bytes of chunk lines beyond their sizes
  HeaderUse use_;
  LineReader line_;
  std::string body_;
};

}  // namespace refocus::http
