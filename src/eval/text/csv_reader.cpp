#include "eval/text/csv_reader.h"

#include <csv.h>

#include <exception>
#include <memory>

#include "base/error.h"
#include "eval/text/text_limit.h"

namespace refocus {

namespace {

// What libcsv's callbacks write into.
struct Reading {
  const std::function<void(CsvRow&&)>& on_row;
  const std::string& where;
  CsvRow row = {};
  bool row_begun = false;
  std::exception_ptr failure = nullptr;  // an exception must not cross libcsv's C frames
};

void on_field(void* text, std::size_t size, void* data) {
  auto& reading = *static_cast<Reading*>(data);
  if (reading.failure) return;
  const std::string_view cell(static_cast<const char*>(text), size);
  try {
    if (size > kMostFieldBytes) {
      const std::size_t number = reading.row.cells.size() + 1;
      check_field_size(cell, reading.where,
                       fmt::format("cell {} of the row in line {}", number, reading.row.line));
    }
    reading.row.cells.emplace_back(cell);
  } catch (...) {
    reading.failure = std::current_exception();
  }
}

void on_row_end(int, void* data) {
  auto& reading = *static_cast<Reading*>(data);
  if (reading.failure) return;
  try {
    reading.on_row(std::move(reading.row));
  } catch (...) {
    reading.failure = std::current_exception();
  }
  reading.row = {};
  reading.row_begun = false;
}

}  // namespace

void read_csv(std::string_view text, const std::string& where, char delimiter,
              const std::function<void(CsvRow&&)>& on_row) {
  Reading reading{on_row, where};
  csv_parser parser;
  if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI) != 0) throw std::bad_alloc();
  const std::unique_ptr<csv_parser, decltype(&csv_free)> guard(&parser, csv_free);
  csv_set_blk_size(&parser, std::size_t{1} << 16);  // by how much the buffer of a cell grows
  csv_set_delim(&parser, static_cast<unsigned char>(delimiter));
  // Spaces are part of a field in RFC 4180; libcsv would strip them.
  csv_set_space_func(&parser, [](unsigned char) { return 0; });
  int line = 1;
  const auto check = [&](bool parsed) {
    if (reading.failure) std::rethrow_exception(reading.failure);
    if (!parsed) {
      throw input_error(where, "line {}: {}; expected RFC 4180 CSV with quotes doubled inside quotes", line,
                        csv_strerror(csv_error(&parser)));
    }
  };
  for (std::size_t at = 0; at < text.size(); ++line) {
    std::size_t end = text.find('\n', at);
    end = end == std::string_view::npos ? text.size() : end + 1;
    if (!reading.row_begun && text.find_first_not_of("\r\n", at) < end) {
      reading.row_begun = true;
      reading.row.line = line;
    }
    check(csv_parse(&parser, text.data() + at, end - at, on_field, on_row_end, &reading) == end - at);
    at = end;
  }
  check(csv_fini(&parser, on_field, on_row_end, &reading) == 0);
}

}  // namespace refocus
