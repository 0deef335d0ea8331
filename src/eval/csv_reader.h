// Comma-separated values with a header, as Python's csv module and pandas write them (RFC 4180).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace refocus {

struct CsvRow {
  int line = 1;  // of the file, where the row begins
  std::vector<std::string> fields;
};

// All rows, the header first; blank lines are left out. InputError, with the line, where quotes are not
// closed or not doubled, or a field is no UTF-8.
std::vector<CsvRow> read_csv(const std::filesystem::path& path);

}  // namespace refocus
