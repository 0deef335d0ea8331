// One line that ends in CRLF, from bytes that arrive in any cuts, within a bound.
//
// RFC 9112 (2.2) lets a server take a lone LF for an end; that is how two programs come to see different
// requests in the same bytes, so this one does not, nor a CR without LF.
#pragma once

#include <string>
#include <string_view>

namespace refocus::http {

class LineReader {
 public:
  enum class Status {
    kMore,     // all bytes are taken, the line goes on
    kLine,     // line() is one, without its end
    kTooLong,  // more than `limit` bytes without its end
    kBadEnd,   // a CR or LF that stands alone
  };

  // Takes bytes off the front of `bytes`, never past the end of the line. After kLine, clear() before the
  // next.
  Status feed(std::string_view& bytes, std::size_t limit);

  const std::string& line() const { return line_; }
  void clear();

  // Whether nothing of a line has come.
  bool empty() const { return line_.empty() && !after_cr_; }

 private:
  std::string line_;
  bool after_cr_ = false;
};

}  // namespace refocus::http
