#include "server/http/line_reader.h"

#include <algorithm>

namespace refocus::http {

LineReader::Status LineReader::feed(std::string_view& bytes, std::size_t limit) {
  if (!after_cr_) {
    const std::size_t end = std::min(bytes.find_first_of("\r\n"), bytes.size());
    if (line_.size() + end > limit) return Status::kTooLong;
    line_.append(bytes.substr(0, end));
    bytes.remove_prefix(end);
    if (bytes.empty()) return Status::kMore;
    if (bytes.front() == '\n') return Status::kBadEnd;
    after_cr_ = true;
    bytes.remove_prefix(1);
  }
  if (bytes.empty()) return Status::kMore;
  if (bytes.front() != '\n') return Status::kBadEnd;
  bytes.remove_prefix(1);
  return Status::kLine;
}

void LineReader::clear() {
  line_.clear();
  after_cr_ = false;
}

}  // namespace refocus::http
