#include "eval/text/printed_table.h"

#include <fmt/core.h>

#include <algorithm>

namespace refocus {
namespace {

using Kind = PrintedColumn::Kind;

constexpr std::size_t kLongTable = 30;  // rows beyond which a table is set smaller, to fit a page
// Characters beside each other that fit a page in the size of the text, and in \footnotesize.
constexpr std::size_t kWideTable = 80, kWidestTable = 110;

// What stands for a character of a text, or null where it may stand as it is.
const char* latex_character(char c) {
  switch (c) {
    case '\\':
      return "\\textbackslash{}";
    case '{':
      return "\\{";
    case '}':
      return "\\}";
    case '$':
      return "\\$";
    case '&':
      return "\\&";
    case '#':
      return "\\#";
    case '%':
      return "\\%";
    case '_':
      return "\\_";
    case '~':
      return "\\textasciitilde{}";
    case '^':
      return "\\textasciicircum{}";
    case '<':
      return "\\textless{}";
    case '>':
      return "\\textgreater{}";
    case '|':
      return "\\textbar{}";
    case '"':
      return "\\char34{}";
    case '\'':
      return "\\textquotesingle{}";
    case '`':
      return "\\textasciigrave{}";
    default:
      return nullptr;
  }
}

// A number with its sign and "<" in mathematics, where a minus is one.
std::string latex_number(const std::string& text) {
  if (text.empty() || text == "-") return text.empty() ? "" : "--";
  const bool sign = text.front() == '-' || text.front() == '+' || text.front() == '<';
  return sign ? fmt::format("${}$", text) : latex_escaped(text);
}

// "[-0.3, +2.7]" as two cells that meet at the comma.
std::string latex_interval(const std::string& text) {
  const std::size_t comma = text.find(',');
  if (!text.starts_with('[') || !text.ends_with(']') || comma == std::string::npos) {
    return fmt::format("\\multicolumn{{2}}{{c}}{{{}}}", text == "-" ? "--" : latex_escaped(text));
  }
  std::string high = text.substr(comma + 1, text.size() - comma - 2);
  high.erase(0, high.find_first_not_of(' '));
  return fmt::format("[{}, & {}]", latex_number(text.substr(1, comma - 1)), latex_number(high));
}

std::string latex_cell(const PrintedColumn& column, const std::string& text) {
  if (column.kind == Kind::kNumber) return latex_number(text);
  if (column.kind == Kind::kInterval) return latex_interval(text);
  return latex_escaped(text);
}

// Of "difference (points)", where the unit has a line of its own, "difference" and "(points)".
std::pair<std::string, std::string> title_lines(const PrintedColumn& column) {
  const std::size_t unit = column.kind == Kind::kNumber ? column.title.find(" (") : std::string::npos;
  if (unit == std::string::npos) return {column.title, ""};
  return {column.title.substr(0, unit), column.title.substr(unit + 1)};
}

std::string latex_title(const PrintedColumn& column) {
  const auto [first, second] = title_lines(column);
  std::string title = latex_escaped(first);
  if (!second.empty()) title = fmt::format("\\shortstack{{\\strut {}\\\\{}}}", title, latex_escaped(second));
  if (column.kind == Kind::kText) return title;
  return fmt::format("\\multicolumn{{{}}}{{c}}{{{}}}", column.kind == Kind::kInterval ? 2 : 1, title);
}

std::size_t latex_columns(const PrintedTable& table) {
  return table.columns.size() +
         static_cast<std::size_t>(std::ranges::count(table.columns, Kind::kInterval, &PrintedColumn::kind));
}

std::string latex_row(const PrintedTable& table, const PrintedRow& row) {
  std::string out = row.rule ? "    \\midrule\n" : "";
  if (row.heading) {
    return out + fmt::format("    \\multicolumn{{{}}}{{l}}{{\\textit{{{}}}}} \\\\\n", latex_columns(table),
                             latex_escaped(row.cells.front()));
  }
  out += "    ";
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    out += (c == 0 ? "" : " & ") + latex_cell(table.columns[c], row.cells[c]);
  }
  return out + " \\\\\n";
}

// Characters of a row, with two between columns.
std::size_t characters_across(const PrintedTable& table) {
  std::size_t out = 0;
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    const auto [first, second] = title_lines(table.columns[c]);
    std::size_t widest = std::max(first.size(), second.size());
    for (const PrintedRow& row : table.rows) {
      if (!row.heading) widest = std::max(widest, row.cells[c].size());
    }
    out += widest + 2;
  }
  return out;
}

// Commands that make a table fit a page.
const char* latex_size(const PrintedTable& table) {
  const std::size_t across = characters_across(table);
  if (across > kWidestTable) return "\\scriptsize\\setlength{\\tabcolsep}{3pt}";
  if (across > kWideTable) return "\\footnotesize\\setlength{\\tabcolsep}{3pt}";
  return table.rows.size() > kLongTable ? "\\footnotesize" : "";
}

std::string markdown_row(const std::vector<std::string>& cells) {
  std::string out = "|";
  for (const std::string& cell : cells) out += " " + cell + " |";
  return out + "\n";
}

}  // namespace

std::string latex_escaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char* const written = latex_character(text[i]);
    if (written != nullptr) {
      out += written;
    } else {
      out += text[i];
    }
    // Two hyphens would become a dash, and a mark before a grave accent one that is upside down.
    if (text[i] == '-' && i + 1 < text.size() && text[i + 1] == '-') out += "{}";
  }
  return out;
}

std::string markdown_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("\\`*_{}[]<>|#~$&").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string latex_text(const PrintedTable& table) {
  std::string spec;
  for (const PrintedColumn& column : table.columns) {
    spec += column.kind == Kind::kText ? "l" : column.kind == Kind::kNumber ? "r" : "r@{ }r";
  }
  std::string titles;
  for (const PrintedColumn& column : table.columns) {
    titles += (titles.empty() ? "" : " & ") + latex_title(column);
  }
  std::string out = "\\begin{table*}\n  \\centering\n";
  out += fmt::format("  \\caption{{{}}}\n  \\label{{tab:{}}}\n", latex_escaped(table.caption), table.label);
  if (const std::string size = latex_size(table); !size.empty()) out += fmt::format("  {}\n", size);
  out += fmt::format("  \\begin{{tabular}}{{{}}}\n    \\toprule\n    {} \\\\\n    \\midrule\n", spec, titles);
  for (const PrintedRow& row : table.rows) out += latex_row(table, row);
  out += "    \\bottomrule\n  \\end{tabular}\n";
  if (!table.note.empty()) {
    out += fmt::format("  \\par\\smallskip\n  \\parbox{{\\linewidth}}{{\\footnotesize {}}}\n",
                       latex_escaped(table.note));
  }
  return out + "\\end{table*}\n";
}

std::string markdown_text(const PrintedTable& table) {
  std::string out = "**" + markdown_escaped(table.caption) + "**\n\n";
  std::vector<std::string> cells, rules;
  for (const PrintedColumn& column : table.columns) {
    cells.push_back(markdown_escaped(column.title));
    rules.emplace_back(column.kind == Kind::kText ? "---" : "---:");
  }
  out += markdown_row(cells) + markdown_row(rules);
  for (const PrintedRow& row : table.rows) {
    cells.clear();
    for (const std::string& cell : row.cells) cells.push_back(markdown_escaped(cell));
    if (row.heading) cells.front() = "*" + cells.front() + "*";
    cells.resize(table.columns.size());
    out += markdown_row(cells);
  }
  return table.note.empty() ? out : out + "\n" + markdown_escaped(table.note) + "\n";
}

}  // namespace refocus
