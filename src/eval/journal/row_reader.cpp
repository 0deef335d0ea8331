#include "eval/journal/row_reader.h"

#include <limits>

#include "base/error.h"
#include "base/json_reader.h"

namespace refocus {

using nlohmann::ordered_json;

int RowReader::index(int column) const {
  const std::int64_t value = rows_.integer(column);
  if (value < 0 || value > std::numeric_limits<int>::max()) damaged("an item index", std::to_string(value));
  return static_cast<int>(value);
}

std::optional<char> RowReader::letter(int column) const {
  const std::string text = rows_.text(column);
  if (text.empty()) return std::nullopt;
  if (text.size() != 1 || text[0] < 'A' || text[0] > 'Z') damaged("a letter", text);
  return text[0];
}

ordered_json RowReader::json(int column) const {
  return parse_ordered_json(rows_.text(column),
                            {database_.path().string() + ", tables", "the file is damaged: restore a copy"});
}

ordered_json RowReader::json_texts(int column, ordered_json::value_t type) const {
  ordered_json value = json(column);
  if (value.type() != type) damaged("JSON texts", text(column));
  for (const ordered_json& member : value) {
    if (!member.is_string()) damaged("JSON texts", text(column));
  }
  return value;
}

void RowReader::damaged(const char* expected, const std::string& got) const {
  throw input_error(database_.path().string(),
                    "expected {} in its tables, got '{}'; the file is damaged: restore a copy", expected,
                    printable(got));
}

}  // namespace refocus
