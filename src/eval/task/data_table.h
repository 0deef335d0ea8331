// Rows of named values from a data file of a user: CSV or TSV with a header, JSON lines, or a JSON array of
// objects; the ending of the file's name says which.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace refocus {

struct DataValue {
  enum class Kind { kText, kList, kNull, kOther };
  Kind kind = Kind::kNull;
  std::string text;               // numbers and true/false as JSON writes them; of a list its JSON
  std::vector<std::string> list;  // of texts, numbers and true/false; anything else in it makes kOther
};

struct DataRow {
  std::string where;  // "FILE row 3 (line 5)": rows count from 1, without the header
  std::vector<std::pair<std::string, DataValue>> fields;

  const DataValue* find(std::string_view name) const;  // null where absent

  // InputError, naming the row, where the field is absent, null, a list or an object.
  const std::string& text(std::string_view name) const;
};

// At least one row. InputError, naming file and line or row, for anything that is no such file: an unknown
// ending, a row with more or fewer cells than the header, a name that is there twice, bytes that are no
// UTF-8.
std::vector<DataRow> read_data_table(const std::filesystem::path& path);

}  // namespace refocus
