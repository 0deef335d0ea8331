// A table as papers and documents have it: written as LaTeX with booktabs, or as Markdown.
#pragma once

#include <string>
#include <vector>

namespace refocus {

struct PrintedColumn {
  enum class Kind {
    kText,
    kNumber,    // "+1.2", "0.0312", "<.0001", "14,042": aligned at the right
    kInterval,  // "[-0.3, +2.7]": both ends aligned
  } kind = Kind::kText;
  std::string title;
};

struct PrintedRow {
  std::vector<std::string> cells;  // one a column; of a heading the first alone
  bool heading = false;            // over the rows that follow
  bool rule = false;               // a rule above it
};

struct PrintedTable {
  std::string caption, label;  // the label in words of letters, digits and hyphens
  std::vector<PrintedColumn> columns;
  std::vector<PrintedRow> rows;
  std::string note;  // below the table
};

// The text as LaTeX shows it, whatever characters it has. Controls must be gone (base/error.h: printable).
std::string latex_escaped(std::string_view text);
// The text as Markdown (CommonMark, and tables of GitHub) shows it.
std::string markdown_escaped(std::string_view text);

// A `table*`, which is as wide as a page of two columns, that needs \usepackage{booktabs}. One of many
// characters across, or of many rows, is set smaller.
std::string latex_text(const PrintedTable& table);
std::string markdown_text(const PrintedTable& table);

}  // namespace refocus
