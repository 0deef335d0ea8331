// Data files of each format, and what is no such file.
#include "eval/task/data_table.h"

#include "base/text_file.h"
#include "support.h"

namespace refocus {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using testing::TempDir;
using Kind = DataValue::Kind;

class DataTable : public ::testing::Test {
 protected:
  std::vector<DataRow> read(const std::string& name, std::string_view text) {
    write_file_atomically(dir / name, text);
    return read_data_table(dir / name);
  }
  std::string error(const std::string& name, std::string_view text) {
    return error_of([&] { read(name, text); });
  }
  TempDir dir;
};

TEST_F(DataTable, ReadsSeparatedValues) {
  const auto rows = read("d.csv", "\xEF\xBB\xBFq,a\r\n\"x, \"\"y\"\"\r\nz\",1\r\n\r\n {q} ,\r\n");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].text("q"), "x, \"y\"\r\nz") << "BOM and CRLF belong to no cell";
  EXPECT_EQ(rows[0].text("a"), "1");
  EXPECT_EQ(rows[1].text("q"), " {q} ") << "blanks do";
  EXPECT_EQ(rows[1].text("a"), "");
  EXPECT_THAT(rows[1].where, HasSubstr("d.csv row 2 (line 5)"));
  EXPECT_EQ(read("d.tsv", "q\ta\nx, y\t2\n")[0].text("q"), "x, y");
  const std::string nul("q\na\0b\n", 6);
  EXPECT_EQ(read("n.csv", nul)[0].text("q"), std::string("a\0b", 3));
  const std::string huge(1 << 20, 'h');
  EXPECT_EQ(read("h.csv", "q\n\"" + huge + "\"\n")[0].text("q"), huge);
}

TEST_F(DataTable, ReadsJson) {
  const std::string row = R"({"t":"é\u0000","n":1.50,"b":true,"l":["x",2],"z":null,"o":{"a":1},"m":[["x"]]})";
  for (const auto& rows : {read("d.jsonl", "\xEF\xBB\xBF" + row + "\r\n" + row + "\n\n"),
                           read("d.json", "[" + row + "," + row + "]")}) {
    ASSERT_EQ(rows.size(), 2u);
    EXPECT_EQ(rows[1].text("t"), std::string("é\0", 3));
    EXPECT_EQ(rows[1].text("n"), "1.5");
    EXPECT_EQ(rows[1].text("b"), "true");
    EXPECT_EQ(rows[1].find("l")->list, (std::vector<std::string>{"x", "2"}));
    EXPECT_EQ(rows[1].find("z")->kind, Kind::kNull);
    EXPECT_EQ(rows[1].find("o")->kind, Kind::kOther);
    EXPECT_EQ(rows[1].find("m")->kind, Kind::kOther);
    EXPECT_EQ(rows[1].find("none"), nullptr);
    EXPECT_THAT(error_of([&] { rows[1].text("l"); }), HasSubstr("row 2"));
    EXPECT_THAT(error_of([&] { rows[1].text("none"); }), HasSubstr("got only t, n, b, l, z, o, m"));
  }
}

// What the file begins with, a row may not: parsers of JSON would pass it over in silence.
TEST_F(DataTable, AByteOrderMarkStandsAtTheStartOnly) {
  const std::string mark = "\xEF\xBB\xBF", row = R"({"t":"x"})";
  EXPECT_EQ(read("d.json", mark + "[" + row + "]")[0].text("t"), "x");
  EXPECT_EQ(read("d.tsv", mark + "t\tu\n" + mark + "1\t2\n")[0].text("t"), mark + "1") << "content of a cell";
  EXPECT_THAT(
      error("d.jsonl", mark + row + "\n" + mark + row + "\n"),
      HasSubstr("row 2 (line 2)] expected JSON with a value at column 1, got a byte order mark (U+FEFF)"));
  EXPECT_THAT(error("d.csv", "\xFF\xFEt"), HasSubstr("got the byte order mark of UTF-16"));
}

TEST_F(DataTable, RefusesWhatIsNoTable) {
  EXPECT_THAT(error("d.txt", "x"), HasSubstr("ends in .csv, .tsv, .jsonl or .json, got '.txt'"));
  EXPECT_THAT(error("d.csv", ""), HasSubstr("at least one row"));
  EXPECT_THAT(error("d.csv", "a,b\n"), HasSubstr("at least one row"));
  EXPECT_THAT(error("d.csv", "a,a\n1,2\n"), HasSubstr("d.csv:1] expected columns of different names"));
  EXPECT_THAT(error("d.csv", "a,\n1,2\n"), HasSubstr("a name in column 2"));
  EXPECT_THAT(error("d.csv", "a,b\n1,2\n3\n"), HasSubstr("row 2 (line 3)] expected 2 cells"));
  EXPECT_THAT(error("d.csv", "a\n\"x\n"), HasSubstr("RFC 4180"));
  EXPECT_THAT(error("d.csv", "a\n\xFF\n"), HasSubstr("row 1 (line 2)] expected UTF-8"));
  EXPECT_THAT(error("d.jsonl", "{\"a\":1}\n\n{\"a\":2}\n"), HasSubstr("d.jsonl:2] expected a JSON object"));
  EXPECT_THAT(error("d.jsonl", "{\"a\":1}\n[]\n"),
              HasSubstr("row 2 (line 2)] expected a JSON object, got array"));
  EXPECT_THAT(error("d.jsonl", "{\"a\":\"\xFF\"}\n"),
              HasSubstr("row 1 (line 1)] expected UTF-8, got other bytes at column 7"));
  EXPECT_THAT(error("d.json", "{}"), HasSubstr("name it .jsonl"));
  EXPECT_THAT(error("d.json", "[1]"), HasSubstr("d.json row 1"));
  const std::string long_text((std::size_t{1} << 20) + 1, 'x');
  EXPECT_THAT(error("d.jsonl", "{\"a\":\"" + long_text + "\"}\n"),
              HasSubstr("row 1 (line 1)] expected at most 1048576 bytes in field 'a', got 1048577"));
  EXPECT_THAT(error("d.json", std::string(100000, '[')), HasSubstr("nested too deeply"));
}

}  // namespace
}  // namespace refocus
