#include "eval/harness/csv_columns.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "eval/text/code_points.h"
#include "eval/text/csv_reader.h"

namespace refocus::harness {

namespace {

using Json = nlohmann::ordered_json;

// pandas' words for a cell that holds nothing (pandas._libs.parsers.STR_NA_VALUES).
constexpr std::string_view kNothing[] = {"",     "#N/A",   "#N/A N/A", "#NA",  "-1.#IND", "-1.#QNAN", "-NaN",
                                         "-nan", "1.#IND", "1.#QNAN",  "<NA>", "N/A",     "NA",       "NULL",
                                         "NaN",  "None",   "n/a",      "nan",  "null"};

enum class ColumnType { kNothing, kWhole, kReal, kFlag, kText };

bool is_nothing(std::string_view cell) { return std::ranges::find(kNothing, cell) != std::end(kNothing); }

// A number may have white space around it and a sign before it.
std::string_view number_part(std::string_view cell) {
  const std::size_t begin = cell.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  cell = cell.substr(begin, cell.find_last_not_of(" \t") - begin + 1);
  if (cell.starts_with('+') && cell.size() > 1 && cell[1] != '-') cell.remove_prefix(1);
  return cell;
}

template <class Number>
std::optional<Number> number_of(std::string_view cell) {
  const std::string_view part = number_part(cell);
  Number value = 0;
  const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
  if (part.empty() || error != std::errc() || end != part.data() + part.size()) return std::nullopt;
  return value;
}

std::optional<bool> flag_of(std::string_view cell) {
  if (cell == "True" || cell == "TRUE" || cell == "true") return true;
  if (cell == "False" || cell == "FALSE" || cell == "false") return false;
  return std::nullopt;
}

ColumnType type_of_cell(const std::string& cell) {
  if (is_nothing(cell)) return ColumnType::kNothing;
  if (number_of<std::int64_t>(cell)) return ColumnType::kWhole;
  if (number_of<double>(cell)) return ColumnType::kReal;
  return flag_of(cell) ? ColumnType::kFlag : ColumnType::kText;
}

// The type of both; a whole number beside nothing is a real one, since pandas has nothing among reals alone.
ColumnType joined_type(ColumnType a, ColumnType b) {
  if (a == b) return a;
  if (a > b) std::swap(a, b);
  if (a == ColumnType::kNothing) return b == ColumnType::kWhole ? ColumnType::kReal : b;
  if (a == ColumnType::kWhole && b == ColumnType::kReal) return b;
  return ColumnType::kText;
}

Json cell_value(const std::string& cell, ColumnType type) {
  if (is_nothing(cell)) return nullptr;
  switch (type) {
    case ColumnType::kWhole:
      return *number_of<std::int64_t>(cell);
    case ColumnType::kReal:
      return *number_of<double>(cell);
    case ColumnType::kFlag:
      return *flag_of(cell);
    default:
      return cell;
  }
}

void check_header(const std::vector<std::string>& names, const std::string& where) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty()) throw input_error(where, "expected a name in column {}, got none; add it", i + 1);
    if (std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]) ==
        names.begin() + static_cast<std::ptrdiff_t>(i)) {
      continue;
    }
    throw input_error(where, "expected columns of different names, got '{}' twice; rename one",
                      printable(names[i]));
  }
}

}  // namespace

std::vector<Document> csv_documents(const std::string& text, const std::string& file, char delimiter) {
  std::vector<std::string> names;
  std::vector<CsvRow> rows;
  read_csv(text, file, delimiter, [&](CsvRow&& row) {
    const std::string where = fmt::format("{}:{}", file, row.line);
    for (const std::string& cell : row.cells) {
      if (first_invalid_utf8(cell) == cell.size()) continue;
      throw input_error(where, "expected UTF-8, got other bytes; convert the file");
    }
    if (names.empty()) {
      check_header(row.cells, where);
      names = std::move(row.cells);
      return;
    }
    if (row.cells.size() != names.size()) {
      throw input_error(where,
                        "expected {} cells as in the header, got {}; quote cells that hold the delimiter",
                        names.size(), row.cells.size());
    }
    rows.push_back(std::move(row));
  });
  std::vector<ColumnType> types(names.size(), ColumnType::kNothing);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t c = 0; c < names.size(); ++c) {
      const ColumnType cell = type_of_cell(rows[r].cells[c]);
      types[c] = r == 0 ? cell : joined_type(types[c], cell);
    }
  }
  std::vector<Document> out;
  for (const CsvRow& row : rows) {
    Json fields = Json::object();
    for (std::size_t c = 0; c < names.size(); ++c) fields[names[c]] = cell_value(row.cells[c], types[c]);
    out.push_back({std::move(fields), fmt::format("{} row {} (line {})", file, out.size() + 1, row.line)});
  }
  return out;
}

}  // namespace refocus::harness
