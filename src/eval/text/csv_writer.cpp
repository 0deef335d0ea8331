#include "eval/text/csv_writer.h"

#include <csv.h>

#include "base/utf8.h"

namespace refocus {
namespace {

void append_quoted(std::string& out, const std::string& field) {
  const std::size_t old = out.size();
  out.resize(old + 2 * field.size() + 2);
  out.resize(old + ::csv_write(out.data() + old, out.size() - old, field.data(), field.size()));
}

}  // namespace

void append_csv_row(std::string& out, const std::vector<std::string_view>& fields) {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) out += ',';
    const std::string field = replace_invalid_utf8(fields[i]);
    // Some readers drop spaces around a bare field, so these are quoted too.
    const bool bare = field.find_first_of(",\"\r\n") == std::string::npos &&
                      (field.empty() || (field.front() != ' ' && field.back() != ' ' &&
                                         field.front() != '\t' && field.back() != '\t'));
    if (bare) {
      out += field;
    } else {
      append_quoted(out, field);
    }
  }
  out += '\n';
}

}  // namespace refocus
