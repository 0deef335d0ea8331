// JSON: the one place of the program that parses it, and the one that writes it as text.
//
// What is read is RFC 8259's JSON in UTF-8, without a byte order mark (read_text_file drops a file's). Beyond
// the grammar, a text is refused that nests deeper than kJsonDepth objects and lists, has a key twice in one
// object, or a number too large for a double. So whatever is read may be walked by functions that call
// themselves (writing, comparing and freeing it), and holds all that the text says. Whole numbers that fit
// into 64 bits stay whole.
//
// Errors are InputErrors "[where] expected X at line L, column C, got Y; remedy"; columns count characters.
// Time and memory are proportional to the text.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace refocus {

inline constexpr int kJsonDepth = 64;

// Where a text is from, and what its reader can do about a fault.
struct JsonSource {
  std::string where;                             // the file, or FILE:LINE
  std::string_view remedy = "correct the file";  // the end of messages
  bool one_line = false;  // `where` says the line, so that messages say the column alone
};

nlohmann::json parse_json(std::string_view text, const JsonSource& source);
// Members in the order of the text.
nlohmann::ordered_json parse_ordered_json(std::string_view text, const JsonSource& source);
// The same; InputError where the whole is no object.
nlohmann::json parse_json_object(std::string_view text, const JsonSource& source);
nlohmann::ordered_json parse_ordered_json_object(std::string_view text, const JsonSource& source);

// The value, or nothing where the text has an error: for logs, whose damaged lines are passed over.
std::optional<nlohmann::json> json_or_nothing(std::string_view text);

// Only looks for the errors: for texts that a parser made for speed reads afterwards.
void check_json(std::string_view text, const JsonSource& source);

// JSON lines: one value a line. InputError where the text is no such file (base/record_kind.h).
struct JsonLine {
  std::string_view text;  // without its end; points into the file's text
  int number = 1;         // from 1
};
enum class BlankLines {
  kSkip,   // anywhere
  kAtEnd,  // only behind all others: InputError "[FILE:LINE] .. got a blank line" for one between them
};
std::vector<JsonLine> json_lines(std::string_view text, const std::string& file, BlankLines blank);

// Whether nothing but blanks, tabs and carriage returns is in the line.
bool is_blank_line(std::string_view line);

// The value as text, on one line or with that many blanks a level. Bytes in strings that are no UTF-8 (they
// may be in what a model wrote, or in the name of a file) become U+FFFD; NaN and infinities become null.
std::string json_text(const nlohmann::json& value, int indent = -1);
std::string json_text(const nlohmann::ordered_json& value, int indent = -1);

// Appends a text in UTF-8 as a JSON string, in quotation marks: for texts of so many strings that making
// values of them would take long.
void append_json_string(std::string& out, std::string_view text);

// What kind of value it is, for messages: "an object", "a list", "a text", "a number", "true or false",
// "null".
std::string_view json_kind(const nlohmann::json& value);
std::string_view json_kind(const nlohmann::ordered_json& value);

}  // namespace refocus
