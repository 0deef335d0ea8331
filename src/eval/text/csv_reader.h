// Rows of comma-separated values (RFC 4180), parsed by libcsv.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace refocus {

struct CsvRow {
  int line = 1;  // of the file, from 1, where the row begins
  std::vector<std::string> cells;
};

// Calls on_row for each row in order, without blank lines. Cells are any bytes; spaces
// are part of them. InputError with `where` and the line for what is no such text, or has a cell of more than
// kMostFieldBytes (eval/text/text_limit.h). An exception of on_row ends the reading and comes out.
void read_csv(std::string_view text, const std::string& where, char delimiter,
              const std::function<void(CsvRow&&)>& on_row);

}  // namespace refocus
