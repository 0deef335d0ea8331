// Rows of comma-separated values as Python's csv module and pandas write them: RFC 4180 quoting where a field
// needs it, a bare line feed at the end of a row.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace refocus {

// Appends one row to `out`. Fields are made valid UTF-8; NULs stay.
void append_csv_row(std::string& out, const std::vector<std::string_view>& fields);

}  // namespace refocus
