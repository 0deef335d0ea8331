#include "eval/csv_reader.h"

#include <csv.h>

#include <memory>
#include <new>

#include "base/error.h"
#include "base/text_file.h"
#include "base/utf8.h"

namespace refocus {
namespace {

// What libcsv's callbacks write into.
struct Rows {
  std::vector<CsvRow> rows;
  CsvRow row;
  bool failed = false;  // out of memory; an exception must not cross libcsv's C frames
};

void on_field(void* text, std::size_t size, void* data) {
  auto& rows = *static_cast<Rows*>(data);
  try {
    rows.row.fields.emplace_back(static_cast<const char*>(text), size);
  } catch (...) {
    rows.failed = true;
  }
}

void on_row(int, void* data) {
  auto& rows = *static_cast<Rows*>(data);
  try {
    rows.rows.push_back(std::move(rows.row));
    rows.row = {};
  } catch (...) {
    rows.failed = true;
  }
}

}  // namespace

std::vector<CsvRow> read_csv(const std::filesystem::path& path) {
  const std::string text = read_text_file(path);
  Rows rows;
  int line = 1;
  csv_parser parser;
  if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI) != 0) throw std::bad_alloc();
  const std::unique_ptr<csv_parser, decltype(&csv_free)> guard(&parser, csv_free);
  // Spaces are part of a field in RFC 4180; libcsv would strip them.
  csv_set_space_func(&parser, [](unsigned char) { return 0; });
  const auto check = [&](bool parsed) {
    if (rows.failed) throw std::bad_alloc();
    if (!parsed) {
      throw input_error(path.string(), "line {}: {}; expected RFC 4180 CSV with quotes doubled inside quotes",
                        line, csv_strerror(csv_error(&parser)));
    }
  };
  bool begun = false;
  for (std::size_t at = text.starts_with("\xEF\xBB\xBF") ? 3 : 0; at < text.size(); ++line) {
    std::size_t end = text.find('\n', at);
    end = end == std::string::npos ? text.size() : end + 1;
    const std::size_t before = rows.rows.size();
    if (!begun) rows.row.line = line;
    check(csv_parse(&parser, text.data() + at, end - at, on_field, on_row, &rows) == end - at);
    // A row ends with its line, or goes on inside quotes.
    begun = rows.rows.size() == before && text.find_first_not_of("\r\n", at) < end;
    at = end;
  }
  check(csv_fini(&parser, on_field, on_row, &rows) == 0);
  for (const CsvRow& row : rows.rows) {
    for (const std::string& field : row.fields) {
      if (is_valid_utf8(field)) continue;
      throw input_error(path.string(), "line {}: expected UTF-8, got other bytes; convert the file",
                        row.line);
    }
  }
  return std::move(rows.rows);
}

}  // namespace refocus
