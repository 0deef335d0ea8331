#include "eval/text/csv_writer.h"

#include <csv.h>
#include <gtest/gtest.h>

#include <random>

#include "eval/text/csv_reader.h"
#include "support.h"

namespace refocus {
namespace {

using Rows = std::vector<std::vector<std::string>>;

struct Parsed {
  Rows rows{1};
};

// Reads with libcsv's strict parser, which refuses a quote out of place.
Rows parse(const std::string& text) {
  csv_parser parser;
  EXPECT_EQ(csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI), 0);
  Parsed parsed;
  const auto on_field = [](void* data, std::size_t size, void* to) {
    static_cast<Parsed*>(to)->rows.back().emplace_back(static_cast<const char*>(data), size);
  };
  const auto on_row = [](int, void* to) { static_cast<Parsed*>(to)->rows.emplace_back(); };
  EXPECT_EQ(csv_parse(&parser, text.data(), text.size(), on_field, on_row, &parsed), text.size())
      << csv_strerror(csv_error(&parser));
  EXPECT_EQ(csv_fini(&parser, on_field, on_row, &parsed), 0);
  csv_free(&parser);
  parsed.rows.pop_back();
  return parsed.rows;
}

std::string write(const Rows& rows) {
  std::string out;
  for (const auto& row : rows) append_csv_row(out, {row.begin(), row.end()});
  return out;
}

TEST(CsvWriter, QuotesWhereNeeded) {
  EXPECT_EQ(write({{"a", "b c", "", "True"}}), "a,b c,,True\n");
  EXPECT_EQ(write({{"a,b", "say \"hi\"", "two\nlines", "cr\rlf\r\n", " x", "x "}}),
            "\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\",\"cr\rlf\r\n\",\" x\",\"x \"\n");
}

TEST(CsvWriter, NastyTextComesBack) {
  const Rows rows = {{"question", "model_response", "n"},
                     {"a\"\"b\"", "\"", "\n"},
                     {"\r\n", ",,,", "\",\"\r"},
                     {std::string("nul\0inside", 10), "None", "NA"},
                     {"\xe4\xb8\xad, \xf0\x9f\x98\x80", "\t tab", "#=1+1"}};
  EXPECT_EQ(parse(write(rows)), rows);
  EXPECT_EQ(parse(write({{"cut \xf0\x9f\x98", "x"}})), (Rows{{"cut \xef\xbf\xbd", "x"}}));
}

TEST(CsvReader, RefusesACellThatNoModelCouldRead) {
  const auto read = [](const std::string& text) {
    std::vector<CsvRow> rows;
    read_csv(text, "q.csv", ',', [&](CsvRow&& row) { rows.push_back(std::move(row)); });
    return rows;
  };
  const std::string most(std::size_t{1} << 20, 'x');
  EXPECT_EQ(read("a,b\n" + most + ",\"" + most + "\"\n").at(1).cells, (std::vector<std::string>{most, most}));
  EXPECT_EQ(testing::error_of([&] { read("a,b\n1,\"" + most + "\n\"\n"); }),
            "[q.csv] expected at most 1048576 bytes in cell 2 of the row in line 2, got 1048577; shorten it, "
            "or close a quote before it");
}

TEST(CsvWriter, RandomTextComesBack) {
  std::mt19937 random(7);
  const std::string alphabet("\",\r\n \tab\0", 9);
  Rows rows;
  for (int r = 0; r < 500; ++r) {
    std::vector<std::string> row;
    for (int f = 0; f < 3; ++f) {
      std::string text = "x";  // libcsv reads a row of one empty field as no row
      for (unsigned n = random() % 12; n > 0; --n) text += alphabet[random() % alphabet.size()];
      row.push_back(text);
    }
    rows.push_back(row);
  }
  EXPECT_EQ(parse(write(rows)), rows);
}

}  // namespace
}  // namespace refocus
