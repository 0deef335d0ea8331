#include "server/http/body_reader.h"

#include <algorithm>

#include "base/error.h"
#include "server/http/field.h"

namespace refocus::http {

std::optional<Failure> HeaderUse::add(std::size_t line_bytes, const Limits& limits) {
  bytes += line_bytes;
  ++count;
  if (bytes > limits.headers) {
    return Failure{431,
                   fmt::format("expected headers of at most {} bytes together, got more", limits.headers)};
  }
  if (count > limits.header_count) {
    return Failure{431, fmt::format("expected at most {} headers, got more", limits.header_count)};
  }
  return std::nullopt;
}

BodyReader::BodyReader(const Framing& framing, const HeaderUse& use, const Limits& limits)
    : limits_(&limits),
      part_(framing.chunked      ? Part::kChunkLine
            : framing.length > 0 ? Part::kSized
                                 : Part::kDone),
      left_(framing.length),
      most_(framing.chunked ? limits.body : framing.length),
      use_(use) {}

void BodyReader::take_data(std::string_view& bytes) {
  const std::size_t count = std::min(left_, bytes.size());
  // Grown by what has come and not by what was announced, which costs the client nothing.
  body_.append(bytes.substr(0, count));
  bytes.remove_prefix(count);
  left_ -= count;
}

std::optional<Failure> BodyReader::feed(std::string_view& bytes) {
  while (!bytes.empty() && part_ != Part::kDone) {
    if (part_ == Part::kSized || part_ == Part::kChunk) {
      take_data(bytes);
      if (left_ == 0) part_ = part_ == Part::kSized ? Part::kDone : Part::kChunkEnd;
    } else if (auto failure = feed_line(bytes)) {
      return failure;
    }
  }
  return std::nullopt;
}

std::optional<Failure> BodyReader::feed_line(std::string_view& bytes) {
  const std::size_t limit = part_ == Part::kTrailer    ? limits_->header_line
                            : part_ == Part::kChunkEnd ? 0
                                                       : limits_->chunk_line;
  const LineReader::Status status = line_.feed(bytes, limit);
  if (status == LineReader::Status::kMore) return std::nullopt;
  if (status != LineReader::Status::kLine) {
    if (part_ == Part::kTrailer && status == LineReader::Status::kTooLong) {
      return Failure{431, fmt::format("expected trailers of at most {} bytes, got a longer one", limit)};
    }
    return Failure{400, part_ == Part::kChunkEnd ? "expected CRLF after a chunk's bytes, got something else"
                        : status == LineReader::Status::kTooLong
                            ? "expected the size of a chunk, got a line that is too long"
                            : "expected CRLF at the end of a line, got a CR or LF alone"};
  }
  std::optional<Failure> failure;
  if (part_ == Part::kChunkEnd) {
    part_ = Part::kChunkLine;
  } else {
    failure = part_ == Part::kTrailer ? read_trailer(line_.line()) : read_chunk_line(line_.line());
  }
  line_.clear();
  return failure;
}

std::optional<Failure> BodyReader::read_chunk_line(std::string_view line) {
  const std::size_t end = std::min(line.find(';'), line.size());
  const std::string_view digits = line.substr(0, end);
  if (digits.empty() || std::ranges::any_of(digits, [](char c) { return hex_digit(c) < 0; }) ||
      !is_field_value(line.substr(end))) {
    return Failure{400,
                   fmt::format("expected the size of a chunk in hexadecimal, got '{}'", printable(line, 40))};
  }
  extensions_ += line.size() - end;
  if (extensions_ > limits_->headers) {
    return Failure{400,
                   fmt::format("expected chunk extensions of at most {} bytes, got more", limits_->headers)};
  }
  const std::size_t room = most_ - body_.size();
  std::size_t size = 0;
  for (const char c : digits) {
    size = size * 16 + static_cast<std::size_t>(hex_digit(c));
    if (size > room) {  // before the next digit could overflow
      return Failure{413,
                     fmt::format("expected a body of at most {} bytes, got chunks of more", limits_->body)};
    }
  }
  left_ = size;
  part_ = size == 0 ? Part::kTrailer : Part::kChunk;
  return std::nullopt;
}

std::optional<Failure> BodyReader::read_trailer(std::string_view line) {
  if (line.empty()) {
    part_ = Part::kDone;
    return std::nullopt;
  }
  Fields dropped;
  if (auto failure = use_.add(line.size(), *limits_)) return failure;
  return read_header_line(line, dropped);
}

}  // namespace refocus::http
