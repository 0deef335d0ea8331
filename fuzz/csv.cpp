// Comma-separated values as they are, and as a table of named values.
#include "eval/text/csv_reader.h"

#include "base/error.h"
#include "eval/task/data_table.h"
#include "target.h"

REFOCUS_FUZZ_TARGET(csv) {
  using namespace refocus;
  const auto path = fuzz::write_scratch("data.csv", input);
  try {
    read_csv(input, "data.csv", ',', [&](CsvRow&& row) {
      for (const std::string& cell : row.cells)
        fuzz::require(cell.size() <= input.size(), "a cell is of the text");
    });
  } catch (const InputError& e) {
    fuzz::check_message(e.what(), input);
  }
  read_data_table(path);
}
