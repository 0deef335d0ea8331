// Rows of a journal's tables, which somebody else may have written.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "eval/journal/sqlite_database.h"

namespace refocus {

// A query whose values are checked: InputError, which says that the file is damaged, where one is of another
// kind than the function asks for. Parameters are numbered from 1, columns from 0.
class RowReader {
 public:
  RowReader(const SqliteDatabase& database, const char* sql) : database_(database), rows_(database, sql) {}

  void bind(int parameter, std::string_view value) { rows_.bind(parameter, value); }
  bool step() { return rows_.step(); }

  std::string text(int column) const { return rows_.text(column); }
  bool flag(int column) const { return rows_.integer(column) != 0; }
  int index(int column) const;                   // of an item, from 0
  std::optional<char> letter(int column) const;  // nothing where the text is empty
  nlohmann::ordered_json json(int column) const;
  nlohmann::ordered_json json_texts(int column, nlohmann::ordered_json::value_t type) const;

  [[noreturn]] void damaged(const char* expected, const std::string& got) const;

 private:
  const SqliteDatabase& database_;
  SqliteStatement rows_;
};

}  // namespace refocus
